//! The packets of UDP trackers (BEP 15), as the tracker reads and writes them.

use std::net::{IpAddr, SocketAddr};

use crate::base::InfoHash;
use crate::tracker::swarm::{Answer, Counts, Event};

/// What a client sends in place of a connection id to ask for one.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// Bytes of the smallest request, a connect; anything shorter is no request.
pub const SHORTEST: usize = 16;

/// Bytes of an announce. Longer ones are read too: options may follow (BEP 41).
const ANNOUNCE_LENGTH: usize = 98;

/// Torrents in one scrape: "about 74" says BEP 15, what fits a packet that is not fragmented.
pub const MAX_SCRAPE: usize = 74;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// It wants a connection id.
    Connect,
    /// It announces, with the id it was given.
    Announce {
        connection: u64,
        info_hash: InfoHash,
        left: u64,
        event: Event,
        /// Peers wanted, `None` when it leaves that to us.
        want: Option<usize>,
        port: u16,
    },
    /// It asks about torrents, with the id it was given.
    Scrape {
        connection: u64,
        hashes: Vec<InfoHash>,
    },
}

/// Why a packet was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Not a tracker's packet at all: no answer, so that nobody makes us talk to a service that is not ours.
    Garbage,
    /// A tracker's packet with the connection id and transaction id, and something wrong behind them.
    Bad {
        connection: u64,
        transaction: u32,
        why: &'static str,
    },
}

fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(packet: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(packet.get(at..at + 8)?.try_into().ok()?))
}

/// Reads a request and its transaction id. The address in an announce is ignored (see [`crate::tracker`]).
///
/// # Errors
/// [`Unread`].
pub fn read(packet: &[u8]) -> Result<(u32, Request), Unread> {
    let header = (u64_at(packet, 0), u32_at(packet, 8), u32_at(packet, 12));
    let (Some(connection), Some(action), Some(transaction)) = header else {
        return Err(Unread::Garbage);
    };
    let bad = |why| Unread::Bad {
        connection,
        transaction,
        why,
    };
    let request = match action {
        CONNECT if connection == PROTOCOL_ID => Request::Connect,
        CONNECT => return Err(Unread::Garbage),
        ANNOUNCE => announce(packet, connection).ok_or(bad("short announce"))?,
        SCRAPE => {
            let (hashes, rest) = packet[SHORTEST..].as_chunks::<20>();
            if hashes.is_empty() || hashes.len() > MAX_SCRAPE || !rest.is_empty() {
                return Err(bad("bad scrape"));
            }
            Request::Scrape {
                connection,
                hashes: hashes.iter().copied().map(InfoHash).collect(),
            }
        }
        _ => return Err(Unread::Garbage),
    };
    Ok((transaction, request))
}

fn announce(packet: &[u8], connection: u64) -> Option<Request> {
    if packet.len() < ANNOUNCE_LENGTH {
        return None;
    }
    Some(Request::Announce {
        connection,
        info_hash: InfoHash(packet.get(16..36)?.try_into().ok()?),
        left: u64_at(packet, 64)?,
        event: match u32_at(packet, 80)? {
            1 => Event::Completed,
            2 => Event::Started,
            3 => Event::Stopped,
            _ => Event::None,
        },
        want: usize::try_from(u32_at(packet, 92)? as i32).ok(),
        port: u16_at(packet, 96)?,
    })
}

/// The answer to a connect: 16 bytes for 16.
pub fn connected(transaction: u32, connection: u64) -> Vec<u8> {
    let mut packet = head(CONNECT, transaction);
    packet.extend(connection.to_be_bytes());
    packet
}

