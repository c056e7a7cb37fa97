//! The rate limit: one token bucket over all connections of all releases, shared by deficit round robin.
//!
//! Tokens are bytes on the wire (design, decision 5). A block is charged with an estimate when it is handed to a
//! connection; what the kernel then says it really sent ([`super::socket::sent`]) corrects the estimate.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::base::InfoHash;

/// Payload bytes in a full segment: 1500 less IPv4 and TCP headers with timestamps.
const SEGMENT: u64 = 1448;
/// Header bytes of a segment: 20 IPv4 + 20 TCP + 12 timestamps. IPv6 has 20 more; the correction sees to that.
const SEGMENT_HEADER: u64 = 52;
/// The share of the limit that is used: what nobody counts (a reset, a resolved address) must not make it more than all.
const USED: f64 = 0.998;
/// How much unused allowance is kept: enough to forgive a late wake-up, too little to show in a one-second window.
const BURST: Duration = Duration::from_millis(50);
/// Bounds of the burst in bytes: two segments, so that the slowest line moves; a quarter MiB, so that a fast line
/// does not flood a home router's queue.
const BURST_BOUNDS: (f64, f64) = (3_000.0, 262_144.0);
/// And yet what the fastest lines carry between two looks: our timers come by the millisecond.
const BURST_LEAST: Duration = Duration::from_millis(4);

/// The same while the line is guarded: what is saved up goes out at once, and would be felt by others on it.
const BURST_GENTLE: Duration = Duration::from_millis(10);

/// Bytes on the wire that `bytes` of TCP payload will take.
pub fn on_the_wire(bytes: u64) -> u64 {
    bytes + bytes.div_ceil(SEGMENT) * SEGMENT_HEADER
}

/// The bucket and the turns.
#[derive(Debug)]
pub struct Shaper {
    /// The owner's limit.
    cap: Option<u64>,
    /// What the latency guard lets the line carry.
    guard: Option<u64>,
    tokens: f64,
    at: Instant,
    /// Bytes that the line had room for, and that were not kept, since the last [`Shaper::charge_late`].
    unused: f64,
    /// Wire bytes of each torrent, counted from `level` on; the smallest goes next.
    spent: BTreeMap<InfoHash, f64>,
    /// Where the torrent stood that had its turn last: nobody starts below.
    level: f64,
}

impl Shaper {
    /// A bucket that starts empty, so that nothing bursts at the start. `cap` in bytes per second.
    pub fn new(cap: Option<u64>, now: Instant) -> Self {
        Self {
            cap,
            guard: None,
            tokens: 0.0,
            at: now,
            unused: 0.0,
            spent: BTreeMap::new(),
            level: 0.0,
        }
    }

    /// The owner's limit in bytes per second.
    pub fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// The limit in force in bytes per second: the smaller of the owner's and the guard's.
    pub fn limit(&self) -> Option<u64> {
        match (self.cap, self.guard) {
            (Some(cap), Some(guard)) => Some(cap.min(guard)),
            (cap, guard) => cap.or(guard),
        }
    }

    /// Whether the line is guarded.
    pub fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    /// Changes the owner's limit; it holds from now on.
    pub fn set_cap(&mut self, cap: Option<u64>, now: Instant) {
        self.refill(now);
        self.cap = cap;
        self.tokens = self.tokens.min(0.0);
    }

    /// Changes what the line may carry; none: it is not guarded.
    pub fn set_guard(&mut self, guard: Option<u64>, now: Instant) {
        self.refill(now);
        // From none to one is a change of limits like an owner's; from one to the next is many times a second.
        if self.guard.is_some() != guard.is_some() {
            self.tokens = self.tokens.min(0.0);
        }
        self.guard = guard;
    }

    /// Whether something may be sent now.
    pub fn is_open(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.limit().is_none() || self.tokens > 0.0
    }

