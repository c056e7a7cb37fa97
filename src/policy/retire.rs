//! When to stop, and when to come back.
//!
//! Retire when enough distinct relays were seen to hold every piece, for long enough, and the swarm holds a full
//! copy without us. Wake when too few are left, or a leecher cannot get on without us. Nothing is concluded from
//! missing data: a restart, or a silent tracker, changes no stage by itself.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::base::Stage;

/// The owner's rule for one release.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// How many relays on distinct networks are enough.
    pub relays: u32,
    /// How long they must have been enough before we stop.
    pub sustain: Duration,
    /// How long too few of them must be missing before we come back.
    pub patience: Duration,
    /// Never stop, however many relays there are.
    pub keep: bool,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            relays: 3,
            // Twice, ten minutes apart (design, section 7): clients that close after the download are gone by then.
            sustain: Duration::from_secs(600),
            // A relay that reconnects within five minutes was never gone.
            patience: Duration::from_secs(300),
            keep: false,
        }
    }
}

/// How well it is known that a peer holds every piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Somebody says so: a tracker, a peer's list, its own announce.
    Claimed,
    /// Its own bitfield and HAVEs say so.
    Full,
    /// It served a block that is ours, byte for byte.
    Proven,
}

/// A peer that is said or seen to hold every piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// Where it listens, as far as known.
    pub addr: SocketAddr,
    /// How well it is known.
    pub level: Level,
    /// Whether it came as a leecher and got the content before our eyes, from us or from others.
    pub earned: bool,
    /// When it was first seen to be [`Level::Full`] or better; none while it is only claimed.
    pub first: Option<Instant>,
    /// When it was last seen so; one that is connected is seen now, whatever this says, so that nothing need change
    /// while nothing happens.
    pub last: Option<Instant>,
    /// Whether it is connected now, and still holds every piece.
    pub connected: bool,
    /// Looks for it since it was last seen that found nobody, or found it lacking.
    pub missed: u32,
    /// Whether it served a block that is not ours: then it counts for nothing.
    pub refuted: bool,
}

/// What is known of the swarm now.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Those who hold every piece, or are said to; one each.
    pub relays: &'a [Relay],
    /// Distributed copies without us, among connected peers.
    pub copies: f64,
    /// Leechers that got nothing from anybody but us for a while.
    pub stuck: u32,
    /// Whether something beyond this machine answered lately: a peer, a tracker, a probe. Without, silence says nothing.
    pub in_touch: bool,
}

/// A stage and the reason for it, in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// [`Stage::Spreading`], [`Stage::Supporting`] or [`Stage::Retired`].
    pub stage: Stage,
    /// Why, as the owner reads it.
    pub reason: String,
}

/// The decider for one release.
#[derive(Debug, Clone)]
pub struct Retire {
    stage: Stage,
    enough_since: Option<Instant>,
    lacking_since: Option<Instant>,
}

impl Retire {
    /// Goes on from the stage the release was in; anything but `Retired` starts by spreading.
    pub fn new(stage: Stage) -> Self {
        let stage = match stage {
            Stage::Retired | Stage::Supporting => stage,
            _ => Stage::Spreading,
        };
        Self {
            stage,
            enough_since: None,
            lacking_since: None,
        }
    }

    /// Looks at the evidence and says where the release stands.
    pub fn decide(&mut self, rule: &Rule, evidence: &Evidence<'_>, now: Instant) -> Verdict {
        let distinct = distinct_networks(evidence.relays);
        let enough = distinct as u32 >= rule.relays && evidence.copies >= 1.0;
        let since = if enough {
            Some(*self.enough_since.get_or_insert(now))
        } else {
            self.enough_since = None;
            None
        };
        let sustained = since.is_some_and(|s| now.saturating_duration_since(s) >= rule.sustain);
        let woken = self.stage == Stage::Retired && self.must_wake(rule, evidence, distinct, now);
        let retire = !rule.keep && (sustained || (self.stage == Stage::Retired && !woken));
        self.stage = match () {
            () if retire => Stage::Retired,
            () if evidence.copies >= 1.0 => Stage::Supporting,
            () => Stage::Spreading,
        };
        Verdict {
            stage: self.stage,
            reason: self.reason(rule, evidence, distinct, woken),
        }
    }

