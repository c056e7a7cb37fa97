//! Torrents fall asleep when everybody has left, and wake when somebody comes.

use std::sync::Arc;
use std::time::Instant;

use super::peers::MAX_PEERS_PER_TORRENT;
use super::{Back, Driver, Seeding};
use crate::base::InfoHash;
use crate::seed::connection::Greeted;
use crate::seed::dial::AddressBook;
use crate::seed::engine::resting::{Resting, ShelfError, Source, Waking};
use crate::seed::sightings::Sightings;
use crate::seed::swarm::Swarm;
use crate::seed::torrent::Torrent;

impl Driver {
    pub(super) fn add(&mut self, hash: InfoHash, resting: Resting) {
        if !self.seedings.contains_key(&hash) {
            self.resting.entry(hash).or_insert(resting);
            self.untold.insert(hash);
            self.known.write().insert(hash);
        }
    }

    /// Hands a newcomer back when the torrent it came for is awake; else it waits until that is so, if there is one.
    pub(super) fn awaited(&mut self, greeted: Greeted) -> Option<Greeted> {
        let hash = greeted.greeting.info_hash;
        if self.seedings.contains_key(&hash) {
            return Some(greeted);
        }
        let ip = greeted.addr.ip();
        if self.watch.is_far(ip, Instant::now()) && self.is_crowded(hash, ip) {
            return None;
        }
        let resting = self.resting.get_mut(&hash)?;
        if let Some(waking) = &mut resting.waking {
            // Who is one too many is hung up on, as by a swarm that is full.
            if waking.peers.len() < MAX_PEERS_PER_TORRENT {
                waking.peers.push(greeted);
            }
            return None;
        }
        match resting.source.clone() {
            Source::Held(torrent) => {
                self.wake(hash, torrent);
                Some(greeted)
            }
            Source::Shelved(shelf) => {
                self.tickets += 1;
                let (ticket, back) = (self.tickets, self.back.clone());
                let peers = vec![greeted];
                resting.waking = Some(Box::new(Waking { ticket, peers }));
                tokio::task::spawn_blocking(move || {
                    // The engine is gone when this fails, and so is the need.
                    let _ = back.send(Back::Read(hash, ticket, shelf.read(hash).map(Box::new)));
                });
                None
            }
        }
    }

    /// Takes in a torrent that was read, and lets in those who waited for it.
    pub(super) fn read(
        &mut self,
        hash: InfoHash,
        ticket: u64,
        torrent: Result<Box<Torrent>, ShelfError>,
    ) {
        let Some(resting) = self.resting.get_mut(&hash) else {
            return;
        };
        let Some(waking) = resting.waking.take_if(|waking| waking.ticket == ticket) else {
            return;
        };
        match torrent {
            Ok(torrent) if torrent.info_hash == hash => {
                self.wake(hash, Arc::from(torrent));
                waking
                    .peers
                    .into_iter()
                    .for_each(|peer| self.newcomer(peer));
            }
            Ok(torrent) => {
                tracing::error!(%hash, found = %torrent.info_hash, "another torrent was kept here");
            }
            Err(error) => tracing::error!(%hash, %error, "a torrent cannot be read"),
        }
    }

    fn wake(&mut self, hash: InfoHash, torrent: Arc<Torrent>) {
        let Some(resting) = self.resting.remove(&hash) else {
            return;
        };
        let now = Instant::now();
        self.sought.remove(&hash);
        self.looks.unschedule(hash, resting.look_at);
        let mut swarm = Swarm::new(torrent, self.port);
        swarm.set_silent(resting.silent, now);
        swarm.set_generous(self.generosity.of(hash));
        // The first peers are there before the first tick.
        swarm.tick(self.uplink(0), now);
        let seeding = Seeding::new(swarm, resting, now);
        self.seedings.insert(hash, seeding);
    }

    /// Puts away the swarms that everybody left for good.
    pub(super) fn put_to_rest(&mut self, now: Instant) {
        let deserted = self.seedings.extract_if(|_, seeding| seeding.may_rest(now));
        for (hash, seeding) in deserted {
            self.shaper.forget(hash);
            self.busy.remove(&hash);
            let resting = seeding.rest(now);
            if !resting.book.is_empty() {
                self.sought.insert(hash);
            }
            self.untold.insert(hash);
            let resting = self.resting.entry(hash).or_insert(resting);
            self.looks.schedule(hash, resting);
        }
    }

    /// Dials for torrents that rest: whoever is reached wakes them.
    pub(super) fn seek(&mut self, now: Instant) {
        let sought: Vec<InfoHash> = self.sought.iter().copied().collect();
        for hash in sought {
            self.dial(hash, now);
            let book = self.resting.get(&hash).map(|resting| &resting.book);
            if book.is_none_or(AddressBook::is_empty) {
                self.sought.remove(&hash);
            }
        }
    }

    /// The addresses of a torrent, and who holds it, awake or not.
    pub(super) fn known_of(
        &mut self,
        hash: InfoHash,
    ) -> Option<(&mut AddressBook, &mut Sightings)> {
        if let Some(seeding) = self.seedings.get_mut(&hash) {
            return Some((&mut seeding.book, &mut seeding.sightings));
        }
        let resting = self.resting.get_mut(&hash)?;
        Some((&mut resting.book, &mut resting.sightings))
    }

    /// Keeps `busy` true after something happened to a torrent.
    pub(super) fn note(&mut self, hash: InfoHash) {
        let awake = self.seedings.get(&hash);
        if awake.is_some_and(|seeding| !seeding.swarm.is_idle()) {
            self.busy.insert(hash);
        } else {
            self.busy.remove(&hash);
        }
    }
}
