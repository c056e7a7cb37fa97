//! One torrent's swarm as a state machine: events and the time in, actions out. No sockets, no clock, no randomness.
//!
//! Invariants:
//! - only blocks that [`Offer::may_serve`] allows are queued, and at most [`super::wire::REQUEST_QUEUE`] a peer;
//! - a choked peer has an empty queue;
//! - `ready` is exactly the peers with a non-empty queue;
//! - `in_flight` counts the bytes handed to a connection and not yet reported written, and the swarm's the sum of them;
//! - a choked peer has requests in `aside` only where its client keeps them, and nobody more than
//!   [`super::wire::REQUEST_QUEUE`] of them;
//! - exactly the peers that wait for metadata have turns, and the count of what is under way of it is the sum of theirs;
//! - every peer in `peers` is known to the offer, and the other way round;
//! - `probing` is exactly the peers with a probe.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::torrent::Torrent;
use super::wire::{Block, Heard, Hello, Said};
use crate::base::{Bits, PeerKey};
use crate::policy::offer::{Decision, Habits, Offer, Uplink};

mod metadata;
mod peer;
mod pex;
mod piece_map;
pub mod probe;
mod rest;
mod serving;
mod sights;
mod slots;
mod warmth;

use metadata::Metadata;
use peer::Peer;
pub use piece_map::{MAX_CELLS, PieceMap};
pub use probe::{Compared, Proof};
pub use serving::Next;
pub use sights::Sight;
use warmth::Warmth;

/// Bytes handed to one connection and not yet written, at least. Two blocks keep the socket fed while the next is
/// chosen; more would fix the order of serving too early.
pub const IN_FLIGHT: u32 = 2 * super::wire::BLOCK_LENGTH;
/// Where much is sent, they are what is sent in this time, so that a fast line is not fed block by block, ...
const IN_FLIGHT_TIME: Duration = Duration::from_millis(10);
/// ... and no more than this: by then the cost of handing over is lost in that of sending.
pub const MAX_IN_FLIGHT: u32 = 512 << 10;

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
        /// What its client is known to do.
        habits: Habits,
    },
    /// A peer said something.
    Heard(PeerKey, Heard),
    /// A block was written to a peer's socket, whole.
    Written(PeerKey, Block),
    /// A piece of the metadata was written to a peer's socket, whole.
    MetadataWritten(PeerKey),
    /// A block that had been handed over was not written: [`Action::Unsend`] asked so, or the limit was lowered.
    Unsent(PeerKey, Block),
    /// A piece was read and can be sent, or not; then its requests are forgotten.
    Warmed(u32, bool),
    /// A block that a peer served was compared with ours.
    Compared(PeerKey, Compared),
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
    /// A peer named others, and says of some that they hold every piece.
    Met(Vec<(SocketAddr, bool)>),
    /// Compare a block that a peer served with ours; answered with [`Event::Compared`].
    Compare(PeerKey, Block, Box<[u8]>),
    /// A probe of the peer at this address ended.
    Probed(SocketAddr, Proof),
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
    /// It says that it holds every piece, and served a block that is not ours.
    #[error("it served a block that is not of this torrent")]
    WrongBlock,
}

/// One torrent and its peers.
#[derive(Debug)]
pub struct Swarm {
    torrent: Arc<Torrent>,
    offer: Offer,
    peers: BTreeMap<PeerKey, Peer>,
    ready: BTreeSet<PeerKey>,
    /// Those who are being asked for a block.
    probing: BTreeSet<PeerKey>,
    /// Bytes handed to connections and not yet reported written.
    in_flight: u64,
    warmth: Warmth,
    /// Retired or paused: metadata and addresses, no payload.
    silent: bool,
    listen_port: Option<u16>,
    uplink: Uplink,
    unchoked_at: Option<Instant>,
    /// Bytes handed to one connection and not yet written, at most.
    most_in_flight: u32,
    payload: u64,
    metadata: Metadata,
    actions: VecDeque<Action>,
    /// When something last happened that was not decided upon.
    undecided: Option<Instant>,
}

impl Swarm {
    /// A swarm with nobody in it. `listen_port` is where peers can connect to us, if they can.
    pub fn new(torrent: Arc<Torrent>, listen_port: Option<u16>) -> Self {
        Self {
            offer: Offer::new(torrent.pieces(), torrent.piece_length),
            torrent,
            peers: BTreeMap::new(),
            ready: BTreeSet::new(),
            probing: BTreeSet::new(),
            in_flight: 0,
            warmth: Warmth::default(),
            silent: false,
            listen_port,
            uplink: Uplink {
                cap: None,
                rate: 0,
                idle_since: None,
            },
            unchoked_at: None,
            most_in_flight: IN_FLIGHT,
            payload: 0,
            metadata: Metadata::default(),
            actions: VecDeque::new(),
            undecided: None,
        }
    }

