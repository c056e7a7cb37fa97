//! One torrent's swarm as a state machine: events and the time in, actions out. No sockets, no clock, no randomness.
//!
//! Invariants:
//! - only blocks that [`Offer::may_serve`] allows are queued, and at most [`REQUEST_QUEUE`] a peer;
//! - a choked peer has an empty queue;
//! - `ready` is exactly the peers with a non-empty queue;
//! - `in_flight` counts the bytes handed to a connection and not yet reported written;
//! - every peer in `peers` is known to the offer, and the other way round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::torrent::Torrent;
use super::wire::{Block, Heard, Hello, REQUEST_QUEUE, Said};
use crate::base::{Bits, PeerKey};
use crate::policy::offer::{Decision, Offer, Uplink};
use crate::policy::{retire, unchoke};

mod metadata;
mod peer;
mod pex;
mod warmth;

use peer::Peer;
use warmth::Warmth;

/// Bytes handed to one connection and not yet written. Two blocks keep the socket fed while the next is chosen;
/// more would fix the order of serving too early.
pub const IN_FLIGHT: u32 = 2 * super::wire::BLOCK_LENGTH;
/// How often slots are dealt again while supporting.
const UNCHOKE_EVERY: Duration = Duration::from_secs(10);

/// What happens to a swarm.
#[derive(Debug)]
pub enum Event {
    /// A peer finished its handshake.
    Joined {
        /// Its key from now on.
        peer: PeerKey,
        /// Where it is.
        addr: SocketAddr,
        /// Whether we dialled it, so that `addr` is where it listens.
        outgoing: bool,
        /// Whether it speaks BEP 10.
        extended: bool,
        /// How long its client is known to leave an offer unnoticed.
        reaction: Duration,
    },
    /// A peer said something.
    Heard(PeerKey, Heard),
    /// A block was written to a peer's socket, whole.
    Written(PeerKey, Block),
    /// A block that had been handed over was forgotten, as [`Action::Unsend`] asked.
    Unsent(PeerKey, Block),
    /// A piece was read and can be sent, or not; then its requests are forgotten.
    Warmed(u32, bool),
    /// A peer is gone.
    Left(PeerKey),
}

/// What a swarm wants done.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Tell a peer something.
    Say(PeerKey, Said),
    /// Forget the blocks of a piece that were handed over and not begun.
    Unsend(PeerKey, u32),
    /// Hang up.
    Close(PeerKey, Offence),
    /// A peer named others.
    Met(Vec<SocketAddr>),
    /// Read a piece, so that it can be sent.
    Warm(u32),
    /// A piece that was read is not needed any more.
    Cool(u32),
}

/// Why we hang up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Offence {
    /// It announced a piece the torrent does not have.
    #[error("it announced a piece that does not exist")]
    BadPiece,
    /// Its bitfield does not fit the torrent.
    #[error("its bitfield does not fit the torrent")]
    BadBitfield,
    /// It asked for a block the torrent does not have.
    #[error("it asked for a block that does not exist")]
    BadRequest,
    /// It asked for the metadata over and over.
    #[error("it asked for the metadata over and over")]
    MetadataFlood,
    /// It sent data nobody asked for.
    #[error("it sent data nobody asked for")]
    Unasked,
}

/// One torrent and its peers.
#[derive(Debug)]
pub struct Swarm {
    torrent: Arc<Torrent>,
    offer: Offer,
    peers: BTreeMap<PeerKey, Peer>,
    ready: BTreeSet<PeerKey>,
    warmth: Warmth,
    /// Retired or paused: metadata and addresses, no payload.
    silent: bool,
    listen_port: Option<u16>,
    uplink: Uplink,
    unchoked_at: Option<Instant>,
    payload: u64,
    actions: VecDeque<Action>,
}

impl Swarm {
    /// A swarm with nobody in it. `listen_port` is where peers can connect to us, if they can.
    pub fn new(torrent: Arc<Torrent>, listen_port: Option<u16>) -> Self {
        Self {
            offer: Offer::new(torrent.pieces(), torrent.piece_length),
            torrent,
            peers: BTreeMap::new(),
            ready: BTreeSet::new(),
            warmth: Warmth::default(),
            silent: false,
            listen_port,
            uplink: Uplink {
                cap: None,
                rate: 0,
                idle_since: None,
            },
            unchoked_at: None,
            payload: 0,
            actions: VecDeque::new(),
        }
    }

