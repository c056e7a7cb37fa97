//! Requests that cannot be answered now.

use super::*;

#[test]
fn a_request_a_client_goes_on_waiting_for_is_answered_once_it_may_be() {
    let keeper = Habits {
        keeps_requests: true,
        ..Habits::default()
    };
    let mut bench = Bench::new();
    let of_other = haves(&bench.join(2), 2)[0];
    bench.request(2, of_other, 0);
    let of_keeper = haves(&bench.join_as(1, keeper), 1)[0];
    bench.request(1, of_keeper, 0);
    bench.swarm.set_silent(true, bench.now);
    bench.request(1, of_keeper, BLOCK);
    bench.request(2, of_other, BLOCK);
    assert_eq!(bench.next_block(), None);
    bench.swarm.set_silent(false, bench.now);
    for key in [1, 2] {
        bench.swarm.unchoke(PeerKey(key), bench.now);
    }
    let answered: Vec<_> = std::iter::from_fn(|| bench.next_block())
        .map(|(peer, block)| (peer.0, block.begin))
        .collect();
    assert_eq!(answered, [(1, 0), (1, BLOCK)], "the other asks again");

    // What it says it wants no more is forgotten.
    bench.swarm.set_silent(true, bench.now);
    bench.request(1, of_keeper, 0);
    bench.hear(1, Heard::Have(of_keeper));
    bench.swarm.set_silent(false, bench.now);
    bench.swarm.unchoke(PeerKey(1), bench.now);
    assert_eq!(bench.next_block(), None);
}

#[test]
fn what_a_client_keeps_is_bounded() {
    let keeper = Habits {
        keeps_requests: true,
        ..Habits::default()
    };
    let torrent = Arc::new(torrent(&[4000 * u64::from(BLOCK)], BLOCK));
    let mut bench = Bench {
        swarm: Swarm::new(torrent, None),
        now: Instant::now(),
        from: None,
    };
    bench.join_as(1, keeper);
    bench.swarm.set_silent(true, bench.now);
    for piece in 0..4000 {
        bench.request(1, piece, 0);
    }
    let peer = &bench.swarm.peers[&PeerKey(1)];
    assert_eq!(peer.aside.len(), crate::seed::wire::REQUEST_QUEUE);
}
