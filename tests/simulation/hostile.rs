//! Peers that lie, leave, hang up, or give nothing. Bounds are those the policy reaches today, with some room; where it
//! pays more than it should, the test says for what.

use semoir::seed::swarm::Proof;

use super::clock::{SECOND, seconds};
use super::habits::{
    Boaster, FakeSeed, Habits, HangsUp, Ingrate, Libtorrent, Mute, NeverAsks, NeverRelays, Restless,
};
use super::line::{Line, MIB};
use super::origin::address;
use super::outcome::{Bound, Outcome};
use super::scenario::Scenario;

const LINE: fn() -> Line = || Line::up(2 * MIB);

/// Eight libtorrents, and some others.
fn beside(n: usize, others: impl Habits + 'static) -> Outcome {
    Scenario::new(&format!("8 libtorrent and {n} {others:?}"), 1)
        .with(8, 0, LINE(), Libtorrent)
        .with(n, 0, LINE(), others)
        .run()
}

fn only(n: usize, habits: impl Habits + 'static) -> Outcome {
    Scenario::new(&format!("{n} {habits:?}"), 1)
        .with(n, 0, LINE(), habits)
        .run()
}

/// The first copy, and all: copies @ time.
fn holds(outcome: Outcome, first_copy: Bound, all: Bound) {
    outcome.first_copy_within(first_copy).all_within(all);
}

#[test]
fn those_who_give_nothing_get_everything_and_cost_little() {
    holds(beside(1, NeverRelays), (1.02, 1.09), (1.10, 3.2));
    holds(beside(4, NeverRelays), (1.02, 1.09), (1.60, 3.6));
    // Nobody relays: everybody is served by us.
    holds(only(8, NeverRelays), (1.02, 1.06), (8.01, 13.5));
}

#[test]
fn those_who_never_announce_are_served() {
    holds(beside(1, Mute), (1.02, 1.09), (1.15, 2.9));
    holds(only(8, Mute), (1.02, 1.06), (8.0, 9.0));
}

#[test]
fn those_who_never_ask_hold_nobody_up() {
    holds(beside(8, NeverAsks), (1.02, 1.15), (1.10, 2.2));
    holds(beside(50, NeverAsks), (1.02, 1.15), (1.10, 2.2));
}

#[test]
fn those_who_hang_up_after_each_piece() {
    // What is under way to it when it hangs up is lost: between 0.01 and 0.12 of a copy, as chance has it.
    holds(beside(1, HangsUp), (1.15, 1.25), (1.16, 2.15));
    holds(only(8, HangsUp), (1.02, 1.10), (1.05, 2.1));
}

/// A piece now and then is believed until somebody is stuck for lack of it; a whole content is doubted soon.
#[test]
fn those_who_claim_what_they_do_not_hold() {
    holds(beside(2, Boaster), (1.15, 2.8), (1.20, 3.0));
    holds(beside(1, FakeSeed), (1.02, 1.28), (1.05, 2.25));
    holds(beside(20, FakeSeed), (1.02, 1.25), (1.05, 2.2));
    let later = Scenario::new("20 fake seeds after 10 s", 1)
        .with(8, 0, LINE(), Libtorrent)
        .from(10 * SECOND, 20, 0, LINE(), FakeSeed)
        .run();
    holds(later, (1.05, 1.3), (1.05, 2.15));
}

/// Everybody who shows a full bitfield is asked for a block: those who have it serve it, those who only say so do not.
#[test]
fn a_block_tells_seeds_from_those_who_only_say_so() {
    let (honest, fakes) = (8, 4);
    let world = Scenario::new("8 libtorrent, one per 30 s, and 4 fake seeds", 1)
        .with(honest, seconds(30.0), LINE(), Libtorrent)
        .with(fakes, 0, LINE(), FakeSeed)
        .play();
    let proofs = &world.origin.watch.proofs;
    let of = |who: usize, proof| {
        let mut proofs = proofs.iter();
        proofs.any(|(addr, what)| addr.ip() == address(who) && *what == proof)
    };
    let proven = (0..honest).filter(|who| of(*who, Proof::Proven)).count();
    // The last of them may be complete when it is all over.
    assert!(proven >= honest - 2, "{proven}: {proofs:?}");
    for fake in honest..honest + fakes {
        assert!(!of(fake, Proof::Proven), "{proofs:?}");
        assert!(of(fake, Proof::Refused), "{proofs:?}");
    }
    assert!(world.origin.watch.offences.is_empty());
}

#[test]
fn those_who_come_and_go() {
    holds(beside(8, Restless), (1.10, 1.2), (1.15, 3.0));
    holds(only(20, Restless), (1.2, 1.25), (1.40, 4.1));
}

#[test]
fn those_who_leave_once_they_have_everything() {
    holds(only(8, Ingrate), (1.02, 1.06), (1.15, 3.6));
    let staggered = Scenario::new("8 ingrates, one per 20 s", 1)
        .with(8, seconds(20.0), LINE(), Ingrate)
        .run();
    holds(staggered, (1.02, 1.06), (2.9, 7.1));
}

#[test]
fn a_slow_disk_costs_no_copies() {
    let outcome = Scenario::new("8 libtorrent, 300 ms a piece", 1)
        .disk(seconds(0.3))
        .with(8, 0, LINE(), Libtorrent)
        .run();
    holds(outcome, (1.02, 1.09), (1.05, 2.1));
}
