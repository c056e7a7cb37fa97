//! How many hold a torrent, by how well that is known.

use crate::policy::retire::{Level, Relay};

/// How many addresses are known how well. Those that served what is not ours, or were last looked for in vain, are in
/// none of the counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Somebody says so.
    pub claimed: u32,
    /// Their own bitfields say so.
    pub full: u32,
    /// They served a block of ours.
    pub proven: u32,
}

impl Census {
    /// Counts.
    pub fn of(relays: &[Relay]) -> Self {
        let mut census = Self::default();
        let present = |relay: &&Relay| !relay.refuted && relay.missed == 0;
        for relay in relays.iter().filter(present) {
            match relay.level {
                Level::Claimed => census.claimed += 1,
                Level::Full => census.full += 1,
                Level::Proven => census.proven += 1,
            }
        }
        census
    }

    /// Those who were seen to hold every piece.
    pub fn seen(&self) -> u32 {
        self.full + self.proven
    }
}
