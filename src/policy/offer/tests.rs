use std::collections::VecDeque;

use super::*;

mod doubt;
mod habits;
mod support;

const PIECE: u32 = 512 << 10;
const CAP: u64 = 4 << 20;

fn uplink() -> Uplink {
    Uplink {
        cap: Some(CAP),
        rate: 0,
        idle_since: None,
    }
}

fn idle(since: Instant) -> Uplink {
    Uplink {
        idle_since: Some(since),
        ..uplink()
    }
}

fn with_peers(pieces: u32, peers: u64, now: Instant) -> Offer {
    with_habits(pieces, peers, Habits::default(), now)
}

fn with_habits(pieces: u32, peers: u64, habits: Habits, now: Instant) -> Offer {
    let mut offer = Offer::new(pieces, PIECE);
    (1..=peers).for_each(|key| offer.joined(PeerKey(key), habits, now));
    offer
}

fn offers(decisions: &[Decision]) -> Vec<(u64, u32)> {
    let only = |d: &Decision| match d {
        Decision::Offer { peer, piece } => Some((peer.0, *piece)),
        Decision::TakeBack { .. } => None,
    };
    decisions.iter().filter_map(only).collect()
}

fn send(offer: &mut Offer, peer: u64, piece: u32, now: Instant) {
    offer.requested(PeerKey(peer), piece, now);
    offer.sent(PeerKey(peer), piece, (0, PIECE), PIECE, now);
}

#[test]
fn each_piece_is_offered_once_and_late() {
    let now = Instant::now();
    let mut offer = with_peers(100, 8, now);
    let first = offers(&offer.decide(now, uplink()));
    assert_eq!(first.len(), MIN_LOOK_AHEAD, "no more than the look-ahead");
    let pieces: BTreeSet<u32> = first.iter().map(|(_, piece)| *piece).collect();
    let peers: BTreeSet<u64> = first.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(
        (pieces.len(), peers.len()),
        (4, 4),
        "distinct pieces to distinct peers"
    );
    assert!(
        offer.decide(now, uplink()).is_empty(),
        "nothing new until something left"
    );
    first
        .iter()
        .for_each(|(peer, piece)| offer.requested(PeerKey(*peer), *piece, now));
    let to_strangers = offers(&offer.decide(now, uplink()));
    assert_eq!(
        to_strangers.len(),
        MIN_LOOK_AHEAD,
        "those who never asked have a look-ahead of their own"
    );
    let (peer, piece) = first[0];
    send(&mut offer, peer, piece, now);
    let next = offers(&offer.decide(now, uplink()));
    assert_eq!(next.len(), 1);
    assert!(!pieces.contains(&next[0].1));
}

#[test]
fn whoever_relays_gets_more() {
    let start = Instant::now();
    let mut offer = with_peers(1000, 2, start);
    let mut given = BTreeMap::<u64, u32>::new();
    // Peer 1 relays everything at once; peer 2 never does.
    for step in 0..200u32 {
        let now = start + Duration::from_millis(125) * step;
        for (peer, piece) in offers(&offer.decide(now, uplink())) {
            *given.entry(peer).or_default() += 1;
            send(&mut offer, peer, piece, now);
            if peer == 1 {
                offer.have(PeerKey(2), piece, now);
            }
        }
    }
    assert!(given[&1] > 10 * given[&2], "{given:?}");
}

#[test]
fn who_relays_nothing_gets_no_more_than_it_may_prove_itself_with_while_others_relay() {
    let start = Instant::now();
    let mut offer = with_peers(4000, 8, start);
    let mut given = BTreeMap::<u64, usize>::new();
    let (mut queue, mut under_way) = (VecDeque::new(), VecDeque::new());
    // The line carries a piece per step. Peer 8 relays nothing, the others each piece half a second after they got it.
    for step in 0..480u32 {
        let now = start + Duration::from_millis(125) * step;
        if under_way.len() >= 4
            && let Some((peer, piece)) = under_way.pop_front()
            && peer != 8
        {
            offer.have(PeerKey(peer % 7 + 1), piece, now);
        }
        for (peer, piece) in offers(&offer.decide(now, uplink())) {
            offer.requested(PeerKey(peer), piece, now);
            queue.push_back((peer, piece));
        }
        if let Some((peer, piece)) = queue.pop_front() {
            send(&mut offer, peer, piece, now);
            *given.entry(peer).or_default() += 1;
            under_way.push_back((peer, piece));
        }
    }
    assert!(given[&8] <= UNPROVEN, "{given:?}");
    assert!((1..8).all(|peer| given[&peer] > 40), "{given:?}");
    assert_eq!(
        given.values().sum::<usize>(),
        480,
        "the line was never idle"
    );
}

