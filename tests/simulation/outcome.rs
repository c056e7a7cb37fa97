//! What came of a simulation: the figures that the project's goals are stated in.

use std::fmt;

use super::clock::{Nanos, as_seconds};
use super::pieces::{Set, Shape};

/// A milestone: what the origin had sent by then, in copies of the content, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Milestone {
    pub copies: f64,
    /// In the time that one copy takes at the cap, or in seconds where there is none.
    pub time: f64,
}

/// How far the swarm is.
#[derive(Debug)]
pub struct Progress {
    total: u64,
    union: Set,
    deserving: usize,
    complete: usize,
    pub first_copy: Option<(u64, Nanos)>,
    pub three: Option<(u64, Nanos)>,
    pub all: Option<(u64, Nanos)>,
}

impl Progress {
    pub fn new(shape: Shape, deserving: usize) -> Self {
        Self {
            total: shape.total(),
            union: Set::new(shape.pieces),
            deserving,
            complete: 0,
            first_copy: None,
            three: None,
            all: None,
        }
    }

    /// A peer has one piece more, and is complete with it if `complete`; the origin has sent `payload`.
    pub fn piece(&mut self, piece: u32, complete: bool, now: Nanos, payload: u64) {
        self.union.insert(piece);
        self.complete += usize::from(complete);
        if self.union.is_full() {
            self.first_copy.get_or_insert((payload, now));
        }
        if self.complete >= self.deserving.min(3) {
            self.three.get_or_insert((payload, now));
        }
        if self.complete >= self.deserving {
            self.all.get_or_insert((payload, now));
        }
    }

    pub fn is_over(&self) -> bool {
        self.all.is_some()
    }

    pub fn lacking(&self) -> usize {
        self.deserving - self.complete
    }

    fn milestone(&self, at: Option<(u64, Nanos)>, cap: Option<u64>) -> Option<Milestone> {
        let (payload, at) = at?;
        let unit = cap.map_or(1.0, |cap| self.total as f64 / cap as f64);
        Some(Milestone {
            copies: payload as f64 / self.total as f64,
            time: as_seconds(at) / unit,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub name: String,
    pub first_copy: Option<Milestone>,
    pub three: Option<Milestone>,
    pub all: Option<Milestone>,
    /// Payload that the origin sent until the end, in copies.
    pub copies: f64,
    /// How many of those who deserve everything lack something.
    pub starving: usize,
    pub offers: u64,
    pub taken_back: u64,
    /// Peers the origin hung up on.
    pub offences: usize,
    /// Payload that came to a leecher twice, in copies.
    pub wasted: f64,
    /// The share of its time in which the uplink was idle.
    pub idle: f64,
    /// Events that the swarm took in, and events in all.
    pub events: (u64, u64),
}

impl Outcome {
    pub fn of(name: &str, world: &super::world::World, cap: Option<u64>) -> Self {
        let (progress, watch) = (&world.progress, &world.origin.watch);
        assert_eq!(watch.payload, world.origin.swarm.payload());
        let total = world.shape.total() as f64;
        Self {
            name: name.to_owned(),
            first_copy: progress.milestone(progress.first_copy, cap),
            three: progress.milestone(progress.three, cap),
            all: progress.milestone(progress.all, cap),
            copies: watch.payload as f64 / total,
            starving: progress.lacking(),
            offers: watch.offers,
            taken_back: watch.taken_back,
            offences: watch.offences.len(),
            wasted: world.wasted as f64 / total,
            idle: watch.idle_share(),
            events: (watch.events, world.events),
        }
    }
}

/// What a milestone must not exceed: copies, and time.
pub type Bound = (f64, f64);

impl Outcome {
    pub fn first_copy_within(&self, bound: Bound) -> &Self {
        self.within("the first copy", self.first_copy, bound)
    }

    pub fn three_within(&self, bound: Bound) -> &Self {
        self.within("three complete", self.three, bound)
    }

    /// Everybody who deserves everything has it, within these bounds.
    pub fn all_within(&self, bound: Bound) -> &Self {
        assert_eq!(self.starving, 0, "{self}");
        self.within("all complete", self.all, bound)
    }

    fn within(&self, what: &str, milestone: Option<Milestone>, (copies, time): Bound) -> &Self {
        let reached = milestone.is_some_and(|m| m.copies <= copies && m.time <= time);
        assert!(reached, "{what} not within {copies} @ {time}: {self}");
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |milestone: Option<Milestone>| match milestone {
            Some(Milestone { copies, time }) => format!("{copies:.3} @ {time:.3}"),
            None => "never".to_owned(),
        };
        write!(
            f,
            "{}: first copy {}, three {}, all {}; {:.3} copies, {} lack something, {} offers, {} taken back, \
             {:.2} copies came twice, uplink idle {:.0} %, {} of {} events were the origin's",
            self.name,
            cell(self.first_copy),
            cell(self.three),
            cell(self.all),
            self.copies,
            self.starving,
            self.offers,
            self.taken_back,
            self.wasted,
            100.0 * self.idle,
            self.events.0,
            self.events.1,
        )
    }
}
