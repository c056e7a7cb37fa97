//! What holds in every swarm, whoever comes: swarms are drawn at random, from fixed seeds. [`super::watch`] checks the
//! origin's promises in each of them all the time.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::clock::{MILLISECOND, Nanos, SECOND, seconds};
use super::habits::{
    Boaster, FakeSeed, HangsUp, Ingrate, Leaver, Librqbit, Libtorrent, Mute, NeverAsks,
    NeverRelays, Restless, Standard, Tactful,
};
use super::line::{Line, MIB};
use super::pieces::Shape;
use super::scenario::Scenario;
use super::world::World;

/// 4 MiB in 64 pieces.
const TINY: Shape = Shape {
    pieces: 64,
    piece_length: 64 << 10,
    block: 16 << 10,
};
/// Unused allowance that the shaper keeps: its longest burst in seconds, and its bounds in bytes.
const BURST: f64 = 0.050;
const BURST_BOUNDS: (f64, f64) = (3_000.0, 262_144.0);
/// A block with its headers, which may go when one byte may.
const ONE_BLOCK: f64 = 17_100.0;
/// What is not payload waits for nobody: handshakes, offers and addresses of a handful of peers.
const TALK: f64 = 8_192.0;
/// What a connection sent again is charged when it has sent for this long since the last time.
const CORRECTED_AFTER: f64 = 0.25;

#[derive(Debug, Clone)]
struct Newcomer {
    kind: u8,
    at: Nanos,
    line: Line,
}

impl Newcomer {
    fn join(&self, scenario: Scenario) -> Scenario {
        let (at, line) = (self.at, self.line);
        match self.kind {
            0 => scenario.from(at, 1, 0, line, Standard),
            1 => scenario.from(at, 1, 0, line, Libtorrent),
            2 => scenario.from(at, 1, 0, line, Tactful),
            3 => scenario.from(at, 1, 0, line, Librqbit),
            4 => scenario.from(at, 1, 0, line, Ingrate),
            5 => scenario.from(at, 1, 0, line, Mute),
            6 => scenario.from(at, 1, 0, line, NeverRelays),
            7 => scenario.from(at, 1, 0, line, Leaver),
            8 => scenario.from(at, 1, 0, line, HangsUp),
            9 => scenario.from(at, 1, 0, line, Boaster),
            10 => scenario.from(at, 1, 0, line, FakeSeed),
            11 => scenario.from(at, 1, 0, line, NeverAsks),
            _ => scenario.from(at, 1, 0, line, Restless),
        }
    }
}

fn newcomers(kinds: std::ops::Range<u8>) -> impl Strategy<Value = Vec<Newcomer>> {
    let line = (64u64..4_096, prop::option::of(256u64..8_192), 0u64..100);
    let line = line.prop_map(|(up, down, delay)| Line {
        up: Some(up << 10),
        down: down.map(|down| down << 10),
        delay: delay * MILLISECOND,
    });
    let one = (kinds, 0u64..20_000, line).prop_map(|(kind, at, line)| Newcomer {
        kind,
        at: at * MILLISECOND,
        line,
    });
    prop::collection::vec(one, 1..14)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(3),
        failure_persistence: None,
        max_shrink_iters: 64,
        ..ProptestConfig::default()
    }
}

fn swarm(name: &str, seed: u64, cap: u64, peers: &[Newcomer]) -> Scenario {
    let empty = Scenario::new(name, seed).content(TINY).cap(Some(cap));
    peers.iter().fold(empty, |all, peer| peer.join(all))
}

