//! Holds what the origin does against what it promises, from outside: every message it says and every block it hands
//! over passes here.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use semoir::base::PeerKey;
use semoir::policy::offer::GHOST_LIFE;
use semoir::seed::swarm::{MAX_IN_FLIGHT, Offence, Proof};
use semoir::seed::wire::{Block, Heard, MAX_BLOCK_LENGTH, Said};

use super::clock::{Nanos, as_seconds};
use super::pieces::{Set, Shape};

/// A connected peer as the origin can know it.
#[derive(Debug)]
struct Known {
    has: Set,
    announced: Set,
    choked: bool,
    uninterested: bool,
    in_flight: u32,
}

/// Who may have a piece.
#[derive(Debug, Clone, Copy)]
struct Bound {
    holder: PeerKey,
    /// The blocks of it that were written to him, as bits.
    blocks: u64,
    /// He said that he wants nothing of what he was offered: he may count as holding it.
    doubtful: bool,
}

#[derive(Debug)]
pub struct Watch {
    shape: Shape,
    peers: BTreeMap<PeerKey, Known>,
    bound: Vec<Option<Bound>>,
    holders: Vec<u32>,
    ghosts: Vec<Nanos>,
    /// Bytes that went out on the wire, and when.
    left: Vec<(Nanos, f64)>,
    pub payload: u64,
    pub offers: u64,
    /// Offers of pieces that somebody held, all of them after the first copy was out.
    pub repeated: u64,
    pub taken_back: u64,
    pub offences: Vec<Offence>,
    /// What came of probes, and whose.
    pub proofs: Vec<(SocketAddr, Proof)>,
    pub events: u64,
    pub most_actions: usize,
    ticks: (u32, u32),
}