#[test]
fn where_nobody_relays_everybody_is_given_to() {
    let start = Instant::now();
    let mut offer = with_peers(200, 4, start);
    let mut given = BTreeMap::<u64, u32>::new();
    for step in 0..1600u32 {
        if offer.first_copy_is_out() {
            break;
        }
        let now = start + Duration::from_millis(125) * step;
        for (peer, piece) in offers(&offer.decide(now, uplink())) {
            send(&mut offer, peer, piece, now);
            *given.entry(peer).or_default() += 1;
        }
    }
    assert!(offer.first_copy_is_out());
    assert!(given.values().all(|pieces| *pieces == 50), "{given:?}");
}

#[test]
fn a_single_leecher_is_fed_as_fast_as_the_line_goes() {
    let now = Instant::now();
    let mut offer = with_peers(1000, 1, now);
    let fast = Uplink {
        cap: None,
        rate: 64 * u64::from(PIECE),
        idle_since: None,
    };
    assert_eq!(
        offers(&offer.decide(now, fast)).len(),
        64,
        "a second's worth ahead"
    );
}

#[test]
fn what_a_lost_peer_held_is_offered_again() {
    let now = Instant::now();
    let mut offer = with_peers(4, 2, now);
    let first = offers(&offer.decide(now, uplink()));
    for (peer, piece) in first.iter().copied() {
        send(&mut offer, peer, piece, now);
    }
    assert!(offer.first_copy_is_out());
    let of_one: BTreeSet<u32> = first
        .iter()
        .filter(|(p, _)| *p == 1)
        .map(|(_, i)| *i)
        .collect();
    offer.left(PeerKey(1), now);
    assert!(!offer.first_copy_is_out());
    assert!(
        offer.decide(now, uplink()).is_empty(),
        "it may be back in a moment"
    );
    let later = now + RETURN_PATIENCE;
    let again: BTreeSet<u32> = offers(&offer.decide(later, uplink()))
        .iter()
        .map(|(_, i)| *i)
        .collect();
    assert_eq!(again, of_one);
}

#[test]
fn a_peer_that_sits_on_the_last_pieces_loses_them_to_the_quickest() {
    let start = Instant::now();
    let mut offer = with_peers(3, 2, start);
    let first = offers(&offer.decide(start, uplink()));
    for (peer, piece) in first.iter().copied().filter(|(peer, _)| *peer == 2) {
        send(&mut offer, peer, piece, start);
    }
    let later = start + MIN_AGE_TO_TAKE_BACK;
    let mut decisions = offer.decide(later, idle(start));
    decisions.extend(offer.decide(later, idle(start)));
    for (_, piece) in first.iter().filter(|(peer, _)| *peer == 1) {
        assert!(decisions.contains(&Decision::TakeBack {
            peer: PeerKey(1),
            piece: *piece
        }));
        assert!(decisions.contains(&Decision::Offer {
            peer: PeerKey(2),
            piece: *piece
        }));
        assert!(!offer.may_serve(PeerKey(1), *piece) && offer.may_serve(PeerKey(2), *piece));
    }
}

#[test]
fn the_last_piece_is_not_left_to_one_who_takes_it_slowly() {
    let start = Instant::now();
    // Two who take a piece in an eighth of a second have one each, and a third has the last one.
    let given_anew = |quick: bool| {
        let mut offer = with_peers(3, 3, start);
        offer.decide(start, uplink());
        let holds = |key| offer.peers[&PeerKey(key)].bound.clone();
        let (first, slow) = (holds(1), 2);
        let last = holds(slow)[0];
        for piece in first {
            offer.requested(PeerKey(1), piece, start);
            offer.sent(PeerKey(1), piece, (0, PIECE / 2), PIECE, start);
            let took = Duration::from_millis(if quick { 125 } else { 8_000 });
            offer.sent(
                PeerKey(1),
                piece,
                (PIECE / 2, PIECE / 2),
                PIECE,
                start + took,
            );
        }
        offer.requested(PeerKey(slow), last, start);
        let now = start + 2 * STALLED_AFTER;
        for block in 0..=8 {
            let at = start + STALLED_AFTER * block / 4;
            offer.sent(PeerKey(slow), last, (block << 14, 1 << 14), PIECE, at);
        }
        let decisions = offer.decide(now, idle(start));
        decisions.contains(&Decision::TakeBack {
            peer: PeerKey(slow),
            piece: last,
        })
    };
    assert!(given_anew(true), "another has it at once");
    assert!(!given_anew(false), "another is no quicker");
}

#[test]
fn after_the_first_copy_nothing_is_given_but_what_is_lonely() {
    let start = Instant::now();
    let mut offer = with_peers(2, 3, start);
    let everything = Bits::from_wire(2, &[0b1100_0000]).unwrap();
    offer.bitfield(PeerKey(1), &everything, start);
    assert!(offer.first_copy_is_out());
    assert!(offer.decide(start, uplink()).is_empty());
    offer.have(PeerKey(2), 0, start);
    let traded = start + LONELY_PATIENCE / 2;
    offer.have(PeerKey(3), 0, traded);
    assert!(
        offer.decide(start + LONELY_PATIENCE, uplink()).is_empty(),
        "they still trade"
    );
    let given = offers(&offer.decide(traded + LONELY_PATIENCE, uplink()));
    assert_eq!(given.len(), 1, "piece 0 has relays, piece 1 has none");
    assert_eq!(given[0].1, 1);
}

