//! What the table holds at most, and who makes room for whom.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const HASH: InfoHash = InfoHash([7; 20]);

fn announce(addr: SocketAddr) -> Announce {
    Announce {
        info_hash: HASH,
        addr,
        left: 1,
        event: Event::None,
        want: 50,
        families: Families::Both,
    }
}

fn table(limits: Limits) -> (Table, Instant) {
    let start = Instant::now();
    let mut table = Table::new(limits, 1, start);
    table.register(HASH).unwrap();
    (table, start)
}

fn listed(table: &mut Table, now: Instant, addr: SocketAddr) -> bool {
    let peers = table.peers(now, HASH, usize::MAX);
    peers.iter().any(|(other, _)| *other == addr)
}

/// The `n`th public IPv4 address of these tests.
fn public(n: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(0x0100_0000 + n), 1))
}

#[test]
fn one_network_cannot_flood_a_torrent() {
    let (mut table, start) = table(Limits::default());
    let good = public(9);
    table.announce(start, &announce(good)).unwrap();
    let from_v4 = |n: u16| SocketAddr::from(([9, 9, 9, 9], n));
    let from_v6 = |n: u16| {
        let ip =
            Ipv6Addr::from_bits(0x2001_0db8_0000_0000_0000_0000_0000_0000 | u128::from(n) << 40);
        SocketAddr::from((ip, n))
    };
    for n in 1..=u16::MAX {
        let now = start + Duration::from_millis(u64::from(n));
        table.announce(now, &announce(from_v4(n))).unwrap();
        table.announce(now, &announce(from_v6(n))).unwrap();
    }
    let now = start + Duration::from_secs(66);
    let peers = table.peers(now, HASH, usize::MAX);
    let v6 = peers.iter().filter(|(addr, _)| addr.is_ipv6()).count();
    assert_eq!(v6, 16, "all of them in one /56");
    let flood = peers
        .iter()
        .filter(|(addr, _)| addr.ip() == from_v4(1).ip());
    assert_eq!(flood.count(), 16);
    assert!(listed(&mut table, now, good));
    // The newest of a network stay, the stalest left.
    assert!(listed(&mut table, now, from_v4(u16::MAX)));
    assert!(!listed(&mut table, now, from_v4(1)));
}

#[test]
fn programs_on_the_box_are_not_taken_for_a_flood() {
    let (mut table, now) = table(Limits::default());
    for port in 1..=100 {
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        table.announce(now, &announce(addr)).unwrap();
    }
    assert_eq!(table.len(), 100);
}

#[test]
fn a_full_torrent_keeps_those_who_came_before_and_answers_the_rest() {
    let limits = Limits {
        peers_per_torrent: 100,
        ..Limits::default()
    };
    let (mut table, start) = table(limits);
    for n in 0..100 {
        table.announce(start, &announce(public(n))).unwrap();
    }
    for n in 1000..9000 {
        let answer = table.announce(start, &announce(public(n))).unwrap();
        assert_eq!(answer.peers.len(), 50);
        assert_eq!(answer.counts.incomplete, 100);
    }
    assert!((0..100).all(|n| listed(&mut table, start, public(n))));
    // Those who announce on time keep their place; one who does not has to make room.
    let later = start + limits.interval;
    for n in 1..100 {
        table.announce(later, &announce(public(n))).unwrap();
    }
    let overdue = start + limits.overdue() + Duration::from_secs(1);
    table.announce(overdue, &announce(public(5000))).unwrap();
    table.announce(overdue, &announce(public(5001))).unwrap();
    assert!(listed(&mut table, overdue, public(5000)));
    assert!(!listed(&mut table, overdue, public(5001)));
    assert!(!listed(&mut table, overdue, public(0)));
    assert!((1..100).all(|n| listed(&mut table, overdue, public(n))));
}

