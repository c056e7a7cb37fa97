//! The tracker over UDP (BEP 15).
//!
//! One task serves a socket: a request costs some microseconds, and what comes faster than that is for the kernel's
//! bounded buffer to drop. A dual-stack socket serves both families; a client is answered with peers of its own family.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::tracker::Tracker;
use crate::tracker::connection_id::ConnectionIds;
use crate::tracker::packet::{self, Request, Unread};
use crate::tracker::query::DEFAULT_WANT;
use crate::tracker::swarm::{Announce, Families, canonical};

/// Longest packet read: a scrape of 74 torrents has 1,496 bytes. A longer one is cut, and then read or refused.
const MAX_PACKET: usize = 2048;

/// IPv6 peers in one answer: 20 + 18 × 67 bytes, and 48 of headers, are within 1,280, the smallest MTU of IPv6.
const MAX_V6_PEERS: usize = 67;

/// Pause after the socket fails, so that a broken one does not take a whole core.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// What an unconnected client is told. Kept short: with its head, less than the shortest request.
const RECONNECT: &str = "expired";

const _: () = assert!(8 + RECONNECT.len() < packet::SHORTEST);

/// Serves a socket until cancelled.
pub async fn serve(socket: UdpSocket, tracker: Tracker, cancel: CancellationToken) {
    let ids = ConnectionIds::new(Instant::now());
    let mut buffer = [0; MAX_PACKET];
    let mut failing = false;
    loop {
        let received = tokio::select! {
            () = cancel.cancelled() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        match received {
            Ok((length, from)) => {
                failing = false;
                let now = Instant::now();
                let Some(reply) = answer(&tracker, &ids, now, from, &buffer[..length]) else {
                    continue;
                };
                match socket.send_to(&reply, from).await {
                    Ok(length) => tracker.beside().datagram(length, from.ip()),
                    Err(error) => debug!(%from, %error, "answer not sent"),
                }
            }
            // On Linux an ICMP "port unreachable" for an earlier answer can surface here: nothing is wrong with us then.
            Err(error) => {
                if !failing && error.kind() != std::io::ErrorKind::ConnectionRefused {
                    warn!(%error, "the tracker's UDP socket fails");
                    failing = true;
                }
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

/// What a packet is answered with, if with anything.
fn answer(
    tracker: &Tracker,
    ids: &ConnectionIds,
    now: Instant,
    from: SocketAddr,
    bytes: &[u8],
) -> Option<Vec<u8>> {
    let from = canonical(from);
    let known = |connection| ids.check(now, from.ip(), connection);
    let (transaction, request) = match packet::read(bytes) {
        Ok(read) => read,
        Err(Unread::Garbage) => return None,
        Err(Unread::Bad {
            connection,
            transaction,
            why,
        }) => {
            let text = if known(connection) { why } else { RECONNECT };
            return Some(packet::error(transaction, text));
        }
    };
    Some(match request {
        Request::Connect => packet::connected(transaction, ids.make(now, from.ip())),
        Request::Announce { connection, .. } | Request::Scrape { connection, .. }
            if !known(connection) =>
        {
            packet::error(transaction, RECONNECT)
        }
        Request::Announce {
            info_hash,
            left,
            event,
            want,
            port,
            ..
        } => {
            let want = want.unwrap_or(DEFAULT_WANT);
            let (families, want) = match from.ip() {
                IpAddr::V4(_) => (Families::V4, want),
                IpAddr::V6(_) => (Families::V6, want.min(MAX_V6_PEERS)),
            };
            let announce = Announce {
                info_hash,
                addr: SocketAddr::new(from.ip(), port),
                left,
                event,
                want,
                families,
            };
            match tracker.announce(&announce) {
                Ok(answer) => packet::announced(transaction, from.ip(), &answer),
                Err(refusal) => packet::error(transaction, &refusal.to_string()),
            }
        }
        Request::Scrape { hashes, .. } => {
            let counts = hashes.into_iter().map(|hash| tracker.counts(hash));
            packet::scraped(transaction, counts)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::InfoHash;
    use proptest::prelude::*;

    fn connect() -> Vec<u8> {
        let mut packet = 0x0417_2710_1980u64.to_be_bytes().to_vec();
        packet.extend([0, 0, 0, 0, 1, 2, 3, 4]);
        packet
    }

    fn announce(connection: &[u8], port: u16) -> Vec<u8> {
        let mut packet = connection.to_vec();
        packet.extend([0, 0, 0, 1, 5, 6, 7, 8]);
        packet.extend([1; 20]);
        packet.extend([2; 20]);
        packet.extend([0; 24 + 12]);
        packet.extend((-1i32).to_be_bytes());
        packet.extend(port.to_be_bytes());
        packet
    }

    struct Fixture {
        tracker: Tracker,
        ids: ConnectionIds,
        now: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            let tracker = Tracker::default();
            tracker.register(InfoHash([1; 20])).unwrap();
            let now = Instant::now();
            Self {
                tracker,
                ids: ConnectionIds::new(now),
                now,
            }
        }

        fn ask(&self, from: &str, packet: &[u8]) -> Option<Vec<u8>> {
            let from = from.parse().unwrap();
            answer(&self.tracker, &self.ids, self.now, from, packet)
        }
    }

    #[test]
    fn a_client_connects_and_announces() {
        let fixture = Fixture::new();
        let connected = fixture.ask("1.2.3.4:9", &connect()).unwrap();
        assert_eq!(connected[..8], [0, 0, 0, 0, 1, 2, 3, 4]);
        let id = &connected[8..];
        let answer = fixture.ask("1.2.3.4:10", &announce(id, 5)).unwrap();
        assert_eq!(answer[..8], [0, 0, 0, 1, 5, 6, 7, 8]);
        assert_eq!(answer.len(), 20);
        let error = fixture.ask("1.2.3.4:9", &announce(id, 0)).unwrap();
        assert_eq!(&error[8..], b"port 0 cannot be announced");
        // The id is worth nothing to another address.
        let error = fixture.ask("1.2.3.5:9", &announce(id, 5)).unwrap();
        assert_eq!(&error[8..], RECONNECT.as_bytes());
        assert_eq!(fixture.tracker.counts(InfoHash([1; 20])).complete, 1);
    }

    #[test]
    fn each_family_is_told_of_its_own() {
        let fixture = Fixture::new();
        let mut lengths = Vec::new();
        for (from, port) in [
            ("1.2.3.4:9", 1),
            ("[::ffff:1.2.3.5]:9", 1),
            ("[2001:db8::1]:9", 1),
            ("[2001:db8::2]:9", 1),
        ] {
            let connected = fixture.ask(from, &connect()).unwrap();
            let mut packet = announce(&connected[8..], port);
            packet[71] = 1;
            lengths.push(fixture.ask(from, &packet).unwrap().len());
        }
        assert_eq!(lengths, [20, 26, 20, 38]);
    }

    proptest! {
        /// Nobody can have us send more to a forged address than he sent himself.
        #[test]
        fn no_amplification(
            action in 0..4u8,
            real_head in any::<bool>(),
            rest in prop::collection::vec(any::<u8>(), 0..1600),
        ) {
            let fixture = Fixture::new();
            let mut packet = if real_head { connect() } else { announce(&[9; 8], 5) };
            packet[11] = action;
            packet.truncate(16);
            packet.extend(rest);
            if let Some(reply) = fixture.ask("1.2.3.4:9", &packet) {
                prop_assert!(reply.len() <= packet.len());
            }
        }
    }
}
