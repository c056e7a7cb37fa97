//! The tracker client: tells trackers of our torrents and hears of peers.
//!
//! `plan` decides (pure), [`client`] asks, and one task carries out what the plan says for all torrents. What a torrent
//! costs while it is idle was measured in `tests/announce_cost.rs`.

pub mod answer;
pub mod bencode;
pub mod client;
pub mod datagram;
pub mod decode;
mod driver;
pub mod http;
mod plan;
mod scrape;
pub mod target;
pub mod udp;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use answer::{AnnounceError, Figures, Scraped};

use crate::base::{Beside, InfoHash, Timestamp};
use crate::seed::found::Found;
use client::TrackerClient;
use plan::Plan;
use target::Target;

/// Trackers of one torrent; the rest are left out. Lists longer than this are copied from the web, and mostly dead.
pub const MAX_TRACKERS: usize = 32;

/// Answers with peers that wait to be taken. When it is full, peers are dropped: the next announce brings them again.
pub const FOUND_QUEUE: usize = 256;

/// How long [`Announcer::shutdown`] takes at most.
pub const SHUTDOWN_TIME: Duration = Duration::from_secs(3);

/// How the announcer is set up.
#[derive(Debug, Clone)]
pub struct AnnouncerConfig {
    /// Us, to trackers and peers.
    pub peer_id: [u8; 20],
    /// The port we take peers on, as seen from outside. With 0, nothing is announced until [`Announcer::set_port`].
    pub port: u16,
    /// Where we take peers, if it is one address: trackers record the one that an announce comes from.
    pub from: IpAddr,
    /// Whether only trackers on loopback, and the given ones, are asked.
    pub offline: bool,
    /// Tracker URLs given explicitly, on the command line: asked even when offline.
    pub given: Vec<String>,
    /// Where what is sent is counted.
    pub beside: Beside,
}

/// A torrent to announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub info_hash: InfoHash,
    /// Tracker URLs in tiers (BEP 12).
    pub tiers: Vec<Vec<String>>,
    /// What we did and lack so far; the default is right for an origin.
    pub figures: Figures,
}

/// How things stand with one tracker of one torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerState {
    /// The URL. It may hold a passkey: for the owner's eyes only.
    pub url: String,
    /// When it last accepted an announce.
    pub last_ok: Option<Timestamp>,
    /// What is wrong, as a sentence: an error, a warning, why it is not asked.
    pub last_error: Option<String>,
    /// When it is asked next; `None` when another of its tier is, or none.
    pub next: Option<Timestamp>,
    /// Seeds, as it counts; we are one of them.
    pub complete: Option<u32>,
    /// Leechers, as it counts.
    pub incomplete: Option<u32>,
}

/// Tells trackers of our torrents. Cheap to clone. When the last clone is gone, its task ends, without farewells:
/// call [`Announcer::shutdown`] for those.
#[derive(Debug, Clone)]
pub struct Announcer {
    shared: Arc<Shared>,
    _alive: Arc<DropGuard>,
}

#[derive(Debug)]
struct Shared {
    plan: Mutex<Plan>,
    client: TrackerClient,
    /// The plan has changed.
    changed: Notify,
    /// The task has ended.
    ended: CancellationToken,
}

impl Announcer {
    /// Starts the task. Peers come out of the receiver; they are dropped while it is full.
    pub fn start(config: AnnouncerConfig) -> (Announcer, mpsc::Receiver<Found>) {
        let plan = Plan::new(
            config.peer_id,
            config.port,
            config.offline,
            &config.given,
            rand::random(),
        );
        let shared = Arc::new(Shared {
            plan: Mutex::new(plan),
            client: TrackerClient::new(config.offline, config.from, config.beside),
            changed: Notify::new(),
            ended: CancellationToken::new(),
        });
        let (found, receiver) = mpsc::channel(FOUND_QUEUE);
        let stop = CancellationToken::new();
        tokio::spawn(driver::drive(shared.clone(), found, stop.clone()));
        let announcer = Announcer {
            shared,
            _alive: Arc::new(stop.drop_guard()),
        };
        (announcer, receiver)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Plan, Instant) -> T) -> T {
        let result = change(&mut self.shared.plan.lock(), Instant::now());
        self.shared.changed.notify_one();
        result
    }

    /// Announces a torrent from now on. Adding it again changes its trackers.
    pub fn add(&self, subject: Subject) {
        self.change(|plan, now| plan.add(now, subject));
    }

    /// Takes new figures; they are sent with the next announce.
    pub fn update(&self, info_hash: InfoHash, figures: Figures) {
        self.shared.plan.lock().update(info_hash, figures);
    }

    /// The last piece of a download has come: trackers that know we lacked something are told, once.
    pub fn complete(&self, info_hash: InfoHash) {
        self.change(|plan, now| plan.complete(now, info_hash));
    }

    /// Announces a torrent no longer; trackers that know of us are told.
    pub fn remove(&self, info_hash: InfoHash) {
        self.change(|plan, _| plan.remove(info_hash));
    }

    /// Sets the port we take peers on (a router may map another one); all trackers are told.
    pub fn set_port(&self, port: u16) {
        self.change(|plan, now| plan.set_port(now, port));
    }

    /// How things stand with the trackers of a torrent, tier by tier, the one in use first. Empty when it is not announced.
    pub fn states(&self, info_hash: InfoHash) -> Vec<TrackerState> {
        let (now, wall) = (Instant::now(), Timestamp::now());
        self.shared.plan.lock().states(now, wall, info_hash)
    }

    /// What trackers say our address is (BEP 24). Not proved by anything.
    pub fn external_ips(&self) -> Vec<IpAddr> {
        self.shared.plan.lock().external_ips()
    }

    /// Asks a tracker for its counts of some torrents, in that order; `None` for those it is silent about.
    ///
    /// # Errors
    /// [`AnnounceError`]; [`AnnounceError::Offline`] when the tracker must not be asked.
    pub async fn scrape(
        &self,
        url: &str,
        hashes: &[InfoHash],
    ) -> Result<Vec<Option<Scraped>>, AnnounceError> {
        let target = Target::parse(url)?;
        if !self.shared.plan.lock().allowed(url, &target) {
            return Err(AnnounceError::Offline);
        }
        self.shared.client.scrape(&target, hashes).await
    }

    /// The torrents of which a tracker counts fewer who hold everything than it did, since this was asked last. It decides
    /// nothing, and is a reason to look for those who were seen.
    pub fn fewer(&self) -> Vec<InfoHash> {
        self.shared.plan.lock().take_fallen()
    }

    /// When a tracker beyond this machine last answered: then our line is up.
    pub fn answered_at(&self) -> Option<Instant> {
        self.shared.plan.lock().answered_at()
    }

    /// Sends `stopped` for all torrents and ends, within [`SHUTDOWN_TIME`]; what was not sent by then is not.
    pub async fn shutdown(&self) {
        self.change(|plan, _| plan.close());
        self.shared.ended.cancelled().await;
    }
}
