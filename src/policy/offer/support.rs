//! What is given once the swarm holds a full copy without us.

use super::*;

/// How many leechers that cannot get on are helped in one decision: each costs a look at every piece.
const HELPED_AT_ONCE: usize = 8;
/// Generous support: how many pieces are offered at a time.
const SUPPORT_AT_ONCE: usize = 8;
/// Support is not saved up for longer than it takes to send this many pieces.
const SUPPORT_SAVED: f64 = 2.0;
/// Where our share of the swarm's capacity is below this, support changes nothing that anybody would notice.
const MIN_SHARE: f64 = 0.05;
/// Where our share is this much or more, the whole uplink is given.
const FULL_SHARE: f64 = 1.0 / 3.0;
/// The part of the uplink that is given where our share lies between.
const PARTIAL_SUPPORT: f64 = 0.5;

impl Offer {
    /// The swarm has a full copy: lonely pieces, and leechers that cannot get on, are helped.
    pub(super) fn top_up(&mut self, now: Instant, decisions: &mut Vec<Decision>) {
        let others_get_on = self.traded.moves(now);
        let waits = |peer: &Peer| others_get_on && peer.hoards() && peer.helped_lately(now);
        let mut stuck: Vec<(u32, PeerKey)> = (self.peers.iter())
            .filter(|(_, peer)| {
                peer.takes() && peer.is_stuck(now) && peer.bound.len() < STUCK_AT_ONCE
            })
            .filter(|(_, peer)| !waits(peer))
            .map(|(key, peer)| (peer.ignored, *key))
            .collect();
        // Who leaves offers lying is helped last: the pieces bound to him are kept from the others.
        stuck.sort_unstable();
        stuck.truncate(HELPED_AT_ONCE);
        for (_, peer) in stuck {
            if self.offer_first(peer, |piece| piece.holders, now, decisions)
                && let Some(state) = self.peers.get_mut(&peer)
            {
                state.helped_at = Some(now);
            }
        }
        if self.ghosts.is_empty() {
            self.help_the_lonely(now, decisions);
        }
    }

    /// Gives pieces once more that hang on one peer which does not relay them, or not in time.
    pub(super) fn help_the_lonely(&mut self, now: Instant, decisions: &mut Vec<Decision>) {
        let long = |since: &Instant| now.saturating_duration_since(*since) >= LONELY_PATIENCE;
        let room = LONELY_AT_ONCE.saturating_sub(self.bound());
        if room == 0 || !self.hungry_since.as_ref().is_some_and(long) {
            return;
        }
        let misers = self.misers(now);
        let due = |index: &u32| {
            let piece = &self.pieces[*index as usize];
            piece.bound.is_none()
                && piece.lonely_since.as_ref().is_some_and(long)
                && (piece.unexplained || misers.iter().any(|key| self.peers[key].has.has(*index)))
        };
        let lonely: Vec<u32> = self.lonely.iter().copied().filter(due).take(room).collect();
        self.offer_each(lonely, now, decisions);
    }

    /// While the first copy spreads: sends pieces that one peer claims, and nobody ever got of it or of us.
    pub(super) fn send_the_claimed(&mut self, now: Instant, decisions: &mut Vec<Decision>) {
        let long = |since: Instant| now.saturating_duration_since(since) >= CLAIM_PATIENCE;
        let due = |index: &u32| {
            let piece = &self.pieces[*index as usize];
            let old = piece.lonely_since.is_some_and(long);
            old && piece.bound.is_none() && piece.sent_to.is_none()
        };
        let room = LONELY_AT_ONCE.saturating_sub(self.bound());
        let claimed: Vec<u32> = self.lonely.iter().copied().filter(due).take(room).collect();
        self.offer_each(claimed, now, decisions);
    }

