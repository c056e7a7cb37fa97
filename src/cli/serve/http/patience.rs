//! How long the other side of a transfer may keep us waiting.

use std::time::{Duration, Instant};

/// Below this many bytes a second, averaged, nobody is being served; Apache asks for as much (`mod_reqtimeout`).
const LEAST_RATE: u32 = 500;

/// A budget of waiting. Only what the other side takes is charged, never what we take ourselves (a slow disk, a
/// handler), and bytes earn some of it back: a slow line can go on for ever, one that trickles to hold its place cannot.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    whole: Duration,
    left: Duration,
    since: Option<Instant>,
}

impl Patience {
    /// `whole`: how long nothing at all may come.
    pub(super) fn new(whole: Duration) -> Self {
        Self {
            whole,
            left: whole,
            since: None,
        }
    }

    /// We wait for the other side; returns when it must have moved.
    pub(super) fn waits(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.left
    }

    /// The other side moved.
    pub(super) fn moved(&mut self, now: Instant, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.left = self
                .left
                .saturating_sub(now.saturating_duration_since(since));
        }
        // Saturated long before it could overflow.
        let earned = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * earned / LEAST_RATE;
        self.left = (self.left + earned).min(self.whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// How long a transfer lasts that brings `bytes` every `period`, in periods; none when it may go on.
    fn lasts(bytes: usize, period: Duration) -> Option<u32> {
        let (mut patience, mut now) = (Patience::new(MINUTE), Instant::now());
        for n in 0..10_000 {
            let due = patience.waits(now);
            now += period;
            if due <= now {
                return Some(n);
            }
            patience.moved(now, bytes);
        }
        None
    }

    #[test]
    fn silence_is_borne_for_a_minute() {
        assert_eq!(lasts(0, Duration::from_secs(1)), Some(59));
        assert_eq!(lasts(1 << 20, Duration::from_secs(61)), Some(0));
    }

    #[test]
    fn a_trickle_ends_and_a_slow_line_goes_on() {
        let second = Duration::from_secs(1);
        let trickle = lasts(1, second).expect("it ends");
        assert!((59..=61).contains(&trickle), "{trickle}");
        assert_eq!(lasts(500, second), None);
        // A line that breaks for half a minute, over and over, and carries enough in between.
        assert_eq!(lasts(1 << 20, 30 * second), None);
    }

    #[test]
    fn our_own_time_is_not_charged() {
        let (mut patience, mut now) = (Patience::new(MINUTE), Instant::now());
        for _ in 0..10 {
            patience.waits(now);
            now += Duration::from_secs(1);
            patience.moved(now, 1 << 16);
            // The disk is slow.
            now += 10 * MINUTE;
        }
        assert_eq!(patience.waits(now), now + MINUTE);
    }

    #[test]
    fn a_torrent_of_bytes_does_not_overflow() {
        let (mut patience, now) = (Patience::new(MINUTE), Instant::now());
        patience.moved(now, usize::MAX);
        assert_eq!(patience.waits(now), now + MINUTE);
    }
}
