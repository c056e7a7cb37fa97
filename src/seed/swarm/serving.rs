//! Requests: which are taken, and which block is written next.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Offence, Swarm};
use crate::base::PeerKey;
use crate::seed::swarm::Action;
use crate::seed::wire::{Block, REQUEST_QUEUE, Said};

/// What is to be written next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// A block.
    Block(PeerKey, Block),
    /// A piece of the metadata.
    Metadata(PeerKey, Said),
}

impl Swarm {
    /// What is to be written next; it counts as handed over. Where both are waited for, metadata and blocks take turns:
    /// newcomers need the one before all else, and are not given all of the line for it.
    pub fn next(&mut self, now: Instant) -> Option<Next> {
        let blocks_turn = std::mem::take(&mut self.metadata.had_its_turn) && self.has_block();
        if !blocks_turn && let Some((peer, said)) = self.next_metadata() {
            self.metadata.had_its_turn = true;
            return Some(Next::Metadata(peer, said));
        }
        let (peer, block) = self.next_block(now)?;
        Some(Next::Block(peer, block))
    }

    /// Whether [`Swarm::next`] would give something.
    pub fn has_next(&self) -> bool {
        self.has_block() || self.has_metadata()
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
        self.in_flight += u64::from(block.length);
        self.warmth.used(block.index, now);
        if peer.queue.is_empty() {
            self.ready.remove(&key);
        }
        Some((key, block))
    }

    fn has_block(&self) -> bool {
        self.can_be_served().next().is_some()
    }

    /// Whether nobody waits for anything: nothing asked for, nothing under way.
    pub fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.in_flight == 0 && self.metadata.is_idle()
    }

    /// Whether somebody could be sent something at once if it had been read.
    pub fn waits_for_disk(&self) -> bool {
        self.ready.iter().any(|key| {
            let peer = &self.peers[key];
            let cold = |block: &Block| !self.warmth.is_warm(block.index);
            peer.in_flight < self.most_in_flight && peer.queue.front().is_some_and(cold)
        })
    }

    /// Tells the offer whose blocks wait for us, and not for their own lines.
    pub(super) fn note_delays(&mut self, now: Instant) {
        for key in &self.ready {
            let peer = &self.peers[key];
            if peer.in_flight >= self.most_in_flight {
                continue;
            }
            let mut last = None;
            for block in &peer.queue {
                if last.replace(block.index) != Some(block.index) {
                    self.offer.delayed(*key, block.index, now);
                }
            }
        }
    }

    /// Peers whose connection has room for their next block, which has been read.
    fn can_be_served(&self) -> impl Iterator<Item = (PeerKey, Block)> + '_ {
        self.ready.iter().filter_map(|key| {
            let peer = &self.peers[key];
            let block = *peer.queue.front()?;
            let can = peer.in_flight < self.most_in_flight && self.warmth.is_warm(block.index);
            can.then_some((*key, block))
        })
    }

    pub(super) fn requested(&mut self, key: PeerKey, block: Block, now: Instant) {
        if !self.torrent.has_block(block) {
            return self.close(key, Offence::BadRequest);
        }
        self.offer.requested(key, block.index, now);
        self.move_on(block.index);
        let Some(peer) = self.peers.get(&key) else {
            return;
        };
        if !self.silent && !peer.choked && self.offer.may_serve(key, block.index) {
            return self.enqueue(key, block);
        }
        // A request that came before our choke is not an offence: it is not answered, as BEP 3 has it. For one that came
        // after its piece was taken back BEP 3 has nothing: the peer goes on waiting, and it is answered once it may be.
        if peer.habits.keeps_requests || !peer.choked {
            self.wait(key, block);
        }
    }

    /// A piece may be bound to another than the one who got it last; what that one asked for again waits.
    pub(super) fn move_on(&mut self, piece: u32) {
        if let Some(before) = self.offer.may_no_longer(piece) {
            self.put_aside(before, |block| block.index == piece);
        }
    }

    fn enqueue(&mut self, key: PeerKey, block: Block) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if peer.queue.len() < REQUEST_QUEUE && !peer.queue.contains(&block) {
            peer.queue.push_back(block);
            self.ready.insert(key);
            if self.warmth.wanted(block.index) {
                self.actions.push_back(Action::Warm(block.index));
            }
        }
    }

    /// Keeps a request that cannot be answered now.
    fn wait(&mut self, key: PeerKey, block: Block) {
        if let Some(peer) = self.peers.get_mut(&key)
            && peer.aside.len() < REQUEST_QUEUE
            && !peer.aside.contains(&block)
        {
            peer.aside.push_back(block);
            self.offer.waits(key, block.index);
        }
    }

    /// Takes requests that were not handed over yet from a peer; they are answered once they may be.
    pub(super) fn put_aside(&mut self, key: PeerKey, which: impl Fn(&Block) -> bool) {
        let Some(peer) = self.peers.get(&key) else {
            return;
        };
        let kept: Vec<Block> = peer.queue.iter().copied().filter(&which).collect();
        self.forget_requests(key, which);
        kept.into_iter().for_each(|block| self.wait(key, block));
    }

    /// Answers what was put aside and may be answered now.
    pub(super) fn recall(&mut self, key: PeerKey, at: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        let aside = std::mem::take(&mut peer.aside);
        let may = |block: &Block| self.offer.may_serve(key, block.index);
        let (now, later): (_, VecDeque<Block>) = aside.into_iter().partition(may);
        peer.aside = later;
        let now: VecDeque<Block> = now;
        for block in now {
            self.offer.requested(key, block.index, at);
            self.enqueue(key, block);
        }
    }

    /// A peer wants these blocks no more.
    pub(super) fn cancel(&mut self, key: PeerKey, which: impl Fn(&Block) -> bool) {
        self.with(key, |peer| peer.aside.retain(|block| !which(block)));
        self.forget_requests(key, which);
    }

    /// A block comes back from its connection. It is the next one to be handed over if the peer may still have it.
    pub(super) fn unsent(&mut self, key: PeerKey, block: Block) {
        self.took(key, block);
        let may = !self.silent && self.offer.may_serve(key, block.index);
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if may && !peer.choked {
            peer.queue.push_front(block);
            self.ready.insert(key);
            if self.warmth.wanted(block.index) {
                self.actions.push_back(Action::Warm(block.index));
            }
        } else if peer.habits.keeps_requests || !peer.choked {
            self.wait(key, block);
        }
    }

    /// A block left the connection's hands, written or forgotten.
    fn took(&mut self, key: PeerKey, block: Block) {
        if let Some(peer) = self.peers.get_mut(&key) {
            let taken = block.length.min(peer.in_flight);
            peer.in_flight -= taken;
            self.in_flight -= u64::from(taken);
        }
    }

    pub(super) fn written(&mut self, key: PeerKey, block: Block, now: Instant) {
        self.payload += u64::from(block.length);
        self.took(key, block);
        self.with(key, |peer| peer.payload += u64::from(block.length));
        let length = self.torrent.length_of(block.index);
        let part = (block.begin, block.length);
        self.offer.sent(key, block.index, part, length, now);
        if !self.offer.may_serve(key, block.index) {
            // It has had all of it twice.
            self.put_aside(key, |queued| queued.index == block.index);
        }
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
