//! When to stop, and when to come back.
//!
//! The field refuses to build this for three reasons, and each is answered by evidence:
//! - *Counts lie.* What counts is a relay that served a block of ours, or got the content before our eyes, on a network of
//!   its own that the world can reach. What a tracker counts, and what a bitfield claims, counts for nothing.
//! - *Counts are zero at the start.* Nothing is concluded from missing data. A release that was retired stays so until
//!   looks for its relays fail, somebody is stuck, or nobody was seen for hours in which others answered.
//! - *Seeds come and go.* A relay counts when it was seen twice, some time apart, and lately; it is given up only when it
//!   was looked for and not found over a while. Stopping wants one relay more than staying stopped, and between a stop and a
//!   return, either way, is a minimum dwell.
//!
//! Invariants:
//! - a release retires only with [`Rule::relays`] networks that count, [`Rule::proven`] of them proven;
//! - a leecher that is stuck brings a retired release back at once when fewer than one less than that are fresh, and
//!   after [`Rule::reach`] (longer after each such return) in any case;
//! - but for a stuck leecher and its owner's orders, no release changes between retired and not within [`Rule::dwell`];
//! - with the same evidence the verdict stays the same until [`Verdict::again`].

use std::time::{Duration, Instant};

use crate::base::Stage;

mod relay;
mod standing;
mod watch;
mod words;

pub use relay::{Level, Relay};
use standing::Standing;
use watch::{Look, Watch};

/// The owner's rule for one release.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// How many relays on distinct networks are enough; at least 1.
    pub relays: u32,
    /// How many of them must have served a block of ours.
    pub proven: u32,
    /// How far apart a relay must have been seen at least twice.
    pub apart: Duration,
    /// A relay that was last seen longer ago than this does not count, until it is seen again.
    pub fresh: Duration,
    /// How long they must have been enough before we stop.
    pub sustain: Duration,
    /// After so many looks in vain ...
    pub missed: u32,
    /// ... over at least this long, a relay is not believed any more. A swarm without a copy counts as such after as long.
    pub patience: Duration,
    /// Nor is one that nothing was heard of for so long; and when fewer than enough were seen for so long, we come back.
    pub forget: Duration,
    /// How long a leecher must be stuck to bring us back although the relays are fresh.
    pub reach: Duration,
    /// The least time between a stop and a return, and between a return and a stop.
    pub dwell: Duration,
    /// Never stop, however many relays there are.
    pub keep: bool,
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

impl Rule {
    /// Enough that one may be off, one may leave, and a copy is still there.
    pub const RELAYS: u32 = 3;
    /// One that was asked for a block. The others got the content before our eyes at the least.
    pub const PROVEN: u32 = 1;
    /// Clients that close when the download is done are gone by then (design, section 7).
    pub const APART: Duration = minutes(10);
    /// Several times what a look takes to come round where there is not too much to look for.
    pub const FRESH: Duration = minutes(45);
    /// Longer than the comings and goings after somebody's line hiccuped; the long wait is [`Rule::APART`].
    pub const SUSTAIN: Duration = minutes(5);
    /// Once it was restarting, twice it was unlucky.
    pub const MISSED: u32 = 3;
    /// Longer than an update, a reboot, or a router that dials in anew.
    pub const PATIENCE: Duration = minutes(30);
    /// Longer than anybody who keeps a client running goes without being seen, shorter than a night.
    pub const FORGET: Duration = minutes(6 * 60);
    /// Clients find peers by trackers that they ask every few minutes while they have none.
    pub const REACH: Duration = minutes(10);
    /// A few stops a day at the very worst are few enough to read.
    pub const DWELL: Duration = minutes(30);
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            relays: Self::RELAYS,
            proven: Self::PROVEN,
            apart: Self::APART,
            fresh: Self::FRESH,
            sustain: Self::SUSTAIN,
            missed: Self::MISSED,
            patience: Self::PATIENCE,
            forget: Self::FORGET,
            reach: Self::REACH,
            dwell: Self::DWELL,
            keep: false,
        }
    }
}

