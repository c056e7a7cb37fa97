//! The latency guard: how much the uplink may carry so that nobody else in the house notices.
//!
//! There is no server to ping. The witnesses are the connections the box sends on anyway: when the uplink queues, all
//! their round trips grow at once by what the queue takes, and the kernel says how long they take. So the guard looks at
//! them ten times a second, takes the queue to be what nearly all of them agree on, and keeps the rate at the edge of it:
//! down by a part when there is a queue, up slowly when there is none. Others' traffic in the same queue lowers the rate
//! like ours; when it is gone, the rate comes back.
//!
//! What the delay of one connection says is in [`path`]; what all of them say, in [`witnesses`]; what lost segments say, in
//! [`loss`]. Constants without a source
//! are those that a prototype on shaped lines arrived at.

use std::fmt;
use std::time::{Duration, Instant};

mod loss;
mod path;
mod witnesses;

use loss::{BELIEVED, LOSS_ROUND, Losses};
pub use path::Sample;
use witnesses::{TURN, Witnesses, Word};

/// How often [`Guard::tick`] wants to be called: some round trips, and half of what a caller would notice.
pub const TICK: Duration = Duration::from_millis(100);
/// A queue longer than this is one, seconds; a family's call notices 50 ms.
const HIGH: f64 = 0.015;
/// And shorter than this it is none: what acknowledgements and timers are late by.
const LOW: f64 = 0.009;
/// Ticks in a row that must find a queue: one may be a slow reader's.
const HIGH_TICKS: u32 = 2;
/// And how many must agree for one tick to be enough, where the queue is a long one.
const MANY: usize = 3;

/// The first rate, bytes per second: what the slowest lines of today carry.
const START: f64 = 64_000.0;
/// Ticks in a row that find a queue before that is taken to be too much.
const START_TICKS: u32 = 30;
/// Growth per second while nothing is known of the line.
const LEARN: f64 = 0.25;
/// Growth per second on the way back to what the line carried before.
const REFILL: f64 = 0.70;
/// And how much of that is taken back so quickly.
const REFILL_TO: f64 = 0.9;
/// Growth per second near what the line carries.
const CREEP: f64 = 0.02;
/// After so many seconds without a queue the line carries more than it did (near its limit, one comes every six or so):
/// growth doubles every so many seconds, up to that of a start.
const QUIET: f64 = 7.5;
const QUIET_DOUBLES: f64 = 1.5;
/// Nothing is learnt from allowance that is not used: it grows only while so much of it is.
const USED: f64 = 0.8;
/// Over about so many seconds, and over so many turns: at a low rate one is a large part of a second's allowance.
const USED_OVER: f64 = 1.0;
const USED_TURNS: f64 = 3.0;

/// A cut takes the rate down to this part of it, or of what was acknowledged lately, but not below [`CUT_MOST`].
const CUT: f64 = 0.95;
const CUT_ACKED: f64 = 0.9;
const CUT_MOST: f64 = 0.6;
/// Allowance that was not used is cut off before that, by so much at most: it may be used since a moment only.
const CUT_UNUSED: f64 = 0.7;
/// A queue longer than this, seconds, is cut by a quarter at least.
const LONG: f64 = 0.045;
const CUT_LONG: f64 = 0.75;
/// A queue that others are part of, or that came quickly, is emptied within so many seconds, at so much of the rate at most.
const DRAINS: f64 = 0.25;
const DRAINS_MOST: f64 = 0.25;
/// A cut is not repeated, nor the rate raised, before its effect can be seen: the queue must have gone past.
const HOLD: Duration = Duration::from_millis(120);
/// After that it is repeated at once if the queue is not shorter than this part of what it was, and otherwise after a while.
const UNMOVED: f64 = 0.75;
const AGAIN: Duration = Duration::from_millis(600);
/// Cuts that follow one another within this time, or between which the rate did not grow by a twentieth, are answers to
/// the same thing: what the line carried is what it carried before the first of them.
const SERIES: Duration = Duration::from_millis(1500);
const SERIES_GROWTH: f64 = 1.05;
/// A way back that ran into a queue had gone past it by so much before that was seen.
const OVERSHOT: f64 = 0.85;
/// Several cuts that come to less than this part are not answered by a shorter queue: it is others'.
const SHARED_BELOW: f64 = 0.85;
/// Loss speaks where no queue does: on a line that had one within this time, what is lost is lost to a full queue, or on
/// the peers' own way.
const HAS_BUFFER: Duration = Duration::from_secs(300);
/// A queue that stays as it is while the rate falls below this part may be none (see [`path`]).
const DOUBTED_BELOW: f64 = 0.5;
/// What loss takes.
const CUT_LOSS: f64 = 0.9;
/// Loss at so much of the rate before is the same again.
const CREPT_BACK: f64 = 0.97;

