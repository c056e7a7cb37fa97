//! Who is said or seen to hold every piece of one torrent: by whom, how well that is known, and when to look again.
//!
//! Pure: what happened and the time go in. A sighting is kept under the address at which the peer listens, and outlives
//! its connection: what is decided on it is whether others carry the content while nobody is connected to us.
//!
//! - A claim is cheap: it is looked into a few times and forgotten. What was seen is looked for again and again.
//! - Both are bounded, each by itself, so that no flood of claims pushes out what was seen; among what was seen, those who
//!   never gave proof give way to others, and nobody gives way while he is connected and nothing speaks against him.
//! - A look that found nobody, or found the peer lacking, is repeated with growing pauses, the first soon, so that loss is
//!   noticed in minutes. One that found it starts the count anew.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::found::{Observation, Witness, plausible};
use crate::policy::retire::{Level, Relay};

mod census;
mod sighting;

pub use census::Census;
use sighting::{PROVE_AGAIN, PROVE_SELDOM, Sighting, jitter};

/// Addresses kept that are only said to hold everything: as many as a tracker names at once, and a little more.
pub const MAX_CLAIMED: usize = 64;
/// Addresses kept that were seen to. The rule asks for three; a release with more than this is in no danger.
pub const MAX_SEEN: usize = 64;
/// Of one machine (loopback aside, where every port is somebody): several clients behind one router are honest, more than
/// these say nothing more.
const MAX_PER_HOST: usize = 4;
/// A claim is given this long to come to us, or to be dialled with the others, before it is looked for.
const CLAIM_GRACE: Duration = Duration::from_secs(15);
/// Looks in vain after which a claim is forgotten.
const CLAIM_MISSES: u32 = 4;
/// The same for what was seen once: it may come back after a holiday, and then it comes by itself.
const SEEN_MISSES: u32 = 50;
/// How soon one is looked for that hung up: it may have been a hiccup.
const LOOK_AFTER_LOSS: Duration = Duration::from_secs(30);
/// Between two looks at one that we keep no connection to: five minutes, so that loss is noticed in about as many.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// The first pause after a look in vain; it doubles with each, ...
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// ... to this at most.
const LAST_RETRY: Duration = Duration::from_secs(1800);
/// How long it is remembered that a peer served what is not ours. Discs break, and are replaced.
const REFUTED_FOR: Duration = Duration::from_secs(24 * 3600);

/// The sightings of one torrent. An empty one holds no memory.
#[derive(Debug, Default)]
pub struct Sightings {
    seen: BTreeMap<SocketAddr, Sighting>,
}

impl Sightings {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Takes in what somebody said or saw. [`Level::Full`] and better are of peers that are connected now.
    pub fn note(&mut self, observation: Observation) {
        let Observation {
            addr,
            witness,
            level,
            at,
        } = observation;
        let Some(addr) = plausible(addr) else {
            return;
        };
        if !self.seen.contains_key(&addr) && !self.make_room(addr, level) {
            return;
        }
        match (self.seen.entry(addr), level) {
            (Entry::Vacant(entry), Level::Claimed) => {
                let mut claim = Sighting::new(witness, at);
                claim.look_at = at + CLAIM_GRACE;
                entry.insert(claim);
            }
            (Entry::Occupied(mut entry), Level::Claimed) => {
                // It speaks for itself, and so it is there.
                if witness == Witness::OwnTracker {
                    entry.get_mut().hasten(at + CLAIM_GRACE);
                }
            }
            (entry, level) => {
                let sighting = entry.or_insert_with(|| Sighting::new(witness, at));
                sighting.show(addr, witness, level, at);
            }
        }
    }

    /// What a connected peer calls itself, and whether it listens at this address. One that was seen under another port of
    /// the same machine before, when it did not say where it listens, is the same.
    pub fn known_as(&mut self, addr: SocketAddr, name: [u8; 20], placed: bool) {
        let before = self.seen.iter().find(|(other, s)| {
            **other != addr && other.ip() == addr.ip() && !s.placed && s.name == Some(name)
        });
        let before = before.map(|(other, _)| *other).filter(|_| placed);
        let before = before.and_then(|other| self.seen.remove(&other));
        let Some(sighting) = self.seen.get_mut(&addr) else {
            return;
        };
        (sighting.name, sighting.placed) = (Some(name), placed);
        if let Some(before) = before {
            sighting.earned |= before.earned;
            sighting.first = before.first.or(sighting.first);
            sighting.refuted |= before.refuted;
            if before.level > sighting.level {
                (sighting.level, sighting.witness) = (before.level, before.witness);
                sighting.prove_at = before.prove_at;
            }
            sighting.proofs += before.proofs;
        }
    }

