//! Serving the info dictionary to those who have only a magnet (BEP 9).
//!
//! A piece of it is as long as a block, and waits for the line as blocks do.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Offence, Peer, Swarm};
use crate::base::PeerKey;
use crate::seed::near;
use crate::seed::wire::{BLOCK_LENGTH, Said};

/// How often a peer may have the whole metadata. A client that lost it in a crash asks again; a third time is a flood.
const METADATA_COPIES: u32 = 3;
/// Refusals a peer may collect beyond that before we hang up.
const METADATA_REFUSALS: u32 = 64;

/// How often all who come from one address may have it within [`METADATA_MEMORY`]: a peer is somebody new with each
/// connection, and asks again. As many share an address as it may hold places.
const METADATA_COPIES_PER_ORIGIN: u32 = 16;
/// For how long it is counted who was granted metadata.
const METADATA_MEMORY: Duration = Duration::from_secs(60 * 60);
/// Pieces handed to one connection and not yet written, at most: as many as a connection has blocks at least, and for
/// the same reason.
const METADATA_UNDER_WAY: u32 = 2;

/// Who had it, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// Pieces that were granted to strangers' addresses, and since when that is counted.
    granted: BTreeMap<IpAddr, u32>,
    since: Option<Instant>,
    /// Those who wait for pieces, in the order of their turns.
    pub waiting: VecDeque<PeerKey>,
    /// Pieces handed to connections and not yet reported written.
    pub under_way: u32,
    /// Whether it was served last.
    pub had_its_turn: bool,
}

impl Metadata {
    /// Counts one piece more to this address; false when it has had its share of so many.
    fn grant(&mut self, ip: IpAddr, most: u32, now: Instant) -> bool {
        if !near::is_strangers(ip) {
            return true;
        }
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= METADATA_MEMORY {
            self.granted.clear();
            self.since = Some(now);
        }
        let granted = self.granted.entry(near::origin(ip)).or_default();
        let may = *granted < most;
        *granted += u32::from(may);
        may
    }

    /// Whether nobody waits for it, and nothing of it is under way.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way == 0
    }

    pub fn left(&mut self, key: PeerKey, peer: &Peer) {
        self.under_way -= peer.metadata_under_way;
        self.waiting.retain(|waiting| *waiting != key);
    }
}

impl Swarm {
    pub(super) fn metadata_requested(&mut self, key: PeerKey, piece: u32, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let Some(id) = peer.hello.as_ref().and_then(|hello| hello.metadata_id) else {
            return;
        };
        let pieces = (self.torrent.info.len() as u32).div_ceil(BLOCK_LENGTH);
        let allowed = pieces * METADATA_COPIES;
        peer.metadata_asked += 1;
        if peer.metadata_asked > allowed + METADATA_REFUSALS {
            return self.close(key, Offence::MetadataFlood);
        }
        let of_all = pieces * METADATA_COPIES_PER_ORIGIN;
        let refused = piece >= pieces
            || peer.metadata_asked > allowed
            || !self.metadata.grant(peer.addr.ip(), of_all, now);
        if refused {
            return self.say(key, Said::MetadataReject { id, piece });
        }
        // Asked for again before it was sent, it is sent once.
        if !peer.metadata_queue.contains(&(id, piece)) {
            if peer.metadata_queue.is_empty() {
                self.metadata.waiting.push_back(key);
            }
            peer.metadata_queue.push_back((id, piece));
        }
    }

    /// Whether [`Swarm::next_metadata`] would give a piece.
    pub(super) fn has_metadata(&self) -> bool {
        let mut waiting = self.metadata.waiting.iter();
        waiting.any(|key| self.takes_metadata(*key))
    }

    /// The piece of the metadata to be written next, and to whom, in turns; it counts as handed over. `None` when nobody
    /// asked for any, or their connections are full.
    pub(super) fn next_metadata(&mut self) -> Option<(PeerKey, Said)> {
        let mut waiting = self.metadata.waiting.iter();
        let next = waiting.position(|key| self.takes_metadata(*key))?;
        let key = self.metadata.waiting.remove(next)?;
        let peer = self.peers.get_mut(&key)?;
        let (id, piece) = peer.metadata_queue.pop_front()?;
        peer.metadata_under_way += 1;
        self.metadata.under_way += 1;
        if !peer.metadata_queue.is_empty() {
            self.metadata.waiting.push_back(key);
        }
        let info = &self.torrent.info;
        let from = (piece * BLOCK_LENGTH) as usize;
        let to = info.len().min(from + BLOCK_LENGTH as usize);
        let said = Said::Metadata {
            id,
            piece,
            total: info.len() as u32,
            data: info.slice(from..to),
        };
        Some((key, said))
    }

    pub(super) fn metadata_written(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&key) {
            let written = peer.metadata_under_way.min(1);
            peer.metadata_under_way -= written;
            self.metadata.under_way -= written;
        }
    }

    fn takes_metadata(&self, key: PeerKey) -> bool {
        self.peers[&key].metadata_under_way < METADATA_UNDER_WAY
    }
}
