//! When a swarm that everybody left can be put away without anything being lost.

use std::time::Duration;

use super::Swarm;
use crate::policy::offer::GHOST_LIFE;

/// How long nobody was there. Peers that lost their connection come back within this, and a peer that was dialled once is
/// dialled again: a swarm should not be made anew for each.
const DESERTED: Duration = Duration::from_secs(60);

impl Swarm {
    /// Whether a fresh swarm would be as good as this one, which nobody is connected to since `deserted`: it remembers
    /// nothing of those who left, or it is too long ago to count.
    pub fn may_rest(&self, deserted: Duration) -> bool {
        // With nobody connected, only the complete peers that left can make out a copy; a silent swarm gives none anyway.
        let remembers = || !self.silent && self.offer.first_copy_is_out();
        self.peers.is_empty() && deserted >= DESERTED && (deserted >= GHOST_LIFE || !remembers())
    }

    /// Whether it gives no payload.
    pub fn is_silent(&self) -> bool {
        self.silent
    }
}
