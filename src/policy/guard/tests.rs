//! The guard on simulated lines. What it reaches there is held here; what real kernels and real clients make of it is in
//! `tests/uplink.rs`.

use std::time::Duration;

use self::flow::Peer;
use self::line::{House, Seen, Setting};
use super::*;
use crate::base::PeerKey;

mod flow;
mod line;

const MS: u64 = 1000;
/// From the first byte until the line is in use: 20 Mbit/s are 39 times the first rate, at a quarter more each second.
const START_TIME: u64 = 25;
const MEASURED: u64 = 40;
/// The goals of the latency guard: milliseconds added, and the part of the line in use.
const P95: f64 = 25.0;
const USED: f64 = 0.9;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A house whose box has found its rate.
fn settled(setting: Setting, peers: &[Peer]) -> House {
    let mut house = House::new(setting, peers);
    house.run(seconds(START_TIME));
    house
}

fn six() -> House {
    settled(Setting::mbit(5.0), &[Peer::at(20 * MS); 6])
}

/// How long it takes until a second is as it should be.
fn until(house: &mut House, bound: u64, right: impl Fn(Seen) -> bool) -> u64 {
    let mut last = None;
    for second in 1..=bound {
        let seen = house.run(seconds(1));
        if right(seen) {
            return second;
        }
        last = Some(seen);
    }
    panic!("not within {bound} s: {last:?}, {:?}", house.ruling);
}

fn holds(mbit: f64, p95: f64) {
    for flows in [1, 2, 6, 8] {
        let mut house = settled(Setting::mbit(mbit), &vec![Peer::at(20 * MS); flows]);
        let seen = house.run(seconds(MEASURED));
        println!("{mbit} Mbit/s, {flows} flows: {seen:?}");
        assert!(seen.p95 <= p95, "{flows} flows: {seen:?}");
        assert!(seen.used >= USED, "{flows} flows: {seen:?}");
    }
}

/// One segment takes 12 ms there, and two are sent at a time.
#[test]
fn one_mbit() {
    holds(1.0, 50.0);
}

#[test]
fn two_mbit() {
    holds(2.0, 35.0);
}

#[test]
fn five_mbit() {
    holds(5.0, P95);
}

#[test]
fn ten_mbit() {
    holds(10.0, P95);
}

#[test]
fn twenty_mbit() {
    holds(20.0, P95);
}

/// A round of thirty takes longer, and so does a queue to be noticed.
#[test]
fn a_crowd() {
    for mbit in [5.0, 20.0] {
        let mut house = settled(Setting::mbit(mbit), &[Peer::at(20 * MS); 30]);
        let seen = house.run(seconds(MEASURED));
        assert!(
            seen.p95 <= 1.2 * P95 && seen.used >= USED,
            "{mbit} Mbit/s: {seen:?}"
        );
    }
}

#[test]
fn far_away() {
    for (mbit, flows) in [(5.0, 1), (5.0, 6), (20.0, 6)] {
        let mut house = settled(Setting::mbit(mbit), &vec![Peer::at(120 * MS); flows]);
        let seen = house.run(seconds(MEASURED));
        assert!(
            seen.p95 <= P95 && seen.used >= USED,
            "{mbit}, {flows}: {seen:?}"
        );
    }
}

/// Jitter is no queue.
#[test]
fn jitter_of_25_ms() {
    for (mbit, flows) in [(5.0, 1), (5.0, 6), (20.0, 6)] {
        let setting = Setting {
            jitter: 25 * MS,
            ..Setting::mbit(mbit)
        };
        let mut house = settled(setting, &vec![Peer::at(30 * MS); flows]);
        let seen = house.run(seconds(MEASURED));
        assert!(
            seen.p95 <= P95 && seen.used >= USED,
            "{mbit}, {flows}: {seen:?}"
        );
    }
}

/// Two of six have a free path; the others' own lines queue for seconds, and they never have nothing unsent.
#[test]
fn peers_with_queues_of_their_own() {
    let mut peers = [Peer::at(20 * MS); 6];
    for peer in &mut peers[..4] {
        peer.narrow = Some(20_000.0);
        peer.window = 30_000;
    }
    let mut house = settled(Setting::mbit(5.0), &peers);
    house.run(seconds(15));
    let seen = house.run(seconds(MEASURED));
    assert!(seen.p95 <= 30.0 && seen.used >= 0.85, "{seen:?}");
}

