//! Peers that say they hold everything while nobody gets anything of them.

use super::*;

/// Stuck leechers that bear witness against the complete peers, at least: a single one may just be unable to reach them.
const WITNESSES: u32 = 2;

impl Offer {
    /// When most leechers cannot get on although complete peers are there, those are of no use, or lie: what they say counts
    /// for nothing until somebody is seen to hold what only they can have given.
    pub(super) fn doubt_the_useless(&mut self, now: Instant) {
        let suspect = |peer: &Peer| peer.came_complete && !peer.doubted;
        if !self.peers.values().any(suspect) {
            return;
        }
        let takers = self.peers.values().filter(|p| p.takes()).count() as u32;
        let stuck = self.stuck(now);
        if stuck < WITNESSES || 2 * stuck < takers {
            return;
        }
        let suspects: Vec<PeerKey> = (self.peers.iter())
            .filter(|(_, peer)| suspect(peer))
            .map(|(key, _)| *key)
            .collect();
        for key in suspects {
            self.count_claims(key, true, now);
        }
    }

    /// `peer` announced a piece. If nobody believed holds it and we never sent it, a doubted peer told the truth.
    pub(super) fn believe_again(&mut self, peer: PeerKey, index: u32, now: Instant) {
        let piece = &self.pieces[index as usize];
        if piece.holders > 0 || piece.sent_to.is_some() {
            return;
        }
        let from_doubted = |(key, state): (&PeerKey, &Peer)| {
            (*key != peer && state.doubted && state.has.has(index)).then_some(*key)
        };
        let witnessed = self.peers.get(&peer).is_some_and(|p| !p.came_complete);
        let truthful: Vec<PeerKey> = self.peers.iter().filter_map(from_doubted).collect();
        for key in truthful.into_iter().filter(|_| witnessed) {
            self.count_claims(key, false, now);
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
