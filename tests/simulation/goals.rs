//! The table of goals: copies and time at the first copy, at three complete, at all complete. Times are in the time one
//! copy takes at the cap. Where a bound is wider than the goal, it is what the policy reaches today, and says so.

use super::clock::{MILLISECOND, Nanos, seconds};
use super::habits::{Leaver, Librqbit, Libtorrent, NeverRelays, Standard, Tactful, Tarpit};
use super::line::{Line, MIB};
use super::outcome::Outcome;
use super::scenario::Scenario;

/// The two seeds each arrangement is played with: chance must not decide.
const SEEDS: [u64; 2] = [1, 2];
/// A round trip of 80 ms, half of it each way.
const FAR: Nanos = 40 * MILLISECOND;

fn libtorrents(n: usize, apart: f64, line: Line) -> Vec<Outcome> {
    let (up, far) = (line.up.unwrap_or(0) / MIB, line.delay / MILLISECOND);
    let name = format!("{n} libtorrent, one per {apart} s, {up} MiB/s, {far} ms away");
    let swarm = |seed| {
        Scenario::new(&name, seed)
            .with(n, seconds(apart), line, Libtorrent)
            .run()
    };
    SEEDS.map(swarm).into()
}

#[test]
fn eight_and_twenty_with_fast_lines() {
    for (n, apart, all) in [
        (8, 0.0, 1.2),
        (8, 4.0, 1.55),
        (20, 0.0, 1.45),
        (20, 1.6, 1.8),
    ] {
        for outcome in libtorrents(n, apart, Line::up(4 * MIB)) {
            outcome
                .first_copy_within((1.02, 1.09))
                .three_within((1.05, all))
                .all_within((1.10, all));
        }
    }
}

#[test]
fn eight_and_twenty_with_slower_lines() {
    for (n, apart, all) in [
        (8, 0.0, 2.05),
        (8, 4.0, 2.5),
        (20, 0.0, 2.35),
        (20, 1.6, 2.75),
    ] {
        for outcome in libtorrents(n, apart, Line::up(2 * MIB)) {
            outcome
                .first_copy_within((1.02, 1.09))
                .three_within((1.10, all))
                .all_within((1.30, all));
        }
    }
}

#[test]
fn peers_far_away() {
    for (n, apart) in [(8, 0.0), (20, 1.6)] {
        for outcome in libtorrents(n, apart, Line::up(2 * MIB).delay(FAR)) {
            outcome.first_copy_within((1.05, 1.15));
        }
    }
}

#[test]
fn clients_that_do_and_do_not_announce_to_those_who_hold_a_piece() {
    let line = Line::up(2 * MIB);
    let plain = Scenario::new("8 that announce to all", 1).with(8, 0, line, Standard);
    let tactful = Scenario::new("8 that do not announce to holders", 1).with(8, 0, line, Tactful);
    for outcome in [plain.run(), tactful.run()] {
        outcome
            .first_copy_within((1.02, 1.06))
            .all_within((1.05, 2.05));
    }
}

/// Two slow uploaders, one slow downloader, one that leaves at half, one that never relays, of eight.
#[test]
fn uneven_peers() {
    for seed in SEEDS {
        Scenario::new("uneven", seed)
            .with(3, 0, Line::up(2 * MIB), Libtorrent)
            .with(2, 0, Line::up(MIB / 16), Libtorrent)
            .with(1, 0, Line::up(2 * MIB).down(MIB / 8), Libtorrent)
            .with(1, 0, Line::up(2 * MIB), Leaver)
            .with(1, 0, Line::up(2 * MIB), NeverRelays)
            .limit(seconds(1_500.0))
            .run()
            .first_copy_within((1.10, 1.15))
            // A twenty-fifth goes with the one who leaves; the rest hangs on the slow uploaders and on the one who refuses.
            .three_within((1.15, 3.9))
            // The slow downloader alone needs 32.
            .all_within((1.20, 33.0));
    }
}