/// The answer to an announce. Peers of the other family than `client` are left out: the format has no room for both.
pub fn announced(transaction: u32, client: IpAddr, answer: &Answer) -> Vec<u8> {
    let mut packet = head(ANNOUNCE, transaction);
    packet.extend((answer.interval.as_secs() as u32).to_be_bytes());
    packet.extend(answer.counts.incomplete.to_be_bytes());
    packet.extend(answer.counts.complete.to_be_bytes());
    for peer in &answer.peers {
        let port = peer.port().to_be_bytes();
        match (client, peer) {
            (IpAddr::V4(_), SocketAddr::V4(v4)) => packet.extend(v4.ip().octets()),
            (IpAddr::V6(_), SocketAddr::V6(v6)) => packet.extend(v6.ip().octets()),
            _ => continue,
        }
        packet.extend(port);
    }
    packet
}

/// The answer to a scrape, in the order asked. An unknown torrent has zeros: the format has no other way.
pub fn scraped(transaction: u32, counts: impl Iterator<Item = Counts>) -> Vec<u8> {
    let mut packet = head(SCRAPE, transaction);
    for counts in counts {
        for number in [counts.complete, counts.downloaded, counts.incomplete] {
            packet.extend(number.to_be_bytes());
        }
    }
    packet
}

/// An error, as text.
pub fn error(transaction: u32, text: &str) -> Vec<u8> {
    let mut packet = head(ERROR, transaction);
    packet.extend_from_slice(text.as_bytes());
    packet
}

fn head(action: u32, transaction: u32) -> Vec<u8> {
    let mut packet = Vec::with_capacity(20);
    packet.extend(action.to_be_bytes());
    packet.extend(transaction.to_be_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn announce_packet() -> Vec<u8> {
        let mut packet = 7u64.to_be_bytes().to_vec();
        packet.extend(ANNOUNCE.to_be_bytes());
        packet.extend(9u32.to_be_bytes());
        packet.extend([1; 20]);
        packet.extend([2; 20]);
        packet.extend(1u64.to_be_bytes());
        packet.extend(2u64.to_be_bytes());
        packet.extend(3u64.to_be_bytes());
        packet.extend(2u32.to_be_bytes());
        packet.extend([4, 4, 4, 4]);
        packet.extend(5u32.to_be_bytes());
        packet.extend(u32::MAX.to_be_bytes());
        packet.extend(6881u16.to_be_bytes());
        packet
    }

    #[test]
    fn reads_an_announce_field_by_field() {
        let packet = announce_packet();
        let expected = Request::Announce {
            connection: 7,
            info_hash: InfoHash([1; 20]),
            left: 2,
            event: Event::Started,
            want: None,
            port: 6881,
        };
        assert_eq!(read(&packet), Ok((9, expected.clone())));
        let mut with_options = packet.clone();
        with_options.extend(b"\x02\x05/path");
        assert_eq!(read(&with_options), Ok((9, expected)));
        for cut in SHORTEST..packet.len() {
            let bad = Unread::Bad {
                connection: 7,
                transaction: 9,
                why: "short announce",
            };
            assert_eq!(read(&packet[..cut]), Err(bad));
        }
        for cut in 0..SHORTEST {
            assert_eq!(read(&packet[..cut]), Err(Unread::Garbage));
        }
    }

    #[test]
    fn scrapes_are_bounded_and_whole() {
        let scrape = |bytes: usize| {
            let mut packet = 7u64.to_be_bytes().to_vec();
            packet.extend(SCRAPE.to_be_bytes());
            packet.extend(9u32.to_be_bytes());
            packet.extend(vec![1; bytes]);
            read(&packet).is_ok()
        };
        assert!(scrape(20));
        assert!(scrape(20 * MAX_SCRAPE));
        for bad in [0, 19, 21, 20 * (MAX_SCRAPE + 1), 60_000] {
            assert!(!scrape(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(packet in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&packet);
        }

        #[test]
        fn nothing_panics_behind_a_good_header(
            action in 0..4u32,
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut packet = PROTOCOL_ID.to_be_bytes().to_vec();
            packet.extend(action.to_be_bytes());
            packet.extend(rest);
            let _ = read(&packet);
        }
    }
}
