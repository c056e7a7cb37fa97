//! The rules that turn what is known into offers.

use std::time::Instant;

use super::*;

/// How many pieces may be bound to one peer now.
struct Room<'a> {
    /// If it ever asked for anything.
    asking: usize,
    /// If it never did.
    strange: usize,
    /// Besides that, for the time it does not look.
    unnoticed: &'a BTreeMap<PeerKey, usize>,
}

impl Offer {
    /// What to offer and what to take back, now. Call it after every event and on every tick.
    pub fn decide(&mut self, now: Instant, uplink: Uplink) -> Vec<Decision> {
        let mut decisions = Vec::new();
        self.due = false;
        self.expire(now, &mut decisions);
        if self.first_copy_is_out() {
            self.top_up(now, &mut decisions);
            self.support(now, uplink, &mut decisions);
        } else {
            self.support = (0.0, None);
            self.spread(now, uplink, &mut decisions);
        }
        // What was decided just now is no reason to decide again.
        self.due = false;
        decisions
    }

    /// Lets go of what was believed or offered too long ago.
    fn expire(&mut self, now: Instant, decisions: &mut Vec<Decision>) {
        self.ghosts
            .retain(|left| now.saturating_duration_since(*left) < GHOST_LIFE);
        if !self.ghosts.is_empty() && self.stuck(now) > 0 {
            // Someone who cannot get on is a witness that those who left are of no use to him.
            self.forget_departed();
        }
        let ignored: Vec<(PeerKey, u32)> = self
            .peers
            .iter()
            .flat_map(|(key, peer)| peer.bound.iter().map(|piece| (*key, *piece)))
            .filter(|(_, piece)| {
                let bound = self.pieces[*piece as usize].bound.as_ref();
                bound.is_some_and(|b| {
                    b.asked.is_none() && now.saturating_duration_since(b.since) >= IGNORED_AFTER
                })
            })
            .collect();
        for (peer, piece) in ignored {
            self.unbind(peer, piece);
            if let Some(state) = self.peers.get_mut(&peer) {
                state.ignored += 1;
            }
            decisions.push(Decision::TakeBack { peer, piece });
        }
    }

    /// Spreads the first copy.
    fn spread(&mut self, now: Instant, uplink: Uplink, decisions: &mut Vec<Decision>) {
        let idle = uplink
            .idle_since
            .is_some_and(|since| now.saturating_duration_since(since) >= IDLE_BEFORE_TAKING_BACK);
        let takers = self.peers.values().filter(|p| p.takes()).count();
        let look_ahead = self.look_ahead(takers, uplink);
        let per_peer = match takers {
            0 | 1 => look_ahead,
            _ => 8usize.div_ceil(takers).max(look_ahead.div_ceil(takers)),
        };
        let unnoticed = |peer: &Peer| self.unnoticed(peer, takers, uplink, now);
        let unnoticed: BTreeMap<PeerKey, usize> = self
            .peers
            .iter()
            .map(|(key, peer)| (*key, unnoticed(peer)))
            .collect();
        while !self.pool.is_empty() {
            let room = |asks| match self.bound_and_alive(asks, now, &unnoticed) < look_ahead {
                true => per_peer,
                false => 0,
            };
            let room = Room {
                asking: room(true),
                strange: room(false),
                unnoticed: &unnoticed,
            };
            let Some(peer) = self.next_taker(now, uplink, &room, idle) else {
                break;
            };
            let Some(piece) = self.piece_for(peer) else {
                break;
            };
            self.bind(peer, piece, now);
            decisions.push(Decision::Offer { peer, piece });
        }
        if idle && self.pool.is_empty() {
            self.take_back(now, uplink, decisions);
        }
    }

    /// Pieces bound ahead of what is sent: enough for one second of the uplink, and for every other peer to have one.
    fn look_ahead(&self, takers: usize, uplink: Uplink) -> usize {
        let second = uplink.rate.div_ceil(self.piece_length) as usize;
        MIN_LOOK_AHEAD.max(takers.div_ceil(2)).max(second)
    }

    /// Pieces offered to a peer besides the look-ahead: its share of the uplink for the time it leaves offers unnoticed.
    /// Without them the uplink would idle until it looks again, and then be asked for a look-ahead's worth at once.
    fn unnoticed(&self, peer: &Peer, takers: usize, uplink: Uplink, now: Instant) -> usize {
        let hoped = HOPED_RATE.max(2 * uplink.rate);
        let share = uplink.cap.unwrap_or(hoped) as f64 / takers.max(1) as f64;
        let bytes = share * peer.reaction(now).as_secs_f64();
        (bytes / self.piece_length as f64) as usize
    }

    /// Bindings that were asked for, or are young enough to be, besides those made for the time a peer does not look: of
    /// the peers that ever asked, or of the strangers.
    ///
    /// Strangers have a look-ahead of their own. Many who come and never ask would else take the place of those who do.
    fn bound_and_alive(
        &self,
        asks: bool,
        now: Instant,
        unnoticed: &BTreeMap<PeerKey, usize>,
    ) -> usize {
        let alive = |peer: &Peer, index: &u32| {
            let bound = self.pieces[*index as usize].bound.as_ref();
            let patience = UNASKED_PATIENCE.max(peer.reaction(now));
            bound.is_some_and(|b| {
                b.asked.is_some() || now.saturating_duration_since(b.since) < patience
            })
        };
        let of_these = self.peers.iter().filter(|(_, peer)| peer.asks == asks);
        let counted = of_these.map(|(key, peer)| {
            let alive = peer.bound.iter().filter(|i| alive(peer, i)).count();
            alive.saturating_sub(unnoticed[key])
        });
        counted.sum()
    }

