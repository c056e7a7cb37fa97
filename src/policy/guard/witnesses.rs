//! The connections as witnesses of the same queue: who is asked, and what nearly all agree on.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::loss::Losses;
use super::path::{Path, Sample};
use super::{HIGH, LOW, PAUSE};
use crate::base::PeerKey;

/// Which of the connections is believed: the one below which a quarter of them are. Many may have a queue elsewhere, and
/// none sees less of one than there is.
const QUANTILE: f64 = 0.25;
/// A measurement counts for a round: the time in which each connection is served once, so that all are asked, and not only
/// those whose acknowledgements come slowest. A round is this long at least, and this long at most;
const ROUND: (Duration, Duration) = (Duration::from_millis(400), Duration::from_secs(4));
/// it is reckoned from what a connection is given at a time, bytes on the wire, with a margin,
pub(super) const TURN: f64 = 17_000.0 * 1.25;
/// for so many connections at most: more need not be asked.
const ASKED: usize = 5;
/// Connections that are remembered, and for how long after their last sample.
pub(super) const PATHS: usize = 256;
pub(super) const REMEMBERED: Duration = Duration::from_secs(300);
/// Headers of a segment: IPv4, TCP, timestamps.
const HEADERS: f64 = 52.0;
/// What was acknowledged lately.
const LATELY: Duration = Duration::from_millis(400);

/// What they agree on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    /// Seconds of queueing.
    pub delay: f64,
    /// How many were asked.
    pub voices: usize,
}

#[derive(Debug, Default)]
pub(super) struct Witnesses {
    paths: BTreeMap<PeerKey, Path>,
    /// What those who have a vote said last, seconds, and when.
    heard: Option<(f64, Instant)>,
    /// Bytes acknowledged, with headers, and when.
    acked: VecDeque<(Instant, f64)>,
}

impl Witnesses {
    /// Takes in samples, and what was lost.
    pub fn take(&mut self, samples: &[Sample], losses: &mut Losses, now: Instant) {
        let mut acked = 0.0;
        for sample in samples {
            let Some(path) = self.paths.get_mut(&sample.peer) else {
                self.remember(*sample, now);
                continue;
            };
            let step = path.take(*sample, now);
            losses.add(sample.peer, step);
            acked += step.acked as f64 * (1.0 + HEADERS / f64::from(sample.mss.max(1)));
        }
        self.acked.push_back((now, acked));
        while let Some((at, _)) = self.acked.front()
            && now.saturating_duration_since(*at) >= LATELY
        {
            self.acked.pop_front();
        }
        let old = |path: &Path| now.saturating_duration_since(path.seen) > REMEMBERED;
        self.paths.retain(|_, path| !old(path));
    }

    fn remember(&mut self, sample: Sample, now: Instant) {
        if self.paths.len() >= PATHS {
            let oldest = self.paths.iter().min_by_key(|(_, path)| path.seen);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.paths.remove(&oldest);
            }
        }
        let path = Path::new(sample, self.saw_none(), now);
        self.paths.insert(sample.peer, path);
    }

    /// Whether those who have a vote saw no queue, as far as anybody knows.
    fn saw_none(&self) -> bool {
        self.heard.is_none_or(|(delay, _)| delay < LOW)
    }

    /// Bytes on the wire per second that were acknowledged lately.
    pub fn acked(&self) -> f64 {
        let acked: f64 = self.acked.iter().map(|(_, bytes)| bytes).sum();
        acked / LATELY.as_secs_f64()
    }

    /// The queue that nearly all agree on, if anybody can say; `sent` is the rate at which they are served, bytes per second
    /// and not nothing.
    pub fn ask(&mut self, sent: f64, now: Instant) -> Option<Word> {
        let lately = |at: Instant| now.saturating_duration_since(at) < PAUSE;
        self.heard = self.heard.filter(|(_, at)| lately(*at));
        let (clear, fresh) = (self.saw_none(), self.round(sent, now));
        let (mut free, mut held_back, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for path in self.paths.values_mut() {
            let Some(delay) = path.delay(fresh, now) else {
                continue;
            };
            if !path.votes(clear, LOW, now) {
                new.extend(path.may_stand_in().then_some(delay));
            } else if path.is_held_back(now) {
                held_back.push(delay);
            } else {
                free.push(delay);
            }
        }
        // Whoever is held back by something else speaks only where there is nobody better: it may be us after all. And
        // newcomers, only where there is nobody else.
        let strangers = free.is_empty() && held_back.is_empty();
        let known = self.heard.is_some();
        let mut votes = [free, held_back, new]
            .into_iter()
            .find(|votes| !votes.is_empty())?;
        votes.sort_by(f64::total_cmp);
        let at = (QUANTILE * votes.len().saturating_sub(1) as f64) as usize;
        let delay = votes.get(at).copied()?;
        if !strangers {
            self.heard = Some((delay, now));
        }
        let word = Word {
            delay,
            voices: votes.len(),
        };
        // Newcomers may have brought along that they see no queue, but not that they see one. Those who know the line will
        // be served again.
        (!strangers || !known || delay > HIGH).then_some(word)
    }

    /// How long it takes to ask everybody who is being served.
    fn round(&self, sent: f64, now: Instant) -> Duration {
        let (least, most) = ROUND;
        let active = |path: &&Path| path.delay(most, now).is_some();
        let active = self.paths.values().filter(active).count();
        let round = active.min(ASKED) as f64 * TURN / sent;
        Duration::from_secs_f64(round).clamp(least, most)
    }

    /// What a queue would have done by now, if what they see were one; says whether it was none.
    pub fn doubt(&mut self, suspected: bool, now: Instant) -> bool {
        let mut accepted = false;
        for path in self.paths.values_mut() {
            path.suspect(suspected, now);
            accepted |= path.accept(now);
        }
        accepted
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.paths.len()
    }
}
