//! The swarm of one torrent.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::peer::{self, Peer};
use super::{Counts, Limits};

/// Peers in order of address and port: see [`super::BYTES_PER_PEER`] for why.
#[derive(Debug, Default)]
pub(super) struct Torrent {
    peers: Vec<Peer>,
    /// Peers with nothing left. Kept beside, since every answer needs it.
    complete: u32,
    downloaded: u32,
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

impl Torrent {
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            complete: self.complete,
            incomplete: self.peers.len() as u32 - self.complete,
            downloaded: self.downloaded,
        }
    }

    fn find(&self, addr: SocketAddr) -> Result<usize, usize> {
        let key = peer::key(addr);
        self.peers.binary_search_by_key(&key, Peer::key)
    }

    /// Notes an announce at second `now`, and says whether it deserves a full answer. `room` says whether the table takes
    /// another peer.
    pub fn hear(
        &mut self,
        limits: &Limits,
        room: bool,
        now: u32,
        addr: SocketAddr,
        left: u64,
    ) -> bool {
        let Ok(at) = self.find(addr) else {
            self.list(limits, room, now, Peer::new(addr, left, now));
            return true;
        };
        let peer = &mut self.peers[at];
        // A tenth of slack: clients round, and a packet may overtake another.
        let soonest = seconds(limits.min_interval * 9 / 10);
        if now.saturating_sub(peer.seen) < soonest {
            peer.early = peer.early.saturating_add(1);
        } else {
            peer.early = 0;
        }
        peer.seen = now;
        match (peer.left, left) {
            (1.., 0) => {
                self.complete += 1;
                if !peer.counted {
                    peer.counted = true;
                    self.downloaded = self.downloaded.saturating_add(1);
                }
            }
            (0, 1..) => self.complete -= 1,
            _ => {}
        }
        peer.left = left;
        peer.early <= limits.early_answers
    }

    /// Lists a newcomer if somebody makes room for it, by the rules told at [`super::Table`].
    fn list(&mut self, limits: &Limits, room: bool, now: u32, newcomer: Peer) {
        let addr = newcomer.addr();
        let (first, last) = peer::network(addr);
        let from = self.peers.partition_point(|peer| peer.key() < (first, 0));
        let to = self
            .peers
            .partition_point(|peer| peer.key() <= (last, u16::MAX));
        if to - from >= limits.peers_per_network && !addr.ip().is_loopback() {
            let Some(stalest) = (from..to).min_by_key(|at| self.peers[*at].seen) else {
                return;
            };
            self.remove_at(stalest);
        } else if !room || self.peers.len() >= limits.peers_per_torrent {
            let stalest = (0..self.peers.len()).min_by_key(|at| self.peers[*at].seen);
            let overdue = seconds(limits.overdue());
            match stalest {
                Some(at) if now.saturating_sub(self.peers[at].seen) > overdue => self.remove_at(at),
                _ => return,
            }
        }
        if let Err(at) = self.find(addr) {
            self.complete += u32::from(newcomer.left == 0);
            self.peers.insert(at, newcomer);
        }
    }

    fn remove_at(&mut self, at: usize) {
        let gone = self.peers.remove(at);
        self.complete -= u32::from(gone.left == 0);
    }

    /// Forgets a peer, if it is known.
    pub fn remove(&mut self, addr: SocketAddr) {
        if let Ok(at) = self.find(addr) {
            self.remove_at(at);
        }
    }

    /// Forgets the peers last heard of before second `oldest`, and gives memory back when most of it is unused.
    pub fn expire(&mut self, oldest: u32) {
        self.peers.retain(|peer| peer.seen >= oldest);
        self.complete = self.peers.iter().filter(|peer| peer.left == 0).count() as u32;
        if self.peers.capacity() > self.peers.len() * 2 {
            self.peers.shrink_to_fit();
        }
    }

    /// Up to `n` peers at random out of those that are `useful`. `eligible` is scratch space.
    pub fn sample(
        &self,
        rng: &mut StdRng,
        eligible: &mut Vec<u32>,
        n: usize,
        useful: impl Fn(&Peer) -> bool,
    ) -> Vec<(SocketAddr, u64)> {
        if n == 0 {
            return Vec::new();
        }
        eligible.clear();
        eligible
            .extend((0..self.peers.len() as u32).filter(|at| useful(&self.peers[*at as usize])));
        let (chosen, _) = eligible.partial_shuffle(rng, n);
        chosen
            .iter()
            .map(|at| &self.peers[*at as usize])
            .map(|peer| (peer.addr(), peer.left))
            .collect()
    }

    /// Bytes of heap its peers take.
    #[cfg(test)]
    pub fn heap(&self) -> usize {
        self.peers.capacity() * peer::BYTES_PER_PEER
    }
}
