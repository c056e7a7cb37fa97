//! What connected peers show of themselves.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Event, Swarm};
use crate::base::{Bits, PeerKey};
use crate::seed::wire::Heard;

/// One connected peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Which.
    pub peer: PeerKey,
    /// Where it listens; where it came from if it does not say.
    pub addr: SocketAddr,
    /// Whether it is known where it listens.
    pub listens: bool,
    /// Whether it says that it holds every piece.
    pub full: bool,
    /// Whether it came without, and got the content before our eyes.
    pub earned: bool,
    /// How long it has been connected.
    pub age: Duration,
}

impl Swarm {
    /// The connected peers.
    pub fn sights(&self, now: Instant) -> impl Iterator<Item = Sight> + '_ {
        let keys = self.peers.keys();
        keys.filter_map(move |key| self.sight(*key, now))
    }

    /// One of them.
    pub fn sight(&self, key: PeerKey, now: Instant) -> Option<Sight> {
        let peer = self.peers.get(&key)?;
        Some(Sight {
            peer: key,
            addr: peer.listens.unwrap_or(peer.addr),
            listens: peer.listens.is_some(),
            full: self.offer.says_all(key),
            earned: self.has_earned(key),
            age: now.saturating_duration_since(peer.joined_at),
        })
    }

    /// A peer showed its bitfield beside its connection. What is new in it is as if it had announced it.
    pub fn glimpsed(&mut self, key: PeerKey, wire: &[u8], now: Instant) {
        let Ok(bits) = Bits::from_wire(self.torrent.pieces(), wire) else {
            return;
        };
        for piece in bits.iter() {
            if !self.offer.holds(key, piece) {
                self.handle(Event::Heard(key, Heard::Have(piece)), now);
            }
        }
    }

    /// Whether it came without the content, and got pieces of it from us, or nothing that others did not hold.
    fn has_earned(&self, key: PeerKey) -> bool {
        let fetched = |peer: &super::Peer| peer.payload > 0 || peer.unexplained == 0;
        self.offer.has_earned(key) && self.peers.get(&key).is_some_and(fetched)
    }

    /// A peer announces a piece: somebody gave it, or nobody is known who could have.
    pub(super) fn note_source(&mut self, key: PeerKey, piece: u32) {
        if !self.offer.has_source(piece) {
            self.with(key, |peer| peer.unexplained += 1);
        }
    }
}
