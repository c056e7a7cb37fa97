//! One torrent in the engine: its swarm, its connections, its figures.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::TorrentReport;
use super::resting::{Resting, Source};
use crate::base::PeerKey;
use crate::seed::connection::{self, Account, Limit};
use crate::seed::dial::AddressBook;
use crate::seed::reader::WarmPiece;
use crate::seed::shaper::on_the_wire;
use crate::seed::sightings::Sightings;
use crate::seed::swarm::Swarm;
use crate::seed::wire::{Block, Said};

/// Two who dial each other do so within this time of learning of each other.
const FRESH: Duration = Duration::from_secs(10);

/// What the kernel does not count: the segment that answers a peer's first one, and the two that end a connection.
const OPENING: f64 = 60.0;
const CLOSING: f64 = 104.0;
/// A connection that was handed something in this time may still have some of it in the kernel.
const RECENT: Duration = Duration::from_secs(1);

/// A connection as the engine keeps it.
#[derive(Debug)]
pub(super) struct Link {
    pub orders: mpsc::UnboundedSender<connection::Order>,
    pub addr: SocketAddr,
    /// Whether we dialled it.
    pub outgoing: bool,
    pub peer_id: [u8; 20],
    /// The socket, where it is reached over the uplink.
    pub far: Option<Weak<TcpStream>>,
    pub since: Instant,
    /// When it last showed its bitfield.
    pub glimpsed_at: Instant,
    /// Wire bytes charged for it so far.
    charged: f64,
    /// Of these: for what was handed over, and not reported as written or forgotten.
    outstanding: f64,
    handed: Option<Instant>,
    /// Whether what is under way was handed over without a limit, and the bucket does not know of it.
    uncounted: bool,
}

impl Link {
    pub fn new(
        orders: mpsc::UnboundedSender<connection::Order>,
        addr: SocketAddr,
        outgoing: bool,
        peer_id: [u8; 20],
        now: Instant,
    ) -> Self {
        Self {
            orders,
            addr,
            outgoing,
            peer_id,
            far: None,
            since: now,
            glimpsed_at: now,
            charged: 0.0,
            outstanding: 0.0,
            handed: None,
            uncounted: false,
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
    pub sightings: Sightings,
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
            sightings: resting.sightings,
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
    pub fn rest(mut self, now: Instant) -> Resting {
        self.sightings.deserted(now);
        Resting {
            payload: self.payload + self.swarm.payload(),
            wire: self.wire,
            book: self.book,
            sightings: self.sightings,
            ..Resting::new(self.source, self.device, self.swarm.is_silent())
        }
    }

    /// The connection that this peer has already: the same name from the same machine.
    pub fn twin(&self, peer_id: [u8; 20], ip: IpAddr) -> Option<PeerKey> {
        let same = |link: &Link| link.peer_id == peer_id && link.addr.ip() == ip;
        let twin = self.links.iter().find(|(_, link)| same(link));
        twin.map(|(key, _)| *key)
    }

    /// Charges a connection with what is handed to it, in bytes on the wire.
    pub fn hand_over(&mut self, peer: PeerKey, wire: f64, now: Instant) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.charged += wire;
            link.outstanding += wire;
            link.handed = Some(now);
        }
        self.wire += wire;
    }

