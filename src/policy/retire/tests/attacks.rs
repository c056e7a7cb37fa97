//! Those who lie, and those who count for less than it seems.

use super::*;

/// A thousand full bitfields on networks of their own; nobody gets a block of them.
fn fakes() -> impl Iterator<Item = Peer> {
    peers(1000..2000).map(|peer| peer.serves(Serves::Nothing))
}

#[test]
fn a_flood_of_fake_seeds_retires_nothing_until_three_honest_ones_are_there() {
    for honest in 0..=3 {
        let mut life = Life::new(Stage::Ready);
        life.peers.extend(fakes());
        life.peers.extend(peers(0..honest));
        life.pass(HOUR * 12);
        if honest < 3 {
            assert_eq!(
                life.stages(),
                [Stage::Supporting],
                "{honest}: {:?}",
                life.log
            );
            let expected = match honest {
                0 => "1000 others hold every piece, none proven yet",
                1 => "1001 others hold every piece, one of them verified; waiting for 2 more",
                _ => "1002 others hold every piece, 2 of them verified; waiting for 1 more",
            };
            assert_eq!(life.reason(), expected);
        } else {
            assert_eq!(
                life.reason(),
                "stopped: 3 others hold every piece (20.0.0.7 and 2 more, each seen twice, proven)"
            );
        }
    }
}

#[test]
fn a_flood_of_fake_seeds_keeps_no_release_retired() {
    let mut life = Life::retired(peers(0..3).chain(fakes()));
    life.peers[..3].iter_mut().for_each(|peer| peer.up = false);
    life.pass(HOUR);
    let (_, stage, reason) = life.last();
    assert_eq!(*stage, Stage::Supporting, "the fakes say that they hold it");
    assert_eq!(
        reason,
        "back: only 1 of 3 others is left (2 looked for and not found)"
    );
}

#[test]
fn a_tracker_that_counts_five_hundred_seeds_changes_nothing() {
    let nowhere = || {
        peers(0..500).map(|mut peer| {
            peer.up = false;
            peer
        })
    };
    let mut life = Life::new(Stage::Ready);
    life.peers.extend(nowhere());
    life.pass(DAY);
    assert_eq!(life.stages(), []);
    assert_eq!(life.reason(), "giving the first copies");
    // Nor do its inventions, looked for and not found, bring anything back.
    let mut life = Life::retired(peers(0..3).chain(nowhere()));
    let before = life.log.len();
    life.restart();
    life.pass(DAY);
    assert_eq!(life.log.len(), before, "{:?}", life.log);
}

#[test]
fn one_that_serves_what_is_not_ours_counts_for_nothing() {
    let liars = || peers(0..3).map(|peer| peer.earned().serves(Serves::Wrong));
    let mut life = Life::new(Stage::Ready);
    life.peers.extend(liars());
    life.peers.extend(peers(10..12));
    life.pass(DAY);
    assert_eq!(life.stages(), [Stage::Supporting]);
    assert_eq!(
        life.reason(),
        "2 others hold every piece; waiting for 1 more"
    );
    // One that turns out to lie is a relay lost.
    let mut life = Life::retired(peers(0..3));
    life.peers[..2]
        .iter_mut()
        .for_each(|peer| peer.serves = Serves::Wrong);
    life.pass(HOUR);
    assert_eq!(
        life.last().2,
        "back: only 1 of 3 others is left (2 found to be false)"
    );
}

#[test]
fn everybody_behind_one_network_is_one() {
    let together = |n: u16| {
        let mut addr = network(5);
        addr.set_port(1000 + n);
        Peer::new(addr)
    };
    let mut life = Life::new(Stage::Ready);
    life.peers.extend((0..50).map(together));
    life.pass(DAY);
    assert_eq!(life.stages(), [Stage::Supporting]);
    assert_eq!(
        life.reason(),
        "20.0.5.7 holds every piece; waiting for 2 more"
    );
}

#[test]
fn one_that_is_reached_over_ipv4_and_ipv6_is_one() {
    let twice = |n: u8| {
        let over_v6 = format!("[2001:db8:{n}::7]:6881");
        let over_v6 = over_v6.parse().expect("a test address");
        [network(n.into()), over_v6].map(|addr| {
            let mut peer = Peer::new(addr);
            peer.known.name = Some([n; 20]);
            peer
        })
    };
    let mut life = Life::new(Stage::Ready);
    life.peers.extend((1..=2).flat_map(twice));
    life.pass(DAY);
    assert_eq!(life.stages(), [Stage::Supporting]);
    assert_eq!(
        life.reason(),
        "2 others hold every piece; waiting for 1 more"
    );
    life.peers.extend(twice(3));
    life.pass(HOUR);
    assert_eq!(life.stage(), Stage::Retired, "{}", life.reason());
}

#[test]
fn who_goes_by_others_names_takes_no_vote_from_them() {
    let mut life = Life::new(Stage::Ready);
    life.peers.extend(peers(0..2));
    for (peer, name) in life.peers.iter_mut().zip([[1; 20], [2; 20]]) {
        peer.known.name = Some(name);
    }
    life.pass(HOUR);
    // Two behind one network, who call themselves as the others do.
    for name in [[1; 20], [2; 20]] {
        let mut addr = network(9);
        addr.set_port(name[0].into());
        let mut peer = Peer::new(addr);
        peer.known.name = Some(name);
        life.peers.push(peer);
    }
    life.peers.extend(peers(3..4));
    life.pass(HOUR);
    assert_eq!(life.stage(), Stage::Retired, "{}", life.reason());
}

#[test]
fn those_of_our_own_network_do_not_count_for_the_world() {
    let near = [
        "192.168.1.2:1",
        "10.0.0.3:1",
        "[fe80::5]:1",
        "[fd00::1]:1",
        "100.64.3.3:1",
    ];
    let near = || {
        near.iter()
            .map(|addr| Peer::new(addr.parse().expect("a test address")).earned())
    };
    let mut life = Life::new(Stage::Ready);
    life.peers.extend(near());
    life.pass(DAY);
    assert_eq!(life.stages(), [Stage::Supporting]);
    assert_eq!(
        life.reason(),
        "only others on our own network hold every piece, and they do not count for the world; waiting for 3 more"
    );
    let mut life = Life::retired(peers(0..3));
    life.peers.extend(near());
    life.peers[..3].iter_mut().for_each(|peer| peer.up = false);
    life.pass(HOUR);
    assert_eq!(
        life.last().2,
        "back: only 1 of 3 others is left (2 looked for and not found)"
    );
}

#[test]
fn one_that_is_always_stuck_brings_it_back_less_and_less_often() {
    let mut life = Life::retired(peers(0..3));
    let before = life.log.len();
    life.gets_stuck();
    let stuck = life.age();
    life.pass(DAY * 7);
    let returns: Vec<Duration> = life.log[before..]
        .iter()
        .filter(|(_, stage, _)| *stage != Stage::Retired)
        .map(|(at, _, _)| *at - stuck)
        .collect();
    assert_eq!(returns[0], life.rule.reach);
    let most = 8 + 7 * 4;
    assert!((8..most).contains(&returns.len()), "{returns:?}");
    // It stayed as long as it must each time, and no longer.
    for pair in life.log[before..].chunks_exact(2) {
        let stayed = pair[1].0 - pair[0].0;
        assert_eq!((pair[0].1, pair[1].1), (Stage::Supporting, Stage::Retired));
        assert!(
            (life.rule.dwell..life.rule.dwell + MINUTE).contains(&stayed),
            "{stayed:?}"
        );
    }
}
