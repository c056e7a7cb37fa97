//! Decides which tracker is asked next, about what, and when. Pure: time is an argument, randomness is seeded, and what
//! was decided is carried out elsewhere.
//!
//! Rules, with their reasons:
//! - Each tier has one tracker in use (BEP 12): in random order at first, the next one on failure, the one that worked first
//!   from then on. Tiers are used side by side, as most clients do: the box's own tracker is the first tier and always
//!   works, so that taking tiers one after another would never tell the owner's public trackers of us.
//! - A tracker that cannot be reached concerns all torrents: they wait together, one of them tries again with growing
//!   pauses, and the rest follow when it works. A thousand torrents do not time out one after another.
//! - A refusal concerns its torrent only.
//! - `completed` is sent only to a tracker that was told before that something was lacking: never by an origin.

mod answering;
mod asking;
mod endpoint;
mod scraping;
mod torrent;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::answer::{AnnounceError, Event, Figures, Request};
use super::scrape::Scrapes;
use super::target::Target;
use super::{Subject, TrackerState};
use crate::base::{InfoHash, Timestamp};
use endpoint::Endpoints;
use torrent::{Tier, Torrent};

/// `stopped` messages waiting to be sent. One takes about 300 bytes; the oldest give way.
const FAREWELLS: usize = 4096;

/// One tier of one torrent: what is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    info_hash: InfoHash,
    tier: u8,
}

/// What an answer is matched with.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    slot: Slot,
    serial: u64,
    url: Arc<str>,
    event: Event,
    /// Whether the tracker is told that something is lacking.
    lacking: bool,
}

/// A request to carry out.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub ticket: Ticket,
    pub target: Arc<Target>,
    pub request: Request,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Plan {
    peer_id: [u8; 20],
    port: u16,
    offline: bool,
    given: HashSet<String>,
    torrents: HashMap<InfoHash, Torrent>,
    endpoints: Endpoints,
    scrapes: Scrapes,
    /// Torrents of which a tracker counts fewer seeds than before, and nobody was told yet.
    fallen: BTreeSet<InfoHash>,
    /// When a tracker beyond this machine last answered.
    answered_at: Option<Instant>,
    due: BTreeSet<(Instant, Slot)>,
    farewells: VecDeque<Job>,
    in_flight: usize,
    closing: bool,
    serial: u64,
    rng: StdRng,
}