    /// Takes in what happened. What follows from it is decided when [`Swarm::poll`] has nothing else to say: deciding looks at
    /// every peer, and hundreds of them may have said something meanwhile.
    pub fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Joined {
                peer,
                addr,
                outgoing,
                extended,
                habits,
            } => {
                self.offer.joined(peer, habits, now);
                self.peers
                    .insert(peer, Peer::new(addr, outgoing, habits, now));
                self.greet(peer, extended);
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
            Event::MetadataWritten(peer) => self.metadata_written(peer),
            Event::Unsent(peer, block) => self.unsent(peer, block),
            Event::Warmed(piece, readable) => self.warmed(piece, readable, now),
            Event::Compared(peer, compared) => self.compared(peer, compared, now),
            Event::Left(peer) => self.left(peer, now),
        }
        if self.offer.is_due() {
            self.undecided = Some(now);
        }
    }

    /// Lets time pass; call it about once a second, and more often while the uplink idles.
    pub fn tick(&mut self, uplink: Uplink, now: Instant) {
        self.uplink = uplink;
        self.note_delays(now);
        let share = uplink.rate as f64 / self.ready.len().max(1) as f64;
        self.most_in_flight = ((share * IN_FLIGHT_TIME.as_secs_f64()) as u32) // saturates
            .clamp(IN_FLIGHT, MAX_IN_FLIGHT);
        self.decide(now);
        self.share_addresses(now);
        self.deal_slots(now);
        self.pass_probes(now);
        self.cool(now);
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Action> {
        if self.actions.is_empty()
            && let Some(now) = self.undecided.take()
        {
            self.decide(now);
        }
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
        } else {
            // We are back because others are gone, or of no use to somebody: those who left hold nothing for him.
            self.offer.forget_departed();
        }
        self.decide(now);
    }

    /// Whether more is given than the first copy and what the swarm lacks.
    pub fn set_generous(&mut self, generous: bool) {
        self.offer.set_generous(generous);
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

    /// It was found out where a peer listens that did not say so.
    pub fn listens_at(&mut self, key: PeerKey, addr: SocketAddr) {
        self.with(key, |peer| {
            peer.listens.get_or_insert(addr);
        });
    }

    /// Distributed copies without us.
    pub fn copies(&self) -> f64 {
        self.offer.availability().copies()
    }

    /// Where the pieces are, among the peers who are connected.
    pub fn piece_map(&self) -> PieceMap {
        PieceMap::of(self.offer.places())
    }

    /// Leechers that got nothing from anybody but us for a while.
    pub fn stuck(&self, now: Instant) -> u32 {
        self.offer.stuck(now)
    }

    /// When the one among them that waits longest got something last, or came.
    pub fn stuck_since(&self, now: Instant) -> Option<Instant> {
        self.offer.stuck_since(now)
    }

    /// No bitfield: we are a peer that has nothing yet, and announces what it gives piece by piece.
    fn greet(&mut self, key: PeerKey, extended: bool) {
        if let (Some(peer), true) = (self.peers.get(&key), extended) {
            let hello = Said::Hello {
                port: self.listen_port,
                metadata_size: self.torrent.info.len() as u32,
                you: peer.addr.ip(),
            };
            self.say(key, hello);
        }
    }

    fn heard(&mut self, key: PeerKey, heard: Heard, now: Instant) {
        match heard {
            Heard::Have(index) => {
                self.note_source(key, index);
                if !self.offer.have(key, index, now) {
                    return self.close(key, Offence::BadPiece);
                }
                // It came from somebody else while it waited here, and not every client takes its requests back.
                self.cancel(key, |block| block.index == index);
            }
            Heard::Bitfield(wire) => match Bits::from_wire(self.torrent.pieces(), &wire) {
                Ok(bits) => {
                    self.offer.bitfield(key, &bits, now);
                    self.cancel(key, |block| bits.has(block.index));
                }
                Err(_) => self.close(key, Offence::BadBitfield),
            },
            Heard::Interested => {
                self.with(key, |peer| peer.interested = true);
                self.offer.interested(key);
            }
            Heard::NotInterested => {
                self.with(key, |peer| peer.interested = false);
                self.offer.not_interested(key, now);
                self.cancel(key, |_| true);
            }
            Heard::Request(block) => self.requested(key, block, now),
            Heard::Cancel(block) => self.cancel(key, |queued| *queued == block),
            Heard::Hello(hello) => self.hello(key, hello),
            Heard::MetadataRequest(piece) => self.metadata_requested(key, piece, now),
            Heard::Peers(addresses) => self.named(key, addresses, now),
            Heard::Piece(block, bytes) => self.piece_came(key, block, bytes, now),
            Heard::Choke => self.choked_us(key, true, now),
            Heard::Unchoke => self.choked_us(key, false, now),
            Heard::KeepAlive | Heard::Ignored => {}
        }
    }

    fn hello(&mut self, key: PeerKey, hello: Hello) {
        if let Some(upload_only) = hello.upload_only {
            self.offer.wants_nothing(key, upload_only);
        }
        self.with(key, |peer| peer.greeted(hello));
    }

    fn left(&mut self, key: PeerKey, now: Instant) {
        if let Some(peer) = self.peers.remove(&key) {
            self.in_flight -= u64::from(peer.in_flight);
            self.metadata.left(key, &peer);
        }
        self.ready.remove(&key);
        self.probing.remove(&key);
        self.offer.left(key, now);
    }

    fn decide(&mut self, now: Instant) {
        self.undecided = None;
        if self.silent {
            return;
        }
        let mut offered = BTreeSet::new();
        for decision in self.offer.decide(now, self.uplink) {
            match decision {
                Decision::Offer { peer, piece } => {
                    self.move_on(piece);
                    self.say(peer, Said::Have(piece));
                    offered.insert(peer);
                }
                Decision::TakeBack { peer, piece } => {
                    self.put_aside(peer, |block| block.index == piece);
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
mod invariants;
#[cfg(test)]
mod tests;