    /// Where one of this name on this machine was seen to listen.
    pub fn home(&self, name: [u8; 20], ip: IpAddr) -> Option<SocketAddr> {
        let same = |(addr, s): &(&SocketAddr, &Sighting)| {
            addr.ip() == ip && s.placed && s.name == Some(name)
        };
        self.seen.iter().find(same).map(|(addr, _)| *addr)
    }

    /// The peer got what it holds before our eyes.
    pub fn earned(&mut self, addr: SocketAddr) {
        if let Some(sighting) = self.seen.get_mut(&addr) {
            sighting.earned = true;
        }
    }

    /// Whether this address is known to hold everything, by more than a claim.
    pub fn is_seen(&self, addr: SocketAddr) -> bool {
        self.seen.get(&addr).is_some_and(Sighting::is_seen)
    }

    /// Whether it served what is not ours.
    pub fn is_refuted(&self, addr: SocketAddr) -> bool {
        self.seen.get(&addr).is_some_and(|s| s.refuted)
    }

    /// The peer is connected no more; `by_us`: we hung up, having seen enough.
    pub fn parted(&mut self, addr: SocketAddr, by_us: bool, now: Instant) {
        let Some(sighting) = self.seen.get_mut(&addr) else {
            return;
        };
        if sighting.connected {
            sighting.connected = false;
            sighting.last = Some(now);
            let pause = match by_us || !sighting.placed {
                true => LOOK_EVERY,
                false => LOOK_AFTER_LOSS,
            };
            sighting.look_at = now + pause.mul_f64(jitter(addr, sighting.proofs));
        } else if !std::mem::take(&mut sighting.lacking) && !sighting.refuted {
            // It went before it showed anything.
            self.missed(addr, now);
        }
    }

    /// It was dialled.
    pub fn looking(&mut self, addr: SocketAddr, now: Instant) {
        if let Some(sighting) = self.seen.get_mut(&addr) {
            sighting.looking = true;
            sighting.lacking = false;
            sighting.looked_at = Some(now);
        }
    }

    /// The dial reached somebody, who has yet to show what he holds.
    pub fn reached(&mut self, addr: SocketAddr, now: Instant) {
        if let Some(sighting) = self.seen.get_mut(&addr) {
            sighting.looking = false;
            sighting.look_at = now + LOOK_EVERY;
        }
    }