/// The same, where the one that never relays is a tarpit: in the bench, it was given a whole copy because its own requests to
/// others did not get through.
#[test]
fn uneven_peers_and_a_tarpit() {
    for seed in SEEDS {
        Scenario::new("uneven, with a tarpit", seed)
            .with(3, 0, Line::up(2 * MIB), Libtorrent)
            .with(2, 0, Line::up(MIB / 16), Libtorrent)
            .with(1, 0, Line::up(2 * MIB).down(MIB / 8), Libtorrent)
            .with(1, 0, Line::up(2 * MIB), Leaver)
            .with(1, 0, Line::up(2 << 10), Tarpit)
            .limit(seconds(1_500.0))
            .run()
            .first_copy_within((1.10, 1.15))
            .three_within((1.20, 3.1))
            .all_within((1.20, 33.0));
    }
}

#[test]
fn a_single_leecher_is_as_fast_as_with_plain_seeding() {
    let line = Line::up(2 * MIB);
    let one = |name: &str| Scenario::new(name, 1);
    let alone = [
        one("one standard").with(1, 0, line, Standard),
        one("one libtorrent").with(1, 0, line, Libtorrent),
        one("one librqbit").with(1, 0, line, Librqbit),
    ];
    for scenario in alone {
        scenario.run().all_within((1.0, 1.09));
    }
    one("one with a quarter of the cap")
        .with(1, 0, line.down(MIB), Libtorrent)
        .run()
        .all_within((1.0, 4.1));
    one("one with a thirty-second of the cap")
        .with(1, 0, line.down(MIB / 8), Libtorrent)
        .limit(seconds(1_500.0))
        .run()
        .all_within((1.0, 33.0));
    // The buffer of one connection holds less than a round trip's worth at this cap.
    one("one far away")
        .with(1, 0, line.delay(FAR), Libtorrent)
        .run()
        .all_within((1.0, 1.6));
}

#[test]
fn without_a_cap_the_line_is_filled() {
    for n in [1, 8] {
        let outcome = Scenario::new(&format!("{n}, no cap, 10 MiB/s line"), 1)
            .cap(None)
            .origin_line(10 * MIB)
            .with(n, 0, Line::up(2 * MIB), Libtorrent)
            .run();
        // 12.8 s at 10 MiB/s, headers, and the second before a libtorrent with a limit asks.
        outcome.first_copy_within((1.02, 14.6));
    }
}

/// librqbit leechers take pieces in order and trade little; among others they do well.
#[test]
fn librqbit_leechers() {
    let line = Line::up(2 * MIB);
    Scenario::new("4 librqbit and 4 libtorrent", 1)
        .with(4, 0, line, Librqbit)
        .with(4, 0, line, Libtorrent)
        .run()
        .first_copy_within((1.02, 1.09))
        .all_within((1.05, 2.2));
    Scenario::new("8 librqbit, one per 4 s", 1)
        .with(8, seconds(4.0), line, Librqbit)
        .run()
        .first_copy_within((1.02, 1.09))
        .all_within((1.10, 3.7));
    Scenario::new("8 librqbit", 1)
        .with(8, 0, line, Librqbit)
        .run()
        .first_copy_within((1.02, 1.15))
        .all_within((1.05, 2.4));
}

/// The owner wants speed. The best anchors' times at all complete are 1.85 and 2.26, with 1.73 and 2.2 copies.
#[test]
fn generous() {
    for (apart, all) in [(0.0, 1.9), (4.0, 2.4)] {
        Scenario::new(&format!("8, one per {apart} s, generous"), 1)
            .generous()
            .with(8, seconds(apart), Line::up(2 * MIB), Libtorrent)
            .run()
            .first_copy_within((1.02, 1.09))
            .all_within((1.6, all));
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let swarm = |seed| {
        Scenario::new("again", seed)
            .with(12, seconds(1.0), Line::up(2 * MIB), Standard)
            .run()
    };
    assert_eq!(swarm(7), swarm(7));
    assert_ne!(swarm(7), swarm(8));
}
