//! News, through the engine's loop.

use super::*;

#[tokio::test]
async fn news_names_everything_once_and_then_what_moved() {
    let mut bench = Bench::new(false).await;
    (0..3).for_each(|n| bench.add(hash(n)));
    // Who asked is gone before the answer: nobody was told.
    let (reply, answer) = oneshot::channel();
    drop(answer);
    bench.driver.order(Order::News(reply));
    assert_eq!(bench.told(), [hash(0), hash(1), hash(2)]);
    assert_eq!(bench.told(), []);

    let peer = bench.come(hash(1)).await;
    let awake = |driver: &Driver| driver.seedings.contains_key(&hash(1));
    bench.until("it is awake", awake).await;
    assert_eq!(bench.told(), [hash(1)]);
    bench.during(get_a_piece(peer)).await;
    assert_eq!(bench.told(), [hash(1)], "as long as it is awake");
    bench.deserted_for(hash(1), A_WHILE).await;
    let last = bench.news().torrents;
    assert_eq!(last, [bench.reported(hash(1))], "what it cost in the end");
    assert_eq!(last[0].payload, u64::from(BLOCK_LENGTH));
    assert_eq!(bench.told(), []);

    // One that is added anew counts anew.
    bench.driver.remove(hash(1));
    bench.add(hash(1));
    bench.add(hash(1));
    let anew = bench.news().torrents;
    assert_eq!(anew.len(), 1);
    assert_eq!((anew[0].info_hash, anew[0].payload), (hash(1), 0));
    bench.add(hash(3));
    bench.driver.remove(hash(3));
    assert!(bench.driver.untold.is_empty(), "what is gone is no news");
    assert_eq!(bench.driver.report().torrents.len(), 3);
}
