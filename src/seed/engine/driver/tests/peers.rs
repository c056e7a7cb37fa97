//! Who comes, through the engine's loop.

use std::net::IpAddr;

use super::*;
use crate::seed::engine::driver::peers::{MAX_PER_ORIGIN, MAX_PER_ORIGIN_IN_ALL};
use crate::seed::outside::Seen;

/// librqbit does not say where it listens, and comes again and again as long as it is hung up on.
#[tokio::test]
async fn one_that_is_here_and_is_dialled_keeps_its_connection_and_is_known_where_it_listens() {
    for silent in [false, true] {
        let mut bench = Bench::new(false).await;
        let hash = hash(1);
        bench.add(hash);
        bench.driver.order(Order::Silence(hash, silent));
        let mut peer = bench.meet(hash, [7; 20], false).await;
        bench
            .until("it is awake", |driver| driver.seedings.contains_key(&hash))
            .await;
        if !silent {
            let seed = async move {
                say(&mut peer, 5, &[0b1100_0000]).await;
                peer
            };
            peer = bench.during(seed).await;
            let complete = |driver: &Driver| driver.seedings[&hash].swarm.copies() >= 1.0;
            bench.until("it is a relay", complete).await;
        }
        let seeding = bench.driver.seedings.get_mut(&hash).unwrap();
        let key = *seeding.links.keys().next().unwrap();
        // It came long ago.
        seeding.links.values_mut().for_each(|l| l.since -= BOUND);
        let mut dialled = bench.meet(hash, [7; 20], true).await;
        let home = dialled.local_addr().unwrap();
        let end = async move {
            // Of one that showed all, nothing is to be seen.
            if silent {
                say(&mut dialled, 5, &[0b1000_0000]).await;
            }
            dialled.read_to_end(&mut Vec::new()).await.unwrap()
        };
        assert_eq!(bench.during(end).await, 0, "one connection is enough");
        let seeding = &bench.driver.seedings[&hash];
        assert_eq!(seeding.links.keys().collect::<Vec<_>>(), [&key]);
        let known: Vec<SocketAddr> = seeding.swarm.addresses().collect();
        assert_eq!(known, [home]);
        drop(peer);
    }
}

#[tokio::test]
async fn a_complete_peer_that_left_is_remembered() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let mut peer = bench.come(hash).await;
    let seed = async move {
        say(&mut peer, 5, &[0b1100_0000]).await;
        peer
    };
    let peer = bench.during(seed).await;
    let complete = |driver: &Driver| driver.seedings[&hash].swarm.copies() >= 1.0;
    bench.until("it is a relay", complete).await;
    drop(peer);
    bench.deserted_for(hash, A_WHILE).await;
    assert!(bench.driver.seedings.contains_key(&hash));
    bench.driver.put_to_rest(Instant::now() + GHOST_LIFE);
    assert!(bench.driver.seedings.is_empty());
}

#[tokio::test]
async fn who_comes_from_outside_proves_that_we_are_reached_and_says_as_whom() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let near = bench.come(hash).await;
    bench
        .until("it is awake", |driver| driver.seedings.contains_key(&hash))
        .await;
    let from = |n| Some(SocketAddr::from(([9, 9, n, 9], 51_413)));
    bench.from = from(1);
    // We called it: that says nothing of who can call us.
    let called = bench.meet(hash, [1; 20], true).await;
    assert_eq!(bench.driver.report().outside, Seen::default());
    bench.from = from(2);
    let came = bench.meet(hash, [2; 20], false).await;
    let first = bench.driver.report().outside.came_v4;
    assert!(first.is_some());
    assert_eq!(bench.driver.report().outside.came_v6, None);
    // What follows the handshake is heard after it, and is seen in the swarm.
    let mut peers = Vec::new();
    for (mut peer, piece, copies) in [(near, 0_u32, 0.5), (called, 1, 1.0), (came, 0, 1.0)] {
        let seen_as = bench.driver.report().outside.seen_as;
        assert!(
            seen_as.is_empty(),
            "one peer of the world's is not enough: {seen_as:?}"
        );
        let hello = async move {
            say(&mut peer, 20, b"\0d1:mde6:yourip4:\x08\x08\x08\x08e").await;
            say(&mut peer, 4, &piece.to_be_bytes()).await;
            peer
        };
        peers.push(bench.during(hello).await);
        let heard = |driver: &Driver| driver.seedings[&hash].swarm.copies() >= copies;
        bench.until("it was heard", heard).await;
    }
    let said = |driver: &Driver| driver.report().outside.seen_as == [IpAddr::from([8, 8, 8, 8])];
    bench.until("both said so", said).await;
    assert_eq!(bench.driver.report().outside.came_v4, first);
    drop(peers);
}

/// Names cost nothing, addresses do.
#[tokio::test]
async fn one_address_holds_a_few_places_and_no_more() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let mut links = Vec::new();
    let from = |text: &str| text.parse::<SocketAddr>().ok();
    for port in 1..=40 {
        bench.from = from(&format!("240.0.0.1:{port}"));
        links.push(bench.come(hash).await);
        // The low half of an IPv6 address is its owner's choice.
        bench.from = from(&format!("[2001:db8:0:1::{port:x}]:6881"));
        links.push(bench.come(hash).await);
        // Whoever is near has no line of ours to take, and the whole world may seem to come from a gateway.
        bench.from = None;
        links.push(bench.come(hash).await);
    }
    let all = |driver: &Driver| driver.peers == 2 * MAX_PER_ORIGIN + 40;
    bench.until("those who may have come", all).await;
    for other in ["240.0.0.2:1", "[2001:db8:0:2::1]:6881"] {
        bench.from = from(other);
        links.push(bench.come(hash).await);
    }
    let seeding = &bench.driver.seedings[&hash];
    assert_eq!(seeding.links.len(), 2 * MAX_PER_ORIGIN + 42);
    assert_eq!(bench.driver.peers, 2 * MAX_PER_ORIGIN + 42);
}

/// The same for those who wait for a torrent to wake, and over many torrents.
#[tokio::test]
async fn one_address_holds_a_part_of_all_places() {
    let mut bench = Bench::new(false).await;
    let mut links = Vec::new();
    let torrents = (MAX_PER_ORIGIN_IN_ALL / MAX_PER_ORIGIN + 2) as u16;
    for n in 1..=torrents {
        bench.add(hash(n));
        for port in 1..=MAX_PER_ORIGIN + 4 {
            bench.from = Some(SocketAddr::from(([240, 0, 0, 1], port as u16)));
            links.push(bench.come(hash(n)).await);
        }
        let waking = bench.driver.resting.get(&hash(n));
        let waking = waking.and_then(|resting| resting.waking.as_ref());
        assert!(waking.is_none_or(|waking| waking.peers.len() <= MAX_PER_ORIGIN));
        let awake = |driver: &Driver| {
            let full = driver.peers == MAX_PER_ORIGIN_IN_ALL;
            full || driver.seedings.contains_key(&hash(n))
        };
        bench.until("it is awake", awake).await;
    }
    assert_eq!(bench.driver.peers, MAX_PER_ORIGIN_IN_ALL);
    bench.from = "240.0.0.2:1".parse().ok();
    links.push(bench.come(hash(1)).await);
    assert_eq!(bench.driver.peers, MAX_PER_ORIGIN_IN_ALL + 1);
}