    /// What was handed over is the kernel's now, or was forgotten.
    pub fn settle(&mut self, peer: PeerKey, wire: f64) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.outstanding = (link.outstanding - wire).max(0.0);
        }
    }

    /// Says something to a peer; returns the wire bytes to take from the bucket. `headers` is what carrying it costs.
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

    /// Compares the books with what the kernel says; returns the correction to the bucket. `last`: the connection has
    /// ended, and what was not sent by now never will be.
    pub fn correct(&mut self, peer: PeerKey, account: Option<Account>, last: bool) -> f64 {
        let (Some(link), Some(account)) = (self.links.get_mut(&peer), account) else {
            return 0.0;
        };
        let sent = account.sent.wire as f64 + OPENING;
        let due = if last {
            sent + CLOSING
        } else {
            let unsent = account.sent.unsent as f64;
            sent + unsent + link.outstanding - on_the_wire(account.unreported) as f64
        };
        let correction = due - link.charged;
        link.charged = due;
        self.wire += correction;
        if link.uncounted { 0.0 } else { correction }
    }

    /// A connection has obeyed a new limit; returns the correction to the bucket. Where there was none before, that is
    /// what the connection still holds: what it wrote until then, and what came back, was never taken from the bucket.
    pub fn paced(&mut self, peer: PeerKey, account: Option<Account>) -> f64 {
        let correction = self.correct(peer, account, false);
        let Some(link) = self.links.get_mut(&peer) else {
            return correction;
        };
        if !std::mem::take(&mut link.uncounted) {
            return correction;
        }
        let written = account.map_or(0, |account| account.unreported);
        (link.outstanding - on_the_wire(written) as f64).max(0.0)
    }

    /// Tells every connection of a limit. When it was lowered, they call back what they can, and what they cannot is
    /// sent within `share` each. `uncounted`: there was none before.
    pub fn pace(&mut self, limit: Option<Limit>, share: Option<u64>, uncounted: bool) {
        for link in self.links.values_mut() {
            link.uncounted = uncounted;
            // Connections that are gone report so by themselves.
            if share.is_some() {
                let _ = link.orders.send(connection::Order::Unsend(None));
            }
            let pace = connection::Order::Pace { limit, share };
            let _ = link.orders.send(pace);
        }
    }

    /// Connections that have something to send, here or in the kernel.
    pub fn sending(&self, now: Instant) -> usize {
        let recent = |at: Instant| now.saturating_duration_since(at) < RECENT;
        let busy = |link: &&Link| link.outstanding > 0.0 || link.handed.is_some_and(recent);
        self.links.values().filter(busy).count()
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
            relays: self.sightings.relays(),
            witnesses: self.sightings.witnesses(),
            copies: self.swarm.copies(),
            stuck: self.swarm.stuck(now),
            stuck_since: self.swarm.stuck_since(now),
            unreadable: self.unreadable.clone(),
        }
    }
}

/// What a block takes on the wire, its header included.
pub(super) fn block_wire(block: Block) -> f64 {
    on_the_wire(u64::from(block.length) + 13) as f64
}

/// What a piece of the metadata takes on the wire; `length` is [its own](Said::length).
pub(super) fn metadata_wire(length: u64) -> f64 {
    on_the_wire(length) as f64
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
            .insert(PeerKey(7), Link::new(orders, addr, false, [1; 20], now));
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

    #[test]
    fn the_books_agree_with_the_kernel_whatever_is_under_way() {
        let now = Instant::now();
        let torrent = Arc::new(torrent(&[1 << 20], 1 << 15));
        let swarm = Swarm::new(torrent.clone(), None);
        let resting = Resting::new(Source::Held(torrent), 0, false);
        let mut seeding = Seeding::new(swarm, resting, now);
        let (orders, _taken) = mpsc::unbounded_channel();
        let peer = PeerKey(7);
        let addr = "192.0.2.1:40000".parse().unwrap();
        seeding
            .links
            .insert(peer, Link::new(orders, addr, false, [1; 20], now));
        let block = |begin| Block {
            index: 0,
            begin,
            length: 1 << 14,
        };
        let account = |wire, unsent, unreported| {
            let sent = crate::seed::socket::Sent { wire, unsent };
            Some(Account { sent, unreported })
        };
        let one = block_wire(block(0));
        seeding.hand_over(peer, one, now);
        seeding.hand_over(peer, block_wire(block(1 << 14)), now);
        let two = 2.0 * one;
        let mut bucket = two;
        assert!(seeding.report(now).wire == two as u64 && seeding.sending(now) == 1);
        // Nothing is sent yet: only what opened the connection was not charged.
        bucket += seeding.correct(peer, account(0, 0, 0), false);
        assert_eq!(bucket, two + OPENING);
        // One is in the kernel, half of it sent, and the line took 100 bytes more than was estimated.
        seeding.settle(peer, one);
        let half = one as u64 / 2;
        bucket += seeding.correct(peer, account(half + 100, half, 0), false);
        assert!((bucket - two - OPENING - 100.0).abs() <= 1.0, "{bucket}");
        // It goes without taking the second: that was never sent, and comes back.
        bucket += seeding.correct(peer, account(half + 100, half, 0), true);
        assert_eq!(bucket, half as f64 + 100.0 + OPENING + CLOSING);
        assert_eq!(seeding.report(now).wire, bucket as u64);
    }
}
