//! Metadata, for those who come again and again.

use super::*;

/// Somebody new comes, asks for everything three times, and goes; how many pieces that made.
fn come_and_ask(bench: &mut Bench, key: u64) -> usize {
    bench.join(key);
    let asked = (0..9).flat_map(|n| bench.hear(key, Heard::MetadataRequest(n % 3)));
    let data = |action: &Action| matches!(action, Action::Say(_, Said::Metadata { .. }));
    let pieces = asked.filter(data).count();
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
