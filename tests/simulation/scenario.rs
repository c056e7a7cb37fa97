//! A description of a swarm, and how it is played.

use std::sync::Arc;

use super::clock::{MILLISECOND, Nanos, seconds};
use super::habits::Habits;
use super::line::{Line, MIB};
use super::origin::Origin;
use super::outcome::Outcome;
use super::peer::Peer;
use super::pieces::Shape;
use super::world::{Happening, World};

/// The bench's content: 128 MiB in pieces of 512 KiB.
pub const BENCH: Shape = Shape {
    pieces: 256,
    piece_length: 512 << 10,
    block: 16 << 10,
};

/// How the origin is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Bytes per second on the wire.
    pub cap: Option<u64>,
    /// What its line really carries, bytes per second.
    pub line: Option<u64>,
    /// Share of what is sent that must be sent again.
    pub loss: f64,
    /// How long a piece takes to be read.
    pub disk: Nanos,
    /// Whether it gives more than the first copy and what the swarm lacks.
    pub generous: bool,
}

#[derive(Debug, Clone)]
pub struct Scenario {
    name: String,
    seed: u64,
    shape: Shape,
    setup: Setup,
    caps: Vec<(Nanos, Option<u64>)>,
    peers: Vec<(Nanos, Line, Arc<dyn Habits>)>,
    mesh: usize,
    limit: Nanos,
}

impl Scenario {
    /// The bench's origin, 4 MiB/s, with nobody there.
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            shape: BENCH,
            setup: Setup {
                cap: Some(4 * MIB),
                line: None,
                loss: 0.0,
                disk: 2 * MILLISECOND,
                generous: false,
            },
            caps: Vec::new(),
            peers: Vec::new(),
            mesh: 40,
            limit: seconds(600.0),
        }
    }

    pub fn content(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// The origin's limit on the wire, bytes per second.
    pub fn cap(mut self, cap: Option<u64>) -> Self {
        self.setup.cap = cap;
        self
    }

    /// Changes the limit after a while.
    pub fn cap_later(mut self, after: Nanos, cap: Option<u64>) -> Self {
        self.caps.push((after, cap));
        self
    }

    /// What the origin's line carries, bytes per second.
    pub fn origin_line(mut self, rate: u64) -> Self {
        self.setup.line = Some(rate);
        self
    }

    /// The share of what the origin sends that it must send again.
    pub fn loss(mut self, share: f64) -> Self {
        self.setup.loss = share;
        self
    }

    /// How long the origin's disk takes for a piece.
    pub fn disk(mut self, takes: Nanos) -> Self {
        self.setup.disk = takes;
        self
    }

    /// The owner wants speed.
    pub fn generous(mut self) -> Self {
        self.setup.generous = true;
        self
    }

    /// How many neighbours a newcomer looks for.
    pub fn mesh(mut self, neighbours: usize) -> Self {
        self.mesh = neighbours;
        self
    }

    /// How long it may last.
    pub fn limit(mut self, limit: Nanos) -> Self {
        self.limit = limit;
        self
    }

    /// Peers of one kind; the first comes at once, the others `apart` after one another.
    pub fn with(self, n: usize, apart: Nanos, line: Line, habits: impl Habits + 'static) -> Self {
        self.from(0, n, apart, line, habits)
    }

    /// The same, from a time on.
    pub fn from(
        mut self,
        start: Nanos,
        n: usize,
        apart: Nanos,
        line: Line,
        habits: impl Habits + 'static,
    ) -> Self {
        let habits: Arc<dyn Habits> = Arc::new(habits);
        let comes = (0..n as u64).map(|i| (start + i * apart, line, habits.clone()));
        self.peers.extend(comes);
        self
    }

    /// Plays it, and hands the world over as it is at the end.
    pub fn play(&self) -> World {
        let peer = |(_, line, habits): &(Nanos, Line, Arc<dyn Habits>)| {
            Peer::new(*line, habits.clone(), self.shape)
        };
        let peers = self.peers.iter().map(peer).collect();
        let origin = Origin::new(self.setup.clone(), self.shape);
        let mut world = World::new(origin, self.shape, peers, self.mesh, self.seed);
        for (who, (at, ..)) in self.peers.iter().enumerate() {
            world.agenda.put(*at, Happening::Arrives(who));
        }
        for (at, cap) in &self.caps {
            world.agenda.put(*at, Happening::Cap(*cap));
        }
        world.run(self.limit);
        world
    }

    /// Plays it, and prints what came of it.
    pub fn run(&self) -> Outcome {
        let world = self.play();
        let outcome = Outcome::of(&self.name, &world, self.setup.cap);
        println!("{outcome}");
        for peer in &world.peers {
            if peer.habits.deserves_all() && peer.done_at.is_none() {
                println!("  {}", peer.describe());
            }
        }
        outcome
    }
}
