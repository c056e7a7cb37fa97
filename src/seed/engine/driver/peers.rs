//! The engine's peers: who comes, what they report, whom we dial.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::super::seeding::{block_wire, metadata_wire};
use super::{Back, Driver, Link, Seeding};
use crate::base::world::is_near;
use crate::base::{InfoHash, PeerKey, Timestamp};
use crate::seed::client;
use crate::seed::connection::{self, Greeted, Reports};
use crate::seed::dial::{Dialled, dial};
use crate::seed::near;
use crate::seed::swarm::{Compared, Event};
use crate::seed::wire;

/// Peers of one torrent. Each costs some tens of KiB with its kernel buffers.
pub(super) const MAX_PEERS_PER_TORRENT: usize = 500;
/// Peers of all torrents, well below the descriptors a service may have open.
const MAX_PEERS: usize = 2_000;
/// Peers of one torrent from one address, which is all that a stranger cannot have many of: a household or an office
/// shares one, and so do a provider's customers, and few of them are here for the same.
pub(super) const MAX_PER_ORIGIN: usize = 16;
/// Peers of all torrents from one address: who seeds all we have is welcome, and leaves room for others.
pub(super) const MAX_PER_ORIGIN_IN_ALL: usize = MAX_PEERS / 4;

impl Driver {
    /// Somebody finished the handshake, on either side.
    pub(super) fn newcomer(&mut self, greeted: Greeted) {
        let Some(greeted) = self.awaited(greeted) else {
            return;
        };
        if !greeted.outgoing {
            self.outside.came(greeted.addr.ip(), Timestamp::now());
        }
        let now = Instant::now();
        let hash = greeted.greeting.info_hash;
        let Some(seeding) = self.seedings.get_mut(&hash) else {
            return;
        };
        let (name, ip) = (greeted.greeting.peer_id, greeted.addr.ip());
        if let Some(twin) = seeding.twin(name, ip) {
            if greeted.outgoing {
                // It is here already, and did not say where it listens: now we know.
                seeding.swarm.listens_at(twin, greeted.addr);
                return self.glimpse(twin, greeted, now);
            }
            if seeding.links[&twin].is_fresh(now) {
                return;
            }
            // It lost its old connection and we did not notice yet.
            self.hang_up(hash, twin, "it came again");
        }
        let Some(seeding) = self.seedings.get_mut(&hash) else {
            return;
        };
        if seeding.links.len() >= MAX_PEERS_PER_TORRENT || self.peers >= MAX_PEERS {
            return;
        }
        let far = self.watch.is_far(ip, now);
        if far && self.is_crowded(hash, ip) {
            return;
        }
        let Some(seeding) = self.seedings.get_mut(&hash) else {
            return;
        };
        let peer = PeerKey(self.next_key);
        self.next_key += 1;
        self.peers += 1;
        let (orders, taken) = mpsc::unbounded_channel();
        let (addr, outgoing) = (greeted.addr, greeted.outgoing);
        let mut link = Link::new(orders, addr, outgoing, greeted.greeting.peer_id, now);
        if far {
            let stream = Arc::downgrade(&greeted.stream);
            self.watch.watch(peer, &stream, now);
            link.far = Some(stream);
        }
        seeding.links.insert(peer, link);
        let joined = Event::Joined {
            peer,
            addr: greeted.addr,
            outgoing: greeted.outgoing,
            extended: greeted.greeting.extended,
            habits: client::habits(&greeted.greeting.peer_id),
        };
        let longest = wire::max_message_length(seeding.swarm.torrent().pieces());
        let reports = Reports {
            info_hash: hash,
            peer,
            to: self.reports.clone(),
        };
        tracing::debug!(%hash, addr = %greeted.addr, outgoing = greeted.outgoing, "peer joined");
        tokio::spawn(connection::run(greeted, longest, taken, reports));
        // Whoever is in the house, or at our provider, is heard without our line.
        if !is_near(addr.ip()) {
            self.looks.touched(now);
        }
        seeding.swarm.handle(joined, now);
        if let Some(home) = seeding.sightings.home(name, ip) {
            seeding.swarm.listens_at(peer, home);
        }
        if far && !self.shaper.is_guarded() {
            self.mind_the_line(now);
        }
        self.act(hash);
    }

