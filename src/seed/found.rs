//! Addresses of peers, and how we learned of them.

use std::net::SocketAddr;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::base::InfoHash;
use crate::policy::retire::Level;

/// Who told us of a peer, or by what we saw what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Witness {
    /// A tracker's answer.
    Tracker,
    /// The peer itself, as it announced to the box's own tracker.
    OwnTracker,
    /// The DHT (BEP 5).
    Dht,
    /// Local service discovery (BEP 14).
    Lsd,
    /// Another peer's list (BEP 11).
    Pex,
    /// The box's database: it was seen before the last start.
    Memory,
    /// Its own bitfield and HAVEs.
    Bitfield,
    /// A block that it served.
    Probe,
}

impl Witness {
    /// Its name, as the database and the page have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Witness::Tracker => "tracker",
            Witness::OwnTracker => "own_tracker",
            Witness::Dht => "dht",
            Witness::Lsd => "lsd",
            Witness::Pex => "pex",
            Witness::Memory => "memory",
            Witness::Bitfield => "bitfield",
            Witness::Probe => "probe",
        }
    }
}

/// Somebody says or saw that a peer holds every piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Where the peer listens.
    pub addr: SocketAddr,
    /// Who says so, or by what it was seen.
    pub witness: Witness,
    /// How well it is known.
    pub level: Level,
    /// When that was.
    pub at: Instant,
}

/// Peers of a torrent, as somebody told us: nothing about them is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Where they are said to listen. No port is 0 and no address unspecified or multicast; our own may be among them.
    pub addrs: Vec<SocketAddr>,
    /// Who says so.
    pub source: Witness,
    /// Whether it says that they hold every piece.
    pub full: bool,
}

/// The address with an IPv4-mapped IPv6 address as IPv4; `None` when nobody can listen there.
pub fn plausible(addr: SocketAddr) -> Option<SocketAddr> {
    let ip = addr.ip().to_canonical();
    let broadcast = matches!(ip, std::net::IpAddr::V4(v4) if v4.is_broadcast());
    let fine = addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast;
    fine.then(|| SocketAddr::new(ip, addr.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_one_can_connect_to_are_plausible() {
        let of = |text: &str| plausible(text.parse().unwrap());
        assert_eq!(of("[::ffff:1.2.3.4]:5"), Some("1.2.3.4:5".parse().unwrap()));
        for text in [
            "1.2.3.4:0",
            "0.0.0.0:1",
            "[::]:1",
            "[ff02::1]:1",
            "255.255.255.255:1",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
