//! Metadata: whole, in turns, and for those who come again and again.

use super::*;

impl Bench {
    fn ask_metadata(&mut self, key: u64, piece: u32) -> Vec<Action> {
        self.hear(key, Heard::MetadataRequest(piece))
    }

    /// The pieces that are handed over, until no connection takes any more.
    fn told(&mut self) -> Vec<(PeerKey, Said)> {
        std::iter::from_fn(|| self.swarm.next_metadata()).collect()
    }

    fn written(&mut self, key: u64) {
        let written = Event::MetadataWritten(PeerKey(key));
        self.swarm.handle(written, self.now);
    }
}

#[test]
fn it_is_served_whole_and_a_flood_is_not() {
    let mut bench = Bench::new();
    bench.join(1);
    let mut bytes: Vec<u8> = Vec::new();
    for piece in 0..3 {
        assert_eq!(bench.ask_metadata(1, piece), []);
        let told = bench.told();
        let [
            (
                PeerKey(1),
                Said::Metadata {
                    id, total, data, ..
                },
            ),
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!((*id, *total), (2, 40_000));
        bytes.extend_from_slice(data);
        bench.written(1);
    }
    assert_eq!(bytes[..], bench.swarm.torrent().info[..]);
    let (id, piece) = (2, 3);
    let rejected = Action::Say(PeerKey(1), Said::MetadataReject { id, piece });
    assert_eq!(bench.ask_metadata(1, piece), [rejected]);
    let flood = (0..1000).flat_map(|_| bench.ask_metadata(1, 0));
    let end = Action::Close(PeerKey(1), Offence::MetadataFlood);
    assert!(flood.collect::<Vec<_>>().contains(&end));
}

#[test]
fn peers_have_it_in_turns_and_a_connection_that_takes_none_is_passed_over() {
    let mut bench = Bench::new();
    for key in [1, 2] {
        bench.join(key);
        for piece in [0, 1, 2, 0] {
            bench.ask_metadata(key, piece);
        }
    }
    let order = |told: Vec<(PeerKey, Said)>| -> Vec<(u64, u32)> {
        let piece = |(key, said): (PeerKey, Said)| match said {
            Said::Metadata { piece, .. } => (key.0, piece),
            _ => panic!("{said:?}"),
        };
        told.into_iter().map(piece).collect()
    };
    let first = order(bench.told());
    assert_eq!(first, [(1, 0), (2, 0), (1, 1), (2, 1)], "two at a time");
    assert!(!bench.swarm.has_next() && !bench.swarm.is_idle());
    bench.written(2);
    assert_eq!(order(bench.told()), [(2, 2)], "asked for twice, sent once");
    bench.swarm.handle(Event::Left(PeerKey(1)), bench.now);
    bench.written(2);
    assert!(!bench.swarm.is_idle());
    bench.written(2);
    assert!(bench.swarm.is_idle());
}

#[test]
fn newcomers_do_not_take_all_the_line_from_those_who_download() {
    let mut bench = Bench::new();
    let offered = haves(&bench.join(1), 1);
    bench.request(1, offered[0], 0);
    bench.request(1, offered[0], BLOCK);
    bench.join(2);
    (0..3).for_each(|piece| assert_eq!(bench.ask_metadata(2, piece), []));
    let mut order = Vec::new();
    while let Some(next) = bench.swarm.next(bench.now) {
        order.push(match next {
            Next::Block(..) => "block",
            Next::Metadata(..) => {
                bench.written(2);
                "metadata"
            }
        });
    }
    let turns = ["metadata", "block", "metadata", "block", "metadata"];
    assert_eq!(order, turns);
}

/// Somebody new comes, asks for everything three times, and goes; how many pieces that made.
fn come_and_ask(bench: &mut Bench, key: u64) -> usize {
    bench.join(key);
    let mut pieces = 0;
    for n in 0..9 {
        bench.ask_metadata(key, n % 3);
        pieces += bench.told().len();
        bench.written(key);
    }
    let left = Event::Left(PeerKey(key));
    bench.swarm.handle(left, bench.now);
    pieces
}

#[test]
fn a_new_name_is_no_new_claim_to_the_metadata() {
    let mut bench = Bench::new();
    bench.from = "203.0.113.5".parse().ok();
    let pieces: usize = (0..100).map(|key| come_and_ask(&mut bench, key)).sum();
    assert_eq!(pieces, 16 * 3, "sixteen times the whole of it");
    bench.from = "203.0.113.6".parse().ok();
    assert_eq!(come_and_ask(&mut bench, 101), 9);
    bench.from = "203.0.113.5".parse().ok();
    bench.now += Duration::from_secs(60 * 60);
    assert_eq!(come_and_ask(&mut bench, 102), 9);
    // A gateway at home may stand for any number of strangers.
    bench.from = "192.168.1.1".parse().ok();
    let pieces: usize = (103..200).map(|key| come_and_ask(&mut bench, key)).sum();
    assert_eq!(pieces, 97 * 9);
}
