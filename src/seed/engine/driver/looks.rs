//! Looking for those who hold everything, and asking them for proof: a few at a time over the whole box.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Driver;
use crate::base::{InfoHash, PeerKey};
use crate::policy::retire::Level;
use crate::seed::client;
use crate::seed::engine::resting::Resting;
use crate::seed::engine::seeding::Seeding;
use crate::seed::found::{Found, Observation, Witness};
use crate::seed::swarm::{Proof, Sight};

/// Dials that only look whether somebody is still there: about a KiB each. A box with a thousand retired releases takes an
/// hour for a round, and is no burden to anybody.
const LOOKS_PER_MINUTE: f64 = 60.0;
/// Of them, so many at once.
const LOOKS_AT_ONCE: f64 = 10.0;
/// Blocks asked for, one each: a handful a minute.
const PROOFS_PER_MINUTE: f64 = 6.0;
/// Of them, so many at once: when a download ends in several places at a time, all of them are asked soon.
const PROOFS_AT_ONCE: f64 = 8.0;
/// A peer has shown what it holds by then: its bitfield, and the HAVEs that some clients send in the place of a part of it.
const SHOW_PATIENCE: Duration = Duration::from_secs(10);
/// How often one is dialled that is connected, and whose client does not say what it gets, to see its bitfield.
const GLIMPSE_EVERY: Duration = Duration::from_secs(15);
/// A leecher that came to a torrent of which we give nothing makes us look whether the others are still there, as long as it
/// is so new.
const NEWCOMER: Duration = Duration::from_secs(120);
/// How long a connection that was made for a look waits for a turn to ask for proof.
const LINGER: Duration = Duration::from_secs(60);
/// How long after something answered our line counts as up.
const IN_TOUCH: Duration = Duration::from_secs(300);
/// Own addresses kept: more than a box has.
const MAX_OURSELVES: usize = 32;

/// So many a minute, and so many at once.
#[derive(Debug)]
struct Turns {
    left: f64,
    per_minute: f64,
    at_once: f64,
    at: Instant,
}

impl Turns {
    fn new(per_minute: f64, at_once: f64, now: Instant) -> Self {
        Self {
            left: at_once,
            per_minute,
            at_once,
            at: now,
        }
    }

