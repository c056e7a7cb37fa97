//! Loss, for lines whose buffer is too short for a delay to be seen.
//!
//! A line that is too full and a radio that loses now and then look the same at first. They differ in what a slower
//! rate does to them: so loss is believed a few times, and if that changes nothing it is not believed for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::path::Step;
use crate::base::PeerKey;

/// Segments are counted for this long at least before anything is said,
pub(super) const LOSS_ROUND: Duration = Duration::from_secs(2);
/// and until so many were sent.
const LEAST_SENT: u32 = 100;
/// A connection has its say when so many of its own were sent, and complains when so many were lost.
const LEAST_OF_ONE: u32 = 20;
const LEAST_LOST: u32 = 2;
/// More than this part lost is a complaint; TCP itself causes less when it probes.
const COMPLAINT: f64 = 0.01;
/// How often loss is answered by a lower rate than the last. Together that lowers it by a quarter, which is more than any
/// overshoot of ours: what goes on then is not our doing.
pub(super) const BELIEVED: u32 = 3;
/// How long loss then says nothing.
const DEAF: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Count {
    connections: u32,
    complaining: u32,
    sent: u32,
    lost: u32,
}

#[derive(Debug)]
pub(super) struct Losses {
    began: Instant,
    /// Segments sent, and sent again, by each connection in this round.
    count: BTreeMap<PeerKey, (u32, u32)>,
    /// Segments sent by all of them.
    sent: u32,
    deaf_until: Option<Instant>,
}

impl Losses {
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            count: BTreeMap::new(),
            sent: 0,
            deaf_until: None,
        }
    }

    pub fn add(&mut self, peer: PeerKey, step: Step) {
        // So that no more are counted than segments end a round.
        if step.segments_out == 0 {
            return;
        }
        let (sent, lost) = self.count.entry(peer).or_default();
        *sent = sent.saturating_add(step.segments_out);
        self.sent = self.sent.saturating_add(step.segments_out);
        *lost = lost.saturating_add(step.resent);
    }

    /// Whether a round ends now in which too much was lost.
    pub fn complain(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.began) < LOSS_ROUND || self.sent < LEAST_SENT {
            return false;
        }
        let count = self.end_round(now);
        let part = f64::from(count.lost) / f64::from(count.sent);
        let deaf = self.deaf_until.is_some_and(|until| now < until);
        // One connection's loss is its own.
        !deaf
            && part > COMPLAINT
            && count.complaining > 0
            && 2 * count.complaining >= count.connections
    }

    /// It was believed in vain.
    pub fn ignore(&mut self, now: Instant) {
        self.deaf_until = Some(now + DEAF);
    }

    fn end_round(&mut self, now: Instant) -> Count {
        (self.began, self.sent) = (now, 0);
        let mut count = Count::default();
        for (sent, lost) in std::mem::take(&mut self.count).into_values() {
            count.sent = count.sent.saturating_add(sent);
            count.lost = count.lost.saturating_add(lost);
            if sent >= LEAST_OF_ONE {
                count.connections += 1;
                let complains = lost >= LEAST_LOST && f64::from(lost) > COMPLAINT * f64::from(sent);
                count.complaining += u32::from(complains);
            }
        }
        count
    }
}
