//! Torrents that rest, and those that wake, through the engine's loop.

use super::*;

#[tokio::test]
async fn a_resting_torrent_is_read_for_a_peer_and_its_counts_outlive_its_rest() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    for visit in 1..=2u32 {
        assert!(bench.driver.seedings.is_empty());
        let peer = bench.come(hash).await;
        let piece = bench.during(get_a_piece(peer)).await;
        assert_eq!(piece, vec![7; BLOCK_LENGTH as usize]);
        assert_eq!(bench.readings(), visit as usize);
        bench.deserted_for(hash, A_WHILE).await;
        assert!(bench.driver.seedings.is_empty() && bench.driver.busy.is_empty());
        let report = bench.reported(hash);
        let payload = u64::from(visit * BLOCK_LENGTH);
        assert_eq!((report.payload, report.peers), (payload, 0));
        assert!(report.wire > payload, "{}", report.wire);
    }
    assert_eq!(bench.driver.peers, 0);
}

#[tokio::test]
async fn a_silent_one_wakes_to_give_metadata_and_nothing_else() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    bench.driver.order(Order::Silence(hash, true));
    let mut peer = bench.come(hash).await;
    let metadata = async move {
        say(&mut peer, 20, b"\0d1:md11:ut_metadatai3eee").await;
        hear(&mut peer, 20).await.unwrap();
        say(&mut peer, 20, b"\x03d8:msg_typei0e5:piecei0ee").await;
        (hear(&mut peer, 20).await.unwrap(), peer)
    };
    let (metadata, mut peer) = bench.during(metadata).await;
    assert!(metadata.ends_with(b"d4:name1:xe"), "{metadata:?}");
    bench.driver.order(Order::Silence(hash, false));
    bench.driver.order(Order::Silence(hash, true));
    let mut rest = vec![0; 512];
    let choked = async move {
        hear(&mut peer, 0).await.unwrap();
        // What else was said to it is no payload.
        timeout(Duration::from_millis(100), peer.read(&mut rest)).await
    };
    assert!(bench.during(choked).await.is_err());
    bench.deserted_for(hash, GHOST_LIFE).await;
    assert!(bench.driver.resting[&hash].silent, "it stays so");
}

#[tokio::test]
async fn who_waits_for_a_torrent_that_is_removed_or_cannot_be_read_is_sent_away() {
    let mut bench = Bench::new(true).await;
    let hash = hash(1);
    bench.add(hash);
    let mut refused = bench.come(hash).await;
    let end = async move { refused.read_to_end(&mut Vec::new()).await };
    bench.during(end).await.unwrap();
    // The next one is let in.
    let peer = bench.come(hash).await;
    bench.during(get_a_piece(peer)).await;
    assert_eq!(bench.readings(), 2);
    bench.deserted_for(hash, A_WHILE).await;

    let mut gone = bench.come(hash).await;
    bench.driver.remove(hash);
    let end = async move { gone.read_to_end(&mut Vec::new()).await };
    // It is added again before the old reading comes back, which counts for nothing.
    bench.add(hash);
    let _waits = bench.come(hash).await;
    for ticket in [3, 4] {
        assert!(bench.driver.seedings.is_empty());
        let read = Ok(Box::new(torrent(hash, &bench.shelf.root)));
        bench.driver.came_back(Back::Read(hash, ticket, read));
    }
    assert_eq!(bench.reported(hash).peers, 1);
    bench.during(end).await.unwrap();
}

#[tokio::test]
async fn a_resting_torrent_dials_and_wakes_when_it_reaches_somebody() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let far = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    bench.driver.met(Found {
        info_hash: hash,
        addrs: vec![far.local_addr().unwrap()],
        source: Witness::Tracker,
        full: false,
    });
    let later = Instant::now() + Duration::from_secs(3);
    bench.driver.seek(later);
    let answers = async move {
        let (mut stream, _) = far.accept().await.unwrap();
        listener::hear(&mut stream).await.unwrap().unwrap();
        stream.write_all(&handshake(hash, [9; 20])).await.unwrap();
        stream
    };
    let stream = bench.during(answers).await;
    bench
        .until("it is awake", |driver| driver.seedings.contains_key(&hash))
        .await;
    assert!(bench.driver.sought.is_empty());
    drop(stream);
    bench.deserted_for(hash, A_WHILE).await;
    assert!(bench.driver.sought.contains(&hash), "it is dialled again");
    bench.driver.remove(hash);
    assert!(bench.driver.sought.is_empty() && bench.driver.known.read().is_empty());
}

#[tokio::test]
async fn the_loop_walks_past_a_thousand_torrents_for_one_that_is_wanted() {
    let mut bench = Bench::new(false).await;
    (0..1000).for_each(|n| bench.add(hash(n)));
    let walked = |driver: &Driver| {
        (
            driver.seedings.len(),
            driver.busy.len(),
            driver.sought.len(),
        )
    };
    assert_eq!(walked(&bench.driver), (0, 0, 0));
    let peer = bench.come(hash(500)).await;
    let wanted = tokio::spawn(get_a_piece(peer));
    let mut most = (0, 0, 0);
    bench
        .until("it has its piece", |driver| {
            most = most.max(walked(driver));
            wanted.is_finished()
        })
        .await;
    assert_eq!(most, (1, 1, 0));
    bench.deserted_for(hash(500), A_WHILE).await;
    assert_eq!(walked(&bench.driver), (0, 0, 0));
    assert_eq!(bench.driver.report().torrents.len(), 1000);
}

#[tokio::test]
async fn while_nobody_is_connected_ticks_are_rare_and_do_everything() {
    let mut bench = Bench::new(false).await;
    let (hash, rare) = (hash(1), Duration::from_secs(1));
    bench.add(hash);
    assert_eq!(bench.driver.pause(), rare);
    let peer = bench.come(hash).await;
    let awake = |driver: &Driver| driver.seedings.contains_key(&hash);
    bench.until("it is awake", awake).await;
    assert_eq!(bench.driver.pause(), TICK);
    bench.driver.tick();
    bench.during(get_a_piece(peer)).await;
    let nobody = |driver: &Driver| driver.peers == 0;
    bench.until("they left", nobody).await;
    assert_eq!(bench.driver.pause(), rare);
    assert_eq!(bench.reported(hash).rate, 0, "not measured yet");
    bench.driver.tick();
    assert!(bench.reported(hash).rate > 0);
}
