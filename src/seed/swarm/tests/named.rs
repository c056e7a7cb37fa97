//! What peers say of themselves and of others.

use super::*;

/// Tells the swarm of a handshake; what peer 1 is offered at the next tick.
fn says(bench: &mut Bench, upload_only: bool) -> Vec<u32> {
    let at_once = bench.hear(
        1,
        Heard::Hello(Hello {
            upload_only: Some(upload_only),
            ..Hello::default()
        }),
    );
    [haves(&at_once, 1), offered(bench)].concat()
}

fn offered(bench: &mut Bench) -> Vec<u32> {
    bench.now += Duration::from_secs(1);
    let uplink = bench.swarm.uplink;
    bench.swarm.tick(uplink, bench.now);
    haves(&bench.actions(), 1)
}

/// The owner of a partial seed may choose more files.
#[test]
fn who_wanted_nothing_may_want_something_later() {
    for by_hello in [true, false] {
        let mut bench = Bench::new();
        for piece in haves(&bench.join(1), 1) {
            bench
                .swarm
                .handle(Event::Heard(PeerKey(1), Heard::Have(piece)), bench.now);
        }
        assert!(says(&mut bench, true).is_empty());
        assert!(offered(&mut bench).is_empty());
        let next = if by_hello {
            says(&mut bench, false)
        } else {
            let at_once = bench.hear(1, Heard::Interested);
            [haves(&at_once, 1), offered(&mut bench)].concat()
        };
        assert!(!next.is_empty(), "by_hello: {by_hello}");
    }
}
