//! Spreading the first copy.

use super::*;

/// Bytes bound ahead, at most: more than any client has requests under way for, however fast it takes them.
const MOST_AHEAD: u64 = 64 << 20;

/// At the end of the first copy a piece is taken from who would need this many times longer for its rest than another for all
/// of it: what was sent of it is lost.
const CRAWLS: f64 = 2.0;

/// What was reckoned of a peer for one round of offers.
struct Candidate {
    key: PeerKey,
    /// Bytes per second it relays, trusted or shown.
    relay_rate: f64,
    /// Pieces bound to it for the time it does not look, besides the look-ahead.
    unnoticed: usize,
    /// Bindings that were asked for, or are young enough to be.
    alive: usize,
    /// Pieces it would relay in good time.
    relays_soon: usize,
}

/// How many pieces may be bound to one peer, besides what it leaves unnoticed.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// To one who ever asked for any.
    asking: usize,
    /// To one who never did.
    strange: usize,
    /// To one of whom too little is known yet to give it more than an even share.
    new: usize,
}

impl Candidate {
    /// What it takes of the look-ahead.
    fn counts(&self) -> usize {
        self.alive.saturating_sub(self.unnoticed)
    }
}

impl Offer {
    /// Spreads the first copy.
    pub(super) fn spread(&mut self, now: Instant, uplink: Uplink, decisions: &mut Vec<Decision>) {
        let idle = uplink
            .idle_since
            .is_some_and(|since| now.saturating_duration_since(since) >= IDLE_BEFORE_TAKING_BACK);
        self.offer_the_pool(now, uplink, idle, decisions);
        if idle && self.pool.is_empty() {
            self.take_back(now, uplink, decisions);
            self.send_the_claimed(now, decisions);
        }
    }

    /// Binds pieces as late as keeps the uplink busy.
    ///
    /// Strangers, who never asked for anything, have a look-ahead of their own. Many who come and never ask would else take
    /// the place of those who do.
    fn offer_the_pool(
        &mut self,
        now: Instant,
        uplink: Uplink,
        idle: bool,
        decisions: &mut Vec<Decision>,
    ) {
        if self.pool.is_empty() {
            return;
        }
        let takers = self.peers.values().filter(|p| p.takes()).count();
        let look_ahead = self.look_ahead(takers, uplink);
        let per_peer = match takers {
            0 | 1 => look_ahead,
            _ => 8usize.div_ceil(takers).max(look_ahead.div_ceil(takers)),
        };
        let mut candidates = self.candidates(takers, uplink, now);
        // Those who relay have room for all of the look-ahead, or the others would be given the rest of it.
        let relay = |c: &&Candidate| self.peers[&c.key].asks && self.would_relay(c);
        let relays = candidates.iter().filter(relay).count();
        let per_relay = per_peer.max(look_ahead.div_ceil(relays.max(1)));
        while !self.pool.is_empty() {
            let room = |asks: bool, per_peer: usize| {
                let of_these = |c: &&Candidate| self.peers[&c.key].asks == asks;
                let bound = candidates.iter().filter(of_these).map(Candidate::counts);
                match bound.sum::<usize>() < look_ahead {
                    true => per_peer,
                    false => 0,
                }
            };
            let limits = Limits {
                asking: room(true, per_relay),
                strange: room(false, per_peer),
                new: per_peer.min(2),
            };
            let next = self.next_taker(&candidates, limits, uplink, idle);
            let Some(next) = next else {
                break;
            };
            let peer = candidates[next].key;
            let Some(piece) = self.piece_for(peer) else {
                break;
            };
            self.give(peer, piece, now, decisions);
            candidates[next].alive += 1;
        }
    }

    fn candidates(&self, takers: usize, uplink: Uplink, now: Instant) -> Vec<Candidate> {
        let trust = self.trust(uplink);
        let alive = |peer: &Peer| {
            let patience = UNASKED_PATIENCE.max(peer.reaction(now));
            let is_alive = |index: &&u32| {
                let bound = self.pieces[**index as usize].bound.as_ref();
                bound.is_some_and(|b| {
                    b.asked.is_some() || now.saturating_duration_since(b.since) < patience
                })
            };
            peer.bound.iter().filter(is_alive).count()
        };
        (self.peers.iter())
            .filter(|(_, peer)| peer.takes())
            .map(|(key, peer)| Candidate {
                key: *key,
                relay_rate: peer.relay_rate(now, trust),
                unnoticed: self.unnoticed(peer, takers, uplink, now),
                alive: alive(peer),
                relays_soon: peer.relays_soon(self.piece_length, now),
            })
            .collect()
    }

    /// Pieces bound ahead of what is sent: enough for one second of the uplink, and for every other peer to have one.
    fn look_ahead(&self, takers: usize, uplink: Uplink) -> usize {
        let second = uplink.rate.min(MOST_AHEAD).div_ceil(self.piece_length) as usize;
        MIN_LOOK_AHEAD.max(takers.div_ceil(2)).max(second)
    }

