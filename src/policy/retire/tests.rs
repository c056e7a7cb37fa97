//! The rules over simulated days: peers that come and go, are looked for, lie, and get stuck.

use std::net::{Ipv4Addr, SocketAddr};

use super::*;

mod attacks;
mod days;
mod orders;
mod properties;

const MINUTE: Duration = minutes(1);
const HOUR: Duration = minutes(60);
const DAY: Duration = minutes(24 * 60);

/// How often each peer is looked for and asked for a block, in minutes, where a test says nothing else.
const LOOK_EVERY: u32 = 15;
/// How long after the last answer we still think that we are in touch.
const TOUCH: Duration = minutes(15);

/// What a peer does when it is asked for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serves {
    /// Ours, byte for byte.
    Right,
    /// Something else.
    Wrong,
    /// Nothing.
    Nothing,
}

/// A peer that holds every piece, or says so.
#[derive(Debug, Clone)]
struct Peer {
    /// Whether its client runs.
    up: bool,
    /// Whether it is connected to us while it runs; otherwise it is looked for now and then.
    connects: bool,
    serves: Serves,
    /// What is known of it.
    known: Relay,
}

impl Peer {
    fn new(addr: SocketAddr) -> Self {
        Self {
            up: true,
            connects: true,
            serves: Serves::Right,
            known: Relay {
                addr,
                name: None,
                level: Level::Claimed,
                earned: false,
                first: None,
                last: None,
                connected: false,
                missed: 0,
                refuted: false,
            },
        }
    }

    fn earned(mut self) -> Self {
        self.known.earned = true;
        self
    }

    fn serves(mut self, serves: Serves) -> Self {
        self.serves = serves;
        self
    }

    fn unconnected(mut self) -> Self {
        self.connects = false;
        self
    }

    /// It was met, or found by a look.
    fn is_seen(&mut self, now: Instant) {
        self.known.level = self.known.level.max(Level::Full);
        self.known.first.get_or_insert(now);
        self.known.last = Some(now);
        self.known.missed = 0;
    }

    /// A minute passes. `looked`: somebody has time to look for it, or to ask it for a block.
    fn pass(&mut self, line: bool, looked: bool, now: Instant) {
        let here = self.up && line;
        if here && self.connects {
            self.is_seen(now);
        } else if self.known.connected {
            self.known.last = Some(now);
        }
        self.known.connected = here && self.connects;
        match (looked, here) {
            (false, _) => {}
            (true, false) => self.known.missed += 1,
            (true, true) => {
                self.is_seen(now);
                match self.serves {
                    Serves::Right => self.known.level = Level::Proven,
                    Serves::Wrong => self.known.refuted = true,
                    Serves::Nothing => {}
                }
            }
        }
    }
}

/// An address on the `n`th network of its own.
fn network(n: u32) -> SocketAddr {
    let [_, a, b, c] = n.to_be_bytes();
    SocketAddr::new(Ipv4Addr::new(20 + a, b, c, 7).into(), 6881)
}

/// Peers on networks of their own.
fn peers(networks: std::ops::Range<u32>) -> impl Iterator<Item = Peer> {
    networks.map(|n| Peer::new(network(n)))
}

/// What is seen of a swarm, and what its release's owner wants.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    relays: Vec<Relay>,
    copies: f64,
    stuck_since: Option<Instant>,
    in_touch: bool,
    rule: Rule,
}

impl Seen {
    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            relays: &self.relays,
            copies: self.copies,
            stuck: u32::from(self.stuck_since.is_some()),
            stuck_since: self.stuck_since,
            in_touch: self.in_touch,
        }
    }
}

/// The life of a release, minute by minute, asked as the conductor asks: when the evidence changes, or when it was told to.
struct Life {
    start: Instant,
    now: Instant,
    rule: Rule,
    retire: Retire,
    peers: Vec<Peer>,
    /// Copies among connected leechers.
    copies: f64,
    stuck_since: Option<Instant>,
    /// Whether our line works, and when it last did.
    line: bool,
    answered: Instant,
    asked: Option<Seen>,
    verdict: Option<Verdict>,
    /// Every change of stage: when, to what, why.
    log: Vec<(Duration, Stage, String)>,
    questions: u32,
    /// How often each peer is looked for, in minutes.
    look_every: u32,
}

