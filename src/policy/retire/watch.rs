//! What became of those who were trusted, and the time in which something would have been heard of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Rule;
use super::relay::Relay;

/// A look that comes this much later than it was asked for was slept through: the machine, or this process, stood still.
const OVERSLEPT: Duration = Duration::from_secs(60);

/// One look: what time it is, and when the next one is due. Every question about time goes through it, so that none is
/// forgotten when the owner of the clock asks how long it may rest.
#[derive(Debug)]
pub(super) struct Look {
    pub now: Instant,
    /// The earliest moment at which one of the questions asked gets another answer.
    pub again: Option<Instant>,
}

impl Look {
    pub fn new(now: Instant) -> Self {
        Self { now, again: None }
    }

    /// Whether it is as late as this.
    pub fn reached(&mut self, when: Instant) -> bool {
        let reached = self.now >= when;
        if !reached {
            self.again = Some(self.again.map_or(when, |again| again.min(when)));
        }
        reached
    }
}

/// Time in touch, and those who were trusted.
///
/// Silence counts only while something beyond this machine answers, and only while somebody listens: a line that is
/// down for a day, or a machine that slept, makes nobody disappear.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    /// How long we were in touch in all.
    online: Duration,
    in_touch: bool,
    /// When it was last looked, and when that look wanted the next.
    looked: Option<(Instant, Option<Instant>)>,
    sights: BTreeMap<SocketAddr, Sight>,
}

/// When one was last seen.
#[derive(Debug, Clone, Copy)]
struct Sight {
    at: Instant,
    /// The time in touch at that moment.
    online: Duration,
    /// Looks that failed while we were out of touch, which say nothing.
    excused: u32,
}

/// Why one that was trusted is not believed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loss {
    /// It was looked for and not found, or found lacking.
    NotFound,
    /// Nothing was heard of it for long.
    Unheard,
    /// It served a block that is not ours.
    False,
}

impl Watch {
    /// Lets time pass; true when the machine slept meanwhile.
    pub fn pass(&mut self, in_touch: bool, now: Instant) -> bool {
        let mut slept = false;
        if let Some((at, again)) = self.looked {
            slept = again.is_some_and(|again| now > again + OVERSLEPT);
            let listened = again.filter(|_| slept).unwrap_or(now);
            if self.in_touch {
                self.online += listened.saturating_duration_since(at);
            }
        }
        self.in_touch = in_touch;
        slept
    }

    /// Ends a look: this is when the next one is wanted, and only these are watched on.
    pub fn rest(&mut self, look: &Look, relays: &[Relay]) {
        self.looked = Some((look.now, look.again));
        if !self.sights.is_empty() {
            let listed: BTreeSet<SocketAddr> = relays.iter().map(|relay| relay.addr).collect();
            self.sights.retain(|addr, _| listed.contains(addr));
        }
    }

    /// The time in touch until now.
    pub fn online(&self) -> Duration {
        self.online
    }

    /// Whether we have been in touch for as long as this in all.
    pub fn reached(&self, online: Duration, look: &mut Look) -> bool {
        let left = online.saturating_sub(self.online);
        if left > Duration::ZERO && self.in_touch {
            look.reached(look.now + left);
        }
        left == Duration::ZERO
    }

    /// What became of one that is trusted, or was; none while it is believed.
    pub fn loss(&mut self, relay: &Relay, rule: &Rule, look: &mut Look) -> Option<Loss> {
        if !relay.is_trusted() {
            let was_trusted = self.sights.contains_key(&relay.addr);
            return (was_trusted && relay.refuted).then_some(Loss::False);
        }
        let sight = self.sight(relay, look.now)?;
        if relay.connected {
            return None;
        }
        let missed = relay.missed.saturating_sub(sight.excused);
        if missed >= rule.missed && self.reached(sight.online + rule.patience, look) {
            return Some(Loss::NotFound);
        }
        let unheard = self.reached(sight.online + rule.forget, look);
        unheard.then_some(Loss::Unheard)
    }

    /// Writes down when it was last seen.
    fn sight(&mut self, relay: &Relay, now: Instant) -> Option<Sight> {
        let seen = relay.seen(now)?;
        let (online, in_touch) = (self.online, self.in_touch);
        let fresh = Sight {
            at: seen,
            online: online.saturating_sub(now.saturating_duration_since(seen)),
            excused: 0,
        };
        let sight = self.sights.entry(relay.addr).or_insert(fresh);
        if seen > sight.at {
            *sight = fresh;
        }
        if !in_touch || relay.missed < sight.excused {
            sight.excused = relay.missed;
        }
        Some(*sight)
    }
}
