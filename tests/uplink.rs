//! The latency guard on a real line: the box seeds as fast as it may, and the family's call must not notice.
//!
//! Network namespaces, and so root; it says so where it may not make them. Everything is measured from outside: the call by
//! its own round trips, use by the router's counters.

#[path = "uplink/call.rs"]
mod call;
mod common;
#[path = "uplink/house.rs"]
mod house;
#[path = "uplink/origin.rs"]
mod origin;
#[path = "uplink/traffic.rs"]
mod traffic;

use std::time::{Duration, Instant};

use call::{Added, Call};
use house::House;
use origin::Origin;
use traffic::Traffic;

const MBIT: u32 = 5;
const LEECHERS: usize = 6;

/// From a slow start to the line's rate.
const CONVERGES: Duration = Duration::from_secs(20);
/// Stretches that are judged one by one; the machine may be busy with something else in one of them.
const STRETCH: Duration = Duration::from_secs(14);
const STRETCHES: usize = 3;
const GOOD_STRETCHES: usize = 2;

/// Bounds: the goals are 25 ms at 90 %, and the machine is noisy.
const P95: f64 = 30.0;
const USED: f64 = 0.85;
/// A stream of datagrams comes at once with two fifths of the line, and is never held up for long again.
const STREAM: f64 = 0.4;
const STREAM_NOTICED: Duration = Duration::from_secs(2);
const STREAM_P95: f64 = 60.0;
/// Beside an upload the box keeps what a floor is, and comes back afterwards
const UPLOAD_NOTICED: Duration = Duration::from_secs(5);
const UPLOAD_SHARE: f64 = 0.10;
/// (the goals are 15 s).
const COMES_BACK: Duration = Duration::from_secs(20);
/// What the same box does to the call without its guard.
const UNGUARDED_P95: f64 = 800.0;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn show(what: &str, added: Added, used: (f64, f64)) {
    println!(
        "{what}: {added}, {:.1} % of the line in use, {:.1} % by the box",
        100.0 * used.0,
        100.0 * used.1
    );
}

/// Waits until the box uses the line again.
fn comes_back(house: &House, origin: &Origin, what: &str) {
    let begun = Instant::now();
    loop {
        let (from, to) = origin.watch(what, seconds(1));
        let (_, used) = house.used(from, to);
        if used >= USED {
            println!("{what}: back after {:.0?}", begun.elapsed());
            return;
        }
        assert!(
            begun.elapsed() < COMES_BACK,
            "{what}: {used:.2} of the line only"
        );
    }
}

#[test]
fn the_family_does_not_notice() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let house = House::new(MBIT, &dir.path().join("log"));
    let call = Call::start(&house);
    let origin = Origin::start(&house, LEECHERS);
    let began = origin.watch("start", CONVERGES);
    show(
        "start",
        call.added(began.0, began.1),
        house.used(began.0, began.1),
    );

    let mut good = 0;
    for _ in 0..STRETCHES {
        let (from, to) = origin.watch("alone", STRETCH);
        let (added, used) = (call.added(from, to), house.used(from, to));
        show("alone", added, used);
        good += usize::from(added.p95 <= P95 && used.1 >= USED);
    }
    assert!(
        good >= GOOD_STRETCHES,
        "{good} of {STRETCHES} stretches are as they should be"
    );

    let stream = Traffic::stream(&house, STREAM * house.rate);
    let (from, noticed) = origin.watch("a stream comes", STREAM_NOTICED);
    show(
        "a stream comes",
        call.added(from, noticed),
        house.used(from, noticed),
    );
    let (from, to) = origin.watch("beside a stream", seconds(12));
    let (added, used) = (call.added(from, to), house.used(from, to));
    show("beside a stream", added, used);
    assert!(added.p95 <= STREAM_P95, "beside a stream: {added}");
    drop(stream);
    comes_back(&house, &origin, "after a stream");

    let upload = Traffic::upload(&house);
    origin.watch("an upload begins", UPLOAD_NOTICED);
    let (from, to) = origin.watch("beside an upload", seconds(7));
    let (added, used) = (call.added(from, to), house.used(from, to));
    show("beside an upload", added, used);
    assert!(used.1 <= UPLOAD_SHARE, "beside an upload: {used:?}");
    drop(upload);
    comes_back(&house, &origin, "after an upload");

    // All this is worth nothing if the line would not have queued.
    origin.set_guard(false);
    assert_eq!(origin.report().guard, None);
    origin.watch("unguarded", seconds(4));
    let (from, to) = origin.watch("unguarded", seconds(6));
    let (added, used) = (call.added(from, to), house.used(from, to));
    show("unguarded", added, used);
    assert!(added.p95 > UNGUARDED_P95, "unguarded: {added}");
}
