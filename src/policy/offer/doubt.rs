//! Peers that say they hold everything while nobody gets anything of them.

use super::*;

/// Leechers that bear witness against the complete peers, at least: a single one may just be unable to reach them.
const WITNESSES: usize = 2;

impl Offer {
    /// When leechers have been there for a while together with complete peers, and nobody was seen to get anything of those,
    /// they are of no use, or lie: what they say counts for nothing until somebody is seen to hold what only they can have
    /// given.
    pub(super) fn doubt_the_useless(&mut self, now: Instant) {
        let long_there = |peer: &Peer| now.saturating_duration_since(peer.joined_at) >= DOUBT_AFTER;
        let suspect =
            |peer: &&Peer| peer.came_complete && !peer.doubted && !peer.proven && long_there(peer);
        let Some(since) = (self.peers.values().filter(suspect))
            .map(|p| p.joined_at)
            .max()
        else {
            return;
        };
        let proven = self.witnessed_at.is_some_and(|at| at >= since);
        let hungry = self.peers.values().filter(|p| p.takes() && long_there(p));
        if proven || hungry.count() < WITNESSES {
            return;
        }
        for key in self.those(|peer| suspect(&peer)) {
            self.count_claims(key, true, now);
        }
    }

    /// `peer` announced a piece. If we never sent it and only complete peers hold it, one of them gave it.
    pub(super) fn bear_witness(&mut self, peer: PeerKey, index: u32, now: Instant) {
        let piece = &self.pieces[index as usize];
        let witness = self.peers.get(&peer).is_some_and(|p| !p.came_complete);
        if !witness || piece.sent_to.is_some() {
            return;
        }
        let holds = |(key, state): &(&PeerKey, &Peer)| **key != peer && state.has.has(index);
        let holders = || self.peers.iter().filter(holds);
        if holders().next().is_none() || !holders().all(|(_, state)| state.came_complete) {
            return;
        }
        self.witnessed_at = Some(now);
        let doubted: Vec<PeerKey> = holders()
            .filter(|(_, state)| state.doubted)
            .map(|(key, _)| *key)
            .collect();
        for key in doubted {
            self.count_claims(key, false, now);
        }
    }

    /// `peer` announced a piece. If we never sent it and one other holds it, that one gave it.
    pub(super) fn vouch(&mut self, peer: PeerKey, index: u32) {
        let piece = &self.pieces[index as usize];
        let known = self.peers.get(&peer).is_some_and(|p| p.has.has(index));
        if piece.holders != 1 || piece.sent_to.is_some() || known {
            return;
        }
        let mut others = self.peers.iter_mut().filter(|(key, _)| **key != peer);
        if let Some((_, giver)) = others.find(|(_, state)| state.has.has(index)) {
            giver.vouched = true;
        }
    }

    /// The peer served a block that it was asked for: what it says counts.
    pub fn proven(&mut self, peer: PeerKey, now: Instant) {
        if self.peers.get(&peer).is_some_and(|p| p.doubted) {
            self.count_claims(peer, false, now);
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.vouched = true;
            state.proven = true;
        }
    }

    /// The peer served a block that is not of the content: what it says counts for nothing, also once it has left.
    pub fn refuted(&mut self, peer: PeerKey, now: Instant) {
        if self.peers.get(&peer).is_some_and(|p| !p.doubted) {
            self.count_claims(peer, true, now);
        }
    }

    /// Counts what a peer says it holds no more, or again.
    fn count_claims(&mut self, key: PeerKey, doubted: bool, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        peer.doubted = doubted;
        let held: Vec<u32> = peer.has.iter().collect();
        for index in held {
            self.recount(index, if doubted { -1 } else { 1 }, now);
            match doubted {
                true => self.repool(index),
                false => {
                    self.pool.remove(&index);
                }
            }
        }
        self.due = true;
    }
}
