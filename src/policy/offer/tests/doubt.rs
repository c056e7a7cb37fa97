//! Peers that lie, stall, or come and go.

use super::*;

const STEP: Duration = Duration::from_millis(100);

fn everything(pieces: u32) -> Bits {
    Bits::from_wire(pieces, &vec![0xff; pieces as usize / 8]).unwrap()
}

#[test]
fn seeds_of_whom_nobody_gets_anything_count_for_nothing_until_somebody_does() {
    let start = Instant::now();
    let mut offer = with_peers(64, 5, start);
    offer.bitfield(PeerKey(4), &everything(64), start);
    offer.bitfield(PeerKey(5), &everything(64), start);
    assert!(offer.first_copy_is_out() && offer.is_complete(PeerKey(5)));
    let later = start + STUCK_PATIENCE;
    offer.decide(later, uplink());
    assert!(!offer.first_copy_is_out() && !offer.is_complete(PeerKey(5)));
    assert!(!offers(&offer.decide(later + STEP, uplink())).is_empty());
    // A leecher has what only they can have given it.
    offer.have(PeerKey(1), 63, later);
    assert!(offer.first_copy_is_out() && offer.is_complete(PeerKey(5)));
    offer.left(PeerKey(4), later);
    offer.left(PeerKey(5), later);
    assert!(offer.availability().copies() < 1.0);
}

#[test]
fn one_leecher_that_cannot_reach_the_seeds_is_no_witness_against_them() {
    let start = Instant::now();
    let mut offer = with_peers(64, 3, start);
    offer.bitfield(PeerKey(3), &everything(64), start);
    for step in 0..300 {
        let now = start + STEP * step;
        if step % 10 == 0 {
            offer.have(PeerKey(1), step / 10, now);
        }
        offer.decide(now, uplink());
        assert!(offer.first_copy_is_out());
    }
}

#[test]
fn a_piece_claimed_by_one_who_never_gives_it_is_sent_after_all() {
    let start = Instant::now();
    let mut offer = with_peers(4, 3, start);
    (0..3).for_each(|piece| assert!(offer.have(PeerKey(3), piece, start)));
    let mut sent = BTreeSet::new();
    for step in 0..400 {
        let now = start + STEP * step;
        for (peer, piece) in offers(&offer.decide(now, idle(start))) {
            sent.insert(piece);
            send(&mut offer, peer, piece, now);
        }
    }
    assert_eq!(sent.len(), 4);
}

#[test]
fn what_a_lost_peer_held_is_not_given_again_when_it_comes_back() {
    let start = Instant::now();
    let mut offer = with_peers(8, 2, start);
    let first = offers(&offer.decide(start, uplink()));
    for (peer, piece) in first.iter().copied() {
        send(&mut offer, peer, piece, start);
    }
    let held: Vec<u32> = offer.peers[&PeerKey(1)].has.iter().collect();
    assert!(!held.is_empty());
    offer.left(PeerKey(1), start);
    offer.decide(start, uplink());
    let back = start + RETURN_PATIENCE / 2;
    offer.joined(PeerKey(9), Habits::default(), back);
    for piece in &held {
        offer.have(PeerKey(9), *piece, back);
    }
    let later = start + 2 * RETURN_PATIENCE;
    let given = offers(&offer.decide(later, uplink()));
    assert!(
        given.iter().all(|(_, piece)| !held.contains(piece)),
        "{given:?}"
    );
}

#[test]
fn who_asks_for_one_block_and_stops_holds_no_piece_captive() {
    let start = Instant::now();
    let mut offer = with_peers(8, 2, start);
    offer.bitfield(PeerKey(1), &everything(8), start);
    // The swarm has a copy; a stuck leecher is helped with a piece, and leaves it lying.
    let asked = start + STUCK_PATIENCE;
    let given = offers(&offer.decide(asked, uplink()));
    let (peer, piece) = given[0];
    offer.requested(PeerKey(peer), piece, asked);
    offer.sent(PeerKey(peer), piece, (0, 16), PIECE, asked);
    let waiting = asked + IGNORED_AFTER / 2;
    offer.delayed(PeerKey(peer), piece, waiting);
    let taken = |offer: &mut Offer, now| {
        let this = |d: &Decision| matches!(d, Decision::TakeBack { piece: p, .. } if *p == piece);
        offer.decide(now, uplink()).iter().any(this)
    };
    let delayed = asked + IGNORED_AFTER;
    assert!(!taken(&mut offer, delayed), "it waited for us");
    assert!(taken(&mut offer, waiting + IGNORED_AFTER));
}

#[test]
fn a_slow_leecher_gets_everything() {
    // 128 KiB/s from a box with 4 MiB/s: four seconds a piece.
    let start = Instant::now();
    let mut offer = with_peers(40, 1, start);
    let mut announced = BTreeSet::new();
    let (mut now, mut served) = (start, 0);
    while served < 40 {
        assert!(now < start + Duration::from_secs(600), "{served} of 40");
        announced.extend(offers(&offer.decide(now, idle(start))).iter().map(|o| o.1));
        // It asks for what it was ever told of and lacks; no client knows of a piece that was taken back.
        let lacked = |piece: &u32| !offer.peers[&PeerKey(1)].has.has(*piece);
        let Some(piece) = announced.iter().copied().find(lacked) else {
            now += STEP;
            continue;
        };
        offer.requested(PeerKey(1), piece, now);
        assert!(offer.may_serve(PeerKey(1), piece), "{piece}");
        for part in 0..4 {
            now += Duration::from_secs(1);
            let quarter = PIECE / 4;
            offer.sent(PeerKey(1), piece, (part * quarter, quarter), PIECE, now);
            announced.extend(offers(&offer.decide(now, idle(start))).iter().map(|o| o.1));
        }
        served += 1;
    }
}

#[test]
fn those_who_leave_offers_lying_keep_no_piece_from_those_who_ask() {
    let start = Instant::now();
    let mut offer = with_peers(8, 13, start);
    offer.bitfield(PeerKey(13), &everything(8), start);
    // Peers 1 to 11 never ask; peer 12 does, and cannot reach the one who has everything.
    for step in 0..3000 {
        let now = start + STEP * step;
        for (peer, piece) in offers(&offer.decide(now, idle(start))) {
            if peer == 12 {
                send(&mut offer, peer, piece, now);
            }
        }
    }
    assert!(offer.is_complete(PeerKey(12)));
}