#[test]
fn a_leecher_that_cannot_reach_the_others_is_served_to_the_end() {
    let start = Instant::now();
    let mut offer = with_peers(20, 2, start);
    let everything = Bits::from_wire(20, &[0xff, 0xff, 0xf0]).unwrap();
    offer.bitfield(PeerKey(1), &everything, start);
    let mut now = start + STUCK_PATIENCE;
    for _ in 0..40 {
        for (peer, piece) in offers(&offer.decide(now, uplink())) {
            assert_eq!(peer, 2);
            send(&mut offer, peer, piece, now);
        }
        now += Duration::from_millis(125);
    }
    assert!(
        offer.is_complete(PeerKey(2)),
        "helped without pause once stuck"
    );
}

#[test]
fn complete_peers_that_left_count_until_somebody_is_stuck() {
    let start = Instant::now();
    let mut offer = with_peers(2, 1, start);
    offer.bitfield(
        PeerKey(1),
        &Bits::from_wire(2, &[0b1100_0000]).unwrap(),
        start,
    );
    offer.left(PeerKey(1), start);
    offer.joined(PeerKey(2), Habits::default(), start);
    assert!(offer.first_copy_is_out());
    assert!(
        offer
            .decide(start + STUCK_PATIENCE / 2, uplink())
            .is_empty()
    );
    assert_eq!(
        offers(&offer.decide(start + STUCK_PATIENCE, uplink())).len(),
        2
    );
}

#[test]
fn an_offer_nobody_takes_up_does_not_hold_the_others_back() {
    let start = Instant::now();
    let mut offer = with_peers(50, 2, start);
    offer.decide(start, uplink());
    let mut served = 0;
    // Peer 1 never asks; peer 2 takes what it is offered.
    for step in 0..600u32 {
        let now = start + Duration::from_millis(100) * step;
        offer.decide(now, idle(start));
        for piece in 0..50 {
            if offer.may_serve(PeerKey(2), piece) && !offer.peers[&PeerKey(2)].has.has(piece) {
                send(&mut offer, 2, piece, now);
                served += 1;
            }
        }
    }
    assert_eq!(served, 50);
}

#[test]
fn hostile_indexes_are_refused() {
    let now = Instant::now();
    let mut offer = with_peers(3, 1, now);
    assert!(!offer.have(PeerKey(1), 3, now));
    assert!(!offer.have(PeerKey(1), u32::MAX, now));
    assert!(!offer.may_serve(PeerKey(1), u32::MAX));
    offer.requested(PeerKey(9), 7, now);
    offer.sent(PeerKey(9), 7, (0, 1), 1, now);
    offer.left(PeerKey(9), now);
    assert_eq!(offer.availability().copies(), 0.0);
}

#[test]
fn who_wants_nothing_of_what_it_was_offered_holds_it() {
    let now = Instant::now();
    let mut offer = with_peers(8, 3, now);
    let everything = Bits::from_wire(8, &[0xff]).unwrap();
    // Pieces are offered to peer 1, which gets them from peer 2 instead and does not announce them to us.
    let others = offers(&offer.decide(now, uplink()));
    let to_one: BTreeSet<u32> = others
        .iter()
        .filter(|(p, _)| *p == 1)
        .map(|o| o.1)
        .collect();
    assert!(!to_one.is_empty());
    let (spare, announced): (Vec<u32>, Vec<u32>) =
        ((0..8).filter(|i| !to_one.contains(i))).partition(|i| *i == 7);
    for piece in announced {
        offer.have(PeerKey(1), piece, now);
    }
    let later = now + HAVE_NOTICED_AFTER;
    offer.not_interested(PeerKey(1), later);
    assert!(!offer.is_complete(PeerKey(1)), "it never announced piece 7");
    offer.have(PeerKey(1), spare[0], later);
    assert!(
        !offer.is_complete(PeerKey(1)),
        "nobody else holds what it was offered"
    );
    offer.bitfield(PeerKey(2), &everything, now);
    offer.interested(PeerKey(1));
    offer.have(PeerKey(1), spare[0], later);
    assert!(!offer.is_complete(PeerKey(1)), "it is still waiting for it");
    offer.not_interested(PeerKey(1), now);
    assert!(
        !offer.is_complete(PeerKey(1)),
        "it may not have heard of the last offer when it said so"
    );
    offer.decide(later, uplink());
    assert!(offer.is_complete(PeerKey(1)));
    assert!(!offer.has_offers(PeerKey(1)));
}
