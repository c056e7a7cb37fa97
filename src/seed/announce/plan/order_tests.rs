//! Which tracker of a tier is asked, which never is, and what refusals do.

use std::time::Duration;

use super::simulation::*;
use super::*;
use crate::seed::announce::answer::Answer;

const URLS: [&str; 4] = [
    "http://1.example/announce",
    "http://2.example/announce",
    "http://3.example/announce",
    "udp://4.example:1/announce",
];

#[test]
fn the_first_that_works_is_kept_and_the_others_left_alone() {
    let works = |url: &str, _, _: &Request| match url {
        url if url == URLS[2] => every(1800),
        _ => Err(AnnounceError::Timeout),
    };
    let mut sim = Simulation::new(Duration::ZERO, Box::new(works));
    sim.plan.add(sim.now, subject(1, &[&URLS]));
    sim.run(HOUR * 24);
    assert_eq!(sim.events(URLS[2]).len(), 49);
    for url in [URLS[0], URLS[1], URLS[3]] {
        assert!(sim.events(url).len() <= 1, "{url}");
    }
    let states = sim.plan.states(sim.now, Timestamp(0), hash(1));
    assert_eq!(states[0].url, URLS[2], "promoted");
    assert!(states[0].next.is_some());
    assert!(states[1..].iter().all(|state| state.next.is_none()));
}

#[test]
fn when_the_one_in_use_fails_the_next_takes_over_at_once() {
    let fails = |url: &str, second, _: &Request| match (url, second) {
        (A, 10_000..) => Err(AnnounceError::Timeout),
        _ => every(1800),
    };
    let mut sim = Simulation::new(Duration::ZERO, Box::new(fails));
    // Whichever is first after shuffling: make it A.
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(SECOND);
    sim.plan.torrents.get_mut(&hash(1)).unwrap().tiers[0]
        .trackers
        .extend(
            Torrent::new(&subject(1, &[&[B]]), 0, 0)
                .tiers
                .remove(0)
                .trackers,
        );
    sim.plan
        .endpoints
        .enter(B, Arc::new(Target::parse(B).unwrap()));
    sim.run(HOUR * 5);
    let failed = sim.made.iter().rfind(|made| made.url == A).unwrap().second;
    let took_over = sim.made.iter().find(|made| made.url == B).unwrap();
    assert_eq!(took_over.second, failed);
    assert_eq!(took_over.request.event, Event::Started);
    // Goodbye goes to both: the first still has us in its list. It is in trouble, so it is not waited for.
    sim.plan.remove(hash(1));
    sim.run(HOUR);
    assert_eq!(*sim.events(B).last().unwrap(), Event::Stopped);
}

#[test]
fn tiers_are_shuffled_inside_and_used_side_by_side() {
    let mut firsts = HashSet::new();
    for n in 0..50 {
        let mut sim = Simulation::new(Duration::ZERO, Box::new(|_, _, _| every(1800)));
        sim.plan.rng = StdRng::seed_from_u64(n);
        sim.plan.add(sim.now, subject(1, &[&URLS, &[A]]));
        sim.run(SECOND);
        assert_eq!(sim.made.len(), 2);
        assert_eq!(sim.events(A), [Event::Started]);
        firsts.insert(
            sim.made
                .iter()
                .find(|made| made.url != A)
                .unwrap()
                .url
                .clone(),
        );
    }
    assert_eq!(firsts.len(), URLS.len());
}

