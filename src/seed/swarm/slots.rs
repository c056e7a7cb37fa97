//! Who may ask: choking and unchoking as policy deals the slots.

use std::time::{Duration, Instant};

use super::Swarm;
use crate::base::PeerKey;
use crate::policy::unchoke;
use crate::seed::wire::Said;

/// How often slots are dealt again while supporting.
const UNCHOKE_EVERY: Duration = Duration::from_secs(10);

impl Swarm {
    /// While supporting, deals the slots anew.
    pub(super) fn deal_slots(&mut self, now: Instant) {
        let due = self
            .unchoked_at
            .is_none_or(|at| now.saturating_duration_since(at) >= UNCHOKE_EVERY);
        let spreading = !self.offer.first_copy_is_out();
        if self.silent || spreading || !due {
            return;
        }
        self.unchoked_at = Some(now);
        let candidates: Vec<_> = self
            .peers
            .iter()
            .map(|(key, peer)| unchoke::Candidate {
                peer: *key,
                interested: peer.interested,
                offered: self.offer.has_offers(*key),
                relay_rate: self.offer.relay_rate(*key, now),
                since: peer.choked_since,
                unchoked: !peer.choked,
            })
            .collect();
        let open = unchoke::decide(&candidates, spreading, now);
        for candidate in candidates {
            match (open.contains(&candidate.peer), candidate.unchoked) {
                (true, false) => self.unchoke(candidate.peer, now),
                (false, true) => self.choke(candidate.peer, now),
                _ => {}
            }
        }
    }

    pub(super) fn choke(&mut self, key: PeerKey, now: Instant) {
        self.put_aside(key, |_| true);
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if !peer.habits.keeps_requests {
            peer.aside.clear();
            self.offer.waits_for_nothing(key);
        }
        if !peer.choked {
            peer.choked = true;
            peer.choked_since = now;
            self.say(key, Said::Choke);
        }
    }

    pub(super) fn unchoke(&mut self, key: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if peer.choked {
            peer.choked = false;
            peer.choked_since = now;
        }
        self.say(key, Said::Unchoke);
        self.recall(key, now);
    }
}
