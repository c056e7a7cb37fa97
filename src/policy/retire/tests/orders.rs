//! What the owner changes, and whoever is stuck.

use super::*;

#[test]
fn more_relays_wanted_while_retired_bring_it_back_at_once() {
    let mut life = Life::retired(peers(0..3));
    life.rule.relays = 5;
    life.ask();
    assert_eq!(life.reason(), "back: 5 others are wanted now, there are 3");
    life.peers.extend(peers(3..4));
    life.pass(MINUTE);
    assert_eq!(
        life.reason(),
        "4 others hold every piece; waiting for 1 more"
    );
    life.peers.extend(peers(4..5));
    life.pass(HOUR);
    assert_eq!(life.stage(), Stage::Retired);
    // From now on five less one will do, as ever.
    life.peers[0].up = false;
    life.pass(DAY);
    assert_eq!(life.stage(), Stage::Retired);
    life.peers[1].up = false;
    life.pass(HOUR);
    assert_eq!(
        life.last().2,
        "back: only 3 of 5 others are left (2 looked for and not found)"
    );
}

#[test]
fn more_relays_wanted_than_before_but_not_than_there_are_change_nothing() {
    let mut life = Life::retired(peers(0..5));
    life.rule.relays = 5;
    life.pass(HOUR);
    life.peers[0].up = false;
    life.pass(DAY);
    assert_eq!(life.stages(), [Stage::Supporting, Stage::Retired]);
}

#[test]
fn fewer_relays_wanted_retire_it_and_leave_the_retired_alone() {
    let mut life = Life::new(Stage::Ready);
    life.peers.extend(peers(0..2));
    life.pass(HOUR);
    assert_eq!(life.stage(), Stage::Supporting);
    life.rule.relays = 2;
    life.pass(life.rule.sustain + MINUTE);
    assert_eq!(life.stage(), Stage::Retired);
    let mut life = Life::retired(peers(0..3));
    for relays in [2, 1, 3] {
        life.rule.relays = relays;
        life.pass(HOUR);
    }
    assert_eq!(life.stages(), [Stage::Supporting, Stage::Retired]);
}

#[test]
fn a_single_relay_that_was_enough_and_is_gone_is_missed() {
    let mut life = Life::new(Stage::Ready);
    life.rule.relays = 1;
    life.peers.extend(peers(0..1));
    life.pass(HOUR);
    assert_eq!(
        life.reason(),
        "stopped: 20.0.0.7 holds every piece (seen twice, proven)"
    );
    life.peers[0].up = false;
    life.pass(HOUR);
    assert_eq!(
        life.last().2,
        "back: nobody else is left (1 looked for and not found)"
    );
}

#[test]
fn what_is_kept_comes_back_at_once_and_retires_again_when_it_is_not() {
    let mut life = Life::retired(peers(0..3));
    life.rule.keep = true;
    life.ask();
    assert_eq!(life.reason(), "back: told to go on");
    let back = life.age();
    life.pass(DAY);
    life.peers.extend(peers(3..4));
    life.pass(DAY);
    assert_eq!(
        life.reason(),
        "4 others hold every piece; we go on because we were told to"
    );
    life.rule.keep = false;
    life.ask();
    assert_eq!(
        life.stage(),
        Stage::Retired,
        "they have been enough all the time"
    );
    // On and off by mistake: it stays for the dwell, and not for ever.
    life.pass(HOUR);
    life.rule.keep = true;
    life.ask();
    life.rule.keep = false;
    life.ask();
    assert_eq!(life.stage(), Stage::Supporting);
    let again = life.age();
    life.pass(HOUR);
    assert_eq!(life.stage(), Stage::Retired);
    assert_eq!(life.last().0 - again, life.rule.dwell);
    assert!(life.age() > back);
}

#[test]
fn a_restart_with_keep_comes_back() {
    let mut life = Life::retired(peers(0..3));
    life.restart();
    life.rule.keep = true;
    life.ask();
    assert_eq!(life.last().2, "back: told to go on");
}

#[test]
fn whoever_is_stuck_waits_only_while_enough_others_are_fresh() {
    // Fresh relays: it perhaps cannot reach them.
    let mut life = Life::retired(peers(0..3));
    life.gets_stuck();
    assert_eq!(life.stage(), Stage::Retired);
    life.pass(life.rule.reach - MINUTE);
    assert_eq!(life.stage(), Stage::Retired);
    life.pass(MINUTE);
    assert_eq!(life.reason(), "back: someone cannot get on without us");

    // They get on by themselves after all.
    let mut life = Life::retired(peers(0..3));
    life.gets_stuck();
    life.pass(life.rule.reach - MINUTE);
    life.stuck_since = None;
    life.pass(DAY);
    assert_eq!(life.stage(), Stage::Retired);

    // One look in vain, and they are not fresh any more.
    let mut life = Life::retired(peers(0..3));
    life.peers.iter_mut().for_each(|peer| peer.up = false);
    life.pass(minutes(LOOK_EVERY.into()));
    assert_eq!(life.stage(), Stage::Retired);
    life.gets_stuck();
    assert_eq!(life.stage(), Stage::Spreading);
    assert_eq!(life.last().0, life.age(), "within the same look");
}

#[test]
fn right_after_it_stopped_only_whoever_is_stuck_brings_it_back() {
    let mut life = Life::new(Stage::Ready);
    life.rule.dwell = HOUR * 3;
    life.peers.extend(peers(0..3));
    while life.stage() != Stage::Retired {
        life.pass(MINUTE);
    }
    let stopped = life.age();
    life.peers.iter_mut().for_each(|peer| peer.up = false);
    life.pass(HOUR * 2);
    assert_eq!(
        life.reason(),
        "stopped: too few of those who carried it are left; we are about to come back"
    );
    let mut other = Life {
        retire: life.retire.clone(),
        peers: life.peers.clone(),
        log: life.log.clone(),
        verdict: life.verdict.clone(),
        rule: life.rule,
        now: life.now,
        start: life.start,
        answered: life.answered,
        ..Life::new(Stage::Retired)
    };
    life.pass(HOUR * 2);
    assert_eq!(life.last().1, Stage::Spreading);
    assert_eq!(life.last().0 - stopped, life.rule.dwell);
    other.gets_stuck();
    assert_eq!(other.stage(), Stage::Spreading);
}