/// The least the guard leaves, bytes per second: too little to be noticed on any line, enough for round trips to be seen.
const FLOOR: f64 = 24_000.0;
/// And this part of what the line carried, so that the box is slow beside a long upload, but does not stop.
const FLOOR_PART: f64 = 0.05;
/// Where that is still too much, the line is not what it was: after so long it is forgotten, by a part each second.
const PINNED: Duration = Duration::from_secs(30);
const PINNED_FORGETS: f64 = 0.05;
/// No line is faster, bytes per second: 10 Gbit/s.
const MOST: f64 = 1.25e9;

/// After so long without a measurement the line may be another: it is approached from below again.
const PAUSE: Duration = Duration::from_secs(30);
const AFTER_PAUSE: f64 = 0.5;

/// Why the rate is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No connection says anything of the line yet.
    Unknown,
    /// Nothing queues, and the rate grows.
    Growing,
    /// Nothing queues, and the rate returns to what the line carried.
    Returning,
    /// What is allowed is not used up.
    Unused,
    /// It carries what it can.
    Full,
    /// It queues, and lowering the rate did not help: others use it.
    Shared,
    /// Too much is lost on the way.
    Lossy,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "waiting to see what the line carries",
            Self::Growing => "feeling its way up",
            Self::Returning => "returning to what the line carried",
            Self::Unused => "the line carries more than is asked for",
            Self::Full => "the line is full",
            Self::Shared => "the line is in use by others",
            Self::Lossy => "the line loses what is sent faster",
        })
    }
}

/// What the guard says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ruling {
    /// Bytes per second on the wire that the uplink may carry.
    pub rate: u64,
    /// How long the uplink's queue takes now; nothing when nobody could say.
    pub delay: Duration,
    /// Why.
    pub reason: Reason,
}

/// A rate that was lowered.
#[derive(Debug, Clone, Copy)]
struct Cut {
    at: Instant,
    /// The rate after it.
    to: f64,
    delay: f64,
    until: Instant,
}

/// A rate that was lowered for loss: what it was before, what was known of the line, and how often.
#[derive(Debug, Clone, Copy)]
struct Lossy {
    rate: f64,
    good: Option<f64>,
    answers: u32,
}

/// Watches one uplink. Time is an argument.
#[derive(Debug)]
pub struct Guard {
    rate: f64,
    /// What the line carried when it queued last; none before it did.
    good: Option<f64>,
    /// The most it carried, for the floor.
    best: f64,
    /// Seconds of queueing; none when nobody could say.
    delay: Option<f64>,
    high: u32,
    cut: Option<Cut>,
    /// Cuts in a row that answer the same thing, and the rate before the first.
    series: (u32, f64),
    /// Whether the rate is on its way back to `good`.
    returning: bool,
    /// Seconds in which the rate was raised since the line queued.
    quiet: f64,
    /// Since when the rate is at the floor and the line queues all the same.
    pinned: Option<Instant>,
    /// Bytes per second that were sent, and that were allowed, smoothed.
    sent: f64,
    allowed: f64,
    witnesses: Witnesses,
    losses: Losses,
    lossy: Option<Lossy>,
    /// When a queue was answered last.
    queued: Option<Instant>,
    /// The last tick, and the last measurement.
    at: Instant,
    measured: Instant,
    reason: Reason,
}

