//! When who is asked, and with which event, over simulated days.

use std::time::Duration;

use super::simulation::*;
use super::*;
use crate::seed::announce::answer::Answer;

#[test]
fn a_day_with_a_good_tracker_is_one_greeting_and_an_announce_each_interval() {
    let mut sim = Simulation::new(SECOND, Box::new(|_, _, _| every(1800)));
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(HOUR * 24);
    let events = sim.events(A);
    assert_eq!(events[0], Event::Started);
    assert!(events[1..].iter().all(|event| *event == Event::None));
    assert_eq!(events.len(), 48);
    for pair in sim.made.windows(2) {
        assert_eq!(pair[1].second - pair[0].second, 1801);
    }
    sim.plan.remove(hash(1));
    sim.run(HOUR * 24);
    assert_eq!(sim.events(A).len(), 49);
    assert_eq!(sim.made[48].request.event, Event::Stopped);
    assert_eq!(sim.made[48].request.want, 0);
    assert_eq!(sim.plan.endpoints.len(), 0);
    assert!(sim.plan.is_idle());
}

#[test]
fn intervals_out_of_reason_are_clamped() {
    for (said, kept) in [
        (every(0), 60),
        (every(10), 60),
        (every(u64::MAX), 6 * 3600),
        (Ok(Answer::default()), 1800),
        (
            Ok(Answer {
                min_interval: Some(Duration::from_secs(2000)),
                ..every(900).unwrap()
            }),
            2000,
        ),
    ] {
        let mut sim = Simulation::new(Duration::ZERO, Box::new(move |_, _, _| said.clone()));
        sim.plan.add(sim.now, subject(1, &[&[A]]));
        sim.run(HOUR * 7);
        assert_eq!(sim.made[1].second, kept);
    }
}

#[test]
fn an_origin_never_says_completed() {
    let mut sim = Simulation::new(SECOND, Box::new(|_, _, _| every(1800)));
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(HOUR);
    sim.plan.complete(sim.now, hash(1));
    sim.run(HOUR * 24);
    assert!(!sim.events(A).contains(&Event::Completed));
}

#[test]
fn a_download_says_completed_once_to_each_tier() {
    let mut sim = Simulation::new(SECOND, Box::new(|_, _, _| every(1800)));
    let mut fetched = subject(1, &[&[A], &[B]]);
    fetched.figures.left = 100;
    sim.plan.add(sim.now, fetched);
    sim.run(HOUR);
    // The figures may say so before the event does.
    sim.plan.update(hash(1), Figures::default());
    sim.run(HOUR);
    sim.plan.complete(sim.now, hash(1));
    let second = sim.second();
    sim.run(HOUR * 24);
    for url in [A, B] {
        let completed = |made: &&Made| made.url == url && made.request.event == Event::Completed;
        let completed: Vec<_> = sim.made.iter().filter(completed).collect();
        assert_eq!(completed.len(), 1, "{url}");
        assert_eq!(completed[0].second, second);
        assert_eq!(completed[0].request.figures.left, 0);
    }
}

#[test]
fn completed_while_the_greeting_is_under_way_follows_it() {
    let mut sim = Simulation::new(SECOND * 5, Box::new(|_, _, _| every(1800)));
    let mut fetched = subject(1, &[&[A]]);
    fetched.figures.left = 100;
    sim.plan.add(sim.now, fetched);
    sim.run(SECOND);
    sim.plan.complete(sim.now, hash(1));
    sim.run(SECOND * 10);
    assert_eq!(sim.events(A), [Event::Started, Event::Completed]);
}

#[test]
fn removal_while_the_greeting_is_under_way_still_says_goodbye() {
    let mut sim = Simulation::new(SECOND * 5, Box::new(|_, _, _| every(1800)));
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(SECOND);
    sim.plan.remove(hash(1));
    sim.run(HOUR);
    assert_eq!(sim.events(A), [Event::Started, Event::Stopped]);
    assert_eq!(sim.plan.endpoints.len(), 0);
}

