//! Serving the info dictionary to those who have only a magnet (BEP 9).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Offence, Swarm};
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
/// For how long it is counted who was sent metadata.
const METADATA_MEMORY: Duration = Duration::from_secs(60 * 60);

/// Metadata pieces that were sent to strangers' addresses, and since when that is counted.
#[derive(Debug, Default)]
pub(super) struct MetadataSent {
    pieces: BTreeMap<IpAddr, u32>,
    since: Option<Instant>,
}

impl MetadataSent {
    /// Counts one piece more to this address; false when it has had its share of so many.
    fn count(&mut self, ip: IpAddr, most: u32, now: Instant) -> bool {
        if !near::is_strangers(ip) {
            return true;
        }
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= METADATA_MEMORY {
            self.pieces.clear();
            self.since = Some(now);
        }
        let sent = self.pieces.entry(near::origin(ip)).or_default();
        let may = *sent < most;
        *sent += u32::from(may);
        may
    }
}

impl Swarm {
    pub(super) fn metadata_requested(&mut self, key: PeerKey, piece: u32, now: Instant) {
        let info = self.torrent.info.clone();
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let Some(id) = peer.hello.as_ref().and_then(|hello| hello.metadata_id) else {
            return;
        };
        let pieces = (info.len() as u32).div_ceil(BLOCK_LENGTH);
        let allowed = pieces * METADATA_COPIES;
        peer.metadata_sent += 1;
        if peer.metadata_sent > allowed + METADATA_REFUSALS {
            return self.close(key, Offence::MetadataFlood);
        }
        let of_all = pieces * METADATA_COPIES_PER_ORIGIN;
        let refused = piece >= pieces
            || peer.metadata_sent > allowed
            || !self.metadata_sent.count(peer.addr.ip(), of_all, now);
        let said = if refused {
            Said::MetadataReject { id, piece }
        } else {
            let from = (piece * BLOCK_LENGTH) as usize;
            let to = info.len().min(from + BLOCK_LENGTH as usize);
            Said::Metadata {
                id,
                piece,
                total: info.len() as u32,
                data: info.slice(from..to),
            }
        };
        self.say(key, said);
    }
}
