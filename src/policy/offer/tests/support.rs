//! What is given once the swarm holds a full copy.

use super::*;

const STEP: Duration = Duration::from_millis(100);

/// A swarm of `peers` of which the first `seeds` have everything, the others nothing. `pieces` is a multiple of eight.
fn supported(pieces: u32, seeds: u64, peers: u64, now: Instant) -> Offer {
    let mut offer = with_peers(pieces, peers, now);
    let all = Bits::from_wire(pieces, &vec![0xff; pieces as usize / 8]).unwrap();
    (1..=seeds).for_each(|key| offer.bitfield(PeerKey(key), &all, now));
    offer
}

/// Bytes per second given over fourteen seconds, before anybody is stuck, while the others trade `traded` bytes per second, one piece after the other.
fn given(offer: &mut Offer, traded: u64, start: Instant) -> f64 {
    let (mut bytes, mut piece, mut due) = (0, 0, 0.0);
    for step in 0..140 {
        let now = start + STEP * step;
        due += traded as f64 * STEP.as_secs_f64() / f64::from(PIECE);
        while due >= 1.0 {
            offer.have(PeerKey(3 + u64::from(piece % 4)), 4000 + piece / 4, now);
            (piece, due) = (piece + 1, due - 1.0);
        }
        for (peer, piece) in offers(&offer.decide(now, uplink())) {
            bytes += u64::from(PIECE);
            send(offer, peer, piece, now);
        }
    }
    bytes as f64 / 14.0
}

#[test]
fn thrifty_gives_nothing_more_and_generous_by_our_share() {
    let start = Instant::now();
    let share = |generous: bool, traded: u64| {
        let mut offer = supported(8000, 2, 6, start);
        offer.set_generous(generous);
        given(&mut offer, traded, start) / CAP as f64
    };
    assert_eq!(share(false, 4 * CAP), 0.0);
    let (alone, many, crowd) = (
        share(true, CAP / 8),
        share(true, 12 * CAP),
        share(true, 100 * CAP),
    );
    assert!((0.9..1.05).contains(&alone), "{alone}");
    assert!(many < alone && many > 0.3, "{many}");
    assert!(crowd < 0.3, "{crowd}");
}

#[test]
fn generous_support_goes_to_whoever_is_most_behind_and_never_twice() {
    let start = Instant::now();
    let mut offer = supported(64, 2, 4, start);
    offer.set_generous(true);
    for piece in 0..32 {
        offer.have(PeerKey(3), piece, start);
    }
    let mut seen = BTreeSet::new();
    for step in 1..40 {
        let now = start + STEP * step;
        for (peer, piece) in offers(&offer.decide(now, uplink())) {
            assert!(seen.insert((peer, piece)), "{piece} twice to {peer}");
            send(&mut offer, peer, piece, now);
        }
    }
    let to = |key| seen.iter().filter(|(peer, _)| *peer == key).count();
    assert!(to(4) >= 24 && to(3) == 0, "{seen:?}");
}

#[test]
fn what_hangs_on_one_peer_is_given_once_more() {
    let start = Instant::now();
    let mut offer = supported(104, 1, 2, start);
    assert!(
        offer
            .decide(start + LONELY_PATIENCE / 2, uplink())
            .is_empty()
    );
    let given = offers(&offer.decide(start + LONELY_PATIENCE, uplink()));
    assert_eq!(given, [(2, 0), (2, 1)], "two at a time");
    offer.left(PeerKey(1), start + LONELY_PATIENCE);
    offer.forget_departed();
    assert!(!offer.first_copy_is_out());
}

/// Four pieces are given to peer 9, of whom nobody gets them; peers 1 and 2 have all others, and peer 3 has nothing.
fn beside_a_hoarder(pieces: u32, now: Instant) -> Offer {
    let mut offer = with_peers(pieces, 0, now);
    offer.joined(PeerKey(9), Habits::default(), now);
    let given = offers(&offer.decide(now, uplink()));
    assert_eq!(given, [(9, 0), (9, 1), (9, 2), (9, 3)]);
    for (peer, piece) in given {
        send(&mut offer, peer, piece, now);
    }
    (1..=3).for_each(|key| offer.joined(PeerKey(key), Habits::default(), now));
    let mut rest = vec![0xff; pieces as usize / 8];
    rest[0] = 0x0f;
    let rest = Bits::from_wire(pieces, &rest).unwrap();
    (1..=2).for_each(|key| offer.bitfield(PeerKey(key), &rest, now));
    assert!(offer.first_copy_is_out());
    offer
}

/// Lets time pass from one second to another, in which everybody takes what he is offered; peer 3 gets a piece per second of
/// the others if they trade. Counts what `key` is given.
fn given_to(
    key: u64,
    offer: &mut Offer,
    start: Instant,
    seconds: std::ops::Range<u32>,
    trade: bool,
) -> usize {
    let mut count = 0;
    for tenth in 10 * seconds.start..10 * seconds.end {
        let now = start + STEP * tenth;
        if trade && tenth % 10 == 0 {
            offer.have(PeerKey(3), 4 + tenth / 10, now);
        }
        for (peer, piece) in offers(&offer.decide(now, uplink())) {
            count += usize::from(peer == key);
            send(offer, peer, piece, now);
        }
    }
    count
}

#[test]
fn who_relays_nothing_is_helped_slowly_while_the_others_get_on() {
    let start = Instant::now();
    let mut offer = beside_a_hoarder(400, start);
    let (patience, pause) = (
        STUCK_PATIENCE.as_secs() as u32,
        HOARDER_PAUSE.as_secs() as u32,
    );
    let end = patience + 4 * pause;
    assert_eq!(given_to(9, &mut offer, start, 0..patience, true), 0);
    // One at once, and one after each pause.
    assert_eq!(given_to(9, &mut offer, start, patience..end, true), 4);
    // The others are done, or get nowhere: it is served as anybody.
    let given = given_to(9, &mut offer, start, end..end + 60, false);
    assert_eq!(given, 400 - 4 - 4);
    assert!(offer.is_complete(PeerKey(9)));
}

#[test]
fn who_had_nothing_to_relay_is_helped_at_once() {
    let start = Instant::now();
    let mut offer = supported(400, 2, 4, start);
    let end = STUCK_PATIENCE.as_secs() as u32 + 30;
    let given = given_to(4, &mut offer, start, 0..end, true);
    assert_eq!(given, 300, "a piece at each look");
}

#[test]
fn one_who_does_not_say_what_it_holds_is_offered_everything_in_turn() {
    let start = Instant::now();
    let mut offer = supported(40, 1, 2, start);
    // It got all but the last piece from others, announces nothing, and asks for nothing but that.
    let mut now = start + STUCK_PATIENCE;
    for _ in 0..2_000 {
        for (_, piece) in offers(&offer.decide(now, uplink())) {
            if piece == 39 {
                return;
            }
        }
        now += STEP;
    }
    panic!("the piece it lacks was never offered to it");
}
