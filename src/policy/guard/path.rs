//! One connection as a witness of the uplink's queue: what its round trips say, and whether it may vote.

use std::time::{Duration, Instant};

use crate::base::PeerKey;

/// The kernel smooths round trips: each new one counts for an eighth (RFC 6298, `tcp_rtt_estimator`). This is what the
/// past keeps at each.
const KEPT: f64 = 0.875;
/// A base is the least smoothed round trip of this time, in so many parts: long enough for a line in full use to have
/// been empty in between, short enough for a route that became longer to be believed.
const BASE_LASTS: Duration = Duration::from_secs(60);
const BASE_PARTS: usize = 12;
/// A base is the least *smoothed* round trip, so that jitter is part of it; but no more than this above the least round
/// trip the kernel ever saw, so that a queue which stands for a minute is not taken for the route.
const MOST_JITTER: f64 = 0.030;
/// Round trips that a newcomer must have measured to be asked.
const LEAST_TRIPS: u64 = 4;
/// Who came while the line was full may have seen nothing but a full queue. He votes once he and the others saw none for
/// this long.
const CLEAR_FOR: Duration = Duration::from_secs(1);
/// A connection whose kernel always has something unsent for this long waits for its own path or its reader, not for us.
const HELD_BACK_AFTER: Duration = Duration::from_secs(1);
/// Unsent segments that are none: a part being written.
const UNSENT_IS_NONE: u64 = 2;
/// A delay that we halved our rate for, and that stays within so much for so long, is no queue: queues move. The route
/// is longer now.
const FLAT_WITHIN: f64 = 0.008;
const FLAT_FOR: Duration = Duration::from_secs(8);
const FLAT_LEAST: u32 = 5;
/// The most that a route is taken to become longer by. What stands still beyond it is a buffer that somebody keeps full.
const FLAT_MOST: f64 = 0.200;

/// What the kernel says of one connection (`TCP_INFO`); the counts are since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Whose.
    pub peer: PeerKey,
    /// The smoothed round trip, `tcpi_rtt`.
    pub rtt: Duration,
    /// The least round trip the kernel saw in the last minutes, `tcpi_min_rtt`.
    pub min_rtt: Duration,
    /// Payload bytes acknowledged.
    pub acked: u64,
    /// Segments received, bare acknowledgements among them.
    pub segments_in: u32,
    /// Payload bytes in a full segment.
    pub mss: u32,
    /// Payload bytes that the kernel has, and has not sent yet.
    pub unsent: u32,
    /// Segments with payload that were sent, those sent again among them.
    pub segments_out: u32,
    /// Segments that were sent again.
    pub resent: u32,
}

/// The least value of the last [`BASE_LASTS`], forgotten in parts.
#[derive(Debug)]
struct Least {
    parts: [f64; BASE_PARTS],
    part: usize,
    began: Instant,
}

impl Least {
    fn new(value: f64, now: Instant) -> Self {
        let mut parts = [f64::INFINITY; BASE_PARTS];
        parts[0] = value;
        Self {
            parts,
            part: 0,
            began: now,
        }
    }

    fn add(&mut self, value: f64, now: Instant) {
        let length = BASE_LASTS / BASE_PARTS as u32;
        for _ in 0..BASE_PARTS {
            if now.saturating_duration_since(self.began) < length {
                break;
            }
            self.began += length;
            self.part = (self.part + 1) % BASE_PARTS;
            self.parts[self.part] = f64::INFINITY;
        }
        // After a long silence: the parts are empty by now.
        self.began = self.began.max(now.checked_sub(length).unwrap_or(now));
        self.parts[self.part] = self.parts[self.part].min(value);
    }

