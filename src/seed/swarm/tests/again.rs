//! What was sent once, and is asked for again.

use super::*;

/// Asks for these blocks over and over, and gets what it may have; the bytes of it.
fn ask_for(bench: &mut Bench, piece: u32, begins: &[u32]) -> u64 {
    for _ in 0..100 {
        for begin in begins {
            bench.request(1, piece, *begin);
        }
        while let Some((peer, block)) = bench.next_block() {
            bench.swarm.handle(Event::Written(peer, block), bench.now);
        }
        bench.now += Duration::from_millis(10);
        let uplink = bench.swarm.uplink;
        bench.swarm.tick(uplink, bench.now);
        bench.actions();
    }
    bench.swarm.payload()
}

#[test]
fn a_broken_copy_is_made_good_once_and_not_without_end() {
    for generous in [false, true] {
        let mut bench = Bench::new();
        bench.swarm.set_generous(generous);
        let piece = haves(&bench.join(1), 1)[0];
        let got = ask_for(&mut bench, piece, &[0, BLOCK]);
        assert_eq!(got, 2 * 2 * u64::from(BLOCK), "the piece, and once again");
        // Another piece is another matter.
        let next = bench.swarm.offer.places().position(|place| place.offered);
        let got = ask_for(&mut bench, next.unwrap() as u32, &[0, BLOCK]);
        assert_eq!(got, 4 * 2 * u64::from(BLOCK));
    }
}

/// Who leaves out the last block has the piece bound to it meanwhile; not for good.
#[test]
fn a_piece_that_is_never_taken_whole_is_not_sent_without_end_either() {
    let mut bench = Bench::new();
    let piece = haves(&bench.join(1), 1)[0];
    let got = ask_for(&mut bench, piece, &[0]);
    assert_eq!(got, 4 * u64::from(BLOCK), "as much as the piece twice");
    let mut actions = Vec::new();
    for _ in 0..60 {
        actions.extend(bench.request(1, piece, 0));
        bench.now += Duration::from_secs(1);
        let uplink = bench.swarm.uplink;
        bench.swarm.tick(uplink, bench.now);
        actions.extend(bench.actions());
    }
    let taken_back = Action::Unsend(PeerKey(1), piece);
    assert!(actions.contains(&taken_back), "it is given up");
}