    /// Whether an address has all the places that one may have. Call it for those who are far: whoever is near takes nothing
    /// of our line, and behind a gateway that hides where others come from, all the world seems to be near.
    pub(super) fn is_crowded(&self, hash: InfoHash, ip: IpAddr) -> bool {
        let origin = near::origin(ip);
        let of_it = |seeding: &Seeding| {
            let links = seeding.links.values();
            links
                .filter(|link| near::origin(link.addr.ip()) == origin)
                .count()
        };
        let here = self.seedings.get(&hash).map_or(0, of_it);
        let waking = self
            .resting
            .get(&hash)
            .and_then(|resting| resting.waking.as_ref());
        let waiting = waking.map_or(0, |waking| {
            let peers = waking.peers.iter();
            peers
                .filter(|peer| near::origin(peer.addr.ip()) == origin)
                .count()
        });
        let in_all = || self.seedings.values().map(of_it).sum::<usize>();
        here + waiting >= MAX_PER_ORIGIN || in_all() >= MAX_PER_ORIGIN_IN_ALL
    }

    /// A peer that is connected was dialled: its bitfield is taken, and the second connection ends. Not every client says on
    /// the first what it holds by now.
    fn glimpse(&mut self, twin: PeerKey, greeted: Greeted, now: Instant) {
        let hash = greeted.greeting.info_hash;
        let Some(seeding) = self.seedings.get_mut(&hash) else {
            return;
        };
        let shows_all = seeding.swarm.sight(twin, now).is_none_or(|s| s.full);
        if let Some(link) = seeding.links.get_mut(&twin).filter(|_| !shows_all) {
            link.glimpsed_at = now;
            let longest = wire::max_message_length(seeding.swarm.torrent().pieces());
            let back = self.back.clone();
            tokio::spawn(async move {
                if let Some(bits) = connection::glimpse(greeted, longest).await {
                    // The engine is gone when this fails, and so is the need.
                    let _ = back.send(Back::Glimpsed(hash, twin, bits));
                }
            });
        }
    }

    /// Takes in what a connection reports.
    pub(super) fn heard_from(&mut self, hash: InfoHash, peer: PeerKey, report: connection::Report) {
        let now = Instant::now();
        let Some(seeding) = self.seedings.get_mut(&hash) else {
            return;
        };
        let Some(addr) = seeding.links.get(&peer).map(|link| link.addr.ip()) else {
            return;
        };
        match report {
            connection::Report::Heard(heard, account) => {
                let correction = seeding.correct(peer, account, false);
                self.shaper.charge(Some(hash), correction);
                for heard in heard {
                    if let wire::Heard::Hello(wire::Hello { you: Some(you), .. }) = &heard {
                        self.outside.said(addr, *you);
                    }
                    seeding.swarm.handle(Event::Heard(peer, heard), now);
                }
            }
            connection::Report::Done {
                blocks,
                written,
                account,
            } => {
                for block in &blocks {
                    seeding.settle(peer, block_wire(*block));
                }
                let correction = seeding.correct(peer, account, false);
                self.shaper.charge(Some(hash), correction);
                let what = if written {
                    Event::Written
                } else {
                    Event::Unsent
                };
                for block in blocks {
                    seeding.swarm.handle(what(peer, block), now);
                }
            }
            connection::Report::MetadataWritten { length, account } => {
                seeding.settle(peer, metadata_wire(length));
                let correction = seeding.correct(peer, account, false);
                self.shaper.charge(Some(hash), correction);
                seeding.swarm.handle(Event::MetadataWritten(peer), now);
            }
            connection::Report::Sent(account) => {
                let correction = seeding.paced(peer, account);
                self.shaper.charge(Some(hash), correction);
            }
            connection::Report::Closed { why, account } => {
                let correction = seeding.correct(peer, account, true);
                self.shaper.charge(Some(hash), correction);
                seeding.parts(peer, false, now);
                if let Some(link) = seeding.links.remove(&peer) {
                    tracing::debug!(%hash, addr = %link.addr, %why, "peer left");
                    self.peers -= 1;
                }
                seeding.swarm.handle(Event::Left(peer), now);
            }
        }
    }