#[test]
fn who_comes_back_while_goodbye_is_under_way_greets_again() {
    let mut sim = Simulation::new(SECOND * 5, Box::new(|_, _, _| every(1800)));
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(HOUR);
    sim.made.clear();
    sim.plan.remove(hash(1));
    sim.run(SECOND);
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(SECOND * 30);
    // The second greeting makes up for the goodbye that may have overtaken the first.
    assert_eq!(*sim.events(A).last().unwrap(), Event::Started);
    assert_eq!(sim.events(A)[0], Event::Stopped);
    // A goodbye that was not sent yet is not sent at all.
    sim.made.clear();
    sim.plan.remove(hash(1));
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(SECOND * 30);
    assert_eq!(sim.events(A), [Event::Started]);
}

#[test]
fn a_thousand_torrents_start_politely_and_all_of_them() {
    let mut sim = Simulation::new(SECOND, Box::new(|_, _, _| every(1800)));
    for n in 0..1000 {
        sim.plan.add(sim.now, subject(n, &[&[A], &[B]]));
    }
    sim.run(SECOND * 300);
    assert_eq!(sim.made.len(), 2000);
    assert_eq!(sim.peak, (8, 4));
    sim.run(HOUR * 24);
    // 48 intervals a day, less what the start took.
    assert!(
        (2000 * 47..=2000 * 49).contains(&sim.made.len()),
        "{}",
        sim.made.len()
    );
}

#[test]
fn a_dead_tracker_is_tried_by_one_torrent_for_all() {
    let dead = |url: &str, second, _: &Request| match url {
        A if second < 12 * 3600 => Err(AnnounceError::Timeout),
        _ => every(1800),
    };
    let mut sim = Simulation::new(SECOND, Box::new(dead));
    for n in 0..1000 {
        sim.plan.add(sim.now, subject(n, &[&[A], &[B]]));
    }
    sim.run(HOUR * 12);
    let tries = sim.events(A).len();
    // 4 at first, then 15 s doubling to half an hour: about 8 + 24.
    assert!((20..60).contains(&tries), "{tries}");
    assert!(sim.events(B).len() >= 24_000);
    let states = sim.plan.states(sim.now, Timestamp(0), hash(5));
    assert_eq!(
        states[0].last_error.as_deref(),
        Some("the tracker does not answer")
    );
    assert!(states[0].last_ok.is_none() && states[1].last_ok.is_some());
    // It is back: within its longest pause, everybody follows.
    sim.made.clear();
    sim.run(HOUR);
    let greeted: std::collections::HashSet<_> = sim
        .made
        .iter()
        .filter(|made| made.url == A && made.request.event == Event::Started)
        .map(|made| made.request.info_hash)
        .collect();
    assert_eq!(greeted.len(), 1000);
    let states = sim.plan.states(sim.now, Timestamp(0), hash(5));
    assert_eq!(states[0].last_error, None);
}

#[test]
fn shutting_down_says_goodbye_to_all_who_know_us() {
    let mut sim = Simulation::new(
        Duration::from_millis(50),
        Box::new(|url, _, _| {
            if url == A {
                every(1800)
            } else {
                Err(AnnounceError::Timeout)
            }
        }),
    );
    for n in 0..1000 {
        sim.plan.add(sim.now, subject(n, &[&[A], &[B]]));
    }
    sim.run(HOUR);
    sim.made.clear();
    sim.plan.close();
    sim.plan.add(sim.now, subject(5000, &[&[A]]));
    sim.run(Duration::from_secs(3));
    assert!(sim.plan.is_idle());
    assert_eq!(sim.made.len(), 1000);
    assert!(
        sim.made
            .iter()
            .all(|made| made.url == A && made.request.event == Event::Stopped)
    );
}

#[test]
fn the_deciding_itself_costs_next_to_nothing() {
    let mut sim = Simulation::new(Duration::ZERO, Box::new(|_, _, _| every(1800)));
    for n in 0..1000 {
        sim.plan.add(sim.now, subject(n, &[&[A], &[B]]));
    }
    let began = std::time::Instant::now();
    sim.run(HOUR * 24);
    // 0.1 % of a day is 86 s; this build is not optimised.
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}
