//! The embedded tracker: a sans-IO swarm table behind HTTP and UDP.
//!
//! [`swarm::Table`] is the state machine: announces and `now` in, answers out. [`Tracker`] is the handle the rest of the
//! box holds: it adds the clock, the lock, and the feed of what was [`Seen`]. [`http`] and [`udp`] speak to clients.
//!
//! Decisions, with their reasons:
//! - Only registered info hashes are tracked. Anything else would make the box an open tracker for strangers.
//! - A peer's address is where its packet came from. An announced `ip=` is ignored, from everyone: believing it lets
//!   anybody point a swarm at a third party, and a peer behind our own router is found by local discovery instead.
//! - A client that announces too early is not refused (clients answer a failure by dropping the tracker for long); after a
//!   few early announces it gets a cheap answer with no peers in it and the time to wait. See [`swarm::Limits`].
//! - Peers are given by what they can reach: loopback addresses to loopback, private addresses to private, public ones to
//!   all. Seeds are not told of seeds.

pub mod bencode;
pub mod connection_id;
pub mod http;
pub mod packet;
pub mod query;
pub mod swarm;
pub mod udp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::base::{Beside, InfoHash};
use swarm::{Announce, Answer, Counts, Event, Limits, Refusal, Table, TableFull};

/// Announces kept for a subscriber of [`Tracker::subscribe`] that lags. At the most an announce takes 64 bytes here; a
/// subscriber that is further behind than this loses the oldest, and learns of the peers by [`Tracker::peers`].
pub const FEED_LENGTH: usize = 1024;

/// One announce that was accepted, as the tracker saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The torrent announced.
    pub info_hash: InfoHash,
    /// Where the peer listens: the address its packet came from, with the port it announced.
    pub addr: SocketAddr,
    /// Bytes the peer says it still lacks; `u64::MAX` when it did not say.
    pub left: u64,
    /// Why it announced, as it said itself.
    pub event: Event,
}

/// The embedded tracker. Cheap to clone; every clone is the same tracker.
#[derive(Debug, Clone)]
pub struct Tracker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    feed: broadcast::Sender<Seen>,
    beside: Beside,
}

impl Default for Tracker {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Tracker {
    /// A tracker that knows no torrent yet.
    pub fn new(limits: Limits) -> Self {
        let table = Table::new(limits, rand::random(), Instant::now());
        Self {
            shared: Arc::new(Shared {
                table: Mutex::new(table),
                feed: broadcast::channel(FEED_LENGTH).0,
                beside: Beside::default(),
            }),
        }
    }

    /// Where its answers are counted.
    pub fn beside(&self) -> &Beside {
        &self.shared.beside
    }

    /// Tracks a torrent from now on. Registering it again changes nothing.
    ///
    /// # Errors
    /// [`TableFull`] when [`Limits::torrents`] are registered already.
    pub fn register(&self, info_hash: InfoHash) -> Result<(), TableFull> {
        self.shared.table.lock().register(info_hash)
    }

    /// Forgets a torrent and its peers.
    pub fn unregister(&self, info_hash: InfoHash) {
        self.shared.table.lock().unregister(info_hash);
    }

    /// Sets where the box itself takes peers: its addresses in every network it is in, the public one too where known.
    /// A leecher is given the one it can reach (one of each family). The first [`swarm::OWN_ADDRESSES`] are kept; IPv6's
    /// link-local ones are not.
    pub fn set_own_addresses(&self, addrs: Vec<SocketAddr>) {
        self.shared.table.lock().set_own_addresses(addrs);
    }

    /// Up to `n` peers of a torrent, at random, each with the bytes it lacks. Empty when the torrent is unknown.
    pub fn peers(&self, info_hash: InfoHash, n: usize) -> Vec<(SocketAddr, u64)> {
        let now = Instant::now();
        self.shared.table.lock().peers(now, info_hash, n)
    }

    /// How many others hold or fetch a torrent; zeros when it is unknown.
    pub fn counts(&self, info_hash: InfoHash) -> Counts {
        let counts = self.scrape(info_hash);
        counts.unwrap_or_default()
    }

    /// As [`Tracker::counts`], `None` when the torrent is unknown.
    pub fn scrape(&self, info_hash: InfoHash) -> Option<Counts> {
        let now = Instant::now();
        self.shared.table.lock().scrape(now, info_hash)
    }

    /// Takes one announce.
    ///
    /// # Errors
    /// [`Refusal`] when the torrent is unknown or nobody could connect to the address.
    pub fn announce(&self, announce: &Announce) -> Result<Answer, Refusal> {
        let now = Instant::now();
        let answer = self.shared.table.lock().announce(now, announce)?;
        // An error only says that nobody listens.
        let _ = self.shared.feed.send(Seen {
            info_hash: announce.info_hash,
            addr: swarm::canonical(announce.addr),
            left: announce.left,
            event: announce.event,
        });
        Ok(answer)
    }

    /// Every announce accepted from now on. Never holds the tracker up: a subscriber [`FEED_LENGTH`] behind loses the
    /// oldest and is told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Seen> {
        self.shared.feed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm::Families;

    #[test]
    fn the_feed_tells_of_accepted_announces_only() {
        let tracker = Tracker::default();
        let known = InfoHash([1; 20]);
        tracker.register(known).unwrap();
        let mut feed = tracker.subscribe();
        let mut announce = Announce {
            info_hash: known,
            addr: "[::ffff:10.0.0.1]:5000".parse().unwrap(),
            left: 7,
            event: Event::Started,
            want: 50,
            families: Families::Both,
        };
        tracker.announce(&announce).unwrap();
        announce.info_hash = InfoHash([2; 20]);
        tracker.announce(&announce).unwrap_err();
        let seen = feed.try_recv().unwrap();
        assert_eq!(seen.addr, "10.0.0.1:5000".parse().unwrap());
        assert_eq!((seen.info_hash, seen.left), (known, 7));
        assert!(feed.try_recv().is_err());
    }

    #[test]
    fn a_subscriber_that_sleeps_holds_nobody_up() {
        let tracker = Tracker::default();
        let info_hash = InfoHash([1; 20]);
        tracker.register(info_hash).unwrap();
        let mut feed = tracker.subscribe();
        for port in 1..=3000 {
            let announce = Announce {
                info_hash,
                addr: SocketAddr::from(([127, 0, 0, 1], port)),
                left: 1,
                event: Event::None,
                want: 0,
                families: Families::Both,
            };
            tracker.announce(&announce).unwrap();
        }
        assert!(matches!(
            feed.try_recv(),
            Err(broadcast::error::TryRecvError::Lagged(_))
        ));
        assert!(feed.try_recv().is_ok());
    }
}
