//! One address, and what is known of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::policy::retire::{Level, Relay};
use crate::seed::found::Witness;

/// What happened calls for a look sooner than that, but not for another within this.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_secs(60);
/// A peer that gave proof is asked again after this, until it gave it twice (design, section 7) ...
pub(super) const PROVE_AGAIN: Duration = Duration::from_secs(600);
/// ... and after this from then on. Also how long one is left alone that let us wait in vain.
pub(super) const PROVE_SELDOM: Duration = Duration::from_secs(1800);

/// What is known of one address.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    /// Who said so, or by what it was seen: of the best there was.
    pub witness: Witness,
    pub level: Level,
    pub earned: bool,
    pub first: Option<Instant>,
    pub last: Option<Instant>,
    pub connected: bool,
    pub missed: u32,
    pub refuted: bool,
    /// Blocks of ours it served, one a probe.
    pub proofs: u32,
    /// Probes since then that it left unanswered.
    pub refusals: u32,
    /// Not to be asked for a block before.
    pub prove_at: Instant,
    /// Not to be looked for before, while it is not connected.
    pub look_at: Instant,
    pub looked_at: Option<Instant>,
    /// Whether a look is under way.
    pub looking: bool,
    /// Whether it is connected and lacks something.
    pub lacking: bool,
    /// What it calls itself (BEP 20), if it was connected.
    pub name: Option<[u8; 20]>,
    /// Whether it listens where it was seen; some clients do not say where, and come from a port of the moment.
    pub placed: bool,
}

impl Sighting {
    pub fn new(witness: Witness, now: Instant) -> Self {
        Self {
            witness,
            level: Level::Claimed,
            earned: false,
            first: None,
            last: None,
            connected: false,
            missed: 0,
            refuted: false,
            proofs: 0,
            refusals: 0,
            prove_at: now,
            look_at: now,
            looked_at: None,
            looking: false,
            lacking: false,
            name: None,
            placed: true,
        }
    }

    pub fn is_seen(&self) -> bool {
        self.level > Level::Claimed
    }

    /// What it is worth beside others of its kind: who is worth least gives way first.
    pub fn worth(&self) -> (bool, Level, bool, std::cmp::Reverse<u32>, Option<Instant>) {
        let unproven = std::cmp::Reverse(self.missed.max(self.refusals));
        (
            !self.refuted,
            self.level,
            self.connected,
            unproven,
            self.last,
        )
    }

    /// Whether it may give way to a newcomer.
    pub fn is_doubtful(&self) -> bool {
        let unproven = self.level < Level::Proven && self.refusals > 0;
        let gone = !self.connected && (self.missed > 0 || !self.placed);
        self.refuted || unproven || gone
    }

    pub fn awaits_look(&self) -> bool {
        !self.connected && !self.looking && !self.refuted
    }

    pub fn relay(&self, addr: SocketAddr) -> Relay {
        Relay {
            addr,
            name: self.name,
            level: self.level,
            earned: self.earned,
            first: self.first,
            last: self.last,
            connected: self.connected,
            missed: self.missed,
            refuted: self.refuted,
        }
    }
}

impl Sighting {
    /// It is connected, and its bitfield or a block says so.
    pub fn show(&mut self, addr: SocketAddr, witness: Witness, level: Level, now: Instant) {
        if self.refuted {
            return;
        }
        if level >= self.level {
            (self.level, self.witness) = (level, witness);
        }
        if !self.connected {
            self.last = Some(now);
        }
        self.connected = true;
        self.looking = false;
        self.lacking = false;
        self.missed = 0;
        self.first.get_or_insert(now);
        if level == Level::Proven {
            self.last = Some(now);
            self.proofs += 1;
            self.refusals = 0;
            let pause = match self.proofs {
                1 => PROVE_AGAIN,
                _ => PROVE_SELDOM.mul_f64(jitter(addr, self.proofs)),
            };
            self.prove_at = now + pause;
        }
    }

    pub fn hasten(&mut self, to: Instant) {
        let soonest = self.looked_at.map(|at| at + LOOK_AT_MOST_EVERY);
        let soonest = soonest.map_or(to, |soonest| soonest.max(to));
        self.look_at = self.look_at.min(soonest);
    }
}

/// Between 0.75 and 1.25, so that those who were met together are not looked for together. The same for the same.
pub(super) fn jitter(addr: SocketAddr, turn: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (addr, turn).hash(&mut hasher);
    0.75 + (hasher.finish() % 1024) as f64 / 2048.0
}