    /// How many may be taken now.
    fn left(&mut self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + passed * self.per_minute / 60.0).min(self.at_once);
        self.left as usize
    }

    fn take(&mut self, turns: usize) {
        self.left -= turns as f64;
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Looks {
    looks: Turns,
    proofs: Turns,
    /// When each resting torrent has somebody to look for; those that are awake look every second.
    agenda: BTreeSet<(Instant, InfoHash)>,
    ourselves: BTreeSet<SocketAddr>,
    /// Of those, what dialling found out.
    found_out: VecDeque<SocketAddr>,
    touched: Option<Instant>,
}

impl Looks {
    pub fn new(now: Instant) -> Self {
        Self {
            looks: Turns::new(LOOKS_PER_MINUTE, LOOKS_AT_ONCE, now),
            proofs: Turns::new(PROOFS_PER_MINUTE, PROOFS_AT_ONCE, now),
            agenda: BTreeSet::new(),
            ourselves: BTreeSet::new(),
            found_out: VecDeque::new(),
            touched: None,
        }
    }

    /// When a resting torrent has somebody to look for, and there is a turn for it.
    pub fn next(&mut self) -> Option<Instant> {
        let (due, _) = *self.agenda.first()?;
        let now = Instant::now();
        if self.looks.left(now) > 0 {
            return Some(due);
        }
        Some(due.max(now + Duration::from_secs_f64(60.0 / LOOKS_PER_MINUTE)))
    }

    /// Puts a resting torrent down for when it has somebody to look for.
    pub fn schedule(&mut self, hash: InfoHash, resting: &mut Resting) {
        self.unschedule(hash, resting.look_at.take());
        resting.look_at = resting.sightings.next_look();
        self.agenda.extend(resting.look_at.map(|at| (at, hash)));
    }

    pub fn unschedule(&mut self, hash: InfoHash, at: Option<Instant>) {
        if let Some(at) = at {
            self.agenda.remove(&(at, hash));
        }
    }

    /// Something beyond this machine answered.
    pub fn touched(&mut self, now: Instant) {
        self.touched = Some(now);
    }

    pub fn is_in_touch(&self, now: Instant) -> bool {
        let lately = |at| now.saturating_duration_since(at) < IN_TOUCH;
        self.touched.is_some_and(lately)
    }

    pub fn set_ourselves(&mut self, addresses: Vec<SocketAddr>) {
        self.ourselves = addresses.into_iter().take(MAX_OURSELVES).collect();
    }

    /// A dial to this address found ourselves.
    pub fn is_ourselves(&mut self, addr: SocketAddr) {
        if !self.are_ourselves(addr) {
            self.found_out.push_back(addr);
        }
        if self.found_out.len() > MAX_OURSELVES {
            self.found_out.pop_front();
        }
    }

    fn are_ourselves(&self, addr: SocketAddr) -> bool {
        self.ourselves.contains(&addr) || self.found_out.contains(&addr)
    }
}

impl Driver {
    /// Takes in addresses of a torrent's peers.
    pub(super) fn met(&mut self, found: Found) {
        let Found {
            info_hash,
            addrs,
            source,
            full,
        } = found;
        self.learn(
            info_hash,
            addrs.into_iter().map(|addr| (addr, full)),
            source,
        );
        if let Some(resting) = self.resting.get(&info_hash)
            && !resting.book.is_empty()
        {
            self.sought.insert(info_hash);
        }
    }

    /// Takes in whom a peer named.
    pub(super) fn named(&mut self, hash: InfoHash, named: Vec<(SocketAddr, bool)>) {
        self.learn(hash, named.into_iter(), Witness::Pex);
    }

    /// Takes in who held everything before the engine started.
    pub(super) fn remember(&mut self, hash: InfoHash, addresses: Vec<SocketAddr>) {
        let claims = addresses.into_iter().map(|addr| (addr, true));
        self.learn(hash, claims, Witness::Memory);
    }

    /// Addresses, and whether they are said to hold everything. Those are left to the looks while we give nothing: then
    /// we need no connection to them.
    fn learn(
        &mut self,
        hash: InfoHash,
        addresses: impl Iterator<Item = (SocketAddr, bool)>,
        witness: Witness,
    ) {
        let now = Instant::now();
        let silent = self.is_silent(hash);
        let others = addresses.filter(|(addr, _)| !self.looks.are_ourselves(*addr));
        let others: Vec<(SocketAddr, bool)> = others.collect();
        let Some((book, sightings)) = self.known_of(hash) else {
            return;
        };
        for (addr, full) in others {
            if full {
                sightings.note(Observation {
                    addr,
                    witness,
                    level: Level::Claimed,
                    at: now,
                });
            }
            let looked_for = silent && (full || sightings.is_seen(addr));
            if !looked_for && !sightings.is_refuted(addr) {
                book.learn([addr], now);
            }
        }
        self.look_later(hash);
    }

    fn is_silent(&self, hash: InfoHash) -> bool {
        match self.seedings.get(&hash) {
            Some(seeding) => seeding.swarm.is_silent(),
            None => self.resting.get(&hash).is_some_and(|r| r.silent),
        }
    }

    /// Looks soon for all who were seen to hold everything.
    pub(super) fn hasten(&mut self, hash: InfoHash, now: Instant) {
        if let Some((_, sightings)) = self.known_of(hash) {
            sightings.hasten(now);
        }
        self.look_later(hash);
    }

    /// Puts a torrent of which something became known down for its next look, if it rests.
    pub(super) fn look_later(&mut self, hash: InfoHash) {
        let Some(resting) = self.resting.get_mut(&hash) else {
            return;
        };
        let known = resting.look_at.is_some() || !resting.sightings.is_empty();
        self.looks.schedule(hash, resting);
        if known {
            self.untold.insert(hash);
        }
    }

    /// Looks for those who hold what rests, as far as there are turns.
    pub(super) fn look_around(&mut self, now: Instant) {
        while self.looks.looks.left(now) > 0
            && let Some((at, hash)) = self.looks.agenda.first().copied()
            && at <= now
        {
            self.looks.agenda.pop_first();
            self.look(hash, &[], now);
            self.look_later(hash);
        }
    }

    fn look(&mut self, hash: InfoHash, present: &[SocketAddr], now: Instant) {
        let turns = self.looks.looks.left(now);
        let Some((book, sightings)) = self.known_of(hash) else {
            return;
        };
        let mut looks = sightings.looks(present, turns, now);
        looks.retain(|addr| !book.is_dialling(*addr));
        self.looks.looks.take(looks.len());
        looks.into_iter().for_each(|addr| self.call(hash, addr));
    }

    /// Takes in what connected peers show, asks some for proof, and looks for others.
    pub(super) fn observe(&mut self, hash: InfoHash, now: Instant) {
        let turns = self.looks.proofs.left(now);
        let Some(seeding) = self.seedings.get_mut(&hash) else {
            return;
        };
        let sights: Vec<Sight> = seeding.swarm.sights(now).collect();
        let mut due = seeding.see(&sights, now);
        // Those who got it before our eyes first: who came with everything may be one of many who lie.
        due.sort_by_key(|sight| !sight.earned);
        let mut asked = 0;
        for sight in due.into_iter().take(turns) {
            seeding.sightings.asked(sight.addr, false, now);
            seeding.swarm.probe(sight.peer, rand::random(), now);
            asked += 1;
        }
        self.looks.proofs.take(asked);
        let turns = self.looks.looks.left(now);
        let glimpses: Vec<SocketAddr> = seeding.unheard(&sights, now).take(turns).collect();
        self.looks.looks.take(glimpses.len());
        let seen_enough = seeding.seen_enough(&sights, now);
        for (peer, addr) in seen_enough {
            if let Some(seeding) = self.seedings.get_mut(&hash) {
                seeding.book.forget(addr);
            }
            self.hang_up(hash, peer, "what it holds was seen, and it needs nothing");
        }
        glimpses.into_iter().for_each(|addr| self.call(hash, addr));
        let present: Vec<SocketAddr> = sights.iter().map(|sight| sight.addr).collect();
        self.look(hash, &present, now);
        self.act(hash);
    }

    /// A probe ended.
    pub(super) fn probed(&mut self, hash: InfoHash, addr: SocketAddr, proof: Proof) {
        let now = Instant::now();
        tracing::debug!(%hash, %addr, ?proof, "a peer was asked for a block");
        let Some((book, sightings)) = self.known_of(hash) else {
            return;
        };
        match proof {
            Proof::Proven => sightings.note(Observation {
                addr,
                witness: Witness::Probe,
                level: Level::Proven,
                at: now,
            }),
            Proof::Refuted => {
                sightings.refute(addr, now);
                book.forget(addr);
            }
            Proof::Refused => sightings.asked(addr, true, now),
            Proof::Unknown => sightings.asked(addr, false, now),
        }
    }
}

impl Seeding {
    /// Takes in what connected peers show; returns who is to be asked for proof.
    fn see(&mut self, sights: &[Sight], now: Instant) -> Vec<Sight> {
        let mut due = Vec::new();
        for sight in sights {
            let settled = sight.age >= SHOW_PATIENCE;
            if sight.full && (sight.listens || settled) {
                self.sightings.note(Observation {
                    addr: sight.addr,
                    witness: Witness::Bitfield,
                    level: Level::Full,
                    at: now,
                });
                if let Some(link) = self.links.get(&sight.peer) {
                    let name = link.peer_id;
                    self.sightings.known_as(sight.addr, name, sight.listens);
                }
                if sight.earned {
                    self.sightings.earned(sight.addr);
                }
                if self.sightings.wants_proof(sight.addr, now) && !self.swarm.is_probed(sight.peer)
                {
                    due.push(*sight);
                }
            } else if settled && !sight.full {
                self.sightings.lacks(sight.addr, now);
                if self.swarm.is_silent() && sight.age < NEWCOMER {
                    self.sightings.hasten(now);
                }
            }
        }
        due
    }

    /// Those whose clients do not say what they get, when it is time to look at their bitfields beside the connection.
    fn unheard(&mut self, sights: &[Sight], now: Instant) -> impl Iterator<Item = SocketAddr> {
        let links = &mut self.links;
        let due = sights.iter().filter_map(|sight| {
            let link = links.get_mut(&sight.peer)?;
            let long_ago = now.saturating_duration_since(link.glimpsed_at) >= GLIMPSE_EVERY;
            let mute = !client::announces(&link.peer_id) && sight.listens && !sight.full;
            if !mute || !long_ago {
                return None;
            }
            link.glimpsed_at = now;
            Some(sight.addr)
        });
        due.collect::<Vec<_>>().into_iter()
    }

    /// Those who served what is not ours; and while we give nothing, those whom we dialled and who showed all that we want
    /// to know for now.
    fn seen_enough(&self, sights: &[Sight], now: Instant) -> Vec<(PeerKey, SocketAddr)> {
        let silent = self.swarm.is_silent();
        let enough = |sight: &&Sight| {
            let outgoing = self.links.get(&sight.peer).is_some_and(|l| l.outgoing);
            let idle = sight.age >= SHOW_PATIENCE && !self.swarm.is_probed(sight.peer);
            let due = self.sightings.wants_proof(sight.addr, now) && sight.age < LINGER;
            let seen = silent && outgoing && idle && !due;
            sight.full && (seen || self.sightings.is_refuted(sight.addr))
        };
        let enough = sights.iter().filter(enough);
        enough.map(|sight| (sight.peer, sight.addr)).collect()
    }

    /// A connection ends: what was seen of the peer is kept.
    pub(in crate::seed::engine) fn parts(&mut self, peer: PeerKey, by_us: bool, now: Instant) {
        let Some(sight) = self.swarm.sight(peer, now) else {
            return;
        };
        if sight.full {
            let sight = Sight {
                // It will not say any more where it listens.
                age: sight.age.max(SHOW_PATIENCE),
                ..sight
            };
            self.see(&[sight], now);
        }
        self.sightings.parted(sight.addr, by_us, now);
    }
}
