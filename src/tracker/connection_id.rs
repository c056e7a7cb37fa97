//! Connection ids of UDP trackers (BEP 15), with nothing kept per client.
//!
//! An id is a keyed hash of the client's address and of the minute. Whoever sends it back has received it, so it has not
//! forged its address: answers larger than the question go to such clients only.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// An id is made for a window of this length, and taken in it and the two after: for two to three minutes. BEP 15 asks
/// trackers for two; clients use it for one.
const WINDOW: Duration = Duration::from_secs(60);

/// Windows back in which an id is still taken.
const WINDOWS_TAKEN: u64 = 2;

/// Makes and checks ids, under a key that is random for each instance.
#[derive(Debug)]
pub struct ConnectionIds {
    /// The standard library's keyed hash (SipHash), made to withstand those who choose what is hashed.
    key: RandomState,
    start: Instant,
}

impl ConnectionIds {
    /// With a fresh key. Windows are counted from `start`.
    pub fn new(start: Instant) -> Self {
        Self {
            key: RandomState::new(),
            start,
        }
    }

    fn window(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / WINDOW.as_secs()
    }

    /// The id for a client. Its port is not part of it: behind a home router it changes.
    pub fn make(&self, now: Instant, client: IpAddr) -> u64 {
        self.key.hash_one((client.to_canonical(), self.window(now)))
    }

    /// Whether `id` was made for this client lately.
    pub fn check(&self, now: Instant, client: IpAddr, id: u64) -> bool {
        let window = self.window(now);
        (window.saturating_sub(WINDOWS_TAKEN)..=window)
            .any(|window| self.key.hash_one((client.to_canonical(), window)) == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_good_for_two_minutes_and_gone_after_three() {
        let start = Instant::now();
        let ids = ConnectionIds::new(start);
        let client: IpAddr = "1.2.3.4".parse().unwrap();
        for offset in [0, 30, 59, 60, 119] {
            let made = start + Duration::from_secs(offset);
            let id = ids.make(made, client);
            assert!(ids.check(made, client, id));
            assert!(ids.check(made + Duration::from_secs(120), client, id));
            assert!(!ids.check(made + Duration::from_secs(181), client, id));
        }
    }

    #[test]
    fn an_id_is_good_for_its_client_only() {
        let now = Instant::now();
        let ids = ConnectionIds::new(now);
        let id = ids.make(now, "1.2.3.4".parse().unwrap());
        assert!(ids.check(now, "::ffff:1.2.3.4".parse().unwrap(), id));
        assert!(!ids.check(now, "1.2.3.5".parse().unwrap(), id));
        assert!(!ids.check(now, "1.2.3.4".parse().unwrap(), id ^ 1));
        assert!(!ConnectionIds::new(now).check(now, "1.2.3.4".parse().unwrap(), id));
    }
}