    /// Whether the line has more room than is used: at least half of what may be saved up has been. A peer that takes a
    /// block now and then does not use the line.
    pub fn has_room(&mut self, now: Instant) -> bool {
        self.refill(now);
        let saved = |limit| self.tokens > self.burst(limit) / 2.0;
        self.limit().is_none_or(saved)
    }

    /// When something may be sent again; `None` when it may now.
    pub fn opens_at(&mut self, now: Instant) -> Option<Instant> {
        self.refill(now);
        let limit = self.limit()? as f64 * USED;
        // A limit of nothing opens never; look again in a while, it may be changed.
        let wait = (self.tokens <= 0.0).then(|| (1.0 - self.tokens) / limit.max(1.0));
        wait.map(|seconds| now + Duration::from_secs_f64(seconds.min(60.0)))
    }

    /// The torrent whose turn it is among those that have something to send.
    pub fn next(&mut self, candidates: impl Iterator<Item = InfoHash>) -> Option<InfoHash> {
        let stands = |hash: InfoHash| (self.stands_at(hash), hash);
        let (level, next) = candidates.map(stands).min_by(|a, b| a.0.total_cmp(&b.0))?;
        self.level = level;
        Some(next)
    }

    /// Where a torrent stands. Whoever comes (back) now is level with those who had their turns, and cannot claim the past.
    fn stands_at(&self, account: InfoHash) -> f64 {
        let spent = self.spent.get(&account).copied();
        spent.map_or(self.level, |spent| spent.max(self.level))
    }

    /// Takes `bytes` on the wire from the bucket, on a torrent's account if it is one's. Debts are paid back before
    /// anything else is sent. Negative when less was sent than had been charged.
    pub fn charge(&mut self, account: Option<InfoHash>, bytes: f64) {
        if self.limit().is_some() {
            self.tokens -= bytes;
        }
        let Some(account) = account else {
            return;
        };
        let spent = self.stands_at(account) + bytes;
        self.spent.insert(account, spent);
    }

    /// Takes what left some time since the last such call, and is noticed only now. What the line had room for then and did
    /// not use has paid for it: a box that talked to trackers all night owes nothing in the morning.
    pub fn charge_late(&mut self, bytes: f64, now: Instant) {
        self.refill(now);
        let paid = std::mem::take(&mut self.unused).min(bytes);
        self.charge(None, bytes - paid);
    }

    /// Forgets a torrent's account: it is gone, or has nothing to send.
    pub fn forget(&mut self, account: InfoHash) {
        self.spent.remove(&account);
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        if let Some(limit) = self.limit() {
            let gained = passed * limit as f64 * USED;
            let (tokens, most) = (self.tokens + gained, self.burst(limit));
            self.unused += (tokens - most).max(0.0);
            self.tokens = tokens.min(most);
        }
    }

