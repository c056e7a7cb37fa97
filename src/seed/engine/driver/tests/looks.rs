//! Looks and probes, through the engine's loop.

use super::*;
use crate::policy::retire::Level;

/// A seed on loopback: it greets, shows a full bitfield, unchokes who is interested, and serves blocks of `byte`.
async fn seed_of(door: TcpListener, info_hash: InfoHash, byte: u8) {
    let (mut peer, _) = door.accept().await.unwrap();
    listener::hear(&mut peer).await.unwrap().unwrap();
    let greeting = handshake(info_hash, [9; 20]);
    peer.write_all(&greeting).await.unwrap();
    say(&mut peer, 5, &[0b1100_0000]).await;
    hear(&mut peer, 2).await.unwrap();
    say(&mut peer, 1, &[]).await;
    let block = hear(&mut peer, 6).await.unwrap();
    let bytes = vec![byte; BLOCK_LENGTH as usize];
    say(&mut peer, 7, &[&block[..8], &bytes].concat()).await;
    // It stays until it is hung up on.
    let _ = peer.read_to_end(&mut Vec::new()).await;
}

/// A box that gives nothing of its torrent any more, and a seed that somebody speaks of.
async fn retired(byte: u8) -> (Bench, InfoHash, SocketAddr, tokio::task::JoinHandle<()>) {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    bench.driver.order(Order::Silence(hash, true));
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = door.local_addr().unwrap();
    let seed = tokio::spawn(seed_of(door, hash, byte));
    bench.driver.met(Found {
        info_hash: hash,
        addrs: vec![addr],
        source: Witness::OwnTracker,
        full: true,
    });
    (bench, hash, addr, seed)
}

#[tokio::test]
async fn a_retired_torrent_asks_a_claimed_seed_for_a_block_and_hangs_up() {
    let (mut bench, hash, addr, seed) = retired(7).await;
    assert!(
        bench.driver.sought.is_empty(),
        "it is looked for, not dialled"
    );
    assert!(!bench.driver.report().in_touch);
    let due = bench.driver.looks.next().unwrap();
    bench.driver.look_around(due);
    let known = |driver: &Driver| driver.report().torrents[0].relays[0];
    bench
        .until("it is awake", |driver| driver.seedings.contains_key(&hash))
        .await;
    bench.driver.observe(hash, Instant::now());
    bench
        .until("it showed its bitfield", |driver| {
            driver.seedings[&hash].swarm.copies() >= 1.0
        })
        .await;
    bench.driver.observe(hash, Instant::now());
    let proven = |driver: &Driver| known(driver).level == Level::Proven;
    bench.until("it is proven", proven).await;
    let relay = known(&bench.driver);
    assert_eq!((relay.addr, relay.connected, relay.missed), (addr, true, 0));
    assert!(bench.driver.report().in_touch);
    // It was asked; once it has had time to show what it lacks, it is not needed any more.
    let later = Instant::now() + Duration::from_secs(11);
    bench.driver.observe(hash, later);
    bench
        .until("it was hung up on", |_| seed.is_finished())
        .await;
    bench.deserted_for(hash, A_WHILE).await;
    assert!(bench.driver.seedings.is_empty(), "it rests again");
    let relay = known(&bench.driver);
    assert_eq!((relay.level, relay.connected), (Level::Proven, false));
    assert_eq!(bench.driver.report().torrents[0].payload, 0);

    // Nobody is there any more when it is looked for again, and again.
    for missed in 1..=2 {
        let due = bench.driver.looks.next().unwrap();
        bench.driver.look_around(due);
        bench
            .until("it is missed", |driver| known(driver).missed == missed)
            .await;
    }
    assert!(bench.driver.seedings.is_empty());
    bench.driver.remove(hash);
    assert_eq!(bench.driver.looks.next(), None);
}

#[tokio::test]
async fn one_that_serves_something_else_is_refuted_and_not_dialled_again() {
    let (mut bench, hash, addr, seed) = retired(8).await;
    let due = bench.driver.looks.next().unwrap();
    bench.driver.look_around(due);
    bench
        .until("it showed its bitfield", |driver| {
            let seeding = driver.seedings.get(&hash);
            seeding.is_some_and(|seeding| seeding.swarm.copies() >= 1.0)
        })
        .await;
    bench.driver.observe(hash, Instant::now());
    bench
        .until("it was hung up on", |_| seed.is_finished())
        .await;
    let report = bench.reported(hash);
    assert!(report.relays[0].refuted && !report.relays[0].connected);
    assert_eq!(report.copies, 0.0);
    bench.driver.order(Order::Silence(hash, false));
    bench.driver.met(Found {
        info_hash: hash,
        addrs: vec![addr],
        source: Witness::Tracker,
        full: false,
    });
    let later = Instant::now() + A_WHILE;
    assert!(
        bench
            .driver
            .known_of(hash)
            .unwrap()
            .0
            .due(&[], later)
            .is_empty()
    );
}

#[tokio::test]
async fn nobody_is_looked_for_at_our_own_addresses() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let ours: SocketAddr = "192.0.2.1:6881".parse().unwrap();
    let found_out: SocketAddr = "192.0.2.2:6881".parse().unwrap();
    bench.driver.order(Order::Ourselves(vec![ours]));
    let dialled = Back::Dialled(hash, found_out, Dialled::Ourselves);
    bench.driver.came_back(dialled);
    bench.driver.order(Order::Met(Found {
        info_hash: hash,
        addrs: vec![ours, found_out],
        source: Witness::Tracker,
        full: true,
    }));
    assert!(bench.reported(hash).relays.is_empty());
    assert!(bench.driver.sought.is_empty());
}

/// librqbit announces no piece to who sent it no bitfield: what it holds by now is seen beside its connection.
#[tokio::test]
async fn one_that_does_not_say_what_it_gets_is_looked_at_beside_its_connection() {
    let mut bench = Bench::new(false).await;
    let (hash, name) = (hash(1), *b"-rQ0000-............");
    bench.add(hash);
    let _peer = bench.meet(hash, name, false).await;
    bench
        .until("it is awake", |driver| driver.seedings.contains_key(&hash))
        .await;
    let home = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = home.local_addr().unwrap();
    let mut shown = 0;
    for held in [0b1000_0000, 0b1100_0000] {
        if shown == 0 {
            // Where it listens, its tracker says.
            bench.driver.call(hash, at);
        } else {
            let later = Instant::now() + Duration::from_secs(16);
            bench.driver.observe(hash, later);
        }
        let (mut second, _) = home.accept().await.unwrap();
        let shows = async move {
            listener::hear(&mut second).await.unwrap().unwrap();
            second.write_all(&handshake(hash, name)).await.unwrap();
            say(&mut second, 5, &[held]).await;
            second.read_to_end(&mut Vec::new()).await
        };
        // It is hung up on: one connection is enough.
        let _ = bench.during(shows).await;
        shown += 1;
        let copies = f64::from(shown) / f64::from(PIECES);
        let seen = |driver: &Driver| driver.seedings[&hash].swarm.copies() >= copies;
        bench.until("it is seen", seen).await;
    }
    bench.driver.observe(hash, Instant::now());
    let report = bench.reported(hash);
    assert_eq!((report.peers, report.relays.len()), (1, 1));
    let relay = report.relays[0];
    assert_eq!((relay.addr, relay.level), (at, Level::Full));
    assert!(relay.connected);
}