impl Guard {
    /// A guard that knows nothing of its line. `cap` is the owner's limit in bytes per second, if he set one: his word for
    /// what the line carries, so that there is no need to feel the way up to it.
    pub fn new(cap: Option<u64>, now: Instant) -> Self {
        let rate = cap.map_or(START, |cap| (cap as f64).clamp(FLOOR, MOST));
        Self {
            rate,
            good: None,
            best: 0.0,
            delay: None,
            high: 0,
            cut: None,
            series: (0, rate),
            returning: false,
            quiet: 0.0,
            pinned: None,
            sent: 0.0,
            allowed: rate,
            witnesses: Witnesses::default(),
            losses: Losses::new(now),
            lossy: None,
            queued: None,
            at: now,
            measured: now,
            reason: Reason::Unknown,
        }
    }

    /// What it said last.
    pub fn ruling(&self) -> Ruling {
        Ruling {
            rate: self.rate as u64,
            delay: Duration::from_secs_f64(self.delay.unwrap_or(0.0)),
            reason: self.reason,
        }
    }

    /// Looks at the line: a sample of each connection that is being sent on over it, at most some dozens, and the bytes on
    /// the wire that were handed to such connections since the last look. Call it every [`TICK`] while there are any.
    pub fn tick(&mut self, samples: &[Sample], sent: u64, now: Instant) -> Ruling {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        if passed > 0.0 {
            let over = USED_OVER.max(USED_TURNS * TURN / self.rate);
            let weight = 1.0 - (-passed / over).exp();
            self.sent += (sent as f64 / passed - self.sent) * weight;
            self.allowed += (self.rate - self.allowed) * weight;
        }
        if now.saturating_duration_since(self.measured) > PAUSE {
            self.measured = now;
            self.approach();
        }
        self.witnesses.take(samples, &mut self.losses, now);
        let word = self.witnesses.ask(self.sent.max(FLOOR), now);
        self.delay = word.map(|word| word.delay);
        match word {
            Some(word) => {
                self.measured = now;
                self.high = if word.delay > HIGH { self.high + 1 } else { 0 };
                self.decide(word, passed, now);
            }
            None => self.high = 0,
        }
        self.doubt_bases(now);
        self.ruling()
    }

    fn decide(&mut self, word: Word, passed: f64, now: Instant) {
        let delay = word.delay;
        let held = self.cut.is_some_and(|cut| now < cut.until);
        let lossy = self.losses.complain(now);
        let sure = delay > LONG && word.voices >= MANY;
        if self.high >= HIGH_TICKS || sure {
            self.quiet = 0.0;
            if self.may_cut(delay, now) {
                self.lower(delay, now);
            }
            return;
        }
        if lossy && !self.has_buffer(now) {
            return self.lower_for_loss(delay, now);
        }
        if delay >= LOW || held {
            return;
        }
        self.pinned = None;
        if self.sent < USED * self.allowed {
            self.reason = Reason::Unused;
            return;
        }
        self.raise(passed);
    }

    fn may_cut(&self, delay: f64, now: Instant) -> bool {
        // Whoever finds a queue at the first rate brought it along, if it does not stay.
        if self.good.is_none() && self.rate <= START && self.high < START_TICKS {
            return false;
        }
        self.cut.is_none_or(|cut| {
            let unmoved = delay > UNMOVED * cut.delay;
            now >= cut.until && (unmoved || now.saturating_duration_since(cut.at) >= AGAIN)
        })
    }

    fn lower(&mut self, delay: f64, now: Instant) {
        let acked = self.witnesses.acked();
        // Allowance that was not used has not filled the line.
        let used = self.sent / (USED * self.allowed);
        let from = self.rate * used.clamp(CUT_UNUSED, 1.0);
        let first = self.begin_series(now);
        if first {
            let carried = acked.clamp(CUT_ACKED * from, from);
            let good = if self.returning {
                OVERSHOT * from
            } else {
                carried
            };
            self.good = Some(good);
            self.best = self.best.max(good);
        }
        let mut rate = (CUT * from).min((CUT_ACKED * acked).max(CUT_MOST * from));
        if delay > LONG {
            rate = rate.min(CUT_LONG * from);
        }
        if self.returning || !first {
            // Others are in it, or it came quickly: it would stand there for long.
            rate *= 1.0 - (delay / DRAINS).min(DRAINS_MOST);
        }
        self.set(rate);
        if self.rate <= self.floor() {
            self.pinned.get_or_insert(now);
        }
        self.hold(delay, HOLD, now);
        self.queued = Some(now);
        self.lossy = None;
        let others = self.rate < SHARED_BELOW * self.series.1 && self.series.0 > 1;
        self.reason = if others { Reason::Shared } else { Reason::Full };
    }