#[test]
fn all_fail_for_a_week_and_the_pauses_stay_bounded() {
    let mut sim = Simulation::new(
        Duration::ZERO,
        Box::new(|_, _, _| Err(AnnounceError::Timeout)),
    );
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(HOUR * 24 * 7);
    let gaps: Vec<_> = sim
        .made
        .windows(2)
        .map(|two| two[1].second - two[0].second)
        .collect();
    assert!((11..=19).contains(&gaps[0]), "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= 30 * 60 * 5 / 4));
    assert!(gaps[20..].iter().all(|gap| *gap >= 30 * 60 * 3 / 4 - 1));
    // Jitter: not all alike.
    assert!(gaps[20..].iter().collect::<HashSet<_>>().len() > 10);
}

#[test]
fn a_refusal_concerns_its_torrent_only() {
    let refuses = |_: &str, _, request: &Request| match request.info_hash {
        refused if refused == hash(1) => Err(AnnounceError::Refused {
            reason: "unregistered torrent".to_owned(),
            retry: None,
        }),
        _ => every(1800),
    };
    let mut sim = Simulation::new(Duration::ZERO, Box::new(refuses));
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.plan.add(sim.now, subject(2, &[&[A]]));
    sim.run(HOUR * 24);
    let count = |n| {
        sim.made
            .iter()
            .filter(|made| made.request.info_hash == hash(n))
            .count()
    };
    assert_eq!(count(2), 49);
    assert!((5..20).contains(&count(1)), "{}", count(1));
    let states = sim.plan.states(sim.now, Timestamp(0), hash(1));
    assert_eq!(
        states[0].last_error.as_deref(),
        Some("the tracker refuses: unregistered torrent")
    );
    assert_eq!(
        sim.plan.states(sim.now, Timestamp(0), hash(2))[0].last_error,
        None
    );
    // It never accepted us: there is nobody to say goodbye to.
    sim.made.clear();
    sim.plan.remove(hash(1));
    sim.run(HOUR / 10);
    assert!(!sim.events(A).contains(&Event::Stopped));
}

#[test]
fn a_refusal_that_says_when_is_believed() {
    let refuses = |_: &str, _, _: &Request| {
        Err(AnnounceError::Refused {
            reason: String::new(),
            retry: Some(Duration::from_secs(5000)),
        })
    };
    let mut sim = Simulation::new(Duration::ZERO, Box::new(refuses));
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(HOUR * 3);
    let seconds: Vec<_> = sim.made.iter().map(|made| made.second).collect();
    assert_eq!(seconds, [0, 5000, 10_000]);
}

#[test]
fn offline_only_loopback_and_given_trackers_are_asked() {
    let mut sim = Simulation::new(Duration::ZERO, Box::new(|_, _, _| every(1800)));
    let local = "http://127.0.0.1:1/announce";
    sim.plan = Plan::new([1; 20], 6881, true, &[B.to_owned()], 7);
    sim.plan.add(
        sim.now,
        subject(1, &[&[A], &[B], &[local], &["wss://c.example"]]),
    );
    sim.run(HOUR * 24);
    assert!(sim.events(A).is_empty());
    assert!(sim.events(B).len() > 40 && sim.events(local).len() > 40);
    let states = sim.plan.states(sim.now, Timestamp(0), hash(1));
    assert_eq!(
        states[0].last_error.as_deref(),
        Some("not asked: the box is offline")
    );
    assert_eq!(states[0].next, None);
    assert!(states[3].last_error.as_deref().unwrap().contains("wss"));
}

#[test]
fn port_0_is_never_announced() {
    let mut sim = Simulation::new(Duration::ZERO, Box::new(|_, _, _| every(1800)));
    sim.plan = Plan::new([1; 20], 0, false, &[], 7);
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(HOUR);
    assert!(sim.made.is_empty());
    sim.plan.set_port(sim.now, 7000);
    sim.run(SECOND);
    sim.plan.set_port(sim.now, 7001);
    sim.run(SECOND);
    let ports: Vec<_> = sim.made.iter().map(|made| made.request.port).collect();
    assert_eq!(ports, [7000, 7001]);
}

#[test]
fn trackers_of_a_torrent_are_bounded_and_told_apart() {
    let many: Vec<String> = (0..500)
        .map(|n| format!("http://{n}.example/announce"))
        .collect();
    let mut subject = subject(1, &[&[A, A, " ", ""], &[A]]);
    subject.tiers.push(many);
    let mut sim = Simulation::new(Duration::ZERO, Box::new(|_, _, _| every(1800)));
    sim.plan.add(sim.now, subject.clone());
    let states = sim.plan.states(sim.now, Timestamp(0), hash(1));
    assert_eq!(states.len(), crate::seed::announce::MAX_TRACKERS);
    assert_eq!(states.iter().filter(|state| state.url == A).count(), 1);
    // Adding the same again asks nobody anew.
    sim.run(SECOND);
    let made = sim.made.len();
    sim.plan.add(sim.now, subject);
    sim.run(SECOND);
    assert_eq!(sim.made.len(), made);
}

#[test]
fn the_trackers_own_id_and_our_key_go_along() {
    let behaviour = |_: &str, _, _: &Request| {
        Ok(Answer {
            tracker_id: Some(b"id".as_slice().into()),
            ..every(1800).unwrap()
        })
    };
    let mut sim = Simulation::new(Duration::ZERO, Box::new(behaviour));
    sim.plan.add(sim.now, subject(1, &[&[A]]));
    sim.run(HOUR * 2);
    assert_eq!(sim.made[0].request.tracker_id, None);
    assert_eq!(
        sim.made[1].request.tracker_id.as_deref(),
        Some(b"id".as_slice())
    );
    assert_eq!(sim.made[0].request.key, sim.made[1].request.key);
}
