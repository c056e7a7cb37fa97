//! What clients are known to do with offers and requests.

use super::*;

fn looks_every(looks_every: Duration) -> Habits {
    Habits {
        looks_every,
        ..Habits::default()
    }
}

const KEEPER: Habits = Habits {
    looks_every: Duration::ZERO,
    keeps_requests: true,
};

/// How much of a minute the uplink is in use with peers that look for offers every five seconds only, and ask for all of
/// them then. They relay at once. The first ten seconds are left out when `learning`.
fn use_by_sleepers(hint: Duration, learning: bool) -> f64 {
    const STEP: Duration = Duration::from_millis(25);
    const LOOKS_EVERY: Duration = Duration::from_secs(5);
    const PEERS: u64 = 3;
    let start = Instant::now();
    let mut offer = with_habits(1000, PEERS, looks_every(hint), start);
    let mut offered = BTreeMap::<u64, BTreeSet<u32>>::new();
    let mut asked = std::collections::VecDeque::new();
    let mut looks: Vec<Instant> = vec![start; PEERS as usize];
    let mut ever = BTreeSet::new();
    let (mut credit, mut busy, mut steps, mut idle_since) = (0, 0, 0, None);
    for step in 0..2400u32 {
        let now = start + STEP * step;
        let uplink = Uplink {
            idle_since,
            rate: CAP,
            ..uplink()
        };
        for (peer, piece) in offers(&offer.decide(now, uplink)) {
            assert!(ever.insert(piece), "piece {piece} is offered twice");
            offered.entry(peer).or_default().insert(piece);
        }
        for key in 1..=PEERS {
            let new = offered.entry(key).or_default();
            if now >= looks[key as usize - 1] && !new.is_empty() {
                looks[key as usize - 1] = now + LOOKS_EVERY;
                for piece in std::mem::take(new) {
                    offer.requested(PeerKey(key), piece, now);
                    asked.push_back((key, piece));
                }
            }
        }
        let counts = !learning || now >= start + Duration::from_secs(10);
        steps += u32::from(counts);
        busy += u32::from(counts && !asked.is_empty());
        idle_since = asked.is_empty().then(|| idle_since.unwrap_or(now));
        credit = if asked.is_empty() {
            0
        } else {
            credit + CAP / 40
        };
        while credit >= u64::from(PIECE) && !asked.is_empty() {
            let (key, piece) = asked.pop_front().expect("it is not empty");
            credit -= u64::from(PIECE);
            send(&mut offer, key, piece, now);
            for other in (1..=PEERS).filter(|other| *other != key) {
                offer.have(PeerKey(other), piece, now);
            }
        }
    }
    f64::from(busy) / f64::from(steps)
}

#[test]
fn clients_that_look_now_and_then_keep_the_uplink_busy() {
    let known = use_by_sleepers(Duration::from_secs(5), false);
    assert!(known > 0.97, "{known}");
    let learnt = use_by_sleepers(Duration::ZERO, true);
    assert!(learnt > 0.9, "{learnt}");
}

#[test]
fn what_a_client_cannot_have_noticed_is_not_taken_back() {
    let start = Instant::now();
    let mut offer = with_peers(2, 0, start);
    offer.joined(PeerKey(1), looks_every(Duration::from_secs(5)), start);
    offer.joined(PeerKey(2), Habits::default(), start);
    let first = offers(&offer.decide(start, uplink()));
    let of_one = first.iter().filter(|(peer, _)| *peer == 1).count();
    for (peer, piece) in first.iter().copied().filter(|(peer, _)| *peer == 2) {
        send(&mut offer, peer, piece, start);
    }
    assert!(of_one > 0);
    let early = start + MIN_AGE_TO_TAKE_BACK * 2;
    assert!(offer.decide(early, idle(start)).is_empty());
    let late = start + Duration::from_secs(5) + MIN_AGE_TO_TAKE_BACK;
    let taken = offer.decide(late, idle(start));
    assert_eq!(taken.len(), 2 * of_one, "taken back and offered: {taken:?}");
}

