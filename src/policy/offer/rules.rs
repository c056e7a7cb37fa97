//! The rules that turn what is known into offers.

use std::time::Instant;

use super::*;

impl Offer {
    /// What to offer and what to take back, now. Call it after every event and on every tick.
    pub fn decide(&mut self, now: Instant, uplink: Uplink) -> Vec<Decision> {
        let mut decisions = Vec::new();
        self.expire(now, &mut decisions);
        if self.first_copy_is_out() {
            self.doubt_the_useless(now);
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
        let gone = self.missed.extract_if(.., |_, since| {
            now.saturating_duration_since(*since) >= RETURN_PATIENCE
        });
        let gone: Vec<u32> = gone.map(|(index, _)| index).collect();
        gone.into_iter().for_each(|index| self.repool(index));
        if self.peers.values().any(Peer::takes) {
            self.hungry_since.get_or_insert(now);
        } else {
            self.hungry_since = None;
        }
        let knows_now = |peer: &Peer| peer.uninterested && !peer.has.is_full();
        for key in self.those(knows_now) {
            self.infer(key, now);
        }
        let copy_is_out = self.first_copy_is_out();
        let ignored: Vec<(PeerKey, u32)> = self
            .peers
            .iter()
            .flat_map(|(key, peer)| peer.bound.iter().map(move |piece| (*key, peer, *piece)))
            .filter(|(_, peer, piece)| {
                let bound = self.pieces[*piece as usize].bound.as_ref();
                let given_up = |bound: &Binding| {
                    // What is given once more is wanted soon, by whomever.
                    let patience = match bound.asked {
                        None if copy_is_out => LONELY_PATIENCE,
                        _ => IGNORED_AFTER,
                    };
                    // Who left offers lying before is waited for less long.
                    let patience = patience / (1 + peer.ignored);
                    let patience = patience.max(STALLED_AFTER + peer.reaction(now));
                    now.saturating_duration_since(bound.touched) >= patience
                };
                bound.is_some_and(given_up)
            })
            .map(|(key, _, piece)| (key, piece))
            .collect();
        for (peer, piece) in ignored {
            self.unbind(peer, piece);
            if let Some(state) = self.peers.get_mut(&peer) {
                state.ignored += 1;
            }
            decisions.push(Decision::TakeBack { peer, piece });
        }
    }
}