impl Life {
    fn new(stage: Stage) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            rule: Rule::default(),
            retire: Retire::new(stage),
            peers: Vec::new(),
            copies: 0.0,
            stuck_since: None,
            line: true,
            answered: start,
            asked: None,
            verdict: None,
            log: Vec::new(),
            questions: 0,
            look_every: LOOK_EVERY,
        }
    }

    /// One that retired by the evidence of these peers, at least an hour ago.
    fn retired(peers: impl Iterator<Item = Peer>) -> Self {
        let mut life = Life::new(Stage::Ready);
        life.peers.extend(peers);
        life.pass(HOUR + minutes(30));
        assert_eq!(life.stage(), Stage::Retired, "{}", life.reason());
        life
    }

    fn pass(&mut self, time: Duration) {
        let minutes = time.as_secs() / 60;
        for _ in 0..minutes {
            self.now += MINUTE;
            self.look();
        }
    }

    /// A minute is over.
    fn look(&mut self) {
        let minute = (self.age().as_secs() / 60) as u32;
        let (line, now) = (self.line, self.now);
        for (n, peer) in self.peers.iter_mut().enumerate() {
            let looked = (minute + n as u32).is_multiple_of(self.look_every);
            peer.pass(line, looked, now);
        }
        if line {
            self.answered = now;
        }
        self.ask();
    }

    /// What is seen now. When one that is connected was last seen is left out, as the engine does: it is seen all the time.
    fn seen(&self) -> Seen {
        let known = |peer: &Peer| Relay {
            last: peer.known.last.filter(|_| !peer.known.connected),
            ..peer.known
        };
        let relays: Vec<Relay> = self.peers.iter().map(known).collect();
        let connected = relays.iter().filter(|relay| relay.connected).count();
        Seen {
            relays,
            copies: self.copies + connected as f64,
            stuck_since: self.stuck_since,
            in_touch: self.now.duration_since(self.answered) < TOUCH,
            rule: self.rule,
        }
    }

    /// Asks, if there is a reason to.
    fn ask(&mut self) {
        let seen = self.seen();
        let again = self.verdict.as_ref().and_then(|verdict| verdict.again);
        if self.asked.as_ref() == Some(&seen) && again.is_none_or(|again| self.now < again) {
            return;
        }
        self.questions += 1;
        let before = self.retire.stage;
        let verdict = self.retire.decide(&seen.rule, &seen.evidence(), self.now);
        self.asked = Some(seen);
        if before != verdict.stage {
            let line = (self.age(), verdict.stage, verdict.reason.clone());
            self.log.push(line);
        }
        self.verdict = Some(verdict);
    }

    /// The process ends and starts anew: nothing is known but the stage.
    fn restart(&mut self) {
        self.retire = Retire::new(self.stage());
        for peer in &mut self.peers {
            let earned = Peer::new(peer.known.addr);
            *peer = Peer {
                known: earned.known,
                ..peer.clone()
            };
        }
        self.asked = None;
    }

    /// Somebody is stuck from now on.
    fn gets_stuck(&mut self) {
        self.stuck_since = Some(self.now);
        self.ask();
    }

    fn age(&self) -> Duration {
        self.now.duration_since(self.start)
    }

    fn stage(&self) -> Stage {
        self.verdict.as_ref().map_or(Stage::Ready, |v| v.stage)
    }

    fn reason(&self) -> &str {
        self.verdict.as_ref().map_or("", |v| &v.reason)
    }

    /// The stages it went through.
    fn stages(&self) -> Vec<Stage> {
        self.log.iter().map(|(_, stage, _)| *stage).collect()
    }

    fn last(&self) -> &(Duration, Stage, String) {
        self.log.last().expect("its stage changed")
    }
}