    fn get(&self) -> f64 {
        self.parts.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// Round trips since the uplink was first found full.
#[derive(Debug, Clone, Copy)]
struct Span {
    since: Instant,
    least: f64,
    most: f64,
    count: u32,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Path {
    last: Sample,
    /// Round trips smoothed as the kernel does it, seconds; but from the first one that carried something: the handshake's
    /// segments are short, and on a slow line that is much quicker.
    smooth: Option<f64>,
    /// The least of that.
    base: Least,
    /// Seconds of queueing that were measured last, and when.
    delay: Option<(f64, Instant)>,
    /// When the kernel had nothing unsent last.
    emptied: Instant,
    /// Since when there is no queue to be seen.
    clear: Option<Instant>,
    /// Round trips measured.
    trips: u64,
    /// Whether it saw the line without a queue.
    trusted: bool,
    span: Option<Span>,
    /// A least round trip of the kernel's that is of a former route.
    outlived: Option<Duration>,
    pub seen: Instant,
}

/// What happened on a connection between two samples.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Step {
    /// Payload bytes acknowledged.
    pub acked: u64,
    pub segments_out: u32,
    pub resent: u32,
}

impl Path {
    /// A connection that is new; `clear`: while there was no queue, as far as anybody knows.
    pub fn new(sample: Sample, clear: bool, now: Instant) -> Self {
        Self {
            last: sample,
            smooth: None,
            base: Least::new(f64::INFINITY, now),
            delay: None,
            emptied: now,
            clear: None,
            trips: 0,
            trusted: clear,
            span: None,
            outlived: None,
            seen: now,
        }
    }

    /// Takes in a sample.
    pub fn take(&mut self, sample: Sample, now: Instant) -> Step {
        let last = std::mem::replace(&mut self.last, sample);
        self.seen = now;
        let step = Step {
            acked: sample.acked.saturating_sub(last.acked),
            segments_out: sample.segments_out.wrapping_sub(last.segments_out),
            resent: sample.resent.wrapping_sub(last.resent),
        };
        let mss = u64::from(sample.mss.max(1));
        if u64::from(sample.unsent) <= UNSENT_IS_NONE * mss {
            self.emptied = now;
        }
        let segments = u64::from(sample.segments_in.wrapping_sub(last.segments_in));
        // Each of them was one round trip to the kernel, about: requests come in segments too, and one acknowledgement
        // may be for two.
        let trips = segments.min(step.acked.div_ceil(mss));
        if trips > 0 {
            let (old, new) = (last.rtt.as_secs_f64(), sample.rtt.as_secs_f64());
            let weight = 1.0 - KEPT.powi(trips.min(1000) as i32);
            let trip = old + (new - old) / weight;
            let trip = trip.max(sample.min_rtt.as_secs_f64());
            let smooth = self
                .smooth
                .map_or(trip, |smooth| smooth + (trip - smooth) * weight);
            self.smooth = Some(smooth);
            self.base.add(smooth, now);
            self.trips += trips;
            self.measured(trip, now);
        }
        step
    }

    fn measured(&mut self, trip: f64, now: Instant) {
        self.delay = Some(((trip - self.base()).max(0.0), now));
        if let Some(span) = &mut self.span {
            (span.least, span.most) = (span.least.min(trip), span.most.max(trip));
            span.count += 1;
        }
    }

    /// The round trip without a queue, seconds.
    fn base(&self) -> f64 {
        let least = self.last.min_rtt;
        let base = self.base.get();
        if self.outlived == Some(least) {
            base
        } else {
            base.min(least.as_secs_f64() + MOST_JITTER)
        }
    }

    /// Seconds of queueing, if measured within `fresh`.
    pub fn delay(&self, fresh: Duration, now: Instant) -> Option<f64> {
        let (delay, at) = self.delay?;
        (now.saturating_duration_since(at) <= fresh).then_some(delay)
    }

    /// Whether it has a vote. `clear`: nobody else sees a queue; `low` is what is none, seconds.
    pub fn votes(&mut self, clear: bool, low: f64, now: Instant) -> bool {
        if !self.trusted {
            if !clear || self.delay.is_none_or(|(delay, _)| delay >= low) {
                self.clear = None;
                return false;
            }
            let since = *self.clear.get_or_insert(now);
            self.trusted = now.saturating_duration_since(since) >= CLEAR_FOR;
        }
        self.trusted && self.may_stand_in()
    }

    /// Whether it may speak where nobody has a vote.
    pub fn may_stand_in(&self) -> bool {
        self.trips >= LEAST_TRIPS
    }

    /// Whether its path, or its reader, is what holds it back.
    pub fn is_held_back(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.emptied) >= HELD_BACK_AFTER
    }

    /// Begins to look whether its delay is one that no queue has, or ends it.
    pub fn suspect(&mut self, suspected: bool, now: Instant) {
        let span = Span {
            since: now,
            least: f64::INFINITY,
            most: 0.0,
            count: 0,
        };
        match (suspected, &self.span) {
            (true, None) => self.span = Some(span),
            (false, Some(_)) => self.span = None,
            _ => {}
        }
    }

    /// Takes a delay that does not move for the route's; says whether it did so.
    pub fn accept(&mut self, now: Instant) -> bool {
        let Some(span) = self.span else {
            return false;
        };
        if now.saturating_duration_since(span.since) < FLAT_FOR {
            return false;
        }
        self.span = None;
        let flat = span.count >= FLAT_LEAST && span.most - span.least <= FLAT_WITHIN;
        if !flat || span.least - self.base() > FLAT_MOST {
            return false;
        }
        self.base = Least::new(span.most, now);
        self.outlived = Some(self.last.min_rtt);
        self.delay = None;
        true
    }
}
