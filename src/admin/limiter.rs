//! How often a secret may be tried.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Tries an address has at once: a person who mistypes.
const BURST: u32 = 5;

/// An address gets another try after this long.
const REFILL: Duration = Duration::from_secs(30);

/// Tries all addresses together have at once. Bounded as well, because one machine on the network can take as many
/// IPv6 addresses as it likes.
const BURST_OF_ALL: u32 = 30;

/// All addresses together get another try after this long. At 8,640 tries a day, half of the setup code's 8.5 × 10¹¹
/// values take a hundred thousand years.
const REFILL_OF_ALL: Duration = Duration::from_secs(10);

/// Addresses remembered; when there are more, the one that waits least is forgotten. The bound on all of them holds
/// whatever is forgotten.
const ADDRESSES: usize = 1024;

/// Tries that are left. Kept as the moment at which all of them will be back.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// How long until there is a try.
    fn wait(&self, burst: u32, refill: Duration, now: Instant) -> Duration {
        let empty_for = self.full_at.saturating_duration_since(now);
        empty_for.saturating_sub(refill * (burst - 1))
    }

    fn take(&mut self, refill: Duration, now: Instant) {
        self.full_at = self.full_at.max(now) + refill;
    }

    fn give_back(&mut self, refill: Duration) {
        self.full_at = self.full_at.checked_sub(refill).unwrap_or(self.full_at);
    }
}

/// Counts tries by address and altogether. A try that succeeds is given back.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    addresses: HashMap<IpAddr, Bucket>,
    all: Option<Bucket>,
}

impl Limiter {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Takes a try. One who is `known`, because a browser at his address is signed in, has the tries of his address whatever
    /// others do: whoever tries at the secret without end, from any number of addresses, keeps new browsers waiting, and
    /// the owner's not.
    ///
    /// # Errors
    /// How long to wait when there is none.
    pub(super) fn take(&mut self, from: IpAddr, known: bool, now: Instant) -> Result<(), Duration> {
        let full = Bucket { full_at: now };
        let own = self.addresses.get(&from).copied().unwrap_or(full);
        let all = self.all.unwrap_or(full);
        let mut wait = own.wait(BURST, REFILL, now);
        if !known {
            wait = wait.max(all.wait(BURST_OF_ALL, REFILL_OF_ALL, now));
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        if self.addresses.len() >= ADDRESSES && !self.addresses.contains_key(&from) {
            self.forget(now);
        }
        self.addresses.entry(from).or_insert(own).take(REFILL, now);
        if !known {
            self.all.get_or_insert(all).take(REFILL_OF_ALL, now);
        }
        Ok(())
    }

    /// Gives a try back that was not wrong, and was taken as one who is `known` or not.
    pub(super) fn give_back(&mut self, from: IpAddr, known: bool) {
        if let Some(own) = self.addresses.get_mut(&from) {
            own.give_back(REFILL);
        }
        if let Some(all) = self.all.as_mut().filter(|_| !known) {
            all.give_back(REFILL_OF_ALL);
        }
    }

    /// Forgets those that have all their tries back, or else the one that will soonest.
    fn forget(&mut self, now: Instant) {
        self.addresses.retain(|_, own| own.full_at > now);
        if self.addresses.len() >= ADDRESSES {
            let soonest = self.addresses.iter().min_by_key(|(_, own)| own.full_at);
            if let Some(address) = soonest.map(|(address, _)| *address) {
                self.addresses.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V6(std::net::Ipv6Addr::from_bits(
            0xfe80 << 112 | u128::from(number),
        ))
    }

    #[test]
    fn an_address_has_a_few_tries_and_then_one_at_a_time() {
        let mut limiter = Limiter::new();
        let start = Instant::now();
        for _ in 0..BURST {
            limiter.take(address(1), false, start).unwrap();
        }
        assert_eq!(limiter.take(address(1), false, start), Err(REFILL));
        limiter.take(address(2), false, start).unwrap();
        let later = start + REFILL;
        assert_eq!(
            limiter.take(address(1), false, later - Duration::from_secs(1)),
            Err(Duration::from_secs(1))
        );
        limiter.take(address(1), false, later).unwrap();
        assert!(limiter.take(address(1), false, later).is_err());
        let rested = start + REFILL * 100;
        for _ in 0..BURST {
            limiter.take(address(1), false, rested).unwrap();
        }
        assert!(limiter.take(address(1), false, rested).is_err());
    }

    #[test]
    fn many_addresses_are_bounded_together_and_in_memory() {
        let mut limiter = Limiter::new();
        let start = Instant::now();
        let day = Duration::from_secs(86_400);
        let mut tries = 0_u64;
        let mut now = start;
        for number in 0.. {
            now += Duration::from_millis(100);
            if now > start + day {
                break;
            }
            tries += u64::from(limiter.take(address(number), false, now).is_ok());
            assert!(limiter.addresses.len() <= ADDRESSES);
        }
        let bound = u64::from(BURST_OF_ALL) + day.as_secs() / REFILL_OF_ALL.as_secs();
        assert!(
            tries <= bound && tries + 2 > bound,
            "{tries} tries, {bound} allowed"
        );
    }

    #[test]
    fn a_right_try_costs_nothing() {
        let mut limiter = Limiter::new();
        let now = Instant::now();
        for _ in 0..100 {
            limiter.take(address(1), false, now).unwrap();
            limiter.give_back(address(1), false);
        }
    }

    #[test]
    fn a_flood_of_strangers_keeps_nobody_out_for_good() {
        let mut limiter = Limiter::new();
        let start = Instant::now();
        let mut now = start;
        // A hundred addresses that try without end, for an hour.
        while now < start + Duration::from_secs(3_600) {
            now += Duration::from_millis(100);
            for number in 100..200 {
                let _ = limiter.take(address(number), false, now);
            }
        }
        assert!(limiter.take(address(1), false, now).is_err());
        for _ in 0..BURST {
            limiter.take(address(2), true, now).unwrap();
        }
        assert!(
            limiter.take(address(2), true, now).is_err(),
            "one who is known has no more tries than another"
        );
        limiter.give_back(address(2), true);
        limiter.take(address(2), true, now).unwrap();
        // When it is over, a new browser waits for no more than one try of all.
        limiter
            .take(address(1), false, now + REFILL_OF_ALL)
            .unwrap();
    }
}
