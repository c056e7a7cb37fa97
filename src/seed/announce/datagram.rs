//! The packets of UDP trackers (BEP 15), as a client writes and reads them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::answer::{AnnounceError, Answer, Event, MAX_PEERS, Request, Scraped, clean};
use super::decode::{unpack_v4, unpack_v6};
use crate::base::InfoHash;

const PROTOCOL_ID: u64 = 0x0417_2710_1980;

/// Longest answer read, in bytes: 200 peers of IPv6.
pub const MAX_PACKET: usize = 20 + 18 * MAX_PEERS;

/// Torrents in one scrape (BEP 15: about 74).
pub const MAX_SCRAPE: usize = 70;

/// What a packet is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    /// Asking for a connection id.
    Connect = 0,
    /// Announcing.
    Announce = 1,
    /// Asking for counts.
    Scrape = 2,
}

const ERROR: u32 = 3;

fn head(connection: u64, action: Action, transaction: u32) -> Vec<u8> {
    let mut packet = Vec::with_capacity(128);
    packet.extend(connection.to_be_bytes());
    packet.extend((action as u32).to_be_bytes());
    packet.extend(transaction.to_be_bytes());
    packet
}

/// Asks for a connection id.
pub fn connect(transaction: u32) -> Vec<u8> {
    head(PROTOCOL_ID, Action::Connect, transaction)
}

/// Announces. `path` is the path and query of the tracker's URL, sent along (BEP 41) when there is more to it than the usual.
pub fn announce(connection: u64, transaction: u32, request: &Request, path: &str) -> Vec<u8> {
    let mut packet = head(connection, Action::Announce, transaction);
    packet.extend(request.info_hash.0);
    packet.extend(request.peer_id);
    packet.extend(request.figures.downloaded.to_be_bytes());
    packet.extend(request.figures.left.to_be_bytes());
    packet.extend(request.figures.uploaded.to_be_bytes());
    let event: u32 = match request.event {
        Event::None => 0,
        Event::Completed => 1,
        Event::Started => 2,
        Event::Stopped => 3,
    };
    packet.extend(event.to_be_bytes());
    // Our address: the one the packet comes from.
    packet.extend([0; 4]);
    packet.extend(request.key.to_be_bytes());
    packet.extend(request.want.to_be_bytes());
    packet.extend(request.port.to_be_bytes());
    if !matches!(path, "" | "/" | "/announce") {
        for chunk in path.as_bytes().chunks(255) {
            packet.extend([2, chunk.len() as u8]);
            packet.extend_from_slice(chunk);
        }
    }
    packet
}

/// Asks for counts of at most [`MAX_SCRAPE`] torrents.
pub fn scrape(connection: u64, transaction: u32, hashes: &[InfoHash]) -> Vec<u8> {
    let mut packet = head(connection, Action::Scrape, transaction);
    hashes
        .iter()
        .take(MAX_SCRAPE)
        .for_each(|hash| packet.extend(hash.0));
    packet
}

