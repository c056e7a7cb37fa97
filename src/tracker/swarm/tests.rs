//! What an announce does and what it is answered, under simulated time.

use super::*;

const HASH: InfoHash = InfoHash([7; 20]);

fn table() -> (Table, Instant) {
    let start = Instant::now();
    let mut table = Table::new(Limits::default(), 1, start);
    table.register(HASH).unwrap();
    (table, start)
}

fn at(addr: &str, left: u64) -> Announce {
    Announce {
        info_hash: HASH,
        addr: addr.parse().unwrap(),
        left,
        event: Event::None,
        want: 50,
        families: Families::Both,
    }
}

fn event(addr: &str, left: u64, event: Event) -> Announce {
    Announce {
        event,
        ..at(addr, left)
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn strangers_torrents_are_refused_and_take_no_memory() {
    let (mut table, now) = table();
    let mut announce = at("1.2.3.4:5", 1);
    announce.info_hash = InfoHash([8; 20]);
    assert_eq!(table.announce(now, &announce), Err(Refusal::Unregistered));
    assert_eq!(table.scrape(now, announce.info_hash), None);
    assert!(table.is_empty());
}

#[test]
fn addresses_nobody_can_connect_to_are_refused() {
    let (mut table, now) = table();
    for (addr, why) in [
        ("1.2.3.4:0", Refusal::BadPort),
        ("0.0.0.0:5", Refusal::BadAddress),
        ("224.0.0.1:5", Refusal::BadAddress),
        ("255.255.255.255:5", Refusal::BadAddress),
        ("[::]:5", Refusal::BadAddress),
        ("[ff02::1]:5", Refusal::BadAddress),
        ("[::ffff:0.0.0.0]:5", Refusal::BadAddress),
    ] {
        assert_eq!(table.announce(now, &at(addr, 1)), Err(why), "{addr}");
    }
    assert!(table.is_empty());
}

#[test]
fn leechers_learn_of_all_and_seeds_of_leechers_only() {
    let (mut table, now) = table();
    table.announce(now, &at("1.0.0.1:1", 0)).unwrap();
    table.announce(now, &at("1.0.0.2:1", 5)).unwrap();
    table.announce(now, &at("[2001:db8::1]:1", 5)).unwrap();
    let mut peers = table.announce(now, &at("1.0.0.3:1", 9)).unwrap().peers;
    peers.sort();
    let all = ["1.0.0.1:1", "1.0.0.2:1", "[2001:db8::1]:1"];
    assert_eq!(peers, all.map(|addr| addr.parse().unwrap()));
    let peers = table.announce(now, &at("1.0.0.4:1", 0)).unwrap().peers;
    assert!(!peers.contains(&"1.0.0.1:1".parse().unwrap()));
    assert_eq!(peers.len(), 3);
    for (families, n) in [(Families::V4, 3), (Families::V6, 1), (Families::Both, 4)] {
        let announce = Announce {
            families,
            ..at("1.0.0.9:1", 9)
        };
        let peers = table.announce(now, &announce).unwrap().peers;
        let v6 = peers.iter().filter(|addr| addr.is_ipv6()).count();
        assert_eq!(
            (peers.len() - v6, v6),
            if n == 3 {
                (4, 0)
            } else if n == 1 {
                (0, 1)
            } else {
                (4, 1)
            }
        );
        table
            .announce(now, &event("1.0.0.9:1", 9, Event::Stopped))
            .unwrap();
    }
}

#[test]
fn wants_are_clamped_and_answers_differ() {
    let (mut table, now) = table();
    for i in 0..500u16 {
        let addr = format!("1.0.{}.{}:1", i / 250, i % 250);
        table.announce(now, &at(&addr, 5)).unwrap();
    }
    let mut ask = |addr: &str, want| {
        let announce = Announce {
            want,
            ..at(addr, 5)
        };
        table.announce(now, &announce).unwrap().peers
    };
    assert_eq!(ask("2.0.0.1:1", usize::MAX).len(), 100);
    assert_eq!(ask("2.0.0.2:1", 0), []);
    let (one, other) = (ask("2.0.0.3:1", 50), ask("2.0.0.4:1", 50));
    assert_ne!(one, other);
    let distinct: std::collections::HashSet<_> = one.iter().collect();
    assert_eq!(distinct.len(), 50);
}

#[test]
fn only_a_seen_transition_counts_as_a_download() {
    let (mut table, now) = table();
    let mut say = |left, why| {
        table
            .announce(now, &event("1.0.0.1:1", left, why))
            .unwrap()
            .counts
    };
    // Some clients send `completed` with every announce.
    assert_eq!(say(9, Event::Completed).downloaded, 0);
    assert_eq!(say(9, Event::Completed).incomplete, 1);
    let done = say(0, Event::Completed);
    assert_eq!((done.complete, done.incomplete, done.downloaded), (1, 0, 1));
    assert_eq!(say(0, Event::Completed).downloaded, 1);
    // A file was damaged and fetched again: the same peer is not two downloads.
    assert_eq!(say(5, Event::None).complete, 0);
    assert_eq!(say(0, Event::None).downloaded, 1);
    let seed = table.announce(now, &event("1.0.0.2:1", 0, Event::Completed));
    let counts = seed.unwrap().counts;
    assert_eq!((counts.complete, counts.downloaded), (2, 1));
}

#[test]
fn who_stops_is_gone_at_once() {
    let (mut table, now) = table();
    table.announce(now, &at("1.0.0.1:1", 0)).unwrap();
    let bye = event("1.0.0.1:1", 0, Event::Stopped);
    let answer = table.announce(now, &bye).unwrap();
    assert_eq!(answer.counts, Counts::default());
    assert_eq!(answer.peers, []);
    table.announce(now, &bye).unwrap();
    assert_eq!(table.len(), 0);
}

#[test]
fn a_peer_expires_after_two_missed_announces() {
    let (mut table, start) = table();
    table.announce(start, &at("1.0.0.1:1", 0)).unwrap();
    let later = start + Limits::default().expiry();
    assert_eq!(table.scrape(later, HASH).unwrap().complete, 1);
    let gone = later + SWEEP_EVERY + Duration::from_secs(1);
    assert_eq!(table.scrape(gone, HASH), Some(Counts::default()));
    assert_eq!(table.len(), 0);
}

#[test]
fn who_announces_on_time_stays_for_a_month() {
    let (mut table, start) = table();
    let mut now = start;
    let month = Duration::from_secs(30 * 24 * 3600);
    while now < start + month {
        table.announce(now, &at("1.0.0.1:1", 3)).unwrap();
        let answer = table.announce(now, &at("1.0.0.2:1", 3)).unwrap();
        assert_eq!(answer.counts.incomplete, 2);
        assert_eq!(answer.peers.len(), 1);
        now += answer.interval;
    }
}

#[test]
fn an_eager_client_is_told_to_wait_and_gets_no_peers() {
    let (mut table, start) = table();
    table.announce(start, &at("1.0.0.1:1", 3)).unwrap();
    let limits = Limits::default();
    let mut now = start;
    for early in 0..20u8 {
        let answer = table.announce(now, &at("1.0.0.2:1", 3)).unwrap();
        let full = early <= limits.early_answers;
        assert_eq!(answer.peers.len(), usize::from(full), "{early}");
        let wait = if full {
            limits.interval
        } else {
            limits.min_interval
        };
        assert_eq!(answer.interval, wait);
        now += Duration::from_secs(1);
    }
    // What it reports counts all the same, and waiting as told is enough.
    assert_eq!(table.scrape(now, HASH).unwrap().incomplete, 2);
    now += limits.min_interval;
    let answer = table.announce(now, &at("1.0.0.2:1", 3)).unwrap();
    assert_eq!(answer.peers.len(), 1);
}

#[test]
fn mapped_addresses_are_ipv4() {
    let (mut table, now) = table();
    table.announce(now, &at("[::ffff:1.0.0.1]:1", 3)).unwrap();
    table.announce(now, &at("1.0.0.1:1", 3)).unwrap();
    assert_eq!(table.len(), 1);
    let peers = table.peers(now, HASH, 9);
    assert_eq!(peers, [("1.0.0.1:1".parse().unwrap(), 3)]);
}

#[test]
fn peers_are_given_to_those_who_can_reach_them() {
    let (mut table, now) = table();
    for addr in ["127.0.0.1:1", "192.168.0.2:1", "1.0.0.1:1"] {
        table.announce(now, &at(addr, 3)).unwrap();
    }
    for (asker, n) in [("127.0.0.1:2", 3), ("192.168.0.3:1", 2), ("1.0.0.2:1", 1)] {
        let peers = table.announce(now, &at(asker, 3)).unwrap().peers;
        assert_eq!(peers.len(), n, "{asker}");
        table
            .announce(now, &event(asker, 3, Event::Stopped))
            .unwrap();
    }
}

#[test]
fn the_box_itself_comes_first_by_the_address_the_asker_can_reach() {
    let (mut table, now) = table();
    let own = ["127.0.0.1:6881", "192.168.0.9:6881", "5.6.7.8:6881"];
    table.set_own_addresses(own.map(|addr| addr.parse().unwrap()).to_vec());
    table.announce(now, &at("1.0.0.1:1", 3)).unwrap();
    // Its own announce through loopback does not list it twice.
    table.announce(now, &at("127.0.0.1:6881", 0)).unwrap();
    for (asker, expected) in [
        ("127.0.0.1:2", "127.0.0.1:6881"),
        ("192.168.0.3:1", "192.168.0.9:6881"),
        ("1.0.0.2:1", "5.6.7.8:6881"),
    ] {
        let peers = table.announce(now, &at(asker, 3)).unwrap().peers;
        assert_eq!(peers[0], expected.parse().unwrap());
        let ours = peers.iter().filter(|addr| addr.port() == 6881).count();
        assert_eq!(ours, 1, "{asker}");
    }
    // Who has only a magnet may say that it lacks nothing.
    let peers = table.announce(now, &at("1.0.0.7:1", 0)).unwrap().peers;
    assert_eq!(peers[0], "5.6.7.8:6881".parse().unwrap());
}

#[test]
fn the_box_is_given_to_the_world_by_its_address_outside_and_to_nobody_by_a_link_local_one() {
    let (mut table, now) = table();
    let at_home = ["[fe80::9]:6881", "127.0.0.1:6881", "192.168.0.9:6881"];
    let outside = ["5.6.7.8:6881"];
    let set = |table: &mut Table, addrs: &[&str]| {
        table.set_own_addresses(addrs.iter().map(|addr| addr.parse().unwrap()).collect());
    };
    let askers = ["[fe80::3]:1", "192.168.0.3:1", "1.0.0.2:1"];
    let ours = |table: &mut Table| {
        askers.map(|asker| {
            let peers = table.announce(now, &at(asker, 3)).unwrap().peers;
            let ours: Vec<String> = peers.iter().map(ToString::to_string).collect();
            table
                .announce(now, &event(asker, 3, Event::Stopped))
                .unwrap();
            ours
        })
    };
    set(&mut table, &at_home);
    let [linked, home, world] = ours(&mut table);
    assert_eq!(linked, ["192.168.0.9:6881"]);
    assert_eq!(home, ["192.168.0.9:6881"]);
    assert_eq!(world, [] as [&str; 0]);
    // It becomes known only now.
    set(&mut table, &[&outside[..], &at_home[..]].concat());
    let [_, home, world] = ours(&mut table);
    assert_eq!(home, ["192.168.0.9:6881"]);
    assert_eq!(world, ["5.6.7.8:6881"]);
}

#[test]
fn a_full_list_of_torrents_says_so() {
    let limits = Limits {
        torrents: 2,
        ..Limits::default()
    };
    let mut table = Table::new(limits, 1, Instant::now());
    table.register(InfoHash([1; 20])).unwrap();
    table.register(InfoHash([2; 20])).unwrap();
    table.register(InfoHash([2; 20])).unwrap();
    assert_eq!(table.register(InfoHash([3; 20])), Err(TableFull(2)));
    table.unregister(InfoHash([1; 20]));
    table.register(InfoHash([3; 20])).unwrap();
}

#[test]
fn time_that_stands_still_or_runs_back_does_no_harm() {
    let (mut table, start) = table();
    table.announce(start + MINUTE, &at("1.0.0.1:1", 3)).unwrap();
    let answer = table.announce(start, &at("1.0.0.2:1", 3)).unwrap();
    assert_eq!(answer.counts.incomplete, 2);
}
