//! Reads what HTTP trackers answer (BEP 3, 7, 23, 24, 31, 48). Every byte is the tracker's: hostile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::answer::{AnnounceError, Answer, MAX_PEERS, Scraped, clean};
use super::bencode::Value;
use crate::base::InfoHash;
use crate::seed::found::plausible;

/// Longest answer read, in bytes. [`MAX_PEERS`] as dictionaries with peer ids take 20 KiB; the rest is room for trackers
/// that send more than was asked for.
pub const MAX_ANSWER: usize = 128 * 1024;

/// Longest tracker id sent back, in bytes.
const MAX_TRACKER_ID: usize = 64;

/// "Never" in BEP 31 means a day: the owner may have registered the torrent since.
const NEVER: Duration = Duration::from_secs(24 * 3600);

const NOT_A_DICTIONARY: AnnounceError = AnnounceError::Malformed("not a bencoded dictionary");

struct Dict<'a, 'b>(&'b Value<'a>);

impl<'a> Dict<'a, '_> {
    fn bytes(&self, key: &str) -> Option<&'a [u8]> {
        self.0.get(key.as_bytes())?.bytes()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.0.get(key.as_bytes())?.number()
    }

    fn seconds(&self, key: &str) -> Option<Duration> {
        self.number(key).map(Duration::from_secs)
    }

    fn count(&self, key: &str) -> Option<u32> {
        let count = self.number(key)?;
        Some(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn refusal(&self) -> Result<(), AnnounceError> {
        let Some(reason) = self.bytes("failure reason") else {
            return Ok(());
        };
        let retry = match self.bytes("retry in") {
            Some(b"never") => Some(NEVER),
            Some(minutes) => std::str::from_utf8(minutes)
                .ok()
                .and_then(|m| m.parse().ok())
                .map(minutes_of),
            None => self.number("retry in").map(minutes_of),
        };
        Err(AnnounceError::Refused {
            reason: clean(reason),
            retry,
        })
    }
}

fn read(bytes: &[u8]) -> Result<Value<'_>, AnnounceError> {
    let value = Value::read(bytes);
    let dict = value.filter(|value| matches!(value, Value::Dict(_)));
    dict.ok_or(NOT_A_DICTIONARY)
}

fn minutes_of(minutes: u64) -> Duration {
    Duration::from_secs(minutes.saturating_mul(60)).min(NEVER)
}

/// Reads the answer to an announce.
///
/// # Errors
/// [`AnnounceError::Malformed`], or [`AnnounceError::Refused`] when the tracker says so.
pub fn announce(bytes: &[u8]) -> Result<Answer, AnnounceError> {
    let value = read(bytes)?;
    let dict = Dict(&value);
    dict.refusal()?;
    let mut peers = Vec::new();
    match value.get(b"peers") {
        Some(Value::Bytes(packed)) => unpack_v4(packed, &mut peers)?,
        Some(Value::List(list)) => peers.extend(list.iter().take(MAX_PEERS).filter_map(listed)),
        _ => {}
    }
    if let Some(packed) = dict.bytes("peers6") {
        unpack_v6(packed, &mut peers)?;
    }
    peers.truncate(MAX_PEERS);
    let warning = dict.bytes("warning message").map(clean);
    let tracker_id = dict.bytes("tracker id");
    Ok(Answer {
        interval: dict.seconds("interval"),
        min_interval: dict.seconds("min interval"),
        complete: dict.count("complete"),
        incomplete: dict.count("incomplete"),
        peers,
        tracker_id: tracker_id
            .filter(|id| id.len() <= MAX_TRACKER_ID)
            .map(Into::into),
        warning,
        external_ip: dict.bytes("external ip").and_then(packed_ip),
    })
}

fn packed_ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(IpAddr::from(v6).to_canonical())
}

/// Unpacks IPv4 peers of six bytes each.
///
/// # Errors
/// [`AnnounceError::Malformed`] when the length is no multiple of six.
pub fn unpack_v4(packed: &[u8], peers: &mut Vec<SocketAddr>) -> Result<(), AnnounceError> {
    let (chunks, rest) = packed.as_chunks::<6>();
    if !rest.is_empty() {
        return Err(AnnounceError::Malformed("peers of a wrong length"));
    }
    peers.extend(
        chunks
            .iter()
            .take(MAX_PEERS)
            .filter_map(|&[a, b, c, d, high, low]| {
                let port = u16::from_be_bytes([high, low]);
                plausible(SocketAddr::from(([a, b, c, d], port)))
            }),
    );
    Ok(())
}

/// Unpacks IPv6 peers of 18 bytes each.
///
/// # Errors
/// [`AnnounceError::Malformed`] when the length is no multiple of 18.
pub fn unpack_v6(packed: &[u8], peers: &mut Vec<SocketAddr>) -> Result<(), AnnounceError> {
    let (chunks, rest) = packed.as_chunks::<18>();
    if !rest.is_empty() {
        return Err(AnnounceError::Malformed("peers6 of a wrong length"));
    }
    peers.extend(chunks.iter().take(MAX_PEERS).filter_map(|chunk| {
        let (ip, port) = chunk.split_first_chunk::<16>()?;
        let port = u16::from_be_bytes(port.try_into().ok()?);
        plausible(SocketAddr::from((Ipv6Addr::from(*ip), port)))
    }));
    Ok(())
}

