//! What holds whatever happens.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Something that happens to a release.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes.
    Pass(u64),
    /// A peer comes, or goes.
    Turn(usize),
    /// All of them do.
    TurnAll(bool),
    /// One changes its ways.
    Serves(usize, Serves),
    /// Somebody gets stuck, or is helped.
    Stuck(bool),
    /// The line fails, or works again.
    Line(bool),
    /// The box starts anew.
    Restart,
    /// Its owner changes how many are wanted.
    Relays(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let serves = prop_oneof![
        3 => Just(Serves::Right),
        1 => Just(Serves::Wrong),
        2 => Just(Serves::Nothing)
    ];
    prop_oneof![
        12 => (1_u64..120).prop_map(Event::Pass),
        2 => (120_u64..1500).prop_map(Event::Pass),
        8 => (0_usize..8).prop_map(Event::Turn),
        2 => any::<bool>().prop_map(Event::TurnAll),
        2 => (0_usize..8, serves).prop_map(|(n, serves)| Event::Serves(n, serves)),
        3 => any::<bool>().prop_map(Event::Stuck),
        2 => any::<bool>().prop_map(Event::Line),
        1 => Just(Event::Restart),
        1 => (1_u32..5).prop_map(Event::Relays),
    ]
}

/// Eight peers of every kind: some on a network together, some near, some never proven.
fn crowd() -> Vec<Peer> {
    let mut crowd: Vec<Peer> = peers(0..5).collect();
    crowd[1] = crowd[1].clone().earned();
    crowd[2] = crowd[2].clone().earned().serves(Serves::Nothing);
    crowd[3] = crowd[3].clone().unconnected();
    let mut neighbour = network(4);
    neighbour.set_port(1);
    crowd.push(Peer::new(neighbour));
    crowd.push(Peer::new(
        "192.168.1.7:6881".parse().expect("a test address"),
    ));
    crowd.push(Peer::new(network(7)).serves(Serves::Nothing));
    crowd
}

/// What must hold at every minute.
struct Watcher {
    /// When it last went to retired or back, or forgot when that was.
    turned: Option<Duration>,
    retired: bool,
    /// Another decider, that is asked every minute.
    eager: Retire,
}

impl Watcher {
    fn check(&mut self, life: &Life, ordered: bool) -> Result<(), TestCaseError> {
        self.agrees(life)?;
        let retired = life.stage() == Stage::Retired;
        let before = std::mem::replace(&mut self.retired, retired);
        if before == retired {
            return if retired { self.helps(life) } else { Ok(()) };
        }
        let turned = self.turned.replace(life.age());
        let early = turned.is_some_and(|turned| life.age() - turned < life.rule.dwell);
        if retired {
            prop_assert!(!early, "retired too soon: {:?}", life.log);
            return Self::was_right_to_stop(life);
        }
        let why = &life.last().2;
        let excused = ordered || why.contains("cannot get on") || why.contains("are wanted");
        prop_assert!(!early || excused, "back too soon: {:?}", life.log);
        Ok(())
    }

    /// Whoever is asked only when it said so says the same as one that is asked all the time.
    fn agrees(&mut self, life: &Life) -> Result<(), TestCaseError> {
        let seen = life.seen();
        let verdict = self.eager.decide(&seen.rule, &seen.evidence(), life.now);
        prop_assert_eq!(verdict.stage, life.stage(), "{:?}", life.log);
        let later = verdict.again.is_none_or(|again| again > life.now);
        prop_assert!(later, "it asks to be looked at in the past");
        Ok(())
    }

    /// Enough of them, seen twice, and one of them proven.
    fn was_right_to_stop(life: &Life) -> Result<(), TestCaseError> {
        let twice = |known: &Relay| {
            let last = known.last.filter(|_| !known.connected).unwrap_or(life.now);
            let first = known.first.expect("it was seen");
            last.duration_since(first) >= life.rule.apart
        };
        let counted = networks(life, twice);
        prop_assert!(counted >= life.rule.relays, "{counted}: {:?}", life.log);
        let proven = networks(life, |known| twice(known) && known.level == Level::Proven);
        prop_assert!(proven >= life.rule.proven, "{proven}: {:?}", life.log);
        Ok(())
    }

    /// Nobody who is stuck is left alone unless there are fresh relays, and then not for longer than was promised.
    fn helps(&self, life: &Life) -> Result<(), TestCaseError> {
        let Some(since) = life.stuck_since else {
            return Ok(());
        };
        // Until it stopped, it was helped.
        let since = since.max(life.start + self.turned.unwrap_or_default());
        let waits = life.now.duration_since(since);
        let longest = life.rule.forget.max(life.rule.reach);
        prop_assert!(waits < longest, "stuck for {waits:?}: {:?}", life.log);
        let fresh = networks(life, |known| known.missed == 0);
        prop_assert!(
            fresh >= life.rule.left(),
            "stuck, {fresh} fresh: {:?}",
            life.log
        );
        Ok(())
    }
}

/// On how many networks of the world there are relays that are known well, were heard of lately, never lied, and are so.
fn networks(life: &Life, which: impl Fn(&Relay) -> bool) -> u32 {
    let good = |known: &&Relay| {
        let lately = known.connected
            || known
                .last
                .is_some_and(|last| life.now.duration_since(last) < life.rule.fresh);
        let known_well =
            known.level == Level::Proven || (known.earned && known.level == Level::Full);
        let near = known.addr.to_string().starts_with("192.168.");
        lately && known_well && !known.refuted && !near && which(known)
    };
    let network = |known: &Relay| match known.addr.ip() {
        std::net::IpAddr::V4(ip) => ip.octets()[..3].to_vec(),
        std::net::IpAddr::V6(_) => unreachable!("there are none in the crowd"),
    };
    let known = life.peers.iter().map(|peer| &peer.known);
    let all: BTreeSet<_> = known.filter(good).map(network).collect();
    all.len() as u32
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_rules_hold(events in prop::collection::vec(event(), 20..120)) {
        let mut life = Life::new(Stage::Ready);
        life.peers = crowd();
        let mut watcher = Watcher {
            turned: None,
            retired: false,
            eager: Retire::new(Stage::Ready),
        };
        for event in events {
            let mut ordered = false;
            match event {
                Event::Pass(minutes) => {
                    for _ in 0..minutes {
                        life.pass(MINUTE);
                        watcher.check(&life, false)?;
                    }
                    continue;
                }
                Event::Turn(n) => life.peers[n].up = !life.peers[n].up,
                Event::TurnAll(up) => life.peers.iter_mut().for_each(|peer| peer.up = up),
                Event::Serves(n, serves) => life.peers[n].serves = serves,
                Event::Stuck(stuck) => life.stuck_since = stuck.then_some(life.now),
                Event::Line(line) => life.line = line,
                Event::Restart => {
                    life.restart();
                    watcher.eager = Retire::new(life.stage());
                    watcher.turned = life.verdict.is_some().then(|| life.age());
                }
                Event::Relays(relays) => {
                    life.rule.relays = relays;
                    ordered = true;
                }
            }
            life.ask();
            watcher.check(&life, ordered)?;
        }
    }
}
