//! Asking a peer that shows a full bitfield for one block, and comparing it with ours: a claim is not a relay, a served
//! block is.
//!
//! We say INTERESTED and wait to be unchoked as any leecher would (clients deal their slots every ten to thirty seconds),
//! ask for one block, and say NOTINTERESTED. A block that differs refutes the peer. Where our own file cannot be read,
//! the whole piece is asked for, block after block, and held against its hash.
//!
//! A probe is one of:
//!
//! ```text
//! Waits ── UNCHOKE ─→ Asked ── the block ─→ Compares ─→ proven, refuted
//!   ↑  └─ too long ─→ refused │ └─ too long ─→ refused      └─ our file cannot be read: Asked, for the whole piece
//!   └───────── CHOKE ─────────┘
//! ```

use std::fmt;
use std::time::{Duration, Instant};

use librqbit_sha1_wrapper::{ISha1, Sha1};

use super::{Action, Offence, Swarm};
use crate::base::PeerKey;
use crate::seed::wire::{BLOCK_LENGTH, Block, Said};

/// How long a peer may let us wait for a slot: several rounds of any client's dealing.
pub const UNCHOKE_PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take for a block once we may ask. One with a limit of a few KiB/s answers in this, too.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// How long our own disk may take before we do without it.
const READ_PATIENCE: Duration = Duration::from_secs(30);
/// Requests in one probe, beside those for a whole piece: one that chokes us after each is not worth more.
const MAX_ASKS: u32 = 4;
/// The longest piece that is fetched whole because our own file cannot be read. More would be a download.
pub const MAX_PIECE: u32 = 1 << 20;

/// What came of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It served what is ours, byte for byte.
    Proven,
    /// It served something else.
    Refuted,
    /// It let us wait too long, for a slot or for the block: that proves nothing.
    Refused,
    /// Ours cannot be read, and the piece is too long to be fetched whole: nobody can tell.
    Unknown,
}

/// How a block compares with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The same bytes.
    Same,
    /// Others.
    Different,
    /// Ours cannot be read.
    Unreadable,
}

enum Target {
    Block(Block),
    /// A piece: the block of it that is next, its hash so far, and what that must be in the end.
    Piece {
        next: Block,
        hash: Box<Sha1>,
        right: [u8; 20],
    },
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Block(block) => write!(f, "{block:?}"),
            Target::Piece { next, .. } => write!(f, "all of the piece, from {next:?}"),
        }
    }
}

impl Target {
    fn next(&self) -> Block {
        match self {
            Target::Block(block) => *block,
            Target::Piece { next, .. } => *next,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Waits,
    Asked,
    Compares,
}

/// A probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    target: Target,
    step: Step,
    /// When it must have come further.
    until: Instant,
    asks: u32,
}

impl Swarm {
    /// Asks a peer for a block, to see whether it holds what it says; `dice` chooses which. Nothing happens when a probe is
    /// under way, or the peer does not say that it holds everything.
    pub fn probe(&mut self, key: PeerKey, dice: u64, now: Instant) {
        let full = self.offer.says_all(key);
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if peer.probe.is_some() || !full || self.torrent.pieces() == 0 {
            return;
        }
        let index = dice as u32 % self.torrent.pieces();
        let blocks = self.torrent.length_of(index).div_ceil(BLOCK_LENGTH);
        let at = (dice >> 32) as u32 % blocks.max(1);
        peer.probe = Some(Box::new(Probe {
            target: Target::Block(self.torrent.block_at(index, at * BLOCK_LENGTH)),
            step: Step::Waits,
            until: now + UNCHOKE_PATIENCE,
            asks: 0,
        }));
        let unchoked = !peer.chokes_us;
        self.probing.insert(key);
        self.say(key, Said::Interested);
        if unchoked {
            self.ask(key, now);
        }
    }

    /// Whether the peer is being asked for a block.
    pub fn is_probed(&self, key: PeerKey) -> bool {
        self.probing.contains(&key)
    }

    fn ask(&mut self, key: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let Some(probe) = &mut peer.probe else {
            return;
        };
        if probe.asks >= MAX_ASKS {
            return self.conclude(key, Proof::Refused, now);
        }
        probe.asks += 1;
        probe.step = Step::Asked;
        probe.until = now + ANSWER_PATIENCE;
        let block = probe.target.next();
        peer.late = None;
        self.say(key, Said::Request(block));
    }

    /// The peer chokes us, or does no more.
    pub(super) fn choked_us(&mut self, key: PeerKey, chokes: bool, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.chokes_us = chokes;
        let Some(probe) = &mut peer.probe else {
            return;
        };
        match (probe.step, chokes) {
            (Step::Waits, false) => self.ask(key, now),
            // What was asked for will not come, or comes still, if it was under way.
            (Step::Asked, true) => {
                peer.late = Some(probe.target.next());
                probe.step = Step::Waits;
                probe.until = now + UNCHOKE_PATIENCE;
            }
            _ => {}
        }
    }