    /// Bytes of unused allowance that are kept under this limit.
    fn burst(&self, limit: u64) -> f64 {
        let limit = limit as f64 * USED;
        let kept = if self.is_guarded() {
            BURST_GENTLE
        } else {
            BURST
        };
        let burst = (limit * kept.as_secs_f64()).clamp(BURST_BOUNDS.0, BURST_BOUNDS.1);
        burst.max(limit * BURST_LEAST.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends blocks as fast as the bucket lets it, looking every `step`; returns bytes in each second.
    fn run(
        shaper: &mut Shaper,
        start: Instant,
        seconds: u64,
        step: Duration,
        block: f64,
    ) -> Vec<f64> {
        let mut windows = vec![0.0; seconds as usize];
        let mut now = start;
        while now < start + Duration::from_secs(seconds) {
            while shaper.is_open(now) {
                shaper.charge(None, block);
                windows[(now - start).as_secs() as usize] += block;
            }
            now += step;
        }
        windows
    }

    #[test]
    fn keeps_the_cap_in_every_second_from_the_first() {
        let start = Instant::now();
        for cap in [32_000u64, 1 << 20, 16 << 20] {
            let mut shaper = Shaper::new(Some(cap), start);
            let block = (cap as f64 / 100.0).min(17_000.0);
            for bytes in run(&mut shaper, start, 20, Duration::from_millis(7), block) {
                let off = bytes / cap as f64 - 1.0;
                assert!(off.abs() < 0.08, "cap {cap}: {off:+.3}");
            }
        }
    }

    #[test]
    fn a_trickle_leaves_room_and_a_stream_does_not() {
        let start = Instant::now();
        let mut shaper = Shaper::new(Some(4 << 20), start);
        let step = Duration::from_millis(125);
        for block in 1..40 {
            let now = start + step * block;
            shaper.charge(None, 17_000.0);
            assert!(shaper.has_room(now), "one block in {step:?}");
        }
        let now = start + step * 40;
        while shaper.is_open(now) {
            shaper.charge(None, 17_000.0);
        }
        assert!(!shaper.has_room(now));
        assert!(!shaper.has_room(now + Duration::from_millis(10)));
    }

    #[test]
    fn a_change_is_obeyed_at_once_and_unused_allowance_does_not_pile_up() {
        let start = Instant::now();
        let mut shaper = Shaper::new(Some(1 << 20), start);
        let later = start + Duration::from_secs(3600);
        let first = run(&mut shaper, later, 1, Duration::from_millis(5), 1500.0)[0];
        assert!(first < 1.07 * f64::from(1 << 20), "{first}");
        let then = later + Duration::from_secs(1);
        shaper.set_cap(Some(64_000), then);
        let second = run(&mut shaper, then, 1, Duration::from_millis(5), 1500.0)[0];
        assert!((second / 64_000.0 - 1.0).abs() < 0.08, "{second}");
        shaper.set_cap(None, then);
        assert!(shaper.is_open(then) && shaper.opens_at(then).is_none());
    }

    #[test]
    fn the_smaller_of_cap_and_guard_is_in_force() {
        let start = Instant::now();
        let mut shaper = Shaper::new(None, start);
        assert_eq!(shaper.limit(), None);
        shaper.set_guard(Some(100_000), start);
        assert_eq!((shaper.cap(), shaper.limit()), (None, Some(100_000)));
        shaper.set_cap(Some(300_000), start);
        assert_eq!(shaper.limit(), Some(100_000));
        shaper.set_guard(Some(500_000), start);
        assert_eq!(shaper.limit(), Some(300_000));
        let bytes = run(&mut shaper, start, 2, Duration::from_millis(3), 1500.0)[1];
        assert!((bytes / 300_000.0 - 1.0).abs() < 0.08, "{bytes}");
        shaper.set_guard(None, start);
        shaper.set_cap(None, start);
        assert_eq!(shaper.limit(), None);
    }

    /// A guarded line is not flooded after a lull, and a rate that changes ten times a second loses no debt.
    #[test]
    fn a_guarded_bucket_keeps_little_and_forgives_nothing() {
        let start = Instant::now();
        let mut shaper = Shaper::new(None, start);
        shaper.set_guard(Some(1_000_000), start);
        let later = start + Duration::from_secs(10);
        let mut burst = 0.0;
        while shaper.is_open(later) {
            shaper.charge(None, 1500.0);
            burst += 1500.0;
        }
        assert!(burst <= 12_000.0, "{burst}");
        shaper.charge(None, 100_000.0);
        shaper.set_guard(Some(900_000), later);
        assert!(!shaper.is_open(later + Duration::from_millis(100)));
        assert!(shaper.is_open(later + Duration::from_millis(125)));
    }

    #[test]
    fn debts_are_paid_before_anything_is_sent() {
        let start = Instant::now();
        let mut shaper = Shaper::new(Some(1000), start);
        shaper.charge(None, 5000.0);
        assert!(!shaper.is_open(start + Duration::from_millis(4900)));
        assert!(shaper.is_open(start + Duration::from_millis(5100)));
        let opens = shaper.opens_at(start + Duration::from_millis(5100));
        assert_eq!(opens, None);
    }

    #[test]
    fn what_is_noticed_late_is_paid_by_what_was_not_used_and_by_no_more() {
        let start = Instant::now();
        let mut shaper = Shaper::new(Some(100_000), start);
        let night = start + Duration::from_secs(200);
        shaper.charge_late(10_000_000.0, night);
        assert!(shaper.is_open(night));
        // No time has passed since, and what was once forgiven is gone.
        shaper.charge_late(100_000.0, night);
        assert!(!shaper.is_open(night + Duration::from_millis(900)));
        // A line in use has nothing left over: all is owed.
        let mut now = night + Duration::from_secs(2);
        run(&mut shaper, now, 2, Duration::from_millis(5), 1500.0);
        now += Duration::from_secs(2);
        shaper.charge_late(0.0, now);
        run(&mut shaper, now, 2, Duration::from_millis(5), 1500.0);
        now += Duration::from_secs(2);
        shaper.charge_late(50_000.0, now);
        assert!(!shaper.is_open(now + Duration::from_millis(400)));
    }

    /// Gives so many turns to these, with blocks as long as their torrents have them; the bytes of each.
    fn turns<const N: usize>(shaper: &mut Shaper, those: [(InfoHash, f64); N]) -> [f64; N] {
        let mut sent = [0.0; N];
        for _ in 0..300 {
            let hashes = those.iter().map(|(hash, _)| *hash);
            let next = shaper.next(hashes).expect("someone's turn");
            let which = those.iter().position(|(hash, _)| *hash == next).unwrap();
            shaper.charge(Some(next), those[which].1);
            sent[which] += those[which].1;
        }
        sent
    }

    fn are_even(sent: &[f64]) -> bool {
        let mean = sent.iter().sum::<f64>() / sent.len() as f64;
        sent.iter().all(|bytes| (bytes / mean - 1.0).abs() < 0.05)
    }

    #[test]
    fn torrents_take_turns_by_what_they_spent() {
        let mut shaper = Shaper::new(None, Instant::now());
        let [a, b] = [1, 2].map(|i| InfoHash([i; 20]));
        // a's blocks are three times as long: bytes are shared, not turns.
        let sent = turns(&mut shaper, [(a, 3000.0), (b, 1000.0)]);
        assert!(are_even(&sent), "{sent:?}");
    }

    /// An account that rested has saved nothing up, and neither has one that is opened beside it.
    #[test]
    fn who_had_nothing_to_send_has_no_claim_to_what_others_were_sent_meanwhile() {
        let mut shaper = Shaper::new(None, Instant::now());
        let [a, b, c] = [1, 2, 3].map(|i| InfoHash([i; 20]));
        shaper.charge(Some(b), 100.0);
        for _ in 0..1000 {
            assert_eq!(shaper.next([a].into_iter()), Some(a));
            shaper.charge(Some(a), 1e6);
            // Talk is charged without a turn.
            shaper.charge(Some(b), 9.0);
        }
        let block = 17_000.0;
        // What a was ahead with its last, long turn is made up for once.
        turns(&mut shaper, [(a, block), (b, block)]);
        let sent = turns(&mut shaper, [(a, block), (b, block)]);
        assert!(are_even(&sent), "{sent:?}");
        let sent = turns(&mut shaper, [(a, block), (b, block), (c, block)]);
        assert!(are_even(&sent), "{sent:?}");
        // What is corrected is no claim either.
        for _ in 0..1000 {
            shaper.next([a].into_iter());
            shaper.charge(Some(a), block);
            shaper.charge(Some(c), -block);
        }
        let sent = turns(&mut shaper, [(a, block), (c, block)]);
        assert!(are_even(&sent), "{sent:?}");
    }
}
