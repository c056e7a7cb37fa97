//! Serving the info dictionary to those who have only a magnet (BEP 9).

use super::{Offence, Swarm};
use crate::base::PeerKey;
use crate::seed::wire::{BLOCK_LENGTH, Said};

/// How often a peer may have the whole metadata. A client that lost it in a crash asks again; a third time is a flood.
const METADATA_COPIES: u32 = 3;
/// Refusals a peer may collect beyond that before we hang up.
const METADATA_REFUSALS: u32 = 64;

impl Swarm {
    pub(super) fn metadata_requested(&mut self, key: PeerKey, piece: u32) {
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
        let said = if piece >= pieces || peer.metadata_sent > allowed {
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