#[test]
fn it_starts_slowly_and_soon_uses_the_line() {
    let mut house = House::new(Setting::mbit(5.0), &[Peer::at(20 * MS); 6]);
    assert_eq!(house.ruling.rate, 64_000);
    let first = house.run(seconds(3));
    assert!(first.used < 0.25 && first.most < 6.0, "{first:?}");
    let took = until(&mut house, 15, |seen| seen.used >= 0.85);
    let overshoot = house.run(seconds(3));
    assert!(overshoot.most < 80.0, "after {took} s: {overshoot:?}");
}

/// The owner's limit is his word for what the line carries.
#[test]
fn a_cap_needs_no_slow_start() {
    let now = Instant::now();
    assert_eq!(Guard::new(Some(500_000), now).ruling().rate, 500_000);
    assert_eq!(Guard::new(Some(1), now).ruling().rate, FLOOR as u64);
    assert_eq!(Guard::new(None, now).ruling().rate, START as u64);
}

#[test]
fn it_gives_way_to_a_call_and_comes_back() {
    let mut house = six();
    house.call = 0.4 * house.setting.rate;
    let first = house.run(seconds(2));
    assert!(first.most < 200.0, "{first:?}");
    let seen = house.run(seconds(20));
    assert!(seen.p95 <= 45.0 && seen.used >= 0.5, "{seen:?}");
    house.call = 0.0;
    until(&mut house, 20, |seen| seen.used >= 0.85);
}

#[test]
fn it_gives_way_to_an_upload_and_comes_back() {
    for (mbit, flows) in [(5.0, 1), (5.0, 6), (20.0, 6)] {
        let mut house = settled(Setting::mbit(mbit), &vec![Peer::at(20 * MS); flows]);
        house.upload(true);
        until(&mut house, 3, |seen| seen.used <= 0.5);
        house.run(seconds(3));
        let seen = house.run(seconds(30));
        assert!(seen.used <= 0.1 && seen.used >= 0.02, "{seen:?}");
        assert_eq!(house.ruling.reason, Reason::Shared);
        house.upload(false);
        until(&mut house, 15, |seen| seen.used >= 0.85);
    }
}

#[test]
fn a_line_that_becomes_slower_or_faster_is_found() {
    let mut house = six();
    house.change_rate(house.setting.rate / 4.0);
    house.run(seconds(30));
    let seen = house.run(seconds(20));
    assert!(seen.p95 <= 50.0 && seen.used >= 0.8, "slower: {seen:?}");
    house.change_rate(house.setting.rate * 8.0);
    until(&mut house, 30, |seen| seen.used >= 0.85);
    let seen = house.run(seconds(20));
    assert!(seen.p95 <= 30.0 && seen.used >= USED, "faster: {seen:?}");
}

/// A delay that stays when there is nothing left to queue is the route's.
#[test]
fn a_route_that_becomes_longer_for_good_is_believed() {
    for flows in [1, 6] {
        let mut house = settled(Setting::mbit(5.0), &vec![Peer::at(20 * MS); flows]);
        for flow in &mut house.flows {
            flow.peer.rtt += 50 * MS;
        }
        until(&mut house, 25, |seen| seen.used >= 0.85);
        let seen = house.run(seconds(30));
        assert!(seen.p95 <= 30.0 && seen.used >= USED, "{flows}: {seen:?}");
    }
}

/// Where the buffer is too short for a delay, loss speaks.
#[test]
fn a_short_buffer_is_not_flooded() {
    let setting = Setting {
        buffer: Duration::from_millis(10),
        ..Setting::mbit(20.0)
    };
    for flows in [1, 6] {
        let mut house = settled(setting, &vec![Peer::at(20 * MS); flows]);
        let count = |house: &House| {
            let sent: u32 = house.flows.iter().map(|flow| flow.segments_out).sum();
            let resent: u32 = house.flows.iter().map(|flow| flow.resent).sum();
            (f64::from(sent), f64::from(resent))
        };
        let before = count(&house);
        let seen = house.run(seconds(MEASURED));
        let after = count(&house);
        let lost = (after.1 - before.1) / (after.0 - before.0);
        println!("{flows}: {seen:?}, {lost:.4} lost");
        assert!(
            lost < 0.05 && seen.used >= 0.85,
            "{flows}: {seen:?}, {lost} lost"
        );
    }
}

