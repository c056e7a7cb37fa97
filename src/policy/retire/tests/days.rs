//! Ordinary days.

use super::*;

#[test]
fn it_retires_when_three_were_seen_twice_and_one_served_a_block() {
    let mut life = Life::new(Stage::Ready);
    life.copies = 0.4;
    life.pass(MINUTE);
    assert_eq!(life.reason(), "giving the first copies");
    life.copies = 1.0;
    life.pass(MINUTE);
    assert_eq!(life.stage(), Stage::Supporting);
    assert_eq!(
        life.reason(),
        "others hold every piece between them, nobody all of them; waiting for 3 more"
    );
    life.peers.extend(peers(0..1).map(Peer::earned));
    life.pass(MINUTE);
    assert_eq!(
        life.reason(),
        "20.0.0.7 holds every piece; waiting for 2 more"
    );
    // The first look comes to the one that is asked for a block; the others got it before our eyes.
    life.peers
        .extend(peers(1..3).map(|peer| peer.earned().serves(Serves::Nothing)));
    life.pass(MINUTE);
    assert_eq!(life.reason(), "3 others hold every piece, none proven yet");
    let all_there = life.age();
    life.pass(HOUR);
    let (at, stage, reason) = life.last();
    assert_eq!(*stage, Stage::Retired);
    assert_eq!(
        reason,
        "stopped: 3 others hold every piece (20.0.0.7 and 2 more, each seen twice, one proven)"
    );
    let waited = *at - all_there;
    let least = life.rule.apart + life.rule.sustain;
    assert!(
        (least..least + minutes(LOOK_EVERY.into())).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(life.stages(), [Stage::Supporting, Stage::Retired]);
}

#[test]
fn a_quiet_month_asks_seldom_and_says_one_thing() {
    let mut life = Life::retired(peers(0..4));
    let (said, asked) = (life.reason().to_owned(), life.questions);
    for _ in 0..30 {
        life.pass(DAY);
        assert_eq!(life.reason(), said);
    }
    assert_eq!(life.stages(), [Stage::Supporting, Stage::Retired]);
    // They are connected: nothing can change by itself.
    assert!(life.questions - asked < 5, "{}", life.questions - asked);
}

#[test]
fn relays_that_nobody_can_prove_but_everybody_saw_them_earn_it() {
    let quiet = || peers(0..3).map(|peer| peer.earned().serves(Serves::Nothing));
    let mut life = Life::new(Stage::Ready);
    life.peers.extend(quiet());
    life.pass(DAY);
    assert_eq!(
        life.stages(),
        [Stage::Supporting],
        "one of them must serve a block"
    );
    assert_eq!(life.reason(), "3 others hold every piece, none proven yet");

    let mut life = Life::new(Stage::Ready);
    life.rule.proven = 0;
    life.peers.extend(quiet());
    life.pass(HOUR);
    assert_eq!(
        life.last().2,
        "stopped: 3 others hold every piece (20.0.0.7 and 2 more, each seen twice, none proven)"
    );
}

#[test]
fn clients_that_close_when_they_are_done_do_not_retire_it() {
    let mut life = Life::new(Stage::Ready);
    for n in 0..96 {
        // One after the other, each for eight minutes, proven meanwhile.
        life.peers.extend(peers(n..n + 1).map(Peer::earned));
        life.pass(minutes(8));
        life.peers[n as usize].known.level = Level::Proven;
        life.peers[n as usize].up = false;
        life.pass(minutes(7));
    }
    assert_eq!(life.stages(), [Stage::Supporting], "{:?}", life.log);
}

#[test]
fn seeds_leave_one_by_one_and_come_back() {
    let mut life = Life::retired(peers(0..3));
    let retired = life.last().0;
    life.peers[0].up = false;
    life.pass(DAY);
    assert_eq!(life.stage(), Stage::Retired, "two are enough to stay");
    assert_eq!(life.reason(), "stopped: 2 others hold every piece");
    life.peers[1].up = false;
    let left = life.age();
    life.pass(DAY);
    let (at, _, reason) = life.last();
    assert_eq!(
        reason,
        "back: only 1 of 3 others is left (2 looked for and not found)"
    );
    let took = *at - left;
    assert!((life.rule.patience..HOUR).contains(&took), "{took:?}");
    assert_eq!(life.stage(), Stage::Supporting);
    life.peers[2].up = false;
    life.pass(DAY);
    assert_eq!(life.stage(), Stage::Spreading, "{}", life.reason());
    assert_eq!(life.reason(), "giving the first copies");
    life.peers.iter_mut().for_each(|peer| peer.up = true);
    let back = life.age();
    life.pass(HOUR);
    let (at, stage, _) = life.last();
    assert_eq!(*stage, Stage::Retired);
    assert!(*at - back <= life.rule.sustain + minutes(LOOK_EVERY.into()));
    assert!(*at > retired);
    assert_eq!(life.log.len(), 6, "{:?}", life.log);
}

#[test]
fn seeds_that_are_off_at_night_cost_a_return_a_day_at_most() {
    let mut life = Life::retired(peers(0..3));
    for _ in 0..10 {
        life.pass(HOUR * 16);
        life.peers.iter_mut().for_each(|peer| peer.up = false);
        life.pass(HOUR * 8);
        life.peers.iter_mut().for_each(|peer| peer.up = true);
    }
    life.pass(HOUR);
    let stops = life
        .stages()
        .iter()
        .filter(|s| **s == Stage::Retired)
        .count();
    assert_eq!(stops, 11, "{:?}", life.log);
    assert_eq!(life.stage(), Stage::Retired);
}

#[test]
fn relays_that_flap_every_five_minutes_change_nothing() {
    for all_together in [true, false] {
        let mut life = Life::retired(peers(0..3));
        let before = life.log.len();
        for minute in 0..(7 * 24 * 60 / 5) {
            for (n, peer) in life.peers.iter_mut().enumerate() {
                let turn = if all_together { 0 } else { n };
                peer.up = (minute + turn).is_multiple_of(2);
            }
            life.pass(minutes(5));
        }
        assert_eq!(life.log.len(), before, "{:?}", life.log);
    }
    // While it supports, too.
    let mut life = Life::new(Stage::Ready);
    for minute in 0..(7 * 24 * 60 / 5) {
        life.copies = if minute % 2 == 0 { 1.2 } else { 0.9 };
        life.pass(minutes(5));
    }
    assert_eq!(life.stages(), [Stage::Supporting]);
}

#[test]
fn a_restart_changes_no_stage_by_itself() {
    // Retired: it stays so, and finds its relays again.
    let mut life = Life::retired(peers(0..3));
    life.restart();
    life.ask();
    assert_eq!(
        life.reason(),
        "stopped: others carried it; they are being looked for"
    );
    life.pass(DAY);
    assert_eq!(life.reason(), "stopped: 3 others hold every piece");
    assert_eq!(life.stages(), [Stage::Supporting, Stage::Retired]);

    // Supporting: as the relays are seen again, it goes on to where it was going, twice seen by this process.
    let mut life = Life::new(Stage::Ready);
    life.peers.extend(peers(0..2));
    life.pass(HOUR * 2);
    life.restart();
    life.pass(HOUR * 2);
    assert_eq!(life.stages(), [Stage::Supporting]);
    life.peers.extend(peers(2..3));
    life.restart();
    let restarted = life.age();
    life.pass(HOUR * 2);
    assert_eq!(life.stages(), [Stage::Supporting, Stage::Retired]);
    assert!(
        life.last().0 - restarted >= life.rule.dwell,
        "it may have come back a moment ago"
    );

    // Spreading: nothing is known, nothing is concluded.
    let mut life = Life::new(Stage::Ready);
    life.pass(HOUR);
    life.restart();
    life.pass(DAY);
    assert_eq!(life.stages(), []);
}

#[test]
fn after_a_restart_with_everybody_gone_it_comes_back_after_hours_or_for_whoever_is_stuck() {
    let mut life = Life::retired(peers(0..3));
    life.peers.clear();
    life.restart();
    let restarted = life.age();
    life.pass(life.rule.forget - minutes(2));
    assert_eq!(life.stage(), Stage::Retired);
    life.pass(minutes(5));
    assert_eq!(life.last().2, "back: nobody else was seen for 6 hours");
    assert!(life.last().0 - restarted >= life.rule.forget);

    let mut life = Life::retired(peers(0..3));
    life.peers.clear();
    life.restart();
    life.pass(MINUTE);
    assert_eq!(life.stage(), Stage::Retired);
    life.gets_stuck();
    assert_eq!(life.reason(), "back: someone cannot get on without us");
    assert_eq!(life.stage(), Stage::Spreading);
}

#[test]
fn start_up_zeros_change_nothing() {
    for stage in [Stage::Spreading, Stage::Supporting, Stage::Retired] {
        let mut life = Life::new(stage);
        // The line is up, nobody has been met yet, no look has been taken.
        life.pass(life.rule.patience - MINUTE);
        assert_eq!(life.stages(), [], "{stage}");
        assert_eq!(life.stage(), stage);
    }
}

#[test]
fn out_of_touch_for_a_day_says_nothing_of_the_others() {
    let mut life = Life::retired(peers(0..3).map(Peer::unconnected));
    let before = life.log.len();
    life.line = false;
    life.pass(DAY);
    assert_eq!(life.log.len(), before, "{:?}", life.log);
    life.line = true;
    life.pass(DAY);
    assert_eq!(life.log.len(), before, "{:?}", life.log);
    // On the day it comes back they are gone: the looks since then say so, not those of the day without.
    life.line = false;
    life.pass(DAY);
    life.peers.iter_mut().for_each(|peer| peer.up = false);
    life.line = true;
    let back = life.age();
    life.pass(DAY);
    assert_eq!(
        life.log[before].2,
        "back: only 1 of 3 others is left (2 looked for and not found)"
    );
    assert!(life.log[before].0 - back >= life.rule.patience - TOUCH);
}

#[test]
fn looks_that_failed_while_the_line_was_down_are_not_held_against_anybody() {
    let mut life = Life::retired(peers(0..3).map(Peer::unconnected));
    let before = life.log.len();
    life.line = false;
    life.pass(DAY);
    // A busy box: it takes hours until each was looked for again.
    life.line = true;
    life.look_every = 180;
    life.pass(DAY);
    assert_eq!(life.log.len(), before, "{:?}", life.log);
}

#[test]
fn a_line_that_fails_every_quarter_of_an_hour_still_lets_the_gone_be_missed() {
    let mut life = Life::retired(peers(0..3).map(Peer::unconnected));
    life.peers.iter_mut().for_each(|peer| peer.up = false);
    let gone = life.age();
    while life.stage() == Stage::Retired && life.age() - gone < DAY {
        life.line = !life.line;
        life.pass(minutes(40));
    }
    assert_ne!(life.stage(), Stage::Retired);
}

#[test]
fn a_clock_that_jumps_and_a_machine_that_sleeps_make_nobody_disappear() {
    // The wall clock is not even asked: all times here are of the monotonic clock, which no owner and no time server sets.
    // What can jump is that clock itself, when a virtual machine or this process is stopped for hours.
    let mut life = Life::retired(peers(0..3).map(Peer::unconnected));
    let before = life.log.len();
    life.peers.iter_mut().for_each(|peer| peer.up = false);
    life.pass(minutes(2));
    life.now += HOUR * 8;
    life.peers.iter_mut().for_each(|peer| peer.up = true);
    life.answered = life.now;
    life.ask();
    assert_eq!(life.log.len(), before, "{:?}", life.log);
    life.pass(DAY);
    assert_eq!(life.log.len(), before, "{:?}", life.log);

    // On the way to retiring: who was enough before it slept must be enough for a while after.
    let mut life = Life::new(Stage::Ready);
    life.peers.extend(peers(0..3));
    while life.retire.enough_since.is_none() {
        life.pass(MINUTE);
    }
    life.now += HOUR * 8;
    life.answered = life.now;
    life.ask();
    assert_eq!(life.stage(), Stage::Supporting, "{}", life.reason());
    // And backwards, which the system promises never happens.
    life.now -= HOUR * 4;
    life.ask();
    assert_eq!(life.stage(), Stage::Supporting);
}

#[test]
fn a_drive_that_is_away_comes_back_to_what_was() {
    for (stage, days) in [
        (Stage::Retired, 1),
        (Stage::Retired, 30),
        (Stage::Supporting, 1),
    ] {
        let mut life = match stage {
            Stage::Retired => Life::retired(peers(0..3)),
            _ => Life::new(Stage::Ready),
        };
        life.copies = 1.0;
        life.pass(HOUR);
        assert_eq!(life.stage(), stage);
        let before = life.log.len();
        // The conductor lets go of the release and keeps its stage; the peers are met again when the drive is back.
        life.now += DAY * days;
        life.restart();
        life.pass(DAY);
        assert_eq!(life.log.len(), before, "{:?}", life.log);
        assert_eq!(life.stage(), stage);
    }
}