#[test]
fn the_total_is_held_over_all_torrents() {
    let limits = Limits {
        peers: 150,
        ..Limits::default()
    };
    let (mut table, now) = table(limits);
    for hash in 0..20 {
        let info_hash = InfoHash([hash; 20]);
        table.register(info_hash).unwrap();
        for n in 0..100 {
            let asked = Announce {
                info_hash,
                ..announce(public(n))
            };
            table.announce(now, &asked).unwrap();
            assert!(table.len() <= 150);
        }
    }
    assert_eq!(table.len(), 150);
    table.unregister(InfoHash([0; 20]));
    assert_eq!(table.len(), 50);
}

#[test]
fn memory_a_peer_takes() {
    let (mut table, start) = table(Limits::default());
    for n in 0..2000 {
        table.announce(start, &announce(public(n))).unwrap();
    }
    let per_peer = table.torrents[&HASH].heap() as f64 / 2000.0;
    assert!((32.0..33.0).contains(&per_peer), "{per_peer}");
    // And it is given back.
    let later = start + Limits::default().expiry() * 2;
    table.scrape(later, HASH);
    assert_eq!(table.torrents[&HASH].heap(), 0);
}

#[derive(Debug, Clone)]
struct Step {
    torrent: u8,
    network: u16,
    v6: bool,
    port: u16,
    left: u64,
    stop: bool,
    seconds: u64,
}

fn step() -> impl Strategy<Value = Step> {
    (
        0..4u8,
        0..40u16,
        any::<bool>(),
        1..30u16,
        0..3u64,
        prop::bool::weighted(0.1),
        0..400u64,
    )
        .prop_map(|(torrent, network, v6, port, left, stop, seconds)| Step {
            torrent,
            network,
            v6,
            port,
            left,
            stop,
            seconds,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is announced, every bound holds and every count is what a recount says.
    #[test]
    fn bounds_and_counts_hold(steps in prop::collection::vec(step(), 1..400)) {
        let limits = Limits {
            torrents: 3,
            peers_per_torrent: 25,
            peers: 60,
            peers_per_network: 4,
            ..Limits::default()
        };
        let (mut table, mut now) = table(limits);
        for torrent in 0..4 {
            let _ = table.register(InfoHash([torrent; 20]));
        }
        for step in steps {
            now += Duration::from_secs(step.seconds);
            let ip: IpAddr = if step.v6 {
                Ipv6Addr::new(0x2001, 0xdb8, step.network, 0, 0, 0, 0, step.port).into()
            } else {
                Ipv4Addr::new(8, 8, 8, step.network as u8).into()
            };
            let asked = Announce {
                info_hash: InfoHash([step.torrent; 20]),
                addr: SocketAddr::new(ip, step.port),
                left: step.left,
                event: if step.stop { Event::Stopped } else { Event::None },
                want: 1000,
                families: Families::Both,
            };
            if let Ok(answer) = table.announce(now, &asked) {
                prop_assert!(answer.peers.len() <= limits.peers_per_answer);
                prop_assert!(!answer.peers.contains(&asked.addr));
            }
            let mut total = 0;
            for torrent in 0..4 {
                let info_hash = InfoHash([torrent; 20]);
                let peers = table.peers(now, info_hash, usize::MAX);
                let Some(counts) = table.scrape(now, info_hash) else {
                    prop_assert!(peers.is_empty());
                    continue;
                };
                prop_assert!(peers.len() <= limits.peers_per_torrent);
                let complete = peers.iter().filter(|(_, left)| *left == 0).count();
                prop_assert_eq!(counts.complete as usize, complete);
                prop_assert_eq!(counts.incomplete as usize, peers.len() - complete);
                let mut networks = HashMap::new();
                for (addr, _) in &peers {
                    *networks.entry(peer::network(*addr)).or_insert(0) += 1;
                }
                prop_assert!(networks.values().all(|n| *n <= limits.peers_per_network));
                total += peers.len();
            }
            prop_assert_eq!(total, table.len());
            prop_assert!(total <= limits.peers);
        }
    }
}