/// No window of this length, of those within `from..to`, saw more than the cap allows.
fn stays_below(world: &World, cap: u64, loss: f64, (from, to): (Nanos, Nanos)) {
    let cap = cap as f64;
    let burst = (cap * BURST).clamp(BURST_BOUNDS.0, BURST_BOUNDS.1);
    for window in [1.0, 10.0] {
        let sent = world.origin.watch.most_in(seconds(window), from, to);
        let uncorrected = CORRECTED_AFTER * (1 + world.peers.len()) as f64;
        let late = loss * (cap * uncorrected.min(window) + ONE_BLOCK);
        let allowed = cap * window + burst + ONE_BLOCK + TALK + late;
        assert!(
            sent <= allowed,
            "{sent:.0} bytes in {window} s at a cap of {cap}, {allowed:.0} allowed"
        );
    }
}

proptest! {
    #![proptest_config(config(200))]

    /// The limit, whoever asks, also when it changes and when a part must be sent again; and what is kept of a swarm
    /// is bounded by its size.
    #[test]
    fn the_cap_is_never_passed(
        seed: u64,
        peers in newcomers(0..13),
        cap in 100u64..8_192,
        then in 100u64..8_192,
        loss in 0.0..0.05f64,
    ) {
        let (cap, then) = (cap << 10, then << 10);
        let change = 5 * SECOND;
        let world = swarm("random", seed, cap, &peers)
            .loss(loss)
            .cap_later(change, Some(then))
            .limit(60 * SECOND)
            .play();
        stays_below(&world, cap, loss, (0, change));
        stays_below(&world, then, loss, (change, u64::MAX));
        let most = world.origin.watch.most_actions;
        prop_assert!(most <= 4 * (peers.len() + TINY.pieces as usize), "{most} actions at once");
    }

    /// Everybody who stays and takes what he is offered gets everything, whoever else is there, in the time that serving
    /// everybody ourselves would take and the patience it needs to see that somebody is stuck.
    #[test]
    fn nobody_starves(seed: u64, peers in newcomers(0..13), cap in 1_024u64..8_192) {
        // A librqbit waits for ever for whom it asked once: liars starve it, whatever we do. Those who never
        // ask, or do not say what they hold, are offered rare pieces over and over once the first copy is out, which others
        // then do not get. Who hangs up after each piece begins to wait anew each time.
        let mut peers = peers;
        peers.retain(|peer| ![3, 8].contains(&peer.kind));
        let scenario = swarm("random", seed, cap << 10, &peers).limit(600 * SECOND);
        let world = scenario.play();
        let hungry: Vec<String> = world
            .peers
            .iter()
            .filter(|peer| peer.habits.deserves_all() && peer.done_at.is_none())
            .map(|peer| peer.describe())
            .collect();
        prop_assert!(hungry.is_empty(), "{hungry:?}");
    }

    /// Among the well-behaved a swarm costs little more than one copy until it holds one.
    #[test]
    fn the_first_copy_costs_one(seed: u64, peers in newcomers(0..3), cap in 1_024u64..4_096) {
        let outcome = swarm("well-behaved", seed, cap << 10, &peers)
            .limit(600 * SECOND)
            .run();
        let copies = outcome.first_copy.map(|milestone| milestone.copies);
        prop_assert!(copies.is_some_and(|copies| copies <= 1.25), "{outcome}");
    }
}

#[test]
fn a_limit_that_changes_is_kept_by_hungry_leechers() {
    let world = Scenario::new("1 MiB/s, then 256 KiB/s", 1)
        .cap(Some(MIB))
        .cap_later(20 * SECOND, Some(MIB / 4))
        .with(8, 0, Line::up(MIB), Libtorrent)
        .limit(60 * SECOND)
        .play();
    let (cap, then) = (MIB as f64, MIB as f64 / 4.0);
    let watch = &world.origin.watch;
    for (window, from, to, cap) in [
        (SECOND, 0, 20 * SECOND, cap),
        (10 * SECOND, 0, 20 * SECOND, cap),
        (10 * SECOND, 20 * SECOND, 60 * SECOND, then),
    ] {
        let most = watch.most_in(window, from, to) / (window as f64 / SECOND as f64);
        let off = most / cap - 1.0;
        assert!((-0.02..0.08).contains(&off), "{off:+.3} in {window} ns");
    }
}
