//! Whether anybody came from outside.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::Timestamp;
use super::world::is_public;

/// Nobody came yet. No clock says so.
const NEVER: i64 = i64::MIN;

/// When somebody whose address is the world's first came to a listener. Clones share it.
#[derive(Debug, Clone)]
pub struct Visits(Arc<AtomicI64>);

impl Default for Visits {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(NEVER)))
    }
}

impl Visits {
    /// Somebody came. Who comes from the house, or through a proxy in it, says nothing about the world.
    pub fn came(&self, from: IpAddr, now: Timestamp) {
        if is_public(from) {
            // Only the first is kept.
            let _ = self
                .0
                .compare_exchange(NEVER, now.0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// When the first came since start; none when nobody did.
    pub fn first(&self) -> Option<Timestamp> {
        let at = self.0.load(Ordering::Relaxed);
        (at != NEVER).then_some(Timestamp(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_from_outside_counts() {
        let visits = Visits::default();
        for near in ["127.0.0.1", "192.168.1.7", "::1", "100.64.0.1"] {
            visits.came(near.parse().unwrap(), Timestamp(1));
        }
        assert_eq!(visits.first(), None);
        let clone = visits.clone();
        clone.came("1.1.1.1".parse().unwrap(), Timestamp(5));
        clone.came("1.1.1.1".parse().unwrap(), Timestamp(9));
        assert_eq!(visits.first(), Some(Timestamp(5)));
    }
}