    /// The piece in the pool to offer to `peer`: one it waits for, before all others.
    fn piece_for(&self, peer: PeerKey) -> Option<u32> {
        let state = self.peers.get(&peer)?;
        let awaited = state
            .waits_for
            .iter()
            .find(|index| self.pool.contains(index));
        awaited.or_else(|| self.pool.first()).copied()
    }

    /// The peer that will relay one more piece soonest.
    fn next_taker(
        &self,
        now: Instant,
        uplink: Uplink,
        room: &Room<'_>,
        idle: bool,
    ) -> Option<PeerKey> {
        let trust = self.trust(uplink);
        let left = (self.pool.len() + self.peers.values().map(|p| p.bound.len()).sum::<usize>())
            as f64
            * self.piece_length as f64;
        let deadline = uplink.cap.map(|cap| (left / cap.max(1) as f64).max(1.0));
        let has_room = |key: &PeerKey, peer: &Peer| {
            let per_peer = if peer.asks { room.asking } else { room.strange };
            let limit = match (peer.ignored, peer.received) {
                (1.., _) => per_peer.min(1),
                (0, 0 | 1) if self.peers.len() > 1 => per_peer.min(2) + room.unnoticed[key],
                _ => per_peer + room.unnoticed[key],
            };
            peer.takes() && peer.bound.len() < limit
        };
        let in_time = |peer: &Peer| match (peer.throughput, deadline) {
            (Some(rate), Some(deadline)) => {
                (peer.bound.len() + 1) as f64 * self.piece_length as f64 / rate <= deadline
            }
            _ => true,
        };
        let cost = |peer: &Peer| {
            let waiting = peer.unrelayed.len() + peer.bound.len() + 1;
            waiting as f64 * f64::from(peer.ignored + 1) / peer.relay_rate(now, trust)
        };
        let candidates = || self.peers.iter().filter(|(key, peer)| has_room(key, peer));
        let soonest = candidates()
            .filter(|(_, peer)| in_time(peer))
            .min_by(|a, b| cost(a.1).total_cmp(&cost(b.1)));
        // Too slow for what is left is still better than an idle uplink.
        let quickest = || {
            candidates().max_by(|a, b| {
                let rate = |peer: &Peer| peer.throughput.unwrap_or(f64::MAX);
                rate(a.1).total_cmp(&rate(b.1))
            })
        };
        soonest
            .or_else(|| idle.then(quickest).flatten())
            .map(|(key, _)| *key)
    }

    /// The relay rate everybody is trusted with before he has shown any: a quarter of an even share.
    fn trust(&self, uplink: Uplink) -> f64 {
        let rate = uplink.cap.unwrap_or(uplink.rate).max(self.piece_length / 4) as f64;
        rate / self.peers.len().max(1) as f64 / 4.0
    }

    /// The pool is empty and the uplink idles: pieces that somebody sits on go to the quickest other peer.
    fn take_back(&mut self, now: Instant, uplink: Uplink, decisions: &mut Vec<Decision>) {
        let stalled: Vec<(u32, PeerKey)> = self
            .pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| piece.holders == 0)
            .filter_map(|(index, piece)| {
                let bound = piece.bound.as_ref()?;
                let age = now.saturating_duration_since(bound.since);
                // Nor is a peer robbed of what it cannot have noticed yet.
                let owner = self.peers.get(&bound.peer)?;
                let old = match bound.asked {
                    Some(asked) if owner.habits.keeps_requests => {
                        let last = bound.written.unwrap_or(asked);
                        now.saturating_duration_since(last) >= KEEPER_PATIENCE
                    }
                    Some(_) => age >= MIN_AGE_TO_TAKE_BACK,
                    None => age >= MIN_AGE_TO_TAKE_BACK + owner.reaction(now),
                };
                old.then_some((index as u32, bound.peer))
            })
            .collect();
        for (piece, owner) in stalled {
            let trust = self.trust(uplink);
            let quickest = self
                .peers
                .iter()
                .filter(|(key, peer)| **key != owner && peer.takes())
                .filter(|(_, peer)| peer.bound.len() < STUCK_AT_ONCE)
                .max_by(|a, b| {
                    let rate = |p: &Peer| {
                        p.throughput
                            .unwrap_or(0.0)
                            .min(p.relay_rate(now, trust) * 16.0)
                    };
                    rate(a.1).total_cmp(&rate(b.1))
                })
                .map(|(key, _)| *key);
            let Some(quickest) = quickest else {
                continue;
            };
            self.unbind(owner, piece);
            self.bind(quickest, piece, now);
            decisions.push(Decision::TakeBack { peer: owner, piece });
            decisions.push(Decision::Offer {
                peer: quickest,
                piece,
            });
        }
    }
}
