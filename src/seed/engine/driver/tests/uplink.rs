//! The guard of the line, through the engine's loop.

use super::*;
use crate::base::Rate;

/// A far peer is one whose address says so, here one that no link can have: it comes over loopback all the same.
#[tokio::test]
async fn the_line_is_guarded_while_somebody_is_reached_over_it() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let _near = bench.come(hash).await;
    bench.until("it is awake", |driver| driver.peers == 1).await;
    assert!(bench.driver.report().guard.is_none() && bench.driver.limit().is_none());

    bench.from = "240.0.0.1:6881".parse().ok();
    let far = bench.come(hash).await;
    let guard = bench.driver.report().guard.expect("a guard");
    let limit = bench.driver.limit().expect("a limit");
    assert!(limit.gentle && limit.rate == guard.rate, "{limit:?}");
    bench.driver.order(Order::Cap(Some(Rate(10_000))));
    assert_eq!(bench.driver.limit().map(|limit| limit.rate), Some(10_000));
    bench.driver.order(Order::Cap(None));

    bench.driver.order(Order::Guard(false));
    assert!(bench.driver.report().guard.is_none() && bench.driver.limit().is_none());
    bench.driver.order(Order::Guard(true));
    assert!(bench.driver.report().guard.is_some());

    drop(far);
    bench.until("it left", |driver| driver.peers == 1).await;
    bench.driver.mind_the_line(Instant::now());
    assert!(bench.driver.report().guard.is_none() && bench.driver.limit().is_none());
}

/// What it looks at stays little, whoever comes.
#[tokio::test]
async fn few_connections_are_looked_at_and_those_that_ended_are_forgotten() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let mut far = Vec::new();
    for n in 1..=60u8 {
        bench.from = format!("240.0.0.{n}:6881").parse().ok();
        far.push(bench.come(hash).await);
    }
    bench
        .until("all are there", |driver| driver.peers == 60)
        .await;
    let watched = |bench: &Bench| bench.driver.watch.watched();
    assert!((1..60).contains(&watched(&bench)), "{}", watched(&bench));
    bench.driver.guard_the_line(Instant::now());
    assert!(watched(&bench) > 0);
    far.clear();
    bench
        .until("all have left", |driver| driver.peers == 0)
        .await;
    // A socket is there for as long as its connection's task; that ends a moment later.
    bench
        .until("their sockets are closed", |driver| {
            driver.watch.open() == 0
        })
        .await;
    bench.driver.guard_the_line(Instant::now());
    assert_eq!(watched(&bench), 0);
}

/// What the box said to trackers and to the DHT all night is not owed by the first who comes in the morning.
#[tokio::test]
async fn what_left_beside_a_line_that_had_room_for_it_silences_nobody() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    // Nobody was there for as long as that takes under the limit; nor would it be paid within the time of this test.
    let night = Duration::from_secs(200);
    bench.driver.shaper = Shaper::new(Some(100_000), Instant::now() - night);
    bench.driver.beside.0.add(10_000_000);
    let peer = bench.come(hash).await;
    // The loop looks at the bucket before it ticks again.
    bench.driver.pump();
    bench.driver.tick();
    let piece = bench.during(get_a_piece(peer)).await;
    assert_eq!(piece, vec![7; BLOCK_LENGTH as usize]);
}
