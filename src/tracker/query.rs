//! Reads the query of an announce or scrape. By hand, since an info hash is 20 arbitrary bytes percent-encoded, which
//! decoders that expect text refuse or mend.

use std::borrow::Cow;
use std::net::SocketAddr;

use percent_encoding::percent_decode;

use crate::base::{ErrorKind, InfoHash, Kind};
use crate::tracker::swarm::{Announce, Event, Families};

/// Longest query read, in bytes: room for a scrape of [`MAX_SCRAPE`] torrents with every byte encoded. An announce has about 300.
pub const MAX_QUERY: usize = 6 * 1024;

/// Torrents in one scrape; clients batch about this many, and the answer stays under 6 KiB.
pub const MAX_SCRAPE: usize = 70;

/// Peers given when a client does not say how many it wants.
pub const DEFAULT_WANT: usize = 50;

/// A query that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// Longer than [`MAX_QUERY`].
    #[error("the request is longer than {MAX_QUERY} bytes")]
    TooLong,
    /// A parameter that must be there is not.
    #[error("the request lacks {0}")]
    Missing(&'static str),
    /// A parameter is there and cannot be read.
    #[error("{0} of the request cannot be read")]
    Bad(&'static str),
    /// More torrents than [`MAX_SCRAPE`].
    #[error("at most {MAX_SCRAPE} torrents can be asked about at once")]
    TooMany,
}

impl Kind for BadQuery {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadInput
    }
}

/// An announce over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnounceQuery {
    /// What the table needs to know.
    pub announce: Announce,
    /// Whether peers are wanted as packed bytes (BEP 23) rather than a list of dictionaries.
    pub compact: bool,
}

/// The pairs of a query, values decoded. A `+` is a `+`: BitTorrent clients encode blanks as `%20`.
fn pairs(query: &str) -> Result<impl Iterator<Item = (&str, Cow<'_, [u8]>)>, BadQuery> {
    if query.len() > MAX_QUERY {
        return Err(BadQuery::TooLong);
    }
    Ok(query.split('&').map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key, percent_decode(value.as_bytes()).into())
    }))
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn info_hash(value: &[u8]) -> Result<InfoHash, BadQuery> {
    let bytes = value.try_into().map_err(|_| BadQuery::Bad("info_hash"))?;
    Ok(InfoHash(bytes))
}

/// Reads an announce that came from `from`. `ip`, `ipv4` and `ipv6` are ignored (see [`crate::tracker`]); so is what
/// nobody here needs (`uploaded`, `downloaded`, `key`, …).
///
/// # Errors
/// [`BadQuery`] when `info_hash`, `peer_id` or `port` is missing or wrong. Wrong counts are forgiven: a client that cannot
/// say what it has left is one that lacks something.
pub fn announce(query: &str, from: SocketAddr) -> Result<AnnounceQuery, BadQuery> {
    let mut hash = None;
    let mut port: Option<u16> = None;
    let mut peer_id = false;
    let mut left = u64::MAX;
    let mut event = Event::None;
    let mut want = DEFAULT_WANT;
    let mut compact = true;
    for (key, value) in pairs(query)? {
        match key {
            "info_hash" => hash = Some(info_hash(&value)?),
            "peer_id" if value.len() == 20 => peer_id = true,
            "peer_id" => return Err(BadQuery::Bad("peer_id")),
            "port" => port = Some(number(&value).ok_or(BadQuery::Bad("port"))?),
            "left" => left = number(&value).unwrap_or(u64::MAX),
            "numwant" => want = number(&value).unwrap_or(DEFAULT_WANT),
            "compact" => compact = *value != *b"0",
            "event" => {
                event = match &*value {
                    b"started" => Event::Started,
                    b"stopped" => Event::Stopped,
                    b"completed" => Event::Completed,
                    _ => Event::None,
                }
            }
            _ => {}
        }
    }
    if !peer_id {
        return Err(BadQuery::Missing("peer_id"));
    }
    let port = port.ok_or(BadQuery::Missing("port"))?;
    Ok(AnnounceQuery {
        announce: Announce {
            info_hash: hash.ok_or(BadQuery::Missing("info_hash"))?,
            addr: SocketAddr::new(from.ip(), port),
            left,
            event,
            want,
            families: Families::Both,
        },
        compact,
    })
}