/// As if the piece had been offered and taken back.
fn announced(offer: &mut Offer, peer: u64, piece: u32) {
    let peer = offer.peers.get_mut(&PeerKey(peer)).unwrap();
    peer.announced.insert(piece);
}

#[test]
fn a_known_habit_is_not_forgotten() {
    let start = Instant::now();
    let mut offer = with_habits(2, 2, looks_every(Duration::from_secs(5)), start);
    let later = start + 10 * REACTION_MEMORY;
    assert!(!offers(&offer.decide(later, uplink())).is_empty());
    let early = later + Duration::from_secs(5);
    assert!(offer.decide(early, idle(later)).is_empty());
}

#[test]
fn what_a_keeper_asked_for_is_taken_back_only_when_it_has_stalled() {
    let start = Instant::now();
    let mut offer = with_peers(1, 0, start);
    offer.joined(PeerKey(1), KEEPER, start);
    assert_eq!(offers(&offer.decide(start, uplink())), [(1, 0)]);
    offer.requested(PeerKey(1), 0, start);
    offer.joined(PeerKey(2), Habits::default(), start);
    let written = start + MIN_AGE_TO_TAKE_BACK * 2;
    assert!(offer.decide(written, idle(start)).is_empty());
    offer.sent(PeerKey(1), 0, (0, 16), PIECE, written);
    let slow = written + KEEPER_PATIENCE - Duration::from_secs(1);
    assert!(offer.decide(slow, idle(start)).is_empty());
    let stalled = written + KEEPER_PATIENCE;
    assert_eq!(offers(&offer.decide(stalled, idle(start))), [(2, 0)]);
}

#[test]
fn a_keeper_is_offered_what_it_waits_for_before_anything_else() {
    let start = Instant::now();
    let mut offer = with_peers(100, 0, start);
    offer.joined(PeerKey(1), KEEPER, start);
    announced(&mut offer, 1, 77);
    offer.waits(PeerKey(1), 77);
    offer.waits(PeerKey(1), 78);
    offer.waits(PeerKey(1), 1000);
    assert_eq!(offer.peers[&PeerKey(1)].waits_for, [77].into());
    assert_eq!(offers(&offer.decide(start, uplink()))[0], (1, 77));

    // Also when it cannot get on in a swarm that holds everything.
    let mut offer = with_peers(8, 1, start);
    offer.bitfield(PeerKey(1), &Bits::from_wire(8, &[0xff]).unwrap(), start);
    offer.joined(PeerKey(2), KEEPER, start);
    announced(&mut offer, 2, 5);
    offer.waits(PeerKey(2), 5);
    let given = offers(&offer.decide(start + STUCK_PATIENCE, uplink()));
    assert_eq!(given[0], (2, 5));
    offer.have(PeerKey(2), 5, start);
    assert!(offer.peers[&PeerKey(2)].waits_for.is_empty());
}

#[test]
fn strangers_who_never_ask_do_not_take_the_place_of_those_who_do() {
    let start = Instant::now();
    let mut offer = with_peers(1000, 1, start);
    let mut asked = offers(&offer.decide(start, uplink()));
    let (mut served, mut key) = (0, 1);
    // Ten strangers come every second, and leave after two.
    for step in 0..200u32 {
        let now = start + Duration::from_millis(100) * step;
        if step % 10 == 0 {
            for _ in 0..10 {
                key += 1;
                offer.joined(PeerKey(key), Habits::default(), now);
                if key > 21 {
                    offer.left(PeerKey(key - 20), now);
                }
            }
        }
        asked.extend(offers(&offer.decide(now, uplink())));
        let of_one = asked.iter().position(|(peer, _)| *peer == 1);
        if let Some(next) = of_one {
            let (_, piece) = asked.swap_remove(next);
            send(&mut offer, 1, piece, now);
            served += 1;
        }
    }
    assert!(served >= 195, "{served} of 200 turns were used");
}