impl Watch {
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            peers: BTreeMap::new(),
            bound: vec![None; shape.pieces as usize],
            holders: vec![0; shape.pieces as usize],
            ghosts: Vec::new(),
            left: Vec::new(),
            payload: 0,
            offers: 0,
            repeated: 0,
            taken_back: 0,
            offences: Vec::new(),
            proofs: Vec::new(),
            events: 0,
            most_actions: 0,
            ticks: (0, 0),
        }
    }

    pub fn joined(&mut self, key: PeerKey) {
        let known = Known {
            has: Set::new(self.shape.pieces),
            announced: Set::new(self.shape.pieces),
            choked: true,
            uninterested: false,
            in_flight: 0,
        };
        self.peers.insert(key, known);
    }

    pub fn lost(&mut self, key: PeerKey, now: Nanos) {
        let Some(gone) = self.peers.remove(&key) else {
            return;
        };
        if gone.has.is_full() {
            self.ghosts.push(now);
        }
        for piece in gone.has.iter() {
            self.holders[piece as usize] -= 1;
        }
        for bound in self.bound.iter_mut() {
            if bound.is_some_and(|bound| bound.holder == key) {
                *bound = None;
            }
        }
    }

    pub fn heard(&mut self, key: PeerKey, heard: &Heard) {
        match heard {
            Heard::Have(piece) => self.holds(key, *piece),
            Heard::Bitfield(wire) => {
                for piece in 0..self.shape.pieces {
                    if wire[piece as usize / 8] & (0x80 >> (piece % 8)) != 0 {
                        self.holds(key, piece);
                    }
                }
            }
            Heard::Interested | Heard::NotInterested => {
                let uninterested = *heard == Heard::NotInterested;
                if let Some(known) = self.peers.get_mut(&key) {
                    known.uninterested = uninterested;
                }
                let bound = self.bound.iter_mut().flatten();
                for bound in bound.filter(|bound| bound.holder == key) {
                    bound.doubtful |= uninterested;
                }
            }
            _ => {}
        }
    }

    fn holds(&mut self, key: PeerKey, piece: u32) {
        if self.bound[piece as usize].is_some_and(|bound| bound.holder == key) {
            self.bound[piece as usize] = None;
        }
        if let Some(known) = self.peers.get_mut(&key)
            && known.has.insert(piece)
        {
            self.holders[piece as usize] += 1;
        }
    }

    pub fn said(&mut self, key: PeerKey, said: &Said, now: Nanos) {
        match said {
            Said::Have(piece) => self.offered(key, *piece, now),
            Said::Choke | Said::Unchoke => {
                if let Some(known) = self.peers.get_mut(&key) {
                    known.choked = *said == Said::Choke;
                }
            }
            _ => {}
        }
    }

    fn offered(&mut self, key: PeerKey, piece: u32, now: Nanos) {
        let at = as_seconds(now);
        if let Some(Bound {
            holder, doubtful, ..
        }) = self.bound[piece as usize]
        {
            assert!(
                doubtful,
                "{at:.1} s: piece {piece} is offered to {key:?} while {holder:?} may have it"
            );
        }
        let life = GHOST_LIFE.as_nanos() as Nanos;
        let ghosts = self.ghosts.iter().any(|left| now - left < life);
        let lacking = self.holders.iter().filter(|holders| **holders == 0).count();
        if self.holders[piece as usize] > 0 {
            assert!(
                ghosts || lacking == 0,
                "{at:.1} s: piece {piece} is offered to {key:?}, others hold it, and {lacking} pieces are held by nobody"
            );
            self.repeated += 1;
        }
        self.bound[piece as usize] = Some(Bound {
            holder: key,
            blocks: 0,
            doubtful: self.peers.get(&key).is_none_or(|known| known.uninterested),
        });
        self.offers += 1;
        if let Some(known) = self.peers.get_mut(&key) {
            known.announced.insert(piece);
            assert!(
                !known.has.has(piece),
                "{at:.1} s: {key:?} is offered piece {piece}, which it has"
            );
        }
    }

    pub fn unsent(&mut self, key: PeerKey, piece: u32) {
        let bound = &mut self.bound[piece as usize];
        if bound.is_some_and(|bound| bound.holder == key) {
            *bound = None;
            self.taken_back += 1;
        }
    }

    /// A block is handed to a connection.
    pub fn handed(&mut self, key: PeerKey, block: Block) {
        let known = self.peers.get_mut(&key).expect("a block for a living peer");
        assert!(
            known.announced.has(block.index) && !known.choked,
            "{block:?} is given to {key:?}, which was not offered it, or is choked"
        );
        known.in_flight += block.length;
        assert!(known.in_flight <= MAX_IN_FLIGHT + MAX_BLOCK_LENGTH);
        let others = self.bound[block.index as usize].filter(|bound| bound.holder != key);
        assert!(
            others.is_none(),
            "{block:?} is given to {key:?}: {others:?}"
        );
    }

    pub fn forgotten(&mut self, key: PeerKey, block: Block) {
        if let Some(known) = self.peers.get_mut(&key) {
            known.in_flight -= block.length;
        }
    }

    pub fn written(&mut self, key: PeerKey, block: Block) {
        self.payload += u64::from(block.length);
        self.forgotten(key, block);
        if let Some(bound) = &mut self.bound[block.index as usize]
            && bound.holder == key
        {
            bound.blocks |= 1 << (block.begin / self.shape.block);
            if bound.blocks == self.shape.whole() {
                self.holds(key, block.index);
            }
        }
    }

    /// Bytes were charged, and go out on the wire now; the number under which they are taken down.
    pub fn left(&mut self, now: Nanos, bytes: f64) -> usize {
        self.left.push((now, bytes));
        self.left.len() - 1
    }

    /// These bytes did not go out after all.
    pub fn stayed(&mut self, entry: usize) {
        self.left[entry].1 = 0.0;
    }

    /// Called every tick.
    pub fn ticked(&mut self, idle: bool) {
        self.ticks.0 += 1;
        self.ticks.1 += u32::from(idle);
    }

    /// The share of ticks at which the driver took the uplink for idle.
    pub fn idle_share(&self) -> f64 {
        f64::from(self.ticks.1) / f64::from(self.ticks.0.max(1))
    }

    /// The most bytes that left in any window of this length, of those that begin in `from..to`.
    pub fn most_in(&self, window: Nanos, from: Nanos, to: Nanos) -> f64 {
        let (mut first, mut sum, mut most) = (0, 0.0, 0.0f64);
        let inside: Vec<_> = self
            .left
            .iter()
            .filter(|(at, _)| (from..to).contains(at))
            .collect();
        for (at, bytes) in &inside {
            sum += bytes;
            while inside[first].0 + window < *at {
                sum -= inside[first].1;
                first += 1;
            }
            most = most.max(sum);
        }
        most
    }
}