/// Reads which torrents a scrape asks about.
///
/// # Errors
/// [`BadQuery`] when one cannot be read, when there are too many, and when there is none: a list of everything we share
/// is nobody's business.
pub fn scrape(query: &str) -> Result<Vec<InfoHash>, BadQuery> {
    let mut hashes = Vec::new();
    for (key, value) in pairs(query)? {
        if key == "info_hash" {
            if hashes.len() == MAX_SCRAPE {
                return Err(BadQuery::TooMany);
            }
            hashes.push(info_hash(&value)?);
        }
    }
    if hashes.is_empty() {
        return Err(BadQuery::Missing("info_hash"));
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PEER: &str = "peer_id=-XX0001-abcdefghijkl";

    fn read(query: &str) -> Result<AnnounceQuery, BadQuery> {
        announce(query, "9.8.7.6:5555".parse().unwrap())
    }

    #[test]
    fn reads_binary_hashes() {
        let query = format!("info_hash=%00%ff%26%3d%2B+abcdefghijklmn&{PEER}&port=6881&left=12");
        let read = read(&query).unwrap();
        assert_eq!(&read.announce.info_hash.0, b"\x00\xff&=++abcdefghijklmn");
        assert_eq!(read.announce.addr, "9.8.7.6:6881".parse().unwrap());
        assert_eq!((read.announce.left, read.announce.want), (12, 50));
        assert!(read.compact);
    }

    #[test]
    fn the_announced_ip_is_ignored() {
        let query = format!(
            "info_hash={}&{PEER}&port=1&ip=1.2.3.4&ipv4=1.2.3.4:9&ipv6=::9",
            "a".repeat(20)
        );
        let addr = read(&query).unwrap().announce.addr;
        assert_eq!(addr, "9.8.7.6:1".parse().unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let hash = format!("info_hash={}", "a".repeat(20));
        for (query, error) in [
            (String::new(), BadQuery::Missing("peer_id")),
            (format!("{hash}&port=1"), BadQuery::Missing("peer_id")),
            (format!("{hash}&{PEER}"), BadQuery::Missing("port")),
            (format!("{hash}&{PEER}&port=65536"), BadQuery::Bad("port")),
            (format!("{hash}&{PEER}&port=-1"), BadQuery::Bad("port")),
            (format!("{hash}a&{PEER}&port=1"), BadQuery::Bad("info_hash")),
            (
                format!("info_hash=%&{PEER}&port=1"),
                BadQuery::Bad("info_hash"),
            ),
            (format!("{PEER}&port=1"), BadQuery::Missing("info_hash")),
            (format!("{hash}&peer_id=x&port=1"), BadQuery::Bad("peer_id")),
            ("x".repeat(MAX_QUERY + 1), BadQuery::TooLong),
        ] {
            assert_eq!(read(&query), Err(error), "{query}");
        }
        let odd = format!("{hash}&{PEER}&port=1&left=-5&numwant=-1&event=paused&&=&compact=0");
        let read = read(&odd).unwrap();
        assert_eq!(read.announce.left, u64::MAX);
        assert_eq!(read.announce.want, DEFAULT_WANT);
        assert_eq!(read.announce.event, Event::None);
        assert!(!read.compact);
    }

    #[test]
    fn a_scrape_is_bounded_and_never_of_everything() {
        let one = format!("info_hash={}", "%ff".repeat(20));
        let most = vec![one.clone(); MAX_SCRAPE].join("&");
        assert!(most.len() <= MAX_QUERY);
        assert_eq!(scrape(&most).unwrap().len(), MAX_SCRAPE);
        let short = format!("info_hash={}", "a".repeat(20));
        let many = vec![short; MAX_SCRAPE + 1].join("&");
        assert_eq!(scrape(&many), Err(BadQuery::TooMany));
        assert_eq!(scrape(""), Err(BadQuery::Missing("info_hash")));
        assert_eq!(scrape(&vec![one; 5000].join("&")), Err(BadQuery::TooLong));
    }

    proptest! {
        #[test]
        fn nothing_panics(query in ".{0,300}") {
            let _ = read(&query);
            let _ = scrape(&query);
        }
    }
}