    /// Too much is lost, and there is no queue that would be the reason.
    fn lower_for_loss(&mut self, delay: f64, now: Instant) {
        let from = self.rate * (self.sent / self.allowed).clamp(CUT_UNUSED, 1.0);
        let first = self
            .lossy
            .is_none_or(|lossy| self.rate > CREPT_BACK * lossy.rate);
        let mut lossy = match self.lossy {
            Some(lossy) if !first => lossy,
            _ => Lossy {
                rate: self.rate,
                good: self.good,
                answers: 0,
            },
        };
        lossy.answers += 1;
        if lossy.answers > BELIEVED {
            self.losses.ignore(now);
            self.good = lossy.good;
            self.set(self.rate.max(lossy.rate));
            self.lossy = None;
            return;
        }
        if first {
            self.good = Some(from);
            self.series = (1, self.rate);
        }
        self.lossy = Some(lossy);
        self.set(CUT_LOSS * from);
        self.hold(delay, LOSS_ROUND, now);
        self.reason = Reason::Lossy;
    }

    /// Whether a queue was seen on this line, so that there is no need to listen to loss.
    fn has_buffer(&self, now: Instant) -> bool {
        let recent = |at: Instant| now.saturating_duration_since(at) < HAS_BUFFER;
        self.queued.is_some_and(recent)
    }

    /// Whether a cut would be an answer to the same thing as the last.
    fn is_in_series(&self, now: Instant) -> bool {
        self.cut.is_some_and(|cut| {
            let soon = now.saturating_duration_since(cut.until) < SERIES;
            soon || self.rate < SERIES_GROWTH * cut.to
        })
    }

    /// Whether a cut is the first of its series.
    fn begin_series(&mut self, now: Instant) -> bool {
        if self.is_in_series(now) {
            self.series.0 += 1;
            return false;
        }
        self.series = (1, self.rate);
        true
    }

    fn hold(&mut self, delay: f64, time: Duration, now: Instant) {
        let until = now + time + Duration::from_secs_f64(delay.min(10.0));
        self.cut = Some(Cut {
            at: now,
            to: self.rate,
            delay,
            until,
        });
        self.quiet = 0.0;
    }

    fn raise(&mut self, passed: f64) {
        let (growth, most) = match self.good {
            None => (LEARN, MOST),
            Some(good) if self.rate < REFILL_TO * good => (REFILL, REFILL_TO * good),
            Some(_) => {
                let over = (self.quiet - QUIET).max(0.0);
                let growth = CREEP * (over / QUIET_DOUBLES).exp2();
                (growth.min(LEARN), MOST)
            }
        };
        self.quiet += passed;
        self.returning = growth == REFILL;
        self.reason = if self.returning {
            Reason::Returning
        } else {
            Reason::Growing
        };
        let grown = self.rate * (1.0 + growth).powf(passed.min(1.0));
        self.set(grown.min(most));
    }

    /// The line was not measured for long: it is approached from below.
    fn approach(&mut self) {
        let rate = self
            .good
            .take()
            .map_or(self.rate, |good| self.rate.min(good));
        self.set((AFTER_PAUSE * rate).max(START.min(rate)));
        (self.cut, self.quiet) = (None, 0.0);
    }

    fn floor(&self) -> f64 {
        FLOOR.max(FLOOR_PART * self.best)
    }

    fn set(&mut self, rate: f64) {
        self.rate = rate.clamp(self.floor(), MOST);
    }

    /// What a queue would have done by now, if it were one.
    fn doubt_bases(&mut self, now: Instant) {
        let suspected = self.delay.is_some_and(|delay| delay >= LOW)
            && self.rate < DOUBTED_BELOW * self.series.1;
        if self.witnesses.doubt(suspected, now) {
            self.high = 0;
            self.cut = None;
        }
        if let Some(since) = self.pinned
            && now.saturating_duration_since(since) > PINNED
        {
            let forgotten = 1.0 - PINNED_FORGETS * TICK.as_secs_f64();
            self.best *= forgotten;
        }
    }
}

#[cfg(test)]
mod tests;