impl Rule {
    /// How many must be left for a release to stay retired: one less than it takes to retire.
    fn left(&self) -> u32 {
        self.relays.saturating_sub(1).max(1)
    }
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
    /// When the one among them that waits longest got something last, or came; none where nobody is stuck.
    pub stuck_since: Option<Instant>,
    /// Whether something beyond this machine answered lately: a peer, a tracker, a probe. Without, silence says nothing.
    /// It is looked at anew when this changes, so that the time in touch can be told from the time without.
    pub in_touch: bool,
}

/// A stage and the reason for it, in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// [`Stage::Spreading`], [`Stage::Supporting`] or [`Stage::Retired`].
    pub stage: Stage,
    /// Why, as the owner reads it. It stays the same while nothing happens.
    pub reason: String,
    /// When to look again, should the evidence stay what it is; none while time alone changes nothing.
    pub again: Option<Instant>,
}

/// Why a retired release is one no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Return {
    /// Its owner wants it kept.
    Kept,
    /// Its owner wants more relays than there are.
    Wanted,
    /// A leecher cannot get on without us.
    Stuck,
    /// Too few relays are left.
    Lost,
    /// Too few relays were seen for long.
    Unseen,
}

/// The decider for one release.
#[derive(Debug, Clone)]
pub struct Retire {
    stage: Stage,
    /// Whether it was spreading, supporting or retired before we were started.
    restarted: bool,
    watch: Watch,
    /// When it last retired or came back; after a restart, when that was.
    turned: Option<Instant>,
    enough_since: Option<Instant>,
    /// The time in touch when fewer relays than must be left were believed, if it is so.
    lacking_since: Option<Duration>,
    /// The time in touch when the swarm had no copy any more, if it is so.
    scarce_since: Option<Duration>,
    /// How many relays were wanted when it retired, or at the start.
    wanted: Option<u32>,
    /// Returns for a leecher that was stuck beside fresh relays, since they last were too few.
    returns: u32,
    /// Why it retired; none after a restart.
    stopped: Option<String>,
}

impl Retire {
    /// Goes on from the stage the release was in; anything but `Retired` and `Supporting` starts by spreading.
    pub fn new(stage: Stage) -> Self {
        let goes_on = matches!(stage, Stage::Spreading | Stage::Supporting | Stage::Retired);
        Self {
            stage: if goes_on { stage } else { Stage::Spreading },
            restarted: goes_on,
            watch: Watch::default(),
            turned: None,
            enough_since: None,
            lacking_since: None,
            scarce_since: None,
            wanted: None,
            returns: 0,
            stopped: None,
        }
    }

    /// Looks at the evidence and says where the release stands.
    pub fn decide(&mut self, rule: &Rule, evidence: &Evidence<'_>, now: Instant) -> Verdict {
        let mut look = Look::new(now);
        if self.watch.pass(evidence.in_touch, now) {
            // Whoever slept does not know whether it stayed enough.
            self.enough_since = None;
        }
        if self.restarted {
            // When it last turned nobody remembers: it may have been a moment ago.
            self.turned.get_or_insert(now);
        }
        let standing = Standing::of(evidence, rule, &mut self.watch, &mut look);
        let before = self.stage;
        let reason = if self.stage == Stage::Retired {
            match self.returns(rule, evidence, &standing, &mut look) {
                Some(why) => {
                    self.come_back(why, rule, &standing, now);
                    words::back(why, rule, &standing)
                }
                None => words::retired(rule, evidence, &standing, self.stopped.as_deref()),
            }
        } else if self.retires(rule, evidence, &standing, &mut look) {
            self.stop(rule, now);
            let reason = words::stopped(&standing);
            self.stopped.insert(reason).clone()
        } else {
            self.follow_copies(rule, &standing, &mut look);
            words::awake(self.stage, rule, &standing)
        };
        // One change is enough for one look; this asks when the next is to be thought of.
        let next = before != self.stage
            && match self.stage {
                Stage::Retired => self.returns(rule, evidence, &standing, &mut look).is_some(),
                _ => self.retires(rule, evidence, &standing, &mut look),
            };
        if next {
            look.again = Some(now);
        }
        self.watch.rest(&look, evidence.relays);
        Verdict {
            stage: self.stage,
            reason,
            again: look.again,
        }
    }