    /// Whether time alone may change the verdict, the evidence being what it was.
    pub fn waits(&self) -> bool {
        self.enough_since.is_some() || self.stage == Stage::Retired
    }

    fn must_wake(
        &mut self,
        rule: &Rule,
        evidence: &Evidence<'_>,
        distinct: usize,
        now: Instant,
    ) -> bool {
        let lacking = (distinct as u32) < rule.relays.saturating_sub(1);
        if !lacking {
            self.lacking_since = None;
        }
        let lacking_for = match lacking {
            true => now.saturating_duration_since(*self.lacking_since.get_or_insert(now)),
            false => Duration::ZERO,
        };
        let wake = rule.keep || evidence.stuck > 0 || (lacking && lacking_for >= rule.patience);
        if wake {
            self.lacking_since = None;
        }
        wake
    }

    fn reason(&self, rule: &Rule, evidence: &Evidence<'_>, distinct: usize, woken: bool) -> String {
        let carriers = match evidence.relays {
            [] if evidence.copies >= 1.0 => {
                String::from("others hold every piece between them, nobody all of them")
            }
            [] => String::from("nobody else holds it"),
            [one] => format!("{} holds every piece", one.addr.ip()),
            [first, ..] => format!(
                "{distinct} others hold every piece ({} and {} more)",
                first.addr.ip(),
                evidence.relays.len() - 1
            ),
        };
        match self.stage {
            Stage::Retired if evidence.relays.is_empty() => {
                String::from("stopped: others carried it; none of them is connected now")
            }
            Stage::Retired => format!("stopped: {carriers}"),
            _ if woken && evidence.stuck > 0 => {
                String::from("back: someone cannot get on without us")
            }
            _ if woken => format!("back: {carriers}, {} are wanted", rule.relays),
            Stage::Supporting if rule.keep => {
                format!("{carriers}; we go on because we were told to")
            }
            Stage::Supporting => format!("{carriers}; waiting for {} who keep it", rule.relays),
            _ => String::from("giving the first copies"),
        }
    }
}