    /// A look found nobody.
    pub fn missed(&mut self, addr: SocketAddr, now: Instant) {
        let Some(sighting) = self.seen.get_mut(&addr) else {
            return;
        };
        sighting.looking = false;
        if sighting.connected {
            // It came to us meanwhile, and cannot be dialled.
            return;
        }
        sighting.missed += 1;
        let bound = match sighting.is_seen() {
            true => SEEN_MISSES,
            false => CLAIM_MISSES,
        };
        if sighting.missed >= bound {
            self.seen.remove(&addr);
            return;
        }
        let doublings = sighting.missed.min(16) - 1;
        let pause = FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY);
        sighting.look_at = now + pause.mul_f64(jitter(addr, sighting.missed));
    }

    /// A peer is connected, has had time to show what it holds, and lacks something. Once a connection counts.
    pub fn lacks(&mut self, addr: SocketAddr, now: Instant) {
        let Some(sighting) = self.seen.get_mut(&addr) else {
            return;
        };
        if !sighting.is_seen() {
            self.seen.remove(&addr);
        } else if !sighting.lacking {
            sighting.lacking = true;
            sighting.connected = false;
            self.missed(addr, now);
        }
    }

    /// It served a block that is not ours.
    pub fn refute(&mut self, addr: SocketAddr, now: Instant) {
        if let Some(sighting) = self.seen.get_mut(&addr) {
            sighting.refuted = true;
            sighting.connected = false;
            sighting.last = Some(now);
        }
    }

    /// Never again: it is ourselves.
    pub fn forget(&mut self, addr: SocketAddr) {
        self.seen.remove(&addr);
    }

    /// Whom to look for now, `most` at most. `present` are the addresses of connected peers.
    pub fn looks(&mut self, present: &[SocketAddr], most: usize, now: Instant) -> Vec<SocketAddr> {
        let forgiven = |s: &Sighting| {
            let since = s.last.map(|last| now.saturating_duration_since(last));
            s.refuted && since.is_none_or(|since| since >= REFUTED_FOR)
        };
        self.seen.retain(|_, sighting| !forgiven(sighting));
        let is_due = |s: &Sighting| s.awaits_look() && s.look_at <= now;
        let due = self.seen.iter().filter(|(_, s)| is_due(s));
        // Those who were seen first: claims are cheap, and there may be many.
        let mut due: Vec<_> = due
            .map(|(addr, s)| (!s.is_seen(), s.look_at, *addr))
            .collect();
        due.sort_unstable();
        let mut looks = Vec::new();
        for (.., addr) in due {
            if self.seen.get(&addr).is_some_and(|s| !s.placed) {
                // Nobody can be found where it came from.
                self.seen.remove(&addr);
            } else if present.contains(&addr) {
                // It is here, and lacks something still.
                self.missed(addr, now);
            } else if looks.len() < most {
                self.looking(addr, now);
                looks.push(addr);
            }
        }
        looks
    }

    /// When somebody is to be looked for next.
    pub fn next_look(&self) -> Option<Instant> {
        let awaited = self.seen.values().filter(|s| s.awaits_look());
        awaited.map(|s| s.look_at).min()
    }

    /// Something happened that calls for looking at all who were seen: a leecher came, or others say that they are fewer.
    pub fn hasten(&mut self, now: Instant) {
        let seen = self.seen.values_mut();
        seen.filter(|s| s.is_seen() && s.awaits_look())
            .for_each(|s| s.hasten(now));
    }

    /// Whether a connected peer is to be asked for a block.
    pub fn wants_proof(&self, addr: SocketAddr, now: Instant) -> bool {
        let sighting = self.seen.get(&addr);
        sighting.is_some_and(|s| s.connected && !s.refuted && s.prove_at <= now)
    }

    /// It was asked, or let us wait in vain: both give it a pause.
    pub fn asked(&mut self, addr: SocketAddr, refused: bool, now: Instant) {
        if let Some(sighting) = self.seen.get_mut(&addr) {
            sighting.refusals += u32::from(refused);
            let pause = if refused { PROVE_SELDOM } else { PROVE_AGAIN };
            sighting.prove_at = now + pause.mul_f64(jitter(addr, sighting.refusals));
        }
    }

    /// All of them, as policy weighs them, by address.
    pub fn relays(&self) -> Vec<Relay> {
        let relays = self.seen.iter();
        relays.map(|(addr, s)| s.relay(*addr)).collect()
    }

    /// Who said or saw it, in the order of [`Sightings::relays`].
    pub fn witnesses(&self) -> Vec<Witness> {
        self.seen.values().map(|s| s.witness).collect()
    }

    /// Nobody is connected any more.
    pub fn deserted(&mut self, now: Instant) {
        let connected = self.seen.iter().filter(|(_, s)| s.connected);
        let connected: Vec<SocketAddr> = connected.map(|(addr, _)| *addr).collect();
        for addr in connected {
            self.parted(addr, false, now);
        }
    }

    /// Whether there is room for one more, after somebody gave way.
    fn make_room(&mut self, addr: SocketAddr, level: Level) -> bool {
        let seen = level > Level::Claimed;
        let ip = addr.ip();
        let of_host = |other: &SocketAddr| !ip.is_loopback() && other.ip() == ip;
        let on_host = self.seen.keys().filter(|other| of_host(other)).count();
        if on_host >= MAX_PER_HOST && !self.give_way(seen, of_host) {
            return false;
        }
        let kind = self.seen.values().filter(|s| s.is_seen() == seen).count();
        let most = if seen { MAX_SEEN } else { MAX_CLAIMED };
        kind < most || self.give_way_among(seen, |_, s| s.is_seen() == seen)
    }

    /// One of these gives way to a newcomer that was seen, or is only claimed.
    fn give_way(&mut self, seen: bool, which: impl Fn(&SocketAddr) -> bool) -> bool {
        self.give_way_among(seen, |addr, _| which(addr))
    }

    fn give_way_among(
        &mut self,
        seen: bool,
        which: impl Fn(&SocketAddr, &Sighting) -> bool,
    ) -> bool {
        let may = |s: &Sighting| match (s.is_seen(), seen) {
            (false, true) => true,
            (true, false) => false,
            _ => s.is_doubtful(),
        };
        let least = self
            .seen
            .iter()
            .filter(|(addr, s)| which(addr, s) && may(s))
            .min_by_key(|(_, s)| s.worth())
            .map(|(addr, _)| *addr);
        least.is_some_and(|addr| self.seen.remove(&addr).is_some())
    }
}

#[cfg(test)]
mod tests;
