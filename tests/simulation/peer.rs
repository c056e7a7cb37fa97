//! A simulated peer, and its links to others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use semoir::base::PeerKey;

use super::clock::{Nanos, SECOND, as_seconds};
use super::habits::{Claim, Habits};
use super::line::{Line, Pipe};
use super::picker::{Part, Source, Store};
use super::pieces::{Set, Shape};

/// Requests under way to one neighbour, at least and at most.
const DEPTH: (usize, usize) = (4, 64);
/// How far ahead requests go, at the rate they are answered.
const DEPTH_SECONDS: f64 = 3.0;

/// One peer's side of a connection, to another peer or to the origin.
#[derive(Debug, Default)]
pub struct Link {
    /// Whether the other chokes us; not so at first only among those who unchoke all.
    pub choked: bool,
    /// Whether we choke the other.
    pub choking: bool,
    /// Pieces it announced that we lack.
    pub useful: u32,
    /// What we asked for and wait for.
    pub asked: Vec<Part>,
    /// When it last gave something, or was asked again.
    pub heard_at: Nanos,
    /// Nothing is asked for before this.
    pub asleep_until: Nanos,
    /// What the other asked for.
    pub to_send: VecDeque<Part>,
    /// What is to be asked of the other once a block has gone to it, where that is how the peer asks.
    pub unsaid: Vec<Part>,
    /// Bytes sent that did not arrive.
    pub under_way: u64,
    /// Whether it stands in the line of those to be served.
    pub waiting: bool,
    /// Bytes it gave since slots were dealt last.
    pub got: u64,
    /// Bytes it gave in this second, and per second.
    pub lately: u64,
    pub rate: f64,
    /// The time it takes for a piece.
    pub pace: Option<Nanos>,
}

impl Link {
    /// How many requests may be under way: few at first, then as many as are answered in a while.
    pub fn depth(&self, block: u32) -> usize {
        let ahead = self.rate * DEPTH_SECONDS / f64::from(block);
        (DEPTH.0 + ahead as usize).min(DEPTH.1)
    }

    /// Whether blocks that the other asked for have not all gone to it.
    pub fn owes(&self) -> bool {
        self.under_way > 0 || !self.to_send.is_empty()
    }
}

/// A connection to the origin.
#[derive(Debug)]
pub struct Session {
    pub key: PeerKey,
    pub offered: Set,
    pub begun_at: Nanos,
    pub interested: bool,
}

#[derive(Debug)]
pub struct Peer {
    pub line: Line,
    pub habits: Arc<dyn Habits>,
    pub present: bool,
    /// Counts its comings, so that what was meant for an earlier one is let pass.
    pub life: u32,
    pub store: Store,
    /// What it says it holds.
    pub claimed: Set,
    pub links: BTreeMap<Source, Link>,
    pub origin: Option<Session>,
    /// What it sends, and what it takes.
    pub up: Pipe,
    pub down: Pipe,
    pub sending: bool,
    /// Neighbours to be served, in turn.
    pub waiting: VecDeque<Source>,
    pub optimistic: Option<Source>,
    pub rounds: u32,
    pub done_at: Option<Nanos>,
}

impl Peer {
    pub fn new(line: Line, habits: Arc<dyn Habits>, shape: Shape) -> Self {
        let claimed = match habits.claims() {
            Claim::All => Set::full(shape.pieces),
            Claim::Nothing | Claim::MoreAndMore => Set::new(shape.pieces),
        };
        Self {
            line,
            habits,
            present: false,
            life: 0,
            store: Store::new(shape),
            claimed,
            links: BTreeMap::new(),
            origin: None,
            up: Pipe::new(line.up),
            down: Pipe::new(line.down),
            sending: false,
            waiting: VecDeque::new(),
            optimistic: None,
            rounds: 0,
            done_at: None,
        }
    }

    /// Whom it serves at present.
    pub fn unchoked(&self) -> usize {
        let mut links = self.links.values();
        links.by_ref().filter(|link| !link.choking).count()
    }

    /// What it says of itself when it fails a promise made to it.
    pub fn describe(&self) -> String {
        let asked: usize = self.links.values().map(|link| link.asked.len()).sum();
        format!(
            "{:?} holds {}, asked for {asked} blocks, done {:?} s",
            self.habits,
            self.store.have.count(),
            self.done_at.map(as_seconds)
        )
    }

    /// Measures each neighbour's rate; call it every second.
    pub fn measure(&mut self) {
        for link in self.links.values_mut() {
            link.rate = 0.5 * link.rate + 0.5 * link.lately as f64;
            link.lately = 0;
        }
    }

    /// Neighbours that let a request stand for longer than the peer waits.
    pub fn late(&self, now: Nanos) -> Vec<Source> {
        let Some(patience) = self.habits.patience() else {
            return Vec::new();
        };
        let late = |link: &Link| !link.asked.is_empty() && now >= link.heard_at + patience;
        let links = self.links.iter().filter(|(_, link)| late(link));
        links.map(|(source, _)| *source).collect()
    }
}

/// How long a neighbour that let a request stand is asked for nothing.
pub const DISTRUST: Nanos = 30 * SECOND;