/// How many networks the relays are on: one vote per IPv4 /24 and IPv6 /48, so that one household or one hoster
/// does not pass for a crowd. On loopback, where only tests and the demo are, every port is somebody.
fn distinct_networks(relays: &[Relay]) -> usize {
    let network = |addr: &SocketAddr| match addr.ip().to_canonical() {
        ip if ip.is_loopback() => (ip, addr.port()),
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            (IpAddr::from([a, b, c, 0]), 0)
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            (IpAddr::from([a, b, c, 0, 0, 0, 0, 0]), 0)
        }
    };
    let seen = |relay: &&Relay| relay.connected && relay.level > Level::Claimed && !relay.refuted;
    let seen = relays.iter().filter(seen);
    let networks: BTreeSet<_> = seen.map(|relay| network(&relay.addr)).collect();
    networks.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn relays(addresses: &[&str]) -> Vec<Relay> {
        let parse = |a: &&str| Relay {
            addr: a.parse().expect("a test address"),
            level: Level::Full,
            earned: true,
            first: Some(Instant::now()),
            last: Some(Instant::now()),
            connected: true,
            missed: 0,
            refuted: false,
        };
        addresses.iter().map(parse).collect()
    }

    fn evidence(relays: &[Relay], copies: f64) -> Evidence<'_> {
        Evidence {
            relays,
            copies,
            stuck: 0,
            in_touch: true,
        }
    }

    #[test]
    fn retires_only_when_enough_stay_long_enough() {
        let rule = Rule::default();
        let three = relays(&["192.0.2.1:1", "198.51.100.1:1", "203.0.113.1:1"]);
        let start = Instant::now();
        let mut retire = Retire::new(Stage::Ready);
        let at = |m: u32| start + MINUTE * m;
        assert_eq!(
            retire.decide(&rule, &evidence(&[], 0.4), at(0)).stage,
            Stage::Spreading
        );
        assert_eq!(
            retire.decide(&rule, &evidence(&three, 3.0), at(1)).stage,
            Stage::Supporting
        );
        assert_eq!(
            retire
                .decide(&rule, &evidence(&three[..2], 2.0), at(9))
                .stage,
            Stage::Supporting
        );
        assert_eq!(
            retire.decide(&rule, &evidence(&three, 3.0), at(12)).stage,
            Stage::Supporting
        );
        assert_eq!(
            retire.decide(&rule, &evidence(&three, 3.0), at(21)).stage,
            Stage::Supporting
        );
        let verdict = retire.decide(&rule, &evidence(&three, 3.0), at(22));
        assert_eq!(verdict.stage, Stage::Retired);
        assert_eq!(
            verdict.reason,
            "stopped: 3 others hold every piece (192.0.2.1 and 2 more)"
        );
    }

    #[test]
    fn time_alone_matters_only_while_something_is_waited_for() {
        let start = Instant::now();
        let rule = Rule {
            sustain: Duration::ZERO,
            ..Rule::default()
        };
        let three = relays(&["192.0.2.1:1", "198.51.100.1:1", "203.0.113.1:1"]);
        let mut retire = Retire::new(Stage::Ready);
        for (relays, stage, waits) in [
            (&three[..0], Stage::Spreading, false),
            (&three[..1], Stage::Supporting, false),
            (&three[..], Stage::Retired, true),
            // It comes back after a while.
            (&three[..0], Stage::Retired, true),
        ] {
            let verdict = retire.decide(&rule, &evidence(relays, relays.len() as f64), start);
            assert_eq!((verdict.stage, retire.waits()), (stage, waits));
        }
        let later = start + rule.patience;
        assert_eq!(
            retire.decide(&rule, &evidence(&[], 0.0), later).stage,
            Stage::Spreading
        );
        assert!(!retire.waits());
        let sustained = Rule::default();
        retire.decide(&sustained, &evidence(&three, 3.0), later);
        assert!(retire.waits(), "until they carried it long enough");
    }

    #[test]
    fn one_network_is_one_relay_and_loopback_ports_are_people() {
        assert_eq!(
            distinct_networks(&relays(&[
                "192.0.2.1:1",
                "192.0.2.77:2",
                "[2001:db8::1]:1",
                "[2001:db8:0:9::2]:1"
            ])),
            2
        );
        assert_eq!(
            distinct_networks(&relays(&["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:2"])),
            2
        );
    }

    #[test]
    fn a_flapping_relay_does_not_wake_and_a_stuck_leecher_does() {
        let rule = Rule::default();
        let start = Instant::now();
        let three = relays(&["192.0.2.1:1", "198.51.100.1:1", "203.0.113.1:1"]);
        let mut retire = Retire::new(Stage::Retired);
        for minute in 0..(24 * 60) {
            let now = start + MINUTE * minute;
            let seen = if minute % 5 == 0 {
                &three[..0]
            } else {
                &three[..]
            };
            assert_eq!(
                retire.decide(&rule, &evidence(seen, 1.0), now).stage,
                Stage::Retired
            );
        }
        let now = start + MINUTE * 24 * 60;
        let stuck = Evidence {
            relays: &three,
            copies: 0.9,
            stuck: 1,
            in_touch: true,
        };
        let verdict = retire.decide(&rule, &stuck, now);
        assert_eq!(verdict.stage, Stage::Spreading);
        assert_eq!(verdict.reason, "back: someone cannot get on without us");
    }

    #[test]
    fn a_restart_wakes_nothing_by_itself_and_keeping_wins() {
        let rule = Rule::default();
        let start = Instant::now();
        let mut retire = Retire::new(Stage::Retired);
        assert_eq!(
            retire.decide(&rule, &evidence(&[], 0.0), start).stage,
            Stage::Retired
        );
        let later = start + rule.patience;
        assert_eq!(
            retire.decide(&rule, &evidence(&[], 0.0), later).stage,
            Stage::Spreading
        );
        let keep = Rule { keep: true, ..rule };
        assert_eq!(
            Retire::new(Stage::Retired)
                .decide(&keep, &evidence(&[], 0.0), start)
                .stage,
            Stage::Spreading
        );
    }
}
