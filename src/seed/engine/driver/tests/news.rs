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

#[tokio::test]
async fn who_is_in_the_house_does_not_show_that_the_line_is_up() {
    for (from, expected) in [
        ("192.168.1.9:6881", false),
        ("[::ffff:10.0.0.9]:6881", false),
        ("169.254.1.9:6881", false),
        ("100.64.0.9:6881", false),
        ("[fd00::9]:6881", false),
        ("[fe80::9]:6881", false),
        ("127.0.0.1:6881", true),
        ("203.0.113.9:6881", true),
        ("[2001:db8::9]:6881", true),
    ] {
        let mut bench = Bench::new(false).await;
        bench.add(hash(1));
        bench.from = Some(from.parse().unwrap());
        let _peer = bench.come(hash(1)).await;
        let is_there = |driver: &Driver| driver.peers == 1;
        bench.until("it is there", is_there).await;
        assert_eq!(bench.driver.report().in_touch, expected, "{from}");
    }
}

#[tokio::test]
async fn a_machine_in_the_house_that_refuses_does_not_show_that_the_line_is_up() {
    for (addr, expected) in [("192.168.1.9:6881", false), ("203.0.113.9:6881", true)] {
        let mut bench = Bench::new(false).await;
        bench.add(hash(1));
        let refused = std::io::ErrorKind::ConnectionRefused.into();
        let came = Dialled::Failed(refused);
        bench
            .driver
            .came_back(Back::Dialled(hash(1), addr.parse().unwrap(), came));
        assert_eq!(bench.driver.report().in_touch, expected, "{addr}");
    }
}
