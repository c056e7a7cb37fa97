//! One torrent in the engine: its swarm, its connections, its figures.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::TorrentReport;
use super::resting::{Resting, Source};
use crate::base::PeerKey;
use crate::seed::connection;
use crate::seed::dial::AddressBook;
use crate::seed::reader::WarmPiece;
use crate::seed::shaper::on_the_wire;
use crate::seed::swarm::Swarm;
use crate::seed::wire::{Block, Said};

/// Two who dial each other do so within this time of learning of each other.
const FRESH: Duration = Duration::from_secs(10);

/// Between two corrections of a connection's account: the kernel lags behind by what is in its buffer, so correcting
/// at every block would only add noise.
const CORRECT_EVERY: Duration = std::time::Duration::from_millis(250);

/// A connection as the engine keeps it.
#[derive(Debug)]
pub(super) struct Link {
    pub orders: mpsc::UnboundedSender<connection::Order>,
    pub addr: SocketAddr,
    pub peer_id: [u8; 20],
    since: Instant,
    /// What the shaper was charged for it, and what the kernel says it sent.
    charged: f64,
    sent: u64,
    corrected: Instant,
}

impl Link {
    pub fn new(
        orders: mpsc::UnboundedSender<connection::Order>,
        addr: SocketAddr,
        peer_id: [u8; 20],
        now: Instant,
    ) -> Self {
        Self {
            orders,
            addr,
            peer_id,
            since: now,
            charged: 0.0,
            sent: 0,
            corrected: now,
        }
    }

    /// Whether it is so young that a second connection of the same peer is the two of us dialling each other.
    pub fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < FRESH
    }
}

#[derive(Debug)]
pub(super) struct Seeding {
    pub swarm: Swarm,
    source: Source,
    pub device: u64,
    pub links: BTreeMap<PeerKey, Link>,
    pub pieces: HashMap<u32, WarmPiece>,
    pub book: AddressBook,
    pub unreadable: Option<String>,
    /// Payload before it rested last.
    payload: u64,
    wire: f64,
    /// Since when nobody is connected, as far as it was noticed.
    deserted: Option<Instant>,
    /// Wire bytes at the last measurement, and bytes per second then.
    measured: (f64, Instant),
    rate: f64,
}

impl Seeding {
    /// A torrent that woke up: `swarm` is fresh.
    pub fn new(swarm: Swarm, resting: Resting, now: Instant) -> Self {
        Self {
            swarm,
            source: resting.source,
            device: resting.device,
            links: BTreeMap::new(),
            pieces: HashMap::new(),
            book: resting.book,
            unreadable: None,
            payload: resting.payload,
            wire: resting.wire,
            deserted: None,
            measured: (resting.wire, now),
            rate: 0.0,
        }
    }

    /// Whether nobody is connected any more, for long enough that it can be put away. Call it about once a second.
    pub fn may_rest(&mut self, now: Instant) -> bool {
        if !self.links.is_empty() {
            self.deserted = None;
            return false;
        }
        let since = *self.deserted.get_or_insert(now);
        // What its content's owner was not told yet is kept for him.
        self.unreadable.is_none() && self.swarm.may_rest(now.saturating_duration_since(since))
    }

    /// What is left of it when it rests.
    pub fn rest(self) -> Resting {
        Resting {
            payload: self.payload + self.swarm.payload(),
            wire: self.wire,
            book: self.book,
            ..Resting::new(self.source, self.device, self.swarm.is_silent())
        }
    }

    /// The connection that this peer has already: the same name from the same machine.
    pub fn twin(&self, peer_id: [u8; 20], ip: IpAddr) -> Option<PeerKey> {
        let same = |link: &Link| link.peer_id == peer_id && link.addr.ip() == ip;
        let twin = self.links.iter().find(|(_, link)| same(link));
        twin.map(|(key, _)| *key)
    }

    /// Charges a connection with an estimate; returns the wire bytes to take from the bucket.
    pub fn estimate(&mut self, peer: PeerKey, bytes: u64) -> f64 {
        let wire = on_the_wire(bytes) as f64;
        if let Some(link) = self.links.get_mut(&peer) {
            link.charged += wire;
        }
        self.wire += wire;
        wire
    }

    /// Tells a peer something; returns the wire bytes to take from the bucket. `headers`: of the segment it opens.
    pub fn say(&mut self, peer: PeerKey, said: Said, headers: u64) -> f64 {
        let wire = (said.length() + headers) as f64;
        let Some(link) = self.links.get_mut(&peer) else {
            return 0.0;
        };
        link.charged += wire;
        self.wire += wire;
        // A connection that is gone reports so by itself.
        let _ = link.orders.send(connection::Order::Say(said));
        wire
    }

    /// What the kernel says a connection has sent so far; returns the correction to the bucket.
    pub fn correct(&mut self, peer: PeerKey, sent: Option<u64>, last: bool, now: Instant) -> f64 {
        let (Some(link), Some(sent)) = (self.links.get_mut(&peer), sent) else {
            return 0.0;
        };
        if !last && now.saturating_duration_since(link.corrected) < CORRECT_EVERY {
            return 0.0;
        }
        link.corrected = now;
        let correction = (sent.saturating_sub(link.sent)) as f64 - link.charged;
        link.sent = sent;
        link.charged = 0.0;
        self.wire += correction;
        correction
    }

    /// What it costs to say something this long.
    pub fn block_bytes(block: Block) -> u64 {
        u64::from(block.length) + 13
    }

    /// Measures the rate since the last call.
    pub fn measure(&mut self, now: Instant) {
        let (wire, at) = self.measured;
        let seconds = now.saturating_duration_since(at).as_secs_f64();
        if seconds > 0.0 {
            self.rate = ((self.wire - wire) / seconds).max(0.0);
            self.measured = (self.wire, now);
        }
    }

    pub fn rate(&self) -> f64 {
        self.rate
    }

    pub fn report(&self, now: Instant) -> TorrentReport {
        TorrentReport {
            info_hash: self.swarm.torrent().info_hash,
            payload: self.payload + self.swarm.payload(),
            wire: self.wire.max(0.0) as u64,
            rate: self.rate as u64,
            peers: self.swarm.peers() as u32,
            relays: self.swarm.relays(),
            copies: self.swarm.copies(),
            stuck: self.swarm.stuck(now),
            unreadable: self.unreadable.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::seed::torrent::tests::torrent;

    #[test]
    fn a_peer_is_known_by_its_name_and_its_machine_and_is_young_for_a_while() {
        let now = Instant::now();
        let torrent = Arc::new(torrent(&[1 << 20], 1 << 15));
        let swarm = Swarm::new(torrent.clone(), None);
        let resting = Resting::new(Source::Held(torrent), 0, false);
        let mut seeding = Seeding::new(swarm, resting, now);
        let addr: SocketAddr = "192.0.2.1:40000".parse().unwrap();
        let (orders, _) = mpsc::unbounded_channel();
        seeding
            .links
            .insert(PeerKey(7), Link::new(orders, addr, [1; 20], now));
        assert_eq!(seeding.twin([1; 20], addr.ip()), Some(PeerKey(7)));
        assert_eq!(seeding.twin([2; 20], addr.ip()), None);
        assert_eq!(
            seeding.twin([1; 20], "192.0.2.2".parse().unwrap()),
            None,
            "anyone can take a name"
        );
        let link = &seeding.links[&PeerKey(7)];
        assert!(link.is_fresh(now) && !link.is_fresh(now + FRESH));
    }
}