/// What follows the head of an answer to `action`, if the packet is an answer to that transaction at all.
///
/// # Errors
/// [`AnnounceError::Refused`] when the tracker answers with an error, [`AnnounceError::Malformed`] for another action.
pub fn body(
    packet: &[u8],
    action: Action,
    transaction: u32,
) -> Option<Result<&[u8], AnnounceError>> {
    let (said, rest) = packet.split_first_chunk::<4>()?;
    let (echo, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_be_bytes(*echo) != transaction {
        return None;
    }
    let said = u32::from_be_bytes(*said);
    Some(if said == action as u32 {
        Ok(rest)
    } else if said == ERROR {
        Err(AnnounceError::Refused {
            reason: clean(rest),
            retry: None,
        })
    } else {
        Err(AnnounceError::Malformed("an answer to something else"))
    })
}

/// Reads the connection id.
///
/// # Errors
/// [`AnnounceError::Malformed`].
pub fn read_connect(body: &[u8]) -> Result<u64, AnnounceError> {
    let id = body.first_chunk::<8>().ok_or(SHORT)?;
    Ok(u64::from_be_bytes(*id))
}

const SHORT: AnnounceError = AnnounceError::Malformed("a packet too short");

/// Reads the answer to an announce sent to `tracker`, whose family the peers are of.
///
/// # Errors
/// [`AnnounceError::Malformed`].
pub fn read_announce(body: &[u8], tracker: SocketAddr) -> Result<Answer, AnnounceError> {
    let (head, packed) = body.split_first_chunk::<12>().ok_or(SHORT)?;
    let ([interval, leechers, seeds], _) = numbers(head)?;
    let mut peers = Vec::new();
    match tracker.ip().to_canonical() {
        IpAddr::V4(_) => unpack_v4(packed, &mut peers)?,
        IpAddr::V6(_) => unpack_v6(packed, &mut peers)?,
    }
    Ok(Answer {
        interval: Some(Duration::from_secs(interval.into())),
        complete: Some(seeds),
        incomplete: Some(leechers),
        peers,
        ..Answer::default()
    })
}

/// Reads the answer to a scrape of `asked` torrents.
///
/// # Errors
/// [`AnnounceError::Malformed`].
pub fn read_scrape(mut body: &[u8], asked: usize) -> Result<Vec<Scraped>, AnnounceError> {
    let mut all = Vec::with_capacity(asked.min(MAX_SCRAPE));
    for _ in 0..asked {
        let ([complete, downloaded, incomplete], rest) = numbers(body)?;
        body = rest;
        all.push(Scraped {
            complete,
            downloaded,
            incomplete,
        });
    }
    Ok(all)
}

fn numbers(bytes: &[u8]) -> Result<([u32; 3], &[u8]), AnnounceError> {
    let (chunk, rest) = bytes.split_first_chunk::<12>().ok_or(SHORT)?;
    let at = |i: usize| u32::from_be_bytes([chunk[i], chunk[i + 1], chunk[i + 2], chunk[i + 3]]);
    Ok(([at(0), at(4), at(8)], rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::announce::answer::Figures;
    use proptest::prelude::*;

    fn request() -> Request {
        Request {
            info_hash: InfoHash([1; 20]),
            peer_id: [2; 20],
            port: 6881,
            figures: Figures {
                uploaded: 3,
                downloaded: 4,
                left: 5,
            },
            event: Event::Started,
            key: 6,
            want: 50,
            tracker_id: None,
        }
    }

    #[test]
    fn an_announce_byte_by_byte() {
        let packet = announce(7, 8, &request(), "/announce");
        let mut expected = vec![0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 8];
        expected.extend([1; 20]);
        expected.extend([2; 20]);
        for number in [4u64, 5, 3] {
            expected.extend(number.to_be_bytes());
        }
        for number in [2u32, 0, 6, 50] {
            expected.extend(number.to_be_bytes());
        }
        expected.extend([0x1a, 0xe1]);
        assert_eq!(packet, expected);
        assert_eq!(packet.len(), 98);
        let with_path = announce(7, 8, &request(), "/a?k=1");
        assert_eq!(&with_path[98..], b"\x02\x06/a?k=1");
    }

    #[test]
    fn only_the_answer_to_our_transaction_is_read() {
        let packet = [0, 0, 0, 1, 0, 0, 0, 8, 9];
        assert_eq!(body(&packet, Action::Announce, 8), Some(Ok(&packet[8..])));
        assert_eq!(body(&packet, Action::Announce, 9), None);
        assert!(matches!(
            body(&packet, Action::Connect, 8),
            Some(Err(AnnounceError::Malformed(_)))
        ));
        let error = [&[0, 0, 0, 3, 0, 0, 0, 8][..], b"no"].concat();
        let refused = body(&error, Action::Connect, 8);
        assert!(
            matches!(refused, Some(Err(AnnounceError::Refused { reason, .. })) if reason == "no")
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), v6 in any::<bool>()) {
            let tracker = if v6 { "[::1]:1" } else { "1.1.1.1:1" };
            let _ = body(&bytes, Action::Scrape, 0);
            let _ = read_connect(&bytes);
            let _ = read_announce(&bytes, tracker.parse().unwrap());
            let _ = read_scrape(&bytes, 3);
        }
    }
}
