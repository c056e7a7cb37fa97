//! Asking: which job is next, and what it says.

use std::sync::Arc;
use std::time::Instant;

use super::torrent::{Choice, Torrent, Tracker};
use super::{Job, Plan, Slot, Ticket};
use crate::seed::announce::answer::{Event, Request};
use crate::seed::announce::target::Target;

/// Requests under way together. An idle box makes one in two seconds; this bounds sockets when a thousand torrents start.
const IN_FLIGHT: usize = 16;

/// The same while shutting down, when what is not sent in time is not sent at all.
const IN_FLIGHT_CLOSING: usize = 64;

/// Peers wanted in an answer. An origin is found rather than finds; these are for probing.
const WANT: u32 = 50;

impl Plan {
    fn has_room(&self) -> bool {
        let limit = if self.closing {
            IN_FLIGHT_CLOSING
        } else {
            IN_FLIGHT
        };
        self.in_flight < limit
    }

    /// What is to be asked now. Each job is to be followed by [`Plan::answered`].
    pub fn poll(&mut self, now: Instant) -> Vec<Job> {
        let mut jobs = Vec::new();
        while self.port != 0 && self.has_room() {
            let job = match self.next_farewell(now) {
                Some(job) => job,
                None => match self.due.first().copied() {
                    Some((when, slot)) if when <= now => match self.consider(now, slot) {
                        Some(job) => job,
                        None => continue,
                    },
                    _ => break,
                },
            };
            self.endpoints.ask(&job.ticket.url);
            if job.ticket.event == Event::Stopped {
                self.endpoints.leave(&job.ticket.url);
            }
            self.in_flight += 1;
            jobs.push(job);
        }
        jobs
    }

    /// When [`Plan::poll`] has something to say next, unless an answer comes before.
    pub fn next_wake(&self) -> Option<Instant> {
        let open = self.port != 0 && self.has_room();
        self.due.first().filter(|_| open).map(|(when, _)| *when)
    }

    fn next_farewell(&mut self, now: Instant) -> Option<Job> {
        // Nobody waits for a tracker in trouble just to say goodbye.
        self.drop_farewells(|endpoints, job| {
            let ready_at = endpoints.ready_at(&job.ticket.url);
            ready_at.is_some_and(|at| at > now)
        });
        let (endpoints, closing) = (&self.endpoints, self.closing);
        let free = self
            .farewells
            .iter()
            .position(|job| !endpoints.is_busy(&job.ticket.url, closing))?;
        self.farewells.remove(free)
    }

    /// Decides about a slot that is due: a job, or a later time, or a place in the tracker's queue.
    fn consider(&mut self, now: Instant, slot: Slot) -> Option<Job> {
        self.unschedule(slot);
        let torrent = self.torrents.get_mut(&slot.info_hash)?;
        let tier = torrent.tiers.get_mut(usize::from(slot.tier))?;
        if tier.asking {
            return None;
        }
        match tier.choose(now, &self.endpoints) {
            Choice::Never => None,
            Choice::Later(when) => {
                self.schedule(slot, when);
                None
            }
            Choice::Ask(at) => {
                let url = tier.trackers[at].url.clone();
                if self.endpoints.is_busy(&url, self.closing) {
                    if !tier.waiting {
                        tier.waiting = true;
                        self.endpoints.wait(&url, slot);
                    }
                    return None;
                }
                let target = self.endpoints.target(&url)?;
                tier.asking = true;
                let torrent = &self.torrents[&slot.info_hash];
                let tracker = &torrent.tiers[usize::from(slot.tier)].trackers[at];
                Some(self.job(slot, torrent, tracker, target, torrent.event_for(tracker)))
            }
        }
    }

    pub(super) fn job(
        &self,
        slot: Slot,
        torrent: &Torrent,
        tracker: &Tracker,
        target: Arc<Target>,
        event: Event,
    ) -> Job {
        Job {
            ticket: Ticket {
                slot,
                serial: torrent.serial,
                url: tracker.url.clone(),
                event,
                lacking: torrent.figures.left > 0,
            },
            target,
            request: Request {
                info_hash: slot.info_hash,
                peer_id: self.peer_id,
                port: self.port,
                figures: torrent.figures,
                event,
                key: torrent.key,
                want: if event == Event::Stopped { 0 } else { WANT },
                tracker_id: tracker.tracker_id.clone(),
            },
        }
    }
}
