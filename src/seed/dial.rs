//! Whom to dial, when: addresses learnt from trackers, DHT and other peers.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Greeted;
use super::{listener, socket, wire};
use crate::base::InfoHash;

/// Addresses remembered for one torrent; a tracker's or a liar's list may be longer.
const MAX_ADDRESSES: usize = 500;
/// Connections we try to have per torrent; beyond that peers may still come by themselves.
const WANTED_PEERS: usize = 60;
/// Dials of one torrent at a time, so that a list of dead addresses costs little.
const DIALS_AT_ONCE: usize = 10;
/// A new address is given this long to come to us first: two connections between the same two are one too many.
const GRACE: Duration = Duration::from_secs(2);
/// How long a dial may take, handshake included.
const DIAL_PATIENCE: Duration = Duration::from_secs(10);
/// The pause after a peer that was reached has left: with a magnet's metadata in hand, some clients hang up and
/// expect to be found again.
const REDIAL: Duration = Duration::from_secs(15);
/// The first pause after a failure; it doubles with each.
const RETRY: Duration = Duration::from_secs(60);
/// Failures after which an address is forgotten.
const MAX_FAILURES: u32 = 4;

#[derive(Debug)]
struct Address {
    next: Instant,
    failures: u32,
    dialling: bool,
}

/// The addresses of one torrent.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    addresses: BTreeMap<SocketAddr, Address>,
    dialling: usize,
    /// Nobody is due before.
    quiet_until: Option<Instant>,
}

impl AddressBook {
    /// Whether no address is known.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Takes in addresses somebody named.
    pub fn learn(&mut self, addresses: impl IntoIterator<Item = SocketAddr>, now: Instant) {
        self.quiet_until = None;
        for addr in addresses {
            let addr = wire::canonical(addr);
            let useless =
                addr.port() == 0 || addr.ip().is_unspecified() || addr.ip().is_multicast();
            if useless || self.addresses.len() >= MAX_ADDRESSES {
                continue;
            }
            self.addresses.entry(addr).or_insert(Address {
                next: now + GRACE,
                failures: 0,
                dialling: false,
            });
        }
    }

    /// Whom to dial now, given who is connected.
    pub fn due(&mut self, connected: &[SocketAddr], now: Instant) -> Vec<SocketAddr> {
        if self.quiet_until.is_some_and(|until| now < until) {
            return Vec::new();
        }
        let wanted = WANTED_PEERS
            .saturating_sub(connected.len() + self.dialling)
            .min(DIALS_AT_ONCE.saturating_sub(self.dialling));
        let due: Vec<SocketAddr> = self
            .addresses
            .iter_mut()
            .filter(|(addr, a)| !a.dialling && a.next <= now && !connected.contains(addr))
            .take(wanted)
            .map(|(addr, a)| {
                a.dialling = true;
                *addr
            })
            .collect();
        self.dialling += due.len();
        let waiting = self.addresses.values().filter(|a| !a.dialling);
        self.quiet_until = waiting.map(|a| a.next).min();
        due
    }

    /// A dial ended. A peer that was reached is left alone for a while once it goes.
    pub fn dialled(&mut self, addr: SocketAddr, reached: bool, now: Instant) {
        let Some(address) = self.addresses.get_mut(&addr) else {
            return;
        };
        if std::mem::take(&mut address.dialling) {
            self.dialling = self.dialling.saturating_sub(1);
        }
        self.quiet_until = None;
        address.failures = if reached { 0 } else { address.failures + 1 };
        address.next = match address.failures {
            0 => now + REDIAL,
            failures => now + RETRY * 2u32.pow(failures),
        };
        if address.failures >= MAX_FAILURES {
            self.addresses.remove(&addr);
        }
    }

    /// Whether it is being dialled.
    pub fn is_dialling(&self, addr: SocketAddr) -> bool {
        self.addresses.get(&addr).is_some_and(|a| a.dialling)
    }

    /// Never dial this one again: it is ourselves, or looked for otherwise.
    pub fn forget(&mut self, addr: SocketAddr) {
        if self.addresses.remove(&addr).is_some_and(|a| a.dialling) {
            self.dialling = self.dialling.saturating_sub(1);
        }
    }
}

/// How a dial ended.
#[derive(Debug)]
pub(super) enum Dialled {
    Reached(Box<Greeted>),
    Ourselves,
    Failed(io::Error),
}

/// Dials one address and greets.
pub(super) async fn dial(addr: SocketAddr, info_hash: InfoHash, peer_id: [u8; 20]) -> Dialled {
    let greet = async {
        let mut stream = TcpStream::connect(addr).await?;
        socket::prepare(&stream);
        socket::write_all(&stream, &wire::handshake(info_hash, peer_id)).await?;
        let greeting = listener::hear(&mut stream).await?;
        let greeting = greeting.filter(|greeting| greeting.info_hash == info_hash);
        let greeting = greeting.ok_or_else(|| io::Error::other("it is here for something else"))?;
        Ok::<_, io::Error>((stream, greeting))
    };
    match timeout(DIAL_PATIENCE, greet).await {
        Ok(Ok((_, greeting))) if greeting.peer_id == peer_id => Dialled::Ourselves,
        Ok(Ok((stream, greeting))) => Dialled::Reached(Box::new(Greeted {
            stream: Arc::new(stream),
            addr,
            outgoing: true,
            greeting,
        })),
        Ok(Err(error)) => Dialled::Failed(error),
        Err(_) => Dialled::Failed(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(n: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], n))
    }

    #[test]
    fn addresses_get_their_grace_and_failures_their_pause() {
        let start = Instant::now();
        let mut book = AddressBook::default();
        book.learn([addr(1), addr(2), addr(0)], start);
        assert!(book.due(&[], start).is_empty());
        let now = start + GRACE;
        assert_eq!(book.due(&[addr(2)], now), [addr(1)]);
        assert!(book.due(&[addr(2)], now).is_empty(), "one dial at a time");
        assert_eq!(book.due(&[], now), [addr(2)], "its connection ended");
        book.forget(addr(1));
        book.forget(addr(2));
        book.learn([addr(1), addr(2)], start);
        assert_eq!(book.due(&[addr(2)], now), [addr(1)]);
        book.dialled(addr(1), false, now);
        assert!(book.due(&[addr(2)], now + RETRY).is_empty());
        assert_eq!(book.due(&[addr(2)], now + 2 * RETRY), [addr(1)]);
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_dead_ones_are_forgotten() {
        let mut now = Instant::now();
        let mut book = AddressBook::default();
        book.learn((1..60_000).map(addr), now);
        assert_eq!(book.addresses.len(), MAX_ADDRESSES);
        for _ in 0..10_000 {
            now += RETRY * 20;
            let due = book.due(&[], now);
            assert!(due.len() <= DIALS_AT_ONCE);
            due.into_iter()
                .for_each(|addr| book.dialled(addr, false, now));
        }
        assert!(book.addresses.is_empty());
        assert_eq!(book.dialling, 0);
    }
}