fn listed(peer: &Value<'_>) -> Option<SocketAddr> {
    let ip = peer.get(b"ip")?.bytes()?;
    let ip: IpAddr = std::str::from_utf8(ip).ok()?.parse().ok()?;
    let port = u16::try_from(peer.get(b"port")?.number()?).ok()?;
    plausible(SocketAddr::new(ip, port))
}

/// Reads the answer to a scrape: one entry for each hash asked about, `None` where the tracker says nothing.
///
/// # Errors
/// As [`announce`].
pub fn scrape(bytes: &[u8], asked: &[InfoHash]) -> Result<Vec<Option<Scraped>>, AnnounceError> {
    let value = read(bytes)?;
    Dict(&value).refusal()?;
    let Some(files @ Value::Dict(_)) = value.get(b"files") else {
        return Err(AnnounceError::Malformed("a scrape without files"));
    };
    let counts = |hash: &InfoHash| {
        let file = Dict(files.get(&hash.0)?);
        Some(Scraped {
            complete: file.count("complete").unwrap_or_default(),
            downloaded: file.count("downloaded").unwrap_or_default(),
            incomplete: file.count("incomplete").unwrap_or_default(),
        })
    };
    Ok(asked.iter().map(counts).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_both_forms_of_peers() {
        let mut packed = b"d8:completei3e10:incompletei4e8:intervali1800e5:peers12:\
            \x01\x02\x03\x04\x1a\xe1\x01\x02\x03\x05\0\x006:peers618:"
            .to_vec();
        packed.extend(b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x01e");
        let answer = announce(&packed).unwrap();
        let expected = ["1.2.3.4:6881", "[2001:db8::1]:1"].map(|addr| addr.parse().unwrap());
        assert_eq!(answer.peers, expected, "port 0 is left out");
        assert_eq!(answer.interval, Some(Duration::from_secs(1800)));
        assert_eq!((answer.complete, answer.incomplete), (Some(3), Some(4)));
        let listed = b"d8:intervali9e5:peersld2:ip7:1.2.3.47:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881eed2:ip3:foo4:porti1eei7eee";
        let answer = announce(listed).unwrap();
        assert_eq!(answer.peers, expected[..1]);
    }

    #[test]
    fn refusals_say_when_to_come_back() {
        for (rest, retry) in [
            ("", None),
            ("8:retry ini5e", Some(Duration::from_secs(300))),
            ("8:retry in1:5", Some(Duration::from_secs(300))),
            ("8:retry in5:never", Some(NEVER)),
            ("8:retry ini9223372036854775807e", Some(NEVER)),
            ("8:retry ini-1e", None),
        ] {
            let bytes = format!("d14:failure reason2:no{rest}e");
            let reason = "no".to_owned();
            let refused = AnnounceError::Refused { reason, retry };
            assert_eq!(announce(bytes.as_bytes()), Err(refused), "{rest}");
        }
    }

    #[test]
    fn texts_are_cut_and_cleaned() {
        let text = format!("\x1b[31m{}", "é".repeat(1000));
        let bytes = format!("d14:failure reason{}:{text}e", text.len());
        let Err(AnnounceError::Refused { reason, .. }) = announce(bytes.as_bytes()) else {
            panic!("not refused");
        };
        assert_eq!(reason.chars().count(), super::super::answer::MAX_TEXT);
        assert!(reason.starts_with("[31mé"));
    }

    #[test]
    fn wrong_lengths_are_malformed() {
        for bytes in [
            &b""[..],
            b"<html>",
            b"de trailing",
            b"le",
            b"d5:peers5:abcdee",
            b"d6:peers66:abcdefe",
        ] {
            assert!(
                matches!(announce(bytes), Err(AnnounceError::Malformed(_))),
                "{bytes:?}"
            );
        }
        assert_eq!(announce(b"de").unwrap(), Answer::default());
        let deep = [b"d1:a".as_slice(), &b"l".repeat(100_000)].concat();
        assert!(announce(&deep).is_err());
    }

    #[test]
    fn a_scrape_answers_in_the_order_asked() {
        let bytes =
            b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3eeee";
        let read = scrape(bytes, &[InfoHash([b'b'; 20]), InfoHash([b'a'; 20])]).unwrap();
        let expected = Scraped {
            complete: 1,
            downloaded: 2,
            incomplete: 3,
        };
        assert_eq!(read, [None, Some(expected)]);
        assert!(scrape(b"de", &[]).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = announce(&bytes);
            let _ = scrape(&bytes, &[InfoHash([0; 20])]);
        }

        #[test]
        fn nothing_panics_near_the_truth(text in "d?(8:interval|5:peers|6:peers6|8:retry in|i-?[0-9]{1,25}e|[0-9]{1,3}:|[ldie]|abcdef){0,20}e?") {
            let _ = announce(text.as_bytes());
        }
    }
}