    /// Takes in what happened, and decides.
    pub fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Joined {
                peer,
                addr,
                outgoing,
                extended,
                reaction,
            } => {
                self.offer.joined(peer, now);
                self.offer.reacts_within(peer, reaction, now);
                self.joined(peer, addr, outgoing, extended, now);
                // What it is offered first is said before the UNCHOKE: a librqbit that may ask asks for the first piece
                // it hears of, and looks for the others five seconds later.
                self.decide(now);
                if !self.silent && self.peers.get(&peer).is_some_and(|peer| peer.choked) {
                    self.unchoke(peer, now);
                }
            }
            Event::Heard(peer, heard) => {
                if self.peers.contains_key(&peer) {
                    self.heard(peer, heard, now);
                }
            }
            Event::Written(peer, block) => self.written(peer, block, now),
            Event::Unsent(peer, block) => self.with(peer, |peer| peer.took(block)),
            Event::Warmed(piece, readable) => self.warmed(piece, readable, now),
            Event::Left(peer) => self.left(peer, now),
        }
        self.decide(now);
    }

    /// Lets time pass; call it about once a second, and more often while the uplink idles.
    pub fn tick(&mut self, uplink: Uplink, now: Instant) {
        self.uplink = uplink;
        self.decide(now);
        self.share_addresses(now);
        self.deal_slots(now);
        self.cool(now);
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Stops giving payload, or starts again.
    pub fn set_silent(&mut self, silent: bool, now: Instant) {
        if self.silent == silent {
            return;
        }
        self.silent = silent;
        if silent {
            let peers: Vec<PeerKey> = self.peers.keys().copied().collect();
            peers.into_iter().for_each(|peer| self.choke(peer, now));
        }
        self.decide(now);
    }

    /// The block to be written next, and to whom; it counts as handed over. `None` when nobody asked for anything
    /// we may give, or their connections are full.
    pub fn next_block(&mut self, now: Instant) -> Option<(PeerKey, Block)> {
        let can = self.can_be_served();
        let ranked = can.map(|(key, block)| (self.offer.rank(key, block.index), key));
        let (_, key) = ranked.min()?;
        let peer = self.peers.get_mut(&key)?;
        let block = peer.queue.pop_front()?;
        peer.in_flight += block.length;
        self.warmth.used(block.index, now);
        if peer.queue.is_empty() {
            self.ready.remove(&key);
        }
        Some((key, block))
    }

    /// Whether [`Swarm::next_block`] would give one.
    pub fn has_next(&self) -> bool {
        self.can_be_served().next().is_some()
    }

    /// Whether nobody waits for anything: nothing asked for, nothing under way.
    pub fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.peers.values().all(|peer| peer.in_flight == 0)
    }

    /// Peers whose connection has room for their next block, which has been read.
    fn can_be_served(&self) -> impl Iterator<Item = (PeerKey, Block)> + '_ {
        self.ready.iter().filter_map(|key| {
            let peer = &self.peers[key];
            let block = *peer.queue.front()?;
            let can = peer.in_flight < IN_FLIGHT && self.warmth.is_warm(block.index);
            can.then_some((*key, block))
        })
    }

    /// Payload bytes written since the swarm was made.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// The torrent.
    pub fn torrent(&self) -> &Arc<Torrent> {
        &self.torrent
    }

    /// How many peers are connected.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// Where the connected peers listen, as far as we know.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.peers.values().filter_map(|peer| peer.listens)
    }

    /// The connected peers that hold every piece.
    pub fn relays(&self) -> Vec<retire::Relay> {
        self.peers
            .iter()
            .filter(|(key, _)| self.offer.is_complete(**key))
            .map(|(_, peer)| retire::Relay {
                addr: peer.listens.unwrap_or(peer.addr),
            })
            .collect()
    }

    /// Distributed copies without us.
    pub fn copies(&self) -> f64 {
        self.offer.availability().copies()
    }

    /// Leechers that got nothing from anybody but us for a while.
    pub fn stuck(&self, now: Instant) -> u32 {
        self.offer.stuck(now)
    }

    fn joined(
        &mut self,
        key: PeerKey,
        addr: SocketAddr,
        outgoing: bool,
        extended: bool,
        now: Instant,
    ) {
        self.peers.insert(key, Peer::new(addr, outgoing, now));
        if extended {
            let hello = Said::Hello {
                port: self.listen_port,
                metadata_size: self.torrent.info.len() as u32,
                you: addr.ip(),
            };
            self.say(key, hello);
        }
        // No bitfield: we are a peer that has nothing yet, and announces what it gives piece by piece.
    }

    fn heard(&mut self, key: PeerKey, heard: Heard, now: Instant) {
        match heard {
            Heard::Have(index) => {
                if !self.offer.have(key, index, now) {
                    self.close(key, Offence::BadPiece);
                }
            }
            Heard::Bitfield(wire) => match Bits::from_wire(self.torrent.pieces(), &wire) {
                Ok(bits) => self.offer.bitfield(key, &bits, now),
                Err(_) => self.close(key, Offence::BadBitfield),
            },
            Heard::Interested => {
                self.with(key, |peer| peer.interested = true);
                self.offer.interested(key);
            }
            Heard::NotInterested => {
                self.with(key, |peer| peer.interested = false);
                self.offer.not_interested(key, now);
                self.forget_requests(key, |_| true);
            }
            Heard::Request(block) => self.requested(key, block, now),
            Heard::Cancel(block) => self.forget_requests(key, |queued| *queued == block),
            Heard::Hello(hello) => self.hello(key, hello),
            Heard::MetadataRequest(piece) => self.metadata_requested(key, piece),
            Heard::Peers(addresses) => {
                if !self.torrent.private {
                    self.actions.push_back(Action::Met(addresses));
                }
            }
            Heard::Piece => self.close(key, Offence::Unasked),
            Heard::KeepAlive | Heard::Choke | Heard::Unchoke | Heard::Ignored => {}
        }
    }

    fn hello(&mut self, key: PeerKey, hello: Hello) {
        if hello.upload_only {
            self.offer.wants_nothing(key);
        }
        self.with(key, |peer| peer.greeted(hello));
    }

    fn requested(&mut self, key: PeerKey, block: Block, now: Instant) {
        if !self.torrent.has_block(block) {
            return self.close(key, Offence::BadRequest);
        }
        self.offer.requested(key, block.index, now);
        // A request that came before our choke, or for a piece that was taken back, is not an offence: it is
        // simply not answered, as BEP 3 has it.
        if self.silent || !self.offer.may_serve(key, block.index) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let full = peer.queue.len() >= REQUEST_QUEUE;
        if !peer.choked && !full && !peer.queue.contains(&block) {
            peer.queue.push_back(block);
            self.ready.insert(key);
            if self.warmth.wanted(block.index) {
                self.actions.push_back(Action::Warm(block.index));
            }
        }
    }

    fn written(&mut self, key: PeerKey, block: Block, now: Instant) {
        self.payload += u64::from(block.length);
        self.with(key, |peer| {
            peer.took(block);
            peer.payload += u64::from(block.length);
        });
        let length = self.torrent.length_of(block.index);
        let part = (block.begin, block.length);
        self.offer.sent(key, block.index, part, length, now);
    }

    fn left(&mut self, key: PeerKey, now: Instant) {
        self.peers.remove(&key);
        self.ready.remove(&key);
        self.offer.left(key, now);
    }

    fn decide(&mut self, now: Instant) {
        if self.silent {
            return;
        }
        let mut offered = BTreeSet::new();
        for decision in self.offer.decide(now, self.uplink) {
            match decision {
                Decision::Offer { peer, piece } => {
                    self.say(peer, Said::Have(piece));
                    offered.insert(peer);
                }
                Decision::TakeBack { peer, piece } => {
                    self.forget_requests(peer, |block| block.index == piece);
                    self.actions.push_back(Action::Unsend(peer, piece));
                    if !self.offer.has_offers(peer) {
                        self.choke(peer, now);
                    }
                }
            }
        }
        for peer in offered {
            // Also when it is unchoked already: a HAVE alone makes an interested libtorrent ask for nothing.
            self.unchoke(peer, now);
        }
    }

    /// While supporting, deals the slots anew.
    fn deal_slots(&mut self, now: Instant) {
        let due = self
            .unchoked_at
            .is_none_or(|at| now.saturating_duration_since(at) >= UNCHOKE_EVERY);
        let spreading = !self.offer.first_copy_is_out();
        if self.silent || spreading || !due {
            return;
        }
        self.unchoked_at = Some(now);
        let candidates: Vec<_> = self
            .peers
            .iter()
            .map(|(key, peer)| unchoke::Candidate {
                peer: *key,
                interested: peer.interested,
                offered: self.offer.has_offers(*key),
                relay_rate: self.offer.relay_rate(*key, now),
                since: peer.choked_since,
                unchoked: !peer.choked,
            })
            .collect();
        let open = unchoke::decide(&candidates, spreading, now);
        for candidate in candidates {
            match (open.contains(&candidate.peer), candidate.unchoked) {
                (true, false) => self.unchoke(candidate.peer, now),
                (false, true) => self.choke(candidate.peer, now),
                _ => {}
            }
        }
    }

    fn choke(&mut self, key: PeerKey, now: Instant) {
        self.forget_requests(key, |_| true);
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if !peer.choked {
            peer.choked = true;
            peer.choked_since = now;
            self.say(key, Said::Choke);
        }
    }

    fn unchoke(&mut self, key: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if peer.choked {
            peer.choked = false;
            peer.choked_since = now;
        }
        self.say(key, Said::Unchoke);
    }

    fn forget_requests(&mut self, key: PeerKey, which: impl Fn(&Block) -> bool) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.queue.retain(|block| !which(block));
            if peer.queue.is_empty() {
                self.ready.remove(&key);
            }
        }
    }

    fn with(&mut self, key: PeerKey, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.get_mut(&key) {
            change(peer);
        }
    }

    fn say(&mut self, key: PeerKey, said: Said) {
        self.actions.push_back(Action::Say(key, said));
    }

    fn close(&mut self, key: PeerKey, offence: Offence) {
        self.actions.push_back(Action::Close(key, offence));
    }
}

#[cfg(test)]
mod tests;