/// And where segments are lost for no reason, it does not for long.
#[test]
fn a_lossy_radio_is_no_full_line() {
    let setting = Setting {
        loss: 0.02,
        ..Setting::mbit(5.0)
    };
    let mut house = settled(setting, &[Peer::at(30 * MS); 6]);
    house.run(seconds(10));
    let seen = house.run(seconds(MEASURED));
    // TCP itself does not use it all then.
    assert!(seen.p95 <= P95 && seen.used >= 0.75, "{seen:?}");
}

#[test]
fn what_is_not_used_does_not_grow() {
    let mut house = House::new(Setting::mbit(20.0), &[Peer::at(20 * MS)]);
    house.run(seconds(5));
    let before = house.ruling.rate;
    // One that takes a trickle.
    house.flows[0].peer.window = 2 * flow::MSS;
    house.flows[0].peer.rtt = 100 * MS;
    house.run(seconds(60));
    assert!(house.ruling.rate <= before * 2, "{:?}", house.ruling);
    assert!(house.flows[0].acked > 0);
}

/// Who came while the line was full takes the queue for his base; he has no vote until he has seen it empty.
#[test]
fn newcomers_in_a_full_queue_do_not_outvote_the_others() {
    let mut house = six();
    house.upload(true);
    house.run(seconds(8));
    for _ in 0..12 {
        house.join(Peer::at(20 * MS));
    }
    let seen = house.run(seconds(15));
    assert!(seen.used <= 0.12, "{seen:?}");
    house.upload(false);
    until(&mut house, 20, |seen| seen.used >= 0.85);
    let seen = house.run(seconds(30));
    assert!(seen.p95 <= 30.0, "{seen:?}");
}

/// After a pause the line may be another.
#[test]
fn it_does_not_rush_in_after_a_pause() {
    let mut house = six();
    house.wanted = false;
    house.run(seconds(60));
    house.change_rate(house.setting.rate / 2.0);
    house.wanted = true;
    let seen = house.run(seconds(5));
    assert!(seen.p95 <= 60.0, "{seen:?}");
}

#[test]
fn memory_is_bounded_by_what_is_remembered() {
    let mut now = Instant::now();
    let mut guard = Guard::new(None, now);
    let sample = |peer| Sample {
        peer: PeerKey(peer),
        rtt: Duration::from_millis(20),
        min_rtt: Duration::from_millis(20),
        acked: 0,
        segments_in: 0,
        mss: 0,
        unsent: 0,
        segments_out: 0,
        resent: 0,
    };
    for round in 0..100 {
        let samples: Vec<_> = (0..60).map(|n| sample(round * 60 + n)).collect();
        now += TICK;
        guard.tick(&samples, 0, now);
    }
    assert_eq!(guard.witnesses.len(), witnesses::PATHS);
    guard.tick(&[], 0, now + 2 * witnesses::REMEMBERED);
    assert_eq!(guard.witnesses.len(), 0);
}

/// What a kernel or a hostile peer's acknowledgements may say: counts that go back, no segment size, absurd times.
#[test]
fn nonsense_is_survived() {
    let mut now = Instant::now();
    let mut guard = Guard::new(None, now);
    for n in 0..1000u32 {
        let odd = n % 2 == 1;
        let sample = Sample {
            peer: PeerKey(u64::from(n % 3)),
            rtt: Duration::from_micros(if odd { 0 } else { u64::from(u32::MAX) }),
            min_rtt: Duration::from_micros(u64::from(u32::MAX)),
            acked: if odd { u64::MAX } else { 0 },
            segments_in: n.wrapping_mul(0x9e37_79b9),
            mss: 0,
            unsent: u32::MAX,
            segments_out: n.wrapping_mul(0x85eb_ca6b),
            resent: n.wrapping_mul(0xc2b2_ae35),
        };
        now += Duration::from_millis(u64::from(n % 7) * 50);
        let ruling = guard.tick(&[sample], u64::from(n) * 1_000_000_007, now);
        assert!(ruling.rate >= FLOOR as u64 && ruling.rate <= MOST as u64);
    }
}
