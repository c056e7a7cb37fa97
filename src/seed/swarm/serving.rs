//! Requests: which are taken, and which block is written next.

use std::time::Instant;

use super::{Offence, Swarm};
use crate::base::PeerKey;
use crate::seed::swarm::Action;
use crate::seed::wire::{Block, REQUEST_QUEUE};

impl Swarm {
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
            let can = peer.in_flight < self.in_flight && self.warmth.is_warm(block.index);
            can.then_some((*key, block))
        })
    }

    pub(super) fn requested(&mut self, key: PeerKey, block: Block, now: Instant) {
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

    pub(super) fn written(&mut self, key: PeerKey, block: Block, now: Instant) {
        self.payload += u64::from(block.length);
        self.with(key, |peer| {
            peer.took(block);
            peer.payload += u64::from(block.length);
        });
        let length = self.torrent.length_of(block.index);
        let part = (block.begin, block.length);
        self.offer.sent(key, block.index, part, length, now);
    }

    /// Forgets requests of a peer that were not handed over yet.
    pub(super) fn forget_requests(&mut self, key: PeerKey, which: impl Fn(&Block) -> bool) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.queue.retain(|block| !which(block));
            if peer.queue.is_empty() {
                self.ready.remove(&key);
            }
        }
    }
}