impl Plan {
    pub fn new(peer_id: [u8; 20], port: u16, offline: bool, given: &[String], seed: u64) -> Self {
        Self {
            peer_id,
            port,
            offline,
            given: given.iter().map(|url| url.trim().to_owned()).collect(),
            torrents: HashMap::new(),
            endpoints: Endpoints::default(),
            scrapes: Scrapes::default(),
            fallen: BTreeSet::new(),
            answered_at: None,
            due: BTreeSet::new(),
            farewells: VecDeque::new(),
            in_flight: 0,
            closing: false,
            serial: 0,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Whether a tracker may be asked at all.
    pub fn allowed(&self, text: &str, target: &Target) -> bool {
        !self.offline || target.is_loopback() || self.given.contains(text.trim())
    }

    /// Sets where we take peers. With 0, nothing is announced until it is set.
    pub fn set_port(&mut self, now: Instant, port: u16) {
        if port == self.port {
            return;
        }
        self.port = port;
        // Everybody is told of the new port: trackers give out the old one.
        let slots: Vec<_> = self
            .torrents
            .iter()
            .flat_map(|(hash, t)| t.slots(*hash))
            .collect();
        for slot in slots {
            self.schedule(slot, now);
        }
    }

    /// Announces a torrent from now on. Adding it again changes its trackers, and nothing when they are the same.
    pub fn add(&mut self, now: Instant, subject: Subject) {
        if self.closing {
            return;
        }
        let info_hash = subject.info_hash;
        let key = match self.torrents.get_mut(&info_hash) {
            Some(torrent) if torrent.is_of(&subject) => {
                torrent.figures = subject.figures;
                return;
            }
            Some(torrent) => torrent.key,
            None => self.rng.random(),
        };
        self.remove(info_hash);
        // A farewell not sent yet would arrive after the greeting.
        self.drop_farewells(|_, job| job.request.info_hash == info_hash);
        self.serial += 1;
        let mut torrent = Torrent::new(&subject, self.serial, key);
        for tier in &mut torrent.tiers {
            tier.trackers.shuffle(&mut self.rng);
            for tracker in &mut tier.trackers {
                match Target::parse(&tracker.url) {
                    Ok(target) if self.allowed(&tracker.url, &target) => {
                        tracker.url = self.endpoints.enter(&tracker.url, Arc::new(target));
                        self.scrapes.enter(&tracker.url, now, &mut self.rng);
                    }
                    Ok(_) => tracker.skipped = Some(AnnounceError::Offline),
                    Err(bad) => tracker.skipped = Some(bad.into()),
                }
            }
        }
        let slots: Vec<_> = torrent.slots(info_hash).collect();
        self.torrents.insert(info_hash, torrent);
        for slot in slots {
            self.schedule(slot, now);
        }
    }

    /// Takes new figures, sent with the next announce.
    pub fn update(&mut self, info_hash: InfoHash, figures: Figures) {
        if let Some(torrent) = self.torrents.get_mut(&info_hash) {
            torrent.figures = figures;
        }
    }

    /// The last piece has come: `completed` goes to every tracker that was told it was lacking.
    pub fn complete(&mut self, now: Instant, info_hash: InfoHash) {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else {
            return;
        };
        torrent.completed = true;
        torrent.figures.left = 0;
        let owing = torrent.slots_owing_completed(info_hash);
        for slot in owing {
            self.schedule(slot, now);
        }
    }

    /// Announces a torrent no longer. Trackers that know of us are sent `stopped`.
    pub fn remove(&mut self, info_hash: InfoHash) {
        let Some(torrent) = self.torrents.remove(&info_hash) else {
            return;
        };
        for (number, tier) in torrent.tiers.iter().enumerate() {
            let slot = Slot {
                info_hash,
                tier: number as u8,
            };
            if let Some(due) = tier.due {
                self.due.remove(&(due, slot));
            }
            for tracker in tier.trackers.iter().filter(|tracker| tracker.announced) {
                if let Some(target) = self.endpoints.target(&tracker.url) {
                    let job = self.job(slot, &torrent, tracker, target, Event::Stopped);
                    self.bid_farewell(job);
                }
            }
        }
        for tracker in torrent.tiers.iter().flat_map(|tier| &tier.trackers) {
            self.endpoints.wait_no_longer(&tracker.url, info_hash);
            self.endpoints.leave(&tracker.url);
        }
    }

    /// Lets a `stopped` wait for its turn. It holds its tracker, so that what is known of that outlives the torrent.
    fn bid_farewell(&mut self, job: Job) {
        if self.farewells.len() == FAREWELLS
            && let Some(oldest) = self.farewells.pop_front()
        {
            self.endpoints.leave(&oldest.ticket.url);
        }
        self.endpoints.enter(&job.ticket.url, job.target.clone());
        self.farewells.push_back(job);
    }

    fn drop_farewells(&mut self, unwanted: impl Fn(&Endpoints, &Job) -> bool) {
        let mut dropped = Vec::new();
        self.farewells.retain(|job| {
            let drop = unwanted(&self.endpoints, job);
            if drop {
                dropped.push(job.ticket.url.clone());
            }
            !drop
        });
        dropped.iter().for_each(|url| self.endpoints.leave(url));
    }

    /// Removes all torrents for good. It is over when [`Plan::is_idle`].
    pub fn close(&mut self) {
        self.closing = true;
        let hashes: Vec<_> = self.torrents.keys().copied().collect();
        hashes.into_iter().for_each(|hash| self.remove(hash));
    }

    /// Whether [`Plan::close`] was called.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether nothing is under way and no farewell waits.
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.farewells.is_empty()
    }

    fn tier(&mut self, slot: Slot) -> Option<&mut Tier> {
        let torrent = self.torrents.get_mut(&slot.info_hash)?;
        torrent.tiers.get_mut(usize::from(slot.tier))
    }

    /// It is the slot's turn with the tracker it waited for.
    fn release(&mut self, slot: Slot, now: Instant) {
        if let Some(tier) = self.tier(slot)
            && std::mem::take(&mut tier.waiting)
        {
            self.schedule(slot, now);
        }
    }

    fn unschedule(&mut self, slot: Slot) {
        if let Some(tier) = self.tier(slot)
            && let Some(due) = tier.due.take()
        {
            self.due.remove(&(due, slot));
        }
    }

    fn schedule(&mut self, slot: Slot, when: Instant) {
        self.unschedule(slot);
        if let Some(tier) = self.tier(slot)
            && !tier.asking
        {
            tier.due = Some(when);
            self.due.insert((when, slot));
        }
    }

    /// The trackers of a torrent, tier by tier, the one in use first.
    pub fn states(&self, now: Instant, wall: Timestamp, info_hash: InfoHash) -> Vec<TrackerState> {
        let torrent = self.torrents.get(&info_hash);
        torrent.map_or_else(Vec::new, |torrent| {
            torrent.states(now, wall, &self.endpoints)
        })
    }

    /// What trackers say we look like from outside (BEP 24), each address once.
    pub fn external_ips(&self) -> Vec<IpAddr> {
        let mut ips: Vec<_> = self
            .torrents
            .values()
            .flat_map(Torrent::external_ips)
            .collect();
        ips.sort_unstable();
        ips.dedup();
        ips
    }
}

#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