    /// A block came, with its bytes if it was asked for.
    pub(super) fn piece_came(
        &mut self,
        key: PeerKey,
        block: Block,
        bytes: Option<Box<[u8]>>,
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let asked = |probe: &Probe| probe.target.next() == block && probe.step == Step::Asked;
        let expected = peer.probe.as_deref().is_some_and(asked);
        let late = peer.late.take_if(|late| *late == block).is_some();
        let (Some(probe), Some(bytes), true) = (&mut peer.probe, bytes, expected || late) else {
            // What crossed our CANCEL, or its own CHOKE, is no offence.
            if !late {
                self.close(key, Offence::Unasked);
            }
            return;
        };
        if probe.target.next() != block || probe.step == Step::Compares {
            return;
        }
        match &mut probe.target {
            Target::Block(block) => {
                probe.step = Step::Compares;
                probe.until = now + READ_PATIENCE;
                let block = *block;
                self.actions.push_back(Action::Compare(key, block, bytes));
            }
            Target::Piece { next, hash, right } => {
                hash.update(&bytes);
                let end = next.begin + next.length;
                if end < self.torrent.length_of(next.index) {
                    *next = self.torrent.block_at(next.index, end);
                    // It was answered: a piece is more than a few blocks.
                    probe.asks = 0;
                    return match peer.chokes_us {
                        false => self.ask(key, now),
                        true => {
                            probe.step = Step::Waits;
                            probe.until = now + UNCHOKE_PATIENCE;
                        }
                    };
                }
                let same = std::mem::replace(hash.as_mut(), Sha1::new()).finish() == *right;
                let proof = if same { Proof::Proven } else { Proof::Refuted };
                self.conclude(key, proof, now);
            }
        }
    }

    /// A block was compared with ours.
    pub(super) fn compared(&mut self, key: PeerKey, compared: Compared, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let Some(probe) = peer.probe.as_mut().filter(|p| p.step == Step::Compares) else {
            return;
        };
        match compared {
            Compared::Same => self.conclude(key, Proof::Proven, now),
            Compared::Different => self.conclude(key, Proof::Refuted, now),
            Compared::Unreadable => {
                let index = probe.target.next().index;
                let short = self.torrent.length_of(index) <= MAX_PIECE;
                let right = self.torrent.piece_hash(index).filter(|_| short);
                let Some(right) = right else {
                    return self.conclude(key, Proof::Unknown, now);
                };
                probe.target = Target::Piece {
                    next: self.torrent.block_at(index, 0),
                    hash: Box::new(Sha1::new()),
                    right,
                };
                probe.asks = 0;
                probe.step = Step::Waits;
                probe.until = now + UNCHOKE_PATIENCE;
                if !peer.chokes_us {
                    self.ask(key, now);
                }
            }
        }
    }

    /// Ends the probes that let us wait too long.
    pub(super) fn pass_probes(&mut self, now: Instant) {
        let is_over = |key: &&PeerKey| {
            let probe = self.peers.get(key).and_then(|peer| peer.probe.as_ref());
            probe.is_none_or(|probe| probe.until <= now)
        };
        let over: Vec<PeerKey> = self.probing.iter().filter(is_over).copied().collect();
        for key in over {
            let probe = self.peers.get(&key).and_then(|peer| peer.probe.as_ref());
            match probe.map(|probe| probe.step) {
                Some(Step::Compares) => self.compared(key, Compared::Unreadable, now),
                Some(_) => self.conclude(key, Proof::Refused, now),
                None => {
                    self.probing.remove(&key);
                }
            }
        }
    }

    fn conclude(&mut self, key: PeerKey, proof: Proof, now: Instant) {
        self.probing.remove(&key);
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let Some(probe) = peer.probe.take() else {
            return;
        };
        let addr = peer.listens.unwrap_or(peer.addr);
        let block = probe.target.next();
        let gives_up = probe.step == Step::Asked && proof == Proof::Refused;
        if gives_up || probe.asks > 1 {
            peer.late = Some(block);
        }
        if gives_up {
            self.say(key, Said::Cancel(block));
        }
        self.say(key, Said::NotInterested);
        match proof {
            Proof::Proven => self.offer.proven(key, now),
            Proof::Refuted => self.offer.refuted(key, now),
            Proof::Refused | Proof::Unknown => {}
        }
        self.actions.push_back(Action::Probed(addr, proof));
        if proof == Proof::Refuted {
            self.close(key, Offence::WrongBlock);
        }
    }
}

#[cfg(test)]
mod tests;