    /// Pieces offered to a peer besides the look-ahead: its share of the uplink for the time it leaves offers unnoticed, if
    /// it can take as much. Without them the uplink would idle until it looks again, and then be asked for a look-ahead's
    /// worth at once.
    fn unnoticed(&self, peer: &Peer, takers: usize, uplink: Uplink, now: Instant) -> usize {
        let hoped = HOPED_RATE.max(2 * uplink.rate);
        let share = uplink.cap.unwrap_or(hoped) as f64 / takers.max(1) as f64;
        let rate = peer.throughput.map_or(share, |most| share.min(most));
        (rate * peer.reaction(now).as_secs_f64() / self.piece_length as f64) as usize
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

    /// Whether it would relay one piece more in good time.
    fn would_relay(&self, candidate: &Candidate) -> bool {
        let peer = &self.peers[&candidate.key];
        peer.unrelayed.len() + peer.bound.len() < candidate.relays_soon
    }

    /// The candidate that will relay one more piece soonest, of those who would in good time before all others.
    fn next_taker(
        &self,
        candidates: &[Candidate],
        limits: Limits,
        uplink: Uplink,
        idle: bool,
    ) -> Option<usize> {
        let left = (self.pool.len() + self.bound()) as f64 * self.piece_length as f64;
        let deadline = uplink.cap.map(|cap| (left / cap.max(1) as f64).max(1.0));
        let has_room = |candidate: &Candidate| {
            let peer = &self.peers[&candidate.key];
            let per_peer = match peer.asks {
                true => limits.asking,
                false => limits.strange,
            };
            let limit = match (peer.ignored, peer.received) {
                (1.., _) => per_peer.min(1),
                (0, 0 | 1) if self.peers.len() > 1 => {
                    per_peer.min(limits.new) + candidate.unnoticed
                }
                _ => per_peer + candidate.unnoticed,
            };
            peer.bound.len() < limit
        };
        let in_time = |candidate: &Candidate| {
            let peer = &self.peers[&candidate.key];
            match (peer.throughput, deadline) {
                (Some(rate), Some(deadline)) => {
                    (peer.bound.len() + 1) as f64 * self.piece_length as f64 / rate <= deadline
                }
                _ => true,
            }
        };
        let cost = |candidate: &Candidate| {
            let peer = &self.peers[&candidate.key];
            let waiting = peer.unrelayed.len() + peer.bound.len() + 1;
            waiting as f64 * f64::from(peer.ignored + 1) / candidate.relay_rate
        };
        let open = || candidates.iter().enumerate().filter(|(_, c)| has_room(c));
        let soonest = |relays: bool| {
            open()
                .filter(|(_, c)| in_time(c) && (self.would_relay(c) || !relays))
                .min_by(|a, b| cost(a.1).total_cmp(&cost(b.1)))
        };
        // Too slow for what is left is still better than an idle uplink.
        let throughput = |c: &Candidate| self.peers[&c.key].throughput.unwrap_or(f64::MAX);
        let quickest = || open().max_by(|a, b| throughput(a.1).total_cmp(&throughput(b.1)));
        soonest(true)
            .or_else(|| soonest(false))
            .or_else(|| idle.then(quickest).flatten())
            .map(|(index, _)| index)
    }

    /// The relay rate everybody is trusted with before he has shown any: a quarter of an even share.
    fn trust(&self, uplink: Uplink) -> f64 {
        let rate = uplink.cap.unwrap_or(uplink.rate).max(self.piece_length / 4) as f64;
        rate / self.peers.len().max(1) as f64 / 4.0
    }

    /// The pool is empty and the uplink has room: pieces that somebody sits on go to the quickest other peer.
    fn take_back(&mut self, now: Instant, uplink: Uplink, decisions: &mut Vec<Decision>) {
        let bound = self.peers.iter().flat_map(|(key, peer)| {
            let pieces = peer.bound.iter();
            pieces.map(move |index| (*index, *key))
        });
        let stalled: Vec<(u32, PeerKey)> = bound
            .filter(|(index, owner)| {
                self.pieces[*index as usize].holders == 0
                    && (self.sits_on(*owner, *index, now) || self.crawls(*owner, *index, now))
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
            decisions.push(Decision::TakeBack { peer: owner, piece });
            self.give(quickest, piece, now, decisions);
        }
    }

    /// Whether a piece goes to `owner` so slowly that another would have all of it much sooner than this one the rest.
    fn crawls(&self, owner: PeerKey, piece: u32, now: Instant) -> bool {
        let (Some(peer), Some(bound)) = (
            self.peers.get(&owner),
            self.pieces[piece as usize].bound.as_ref(),
        ) else {
            return false;
        };
        let Some(started) = bound.started.filter(|_| !peer.habits.keeps_requests) else {
            return false;
        };
        let under_way = now.saturating_duration_since(started);
        if under_way < STALLED_AFTER {
            return false;
        }
        let rate = f64::from(bound.bytes) / under_way.as_secs_f64();
        let length = self.piece_length as f64;
        let rest = (length - f64::from(bound.bytes)) / rate.max(1.0);
        let quick = |(key, other): (&PeerKey, &Peer)| {
            let whole = |most: f64| (other.bound.len() + 1) as f64 * length / most;
            *key != owner
                && other.takes()
                && other.bound.len() < STUCK_AT_ONCE
                && other
                    .throughput
                    .is_some_and(|most| rest > CRAWLS * whole(most) + 1.0)
        };
        self.peers.iter().any(quick)
    }

    /// Whether `owner` lets a piece that is bound to it lie. Nobody is robbed of what it cannot have noticed yet, nor of what
    /// is under way.
    fn sits_on(&self, owner: PeerKey, piece: u32, now: Instant) -> bool {
        let (Some(peer), Some(bound)) = (
            self.peers.get(&owner),
            self.pieces[piece as usize].bound.as_ref(),
        ) else {
            return false;
        };
        let patience = match (bound.asked, bound.started) {
            (None, _) => MIN_AGE_TO_TAKE_BACK + peer.reaction(now),
            _ if peer.habits.keeps_requests => KEEPER_PATIENCE,
            (Some(_), Some(_)) => STALLED_AFTER,
            (Some(_), None) => MIN_AGE_TO_TAKE_BACK,
        };
        now.saturating_duration_since(bound.touched) >= patience
    }
}
