//! Who may ask: upload slots (BEP 3).
//!
//! While the first copy spreads everybody is unchoked, since an offer already names the one who may ask, and an
//! UNCHOKE that waits for INTERESTED while HAVE waits for UNCHOKE is a deadlock. While supporting, the slots go to
//! those who were offered something, then to the best relays, and one to whoever waited longest.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::base::PeerKey;

/// Upload slots while supporting. Few, so that each piece leaves fast and can be relayed soon.
pub const SLOTS: usize = 4;
/// How long the optimistic slot stays with one peer; long enough for a piece on a slow line.
pub const OPTIMISTIC_TURN: Duration = Duration::from_secs(30);

/// What is known of one peer.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Who.
    pub peer: PeerKey,
    /// Whether it said INTERESTED.
    pub interested: bool,
    /// Whether pieces are bound to it.
    pub offered: bool,
    /// Bytes per second it relays.
    pub relay_rate: f64,
    /// Since when it is choked or unchoked.
    pub since: Instant,
    /// Whether it is unchoked now.
    pub unchoked: bool,
}

/// Who shall be unchoked. `spreading`: the first copy is not out.
pub fn decide(candidates: &[Candidate], spreading: bool, now: Instant) -> BTreeSet<PeerKey> {
    if spreading {
        return candidates.iter().map(|c| c.peer).collect();
    }
    let mut open: BTreeSet<PeerKey> = candidates
        .iter()
        .filter(|c| c.offered)
        .map(|c| c.peer)
        .collect();
    let mut rest: Vec<&Candidate> = candidates
        .iter()
        .filter(|c| c.interested && !c.offered)
        .collect();
    rest.sort_by(|a, b| b.relay_rate.total_cmp(&a.relay_rate));
    let slots = SLOTS.saturating_sub(open.len() + 1);
    open.extend(rest.iter().take(slots).map(|c| c.peer));
    let left = || rest.iter().skip(slots);
    let in_turn =
        left().find(|c| c.unchoked && now.saturating_duration_since(c.since) < OPTIMISTIC_TURN);
    let waited_longest = || {
        left()
            .filter(|c| !c.unchoked)
            .min_by_key(|c| (c.since, c.peer))
    };
    open.extend(in_turn.or_else(waited_longest).map(|c| c.peer));
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(key: u64, since: Instant) -> Candidate {
        Candidate {
            peer: PeerKey(key),
            interested: true,
            offered: false,
            relay_rate: key as f64,
            since,
            unchoked: false,
        }
    }

    #[test]
    fn everyone_is_unchoked_while_spreading_interested_or_not() {
        let now = Instant::now();
        let mut peers: Vec<_> = (0..50).map(|key| peer(key, now)).collect();
        peers[7].interested = false;
        assert_eq!(decide(&peers, true, now).len(), 50);
    }

    #[test]
    fn slots_go_to_offers_then_relays_then_by_turns() {
        let start = Instant::now();
        let mut peers: Vec<_> = (0..10).map(|key| peer(key, start)).collect();
        peers[0].offered = true;
        peers[9].interested = false;
        let now = start + Duration::from_secs(1);
        let open = decide(&peers, false, now);
        let expected = [0, 7, 8, 1].map(PeerKey);
        assert_eq!(
            open,
            expected.into(),
            "offered, two best relays, longest waiting"
        );

        // The turn is kept for its time, then passes on.
        peers[1].unchoked = true;
        peers[1].since = now;
        assert!(decide(&peers, false, now + OPTIMISTIC_TURN / 2).contains(&PeerKey(1)));
        let later = decide(&peers, false, now + OPTIMISTIC_TURN);
        assert!(!later.contains(&PeerKey(1)) && later.contains(&PeerKey(2)));
    }
}
