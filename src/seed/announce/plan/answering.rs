//! Answers: what they change, and when the next announce is.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use super::{Job, Plan, Slot};
use crate::base::Timestamp;
use crate::seed::announce::answer::{AnnounceError, Answer, Event};

/// Shortest interval kept, whatever the tracker says.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);

/// Longest interval kept: a tracker that says more would forget us before.
const LONGEST_INTERVAL: Duration = Duration::from_secs(6 * 3600);

/// The interval with a tracker that does not say: what most trackers say.
const USUAL_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// First pause after a refusal; it doubles with each. Refusals rarely pass in minutes.
const FIRST_REFUSAL_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Longest pause after refusals the tracker itself gave no time for.
const LONGEST_REFUSAL_PAUSE: Duration = Duration::from_secs(4 * 3600);

impl Plan {
    /// Takes what came of a job. Peers to pass on come back.
    pub fn answered(
        &mut self,
        now: Instant,
        wall: Timestamp,
        job: &Job,
        outcome: Result<Answer, AnnounceError>,
    ) -> Vec<SocketAddr> {
        let ticket = &job.ticket;
        self.in_flight = self.in_flight.saturating_sub(1);
        if outcome.is_ok() && !job.target.is_loopback() {
            self.answered_at = Some(now);
        }
        let trouble = outcome
            .as_ref()
            .err()
            .filter(|error| !error.concerns_torrent_only());
        let released =
            self.endpoints
                .answered(&ticket.url, now, trouble, self.closing, &mut self.rng);
        for slot in released {
            self.release(slot, now);
        }
        let slot = ticket.slot;
        let torrent = self.torrents.get_mut(&slot.info_hash);
        let current = torrent.filter(|torrent| torrent.serial == ticket.serial);
        let (Some(torrent), true) = (current, ticket.event != Event::Stopped) else {
            self.answered_too_late(now, job, outcome.is_ok());
            return Vec::new();
        };
        let completed = torrent.completed;
        let Some(tier) = torrent.tiers.get_mut(usize::from(slot.tier)) else {
            return Vec::new();
        };
        tier.asking = false;
        let Some(at) = tier
            .trackers
            .iter()
            .position(|tracker| tracker.url == ticket.url)
        else {
            return Vec::new();
        };
        let tracker = &mut tier.trackers[at];
        let (when, peers) = match outcome {
            Ok(answer) => {
                let before = tracker.seeds();
                tracker.accept(wall, ticket, &answer);
                if before > tracker.seeds() {
                    self.fallen.insert(slot.info_hash);
                }
                let owes_completed = completed && tracker.told_lacking;
                tier.trackers[..=at].rotate_right(1);
                let wait = if owes_completed {
                    Duration::ZERO
                } else {
                    interval(&answer)
                };
                (now + wait, answer.peers)
            }
            Err(error) => {
                if error.concerns_torrent_only() {
                    let pause = refusal_pause(&error, tracker.refusals, &mut self.rng);
                    tracker.refuse(now + pause, &error);
                }
                // Another tracker of the tier may take over at once.
                (now, Vec::new())
            }
        };
        self.schedule(slot, when);
        peers
    }

    /// The torrent was removed, or added anew, while the answer was under way.
    fn answered_too_late(&mut self, now: Instant, job: &Job, accepted: bool) {
        let slot = job.ticket.slot;
        let known = self.torrents.get_mut(&slot.info_hash);
        if job.ticket.event != Event::Stopped {
            if accepted && known.is_none() {
                let mut farewell = job.clone();
                farewell.ticket.event = Event::Stopped;
                farewell.request.event = Event::Stopped;
                farewell.request.want = 0;
                self.bid_farewell(farewell);
            }
            return;
        }
        // It was told that we left, and we are there again.
        let Some(torrent) = known else { return };
        for number in torrent.forget_greeting(&job.ticket.url) {
            self.schedule(
                Slot {
                    tier: number,
                    ..slot
                },
                now,
            );
        }
    }
}

fn interval(answer: &Answer) -> Duration {
    let said = answer.interval.unwrap_or(USUAL_INTERVAL);
    let said = said.max(answer.min_interval.unwrap_or_default());
    said.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
}

fn refusal_pause(error: &AnnounceError, refusals: u8, rng: &mut StdRng) -> Duration {
    match error {
        AnnounceError::Refused {
            retry: Some(retry), ..
        } => (*retry).max(SHORTEST_INTERVAL),
        _ => backoff(FIRST_REFUSAL_PAUSE, LONGEST_REFUSAL_PAUSE, refusals, rng),
    }
}

/// `first`, doubled `times`, at most `longest`, and a quarter more or less so that those who failed together do not come
/// back together.
pub(super) fn backoff(first: Duration, longest: Duration, times: u8, rng: &mut StdRng) -> Duration {
    let pause = first.saturating_mul(1 << times.min(16)).min(longest);
    pause.mul_f64(rng.random_range(0.75..1.25))
}
