//! Asks UDP trackers (BEP 15).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::answer::{AnnounceError, Answer, Request, Scraped};
use super::client;
use super::datagram::{self, Action, MAX_PACKET};
use crate::base::{Beside, InfoHash};

/// How long an answer is waited for before the packet is sent again, and the last time before giving up. BEP 15 has
/// 15 s × 2^n over an hour; but a tracker that answers at all does so within a second or two, and the plan has its own
/// pauses between attempts.
pub const WAITS: [Duration; 3] = [
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(7),
];

/// A connection id may be used for a minute (BEP 15). Less some, for the way.
const ID_LIFE: Duration = Duration::from_secs(50);

/// Connections kept for the next announce to the same tracker. Each is a socket.
const KEPT: usize = 32;

#[derive(Debug)]
struct Connection {
    socket: UdpSocket,
    id: u64,
    made: Instant,
}

/// Asks UDP trackers; keeps connections whose id is still good.
#[derive(Debug)]
pub struct UdpClient {
    kept: Mutex<HashMap<SocketAddr, Connection>>,
    waits: [Duration; 3],
    from: IpAddr,
    beside: Beside,
}

impl UdpClient {
    /// A client whose packets come from this address, if it is of the tracker's family.
    pub fn new(from: IpAddr, beside: Beside) -> Self {
        Self {
            from,
            beside,
            ..Self::with_waits(WAITS)
        }
    }

    /// With other waits than [`WAITS`].
    pub fn with_waits(waits: [Duration; 3]) -> Self {
        Self {
            kept: Mutex::default(),
            waits,
            from: Ipv4Addr::UNSPECIFIED.into(),
            beside: Beside::default(),
        }
    }

    /// Announces to the tracker at an address.
    ///
    /// # Errors
    /// [`AnnounceError`].
    pub async fn announce(
        &self,
        tracker: SocketAddr,
        request: &Request,
        path: &str,
    ) -> Result<Answer, AnnounceError> {
        let write = |id, transaction| datagram::announce(id, transaction, request, path);
        let read = |body: &[u8]| datagram::read_announce(body, tracker);
        self.ask(tracker, Action::Announce, write, read).await
    }

    /// Asks the tracker at an address for the counts of at most [`datagram::MAX_SCRAPE`] torrents.
    ///
    /// # Errors
    /// [`AnnounceError`].
    pub async fn scrape(
        &self,
        tracker: SocketAddr,
        hashes: &[InfoHash],
    ) -> Result<Vec<Scraped>, AnnounceError> {
        let write = |id, transaction| datagram::scrape(id, transaction, hashes);
        let read = |body: &[u8]| datagram::read_scrape(body, hashes.len());
        self.ask(tracker, Action::Scrape, write, read).await
    }

    async fn ask<T>(
        &self,
        tracker: SocketAddr,
        action: Action,
        write: impl Fn(u64, u32) -> Vec<u8>,
        read: impl Fn(&[u8]) -> Result<T, AnnounceError>,
    ) -> Result<T, AnnounceError> {
        let kept = self.kept.lock().remove(&tracker);
        let connection = match kept.filter(|kept| kept.made.elapsed() < ID_LIFE) {
            Some(connection) => connection,
            None => self.connect(tracker).await?,
        };
        let packet = |transaction| write(connection.id, transaction);
        let answer = self
            .exchange(&connection.socket, action, packet, read)
            .await?;
        self.keep(tracker, connection);
        Ok(answer)
    }

    fn keep(&self, tracker: SocketAddr, connection: Connection) {
        let mut kept = self.kept.lock();
        kept.retain(|_, connection| connection.made.elapsed() < ID_LIFE);
        if kept.len() < KEPT {
            kept.insert(tracker, connection);
        }
    }

    async fn connect(&self, tracker: SocketAddr) -> Result<Connection, AnnounceError> {
        let local = client::local(self.from, tracker.is_ipv6());
        let socket = UdpSocket::bind((local, 0)).await.map_err(unreachable)?;
        // Only packets from the tracker arrive then.
        socket.connect(tracker).await.map_err(unreachable)?;
        let made = Instant::now();
        let id = self
            .exchange(
                &socket,
                Action::Connect,
                datagram::connect,
                datagram::read_connect,
            )
            .await?;
        Ok(Connection { socket, id, made })
    }

    /// Sends a packet until it is answered.
    async fn exchange<T>(
        &self,
        socket: &UdpSocket,
        action: Action,
        packet: impl Fn(u32) -> Vec<u8>,
        read: impl Fn(&[u8]) -> Result<T, AnnounceError>,
    ) -> Result<T, AnnounceError> {
        let transaction = rand::random();
        let packet = packet(transaction);
        let mut buffer = vec![0; MAX_PACKET];
        for wait in self.waits {
            socket.send(&packet).await.map_err(unreachable)?;
            if let Ok(tracker) = socket.peer_addr() {
                self.beside.datagram(packet.len(), tracker.ip());
            }
            let answer = async {
                loop {
                    let length = socket.recv(&mut buffer).await.map_err(unreachable)?;
                    if let Some(body) = datagram::body(&buffer[..length], action, transaction) {
                        return body.and_then(&read);
                    }
                }
            };
            if let Ok(answer) = timeout(wait, answer).await {
                return answer;
            }
        }
        Err(AnnounceError::Timeout)
    }
}

fn unreachable(error: std::io::Error) -> AnnounceError {
    AnnounceError::Unreachable(error.to_string())
}
