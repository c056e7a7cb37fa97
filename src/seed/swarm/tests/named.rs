//! What peers say of themselves and of others.

use super::*;

/// Whom a peer at this address is believed, of those it names.
fn believed(bench: &mut Bench, key: u64, named: &[&str]) -> Vec<String> {
    let named = named.iter().map(|addr| (addr.parse().unwrap(), false));
    let actions = bench.hear(key, Heard::Peers(named.collect()));
    let met = actions.into_iter().filter_map(|action| match action {
        Action::Met(met) => Some(met),
        _ => None,
    });
    met.flatten().map(|(addr, _)| addr.to_string()).collect()
}

fn join_from(bench: &mut Bench, key: u64, ip: &str) {
    bench.from = ip.parse().ok();
    bench.join(key);
}

#[test]
fn nobody_is_believed_who_names_what_is_nearer_to_us_than_himself() {
    let (near, world) = (
        ["127.0.0.1:9100", "[::1]:9100"],
        ["1.1.1.1:1", "[2a00::1]:1"],
    );
    let house = ["10.0.0.1:9100", "192.168.1.7:9100", "[fe80::7]:9100"];
    let all = [&near[..], &house, &world].concat();
    for (from, expected) in [
        ("203.0.113.5", world.to_vec()),
        ("2001:db8::5", world.to_vec()),
        ("192.168.1.9", [&house[..], &world].concat()),
        ("127.0.0.1", all.clone()),
    ] {
        let mut bench = Bench::new();
        join_from(&mut bench, 1, from);
        assert_eq!(believed(&mut bench, 1, &all), expected, "{from}");
    }
}

#[test]
fn nobody_names_others_all_the_time() {
    let mut bench = Bench::new();
    bench.join(1);
    bench.join(2);
    assert_eq!(believed(&mut bench, 1, &["1.1.1.1:1"]), ["1.1.1.1:1"]);
    assert!(believed(&mut bench, 1, &["1.1.1.2:1"]).is_empty());
    assert_eq!(believed(&mut bench, 2, &["1.1.1.3:1"]), ["1.1.1.3:1"]);
    bench.now += Duration::from_secs(60);
    assert_eq!(believed(&mut bench, 1, &["1.1.1.4:1"]), ["1.1.1.4:1"]);
}

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