    /// Offers each of these to the best relay that lacks it.
    fn offer_each(&mut self, pieces: Vec<u32>, now: Instant, decisions: &mut Vec<Decision>) {
        for piece in pieces {
            let best = self
                .peers
                .iter()
                .filter(|(_, peer)| peer.takes() && !peer.has.has(piece))
                .max_by(|a, b| {
                    let relays = |peer: &Peer| peer.relay_rate(now, 0.0);
                    let takes_up = b.1.ignored.cmp(&a.1.ignored);
                    takes_up.then(relays(a.1).total_cmp(&relays(b.1)))
                })
                .map(|(key, _)| *key);
            if let Some(peer) = best {
                self.give(peer, piece, now, decisions);
            }
        }
    }

    /// Peers that do not relay what they hold, or too slowly for what nobody else got of them yet.
    fn misers(&self, now: Instant) -> Vec<PeerKey> {
        let is_miser = |peer: &Peer| {
            let alone = peer.unrelayed.len() as f64 * self.piece_length as f64;
            match peer.received {
                // We gave it nothing: others were seen to get something of it, and the swarm goes on trading, or not.
                0 => !(peer.vouched && self.traded.moves(now)),
                _ => !peer.relays_in_time(alone.max(1.0), now),
            }
        };
        self.those(is_miser)
    }

    /// Generous: goes on giving, by our share of what the swarm can carry. Pieces that many hold go to whoever is most behind.
    pub(super) fn support(&mut self, now: Instant, uplink: Uplink, decisions: &mut Vec<Decision>) {
        if !self.generous {
            return;
        }
        self.save_up(now, uplink);
        let mut room = SUPPORT_AT_ONCE.saturating_sub(self.bound());
        while room > 0 && self.support.0 >= self.piece_length as f64 {
            let behind = self
                .peers
                .iter()
                .filter(|(_, peer)| peer.takes() && peer.ignored == 0)
                .filter(|(_, peer)| peer.bound.len() < STUCK_AT_ONCE)
                .min_by_key(|(_, peer)| peer.has.count() as usize + peer.bound.len())
                .map(|(key, _)| *key);
            // What many hold, rarest-first leechers ask for last: it is hardly under way from somebody else already.
            let commonest = |piece: &Piece| u32::MAX - piece.holders;
            if !behind.is_some_and(|peer| self.offer_first(peer, commonest, now, decisions)) {
                break;
            }
            self.support.0 -= self.piece_length as f64;
            room -= 1;
        }
    }

    /// Reckons what may be given in support by now.
    fn save_up(&mut self, now: Instant, uplink: Uplink) {
        let most = SUPPORT_SAVED * self.piece_length as f64;
        let (saved, at) = self.support;
        let Some(cap) = uplink.cap else {
            // No limit: what is asked for is given.
            self.support = (most, Some(now));
            return;
        };
        let share = cap as f64 / (self.traded.rate(now) + cap as f64);
        let part = match share {
            FULL_SHARE.. => 1.0,
            MIN_SHARE.. => PARTIAL_SUPPORT,
            _ => 0.0,
        };
        let passed = at.map(|at| now.saturating_duration_since(at));
        let earned = part * cap as f64 * passed.unwrap_or_default().as_secs_f64();
        self.support = ((saved + earned).min(most), Some(now));
    }

    /// Offers `peer` the piece it lacks that comes first in this order, of those it was never offered before all others, and
    /// one it waits for before these; false when there is none.
    fn offer_first(
        &mut self,
        peer: PeerKey,
        order: impl Fn(&Piece) -> u32,
        now: Instant,
        decisions: &mut Vec<Decision>,
    ) -> bool {
        let Some(state) = self.peers.get(&peer) else {
            return false;
        };
        let free = |index: &u32| self.pieces[*index as usize].bound.is_none();
        let awaited = state.waits_for.iter().copied().find(free);
        let lacked = |index: &u32| !state.has.has(*index) && free(index);
        let first = || {
            (0..self.pieces.len() as u32)
                .filter(lacked)
                .min_by_key(|index| {
                    // What it was offered before and did not take, it may hold and not say so.
                    let before = state.announced.has(*index);
                    (before, order(&self.pieces[*index as usize]))
                })
        };
        let Some(piece) = awaited.or_else(first) else {
            return false;
        };
        self.give(peer, piece, now, decisions);
        true
    }
}