    /// Takes in what background work brought; says whose it was.
    pub(super) fn came_back(&mut self, back: Back) -> InfoHash {
        let now = Instant::now();
        match back {
            Back::Warmed(hash, piece, result) => {
                if let Some(seeding) = self.seedings.get_mut(&hash) {
                    let readable = result.is_ok();
                    match result {
                        Ok(warm) => {
                            seeding.pieces.insert(piece, warm);
                        }
                        Err(error) => {
                            tracing::warn!(%hash, piece, %error, "content cannot be read");
                            seeding.unreadable = Some(error.to_string());
                        }
                    }
                    seeding.swarm.handle(Event::Warmed(piece, readable), now);
                }
                hash
            }
            Back::Dialled(hash, addr, result) => {
                let Some((book, sightings)) = self.known_of(hash) else {
                    return hash;
                };
                match result {
                    Dialled::Reached(greeted) => {
                        book.dialled(addr, true, now);
                        sightings.reached(addr, now);
                        if !is_near(addr.ip()) {
                            self.looks.touched(now);
                        }
                        self.newcomer(*greeted);
                    }
                    Dialled::Ourselves => {
                        book.forget(addr);
                        sightings.forget(addr);
                        self.looks.is_ourselves(addr);
                    }
                    Dialled::Failed(error) => {
                        tracing::debug!(%hash, %addr, %error, "a peer could not be reached");
                        book.dialled(addr, false, now);
                        sightings.missed(addr, now);
                        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
                        if refused && !is_near(addr.ip()) {
                            // A machine is there, and says that nobody listens.
                            self.looks.touched(now);
                        }
                        self.beside.0.exchange(0);
                    }
                }
                self.look_later(hash);
                hash
            }
            Back::Glimpsed(hash, peer, bits) => {
                if let Some(seeding) = self.seedings.get_mut(&hash) {
                    seeding.swarm.glimpsed(peer, &bits, now);
                }
                hash
            }
            Back::Compared(hash, peer, result) => {
                if let Some(seeding) = self.seedings.get_mut(&hash) {
                    let compared = match result {
                        Ok(true) => Compared::Same,
                        Ok(false) => Compared::Different,
                        Err(error) => {
                            tracing::debug!(%hash, %error, "a peer's block cannot be compared");
                            Compared::Unreadable
                        }
                    };
                    seeding.swarm.handle(Event::Compared(peer, compared), now);
                }
                hash
            }
            Back::Read(hash, ticket, torrent) => {
                self.read(hash, ticket, torrent);
                hash
            }
        }
    }

    /// Ends a connection from our side.
    pub(super) fn hang_up(&mut self, hash: InfoHash, peer: PeerKey, why: &str) {
        let Some(seeding) = self.seedings.get_mut(&hash) else {
            return;
        };
        seeding.parts(peer, true, Instant::now());
        // Dropping the link ends the connection.
        if let Some(link) = seeding.links.remove(&peer) {
            tracing::debug!(%hash, addr = %link.addr, why, "hanging up");
            self.peers -= 1;
            seeding.swarm.handle(Event::Left(peer), Instant::now());
        }
        self.note(hash);
    }

    /// Dials whom a torrent's swarm still lacks.
    pub(super) fn dial(&mut self, hash: InfoHash, now: Instant) {
        let connected: Vec<SocketAddr> = match self.seedings.get(&hash) {
            Some(seeding) => seeding.swarm.addresses().collect(),
            None => Vec::new(),
        };
        let Some((book, sightings)) = self.known_of(hash) else {
            return;
        };
        let due = book.due(&connected, now);
        due.iter().for_each(|addr| sightings.looking(*addr, now));
        due.into_iter().for_each(|addr| self.call(hash, addr));
    }

    /// Dials one address; what comes of it comes back.
    pub(super) fn call(&self, hash: InfoHash, addr: SocketAddr) {
        let (back, peer_id) = (self.back.clone(), self.peer_id);
        tokio::spawn(async move {
            let result = dial(addr, hash, peer_id).await;
            // The engine is gone when this fails, and so is the need.
            let _ = back.send(Back::Dialled(hash, addr, result));
        });
    }
}