    /// Whether it is time to stop.
    fn retires(
        &mut self,
        rule: &Rule,
        evidence: &Evidence<'_>,
        standing: &Standing,
        look: &mut Look,
    ) -> bool {
        if !evidence.in_touch || !standing.is_enough(rule) {
            self.enough_since = None;
            return false;
        }
        let since = *self.enough_since.get_or_insert(look.now);
        let sustained = look.reached(since + rule.sustain);
        !rule.keep && sustained && self.dwelt(rule, look)
    }

    /// Whether it is time to come back, and why.
    fn returns(
        &mut self,
        rule: &Rule,
        evidence: &Evidence<'_>,
        standing: &Standing,
        look: &mut Look,
    ) -> Option<Return> {
        if rule.keep {
            return Some(Return::Kept);
        }
        let wanted = *self.wanted.get_or_insert(rule.relays);
        if rule.relays > wanted {
            if standing.believed < rule.relays {
                return Some(Return::Wanted);
            }
            self.wanted = Some(rule.relays);
        }
        let lacking = standing.believed < rule.left();
        if lacking {
            self.returns = 0;
        }
        if evidence.stuck > 0 {
            // Until it stopped, we helped.
            let since = evidence.stuck_since.max(self.turned).unwrap_or(look.now);
            if standing.fresh < rule.left() || look.reached(since + self.reach(rule)) {
                return Some(Return::Stuck);
            }
        }
        if !lacking {
            self.lacking_since = None;
            return None;
        }
        let since = *self.lacking_since.get_or_insert(self.watch.online());
        if !evidence.in_touch {
            return None;
        }
        // Who was never seen since the start is not lost: only looks that fail are evidence, or hours without anybody.
        let why = if !standing.lost.is_empty() {
            Return::Lost
        } else if self.watch.reached(since + rule.forget, look) {
            Return::Unseen
        } else {
            return None;
        };
        self.dwelt(rule, look).then_some(why)
    }

    /// How long a leecher must be stuck beside fresh relays. Some are stuck whatever we do: each return for such a one makes
    /// the next take longer.
    fn reach(&self, rule: &Rule) -> Duration {
        let times = 1_u32.checked_shl(self.returns).unwrap_or(u32::MAX);
        let longest = rule.forget.max(rule.reach);
        rule.reach
            .checked_mul(times)
            .map_or(longest, |reach| reach.min(longest))
    }

    fn dwelt(&self, rule: &Rule, look: &mut Look) -> bool {
        self.turned
            .is_none_or(|turned| look.reached(turned + rule.dwell))
    }

    fn stop(&mut self, rule: &Rule, now: Instant) {
        self.stage = Stage::Retired;
        self.turned = Some(now);
        self.wanted = Some(rule.relays);
        self.lacking_since = None;
    }

    fn come_back(&mut self, why: Return, rule: &Rule, standing: &Standing, now: Instant) {
        self.stage = match standing.has_copy() {
            true => Stage::Supporting,
            false => Stage::Spreading,
        };
        self.turned = Some(now);
        self.enough_since = None;
        self.scarce_since = None;
        self.stopped = None;
        if why == Return::Stuck && standing.fresh >= rule.left() {
            self.returns = self.returns.saturating_add(1);
        }
    }

    /// Spreading or supporting, by whether the swarm holds a copy without us. One that comes and goes is one that is there.
    fn follow_copies(&mut self, rule: &Rule, standing: &Standing, look: &mut Look) {
        if standing.has_copy() {
            self.stage = Stage::Supporting;
            self.scarce_since = None;
        } else if self.stage == Stage::Supporting {
            let since = *self.scarce_since.get_or_insert(self.watch.online());
            if self.watch.reached(since + rule.patience, look) {
                self.stage = Stage::Spreading;
            }
        }
    }
}

#[cfg(test)]
mod tests;
