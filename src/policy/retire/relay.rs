//! Who carries a release, how well that is known, and whose word counts.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::base::world::is_near;

/// How well it is known that a peer holds every piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Somebody says so: a tracker, a peer's list, its own announce.
    Claimed,
    /// Its own bitfield and HAVEs say so.
    Full,
    /// It served a block that is ours, byte for byte.
    Proven,
}

/// A peer that is said or seen to hold every piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// Where it listens, as far as known.
    pub addr: SocketAddr,
    /// What it calls itself (the peer id of BEP 3), if it was ever connected.
    pub name: Option<[u8; 20]>,
    /// How well it is known.
    pub level: Level,
    /// Whether it came as a leecher and got the content before our eyes, from us or from others.
    pub earned: bool,
    /// When it was first seen to be [`Level::Full`] or better; none while it is only claimed.
    pub first: Option<Instant>,
    /// When it was last seen so; one that is connected is seen now, whatever this says, so that nothing need change
    /// while nothing happens.
    pub last: Option<Instant>,
    /// Whether it is connected now, and still holds every piece.
    pub connected: bool,
    /// Looks for it since it was last seen that found nobody, or found it lacking.
    pub missed: u32,
    /// Whether it served a block that is not ours: then it counts for nothing.
    pub refuted: bool,
}

impl Relay {
    /// Whether what it says of itself is worth anything: it says so itself, was not refuted, and the world can reach it.
    pub(super) fn is_plausible(&self) -> bool {
        self.level >= Level::Full && !self.refuted && !is_near(self.addr.ip())
    }

    /// Whether it is known well enough to count towards retiring, once it was seen often enough. A bitfield costs a liar
    /// nothing; a block of ours, or getting the content piece by piece before our eyes, costs what it claims.
    pub(super) fn is_trusted(&self) -> bool {
        let known = self.level == Level::Proven || self.earned;
        known && self.is_plausible() && self.first.is_some()
    }

    /// When it was last seen to hold every piece.
    pub(super) fn seen(&self, now: Instant) -> Option<Instant> {
        if self.connected { Some(now) } else { self.last }
    }
}

/// Who has one vote together: an IPv4 /24 or an IPv6 /48, so that one household or one hoster does not pass for a crowd.
/// On loopback, where only tests and the demo are, every port is somebody.
pub(super) type Network = (IpAddr, u16);

/// The network an address is on.
pub(super) fn network(addr: SocketAddr) -> Network {
    match addr.ip().to_canonical() {
        ip if ip.is_loopback() => (ip, addr.port()),
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            (IpAddr::from([a, b, c, 0]), 0)
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            (IpAddr::from([a, b, c, 0, 0, 0, 0, 0]), 0)
        }
    }
}

/// The networks of those who gave a name, by name: of each the one that was first seen to hold everything. One that is
/// reached over IPv4 and over IPv6 calls itself the same, and is one.
#[derive(Debug, Default)]
pub(super) struct Homes(BTreeMap<[u8; 20], (Instant, Network)>);

impl Homes {
    pub fn of(relays: &[Relay]) -> Self {
        let mut homes = BTreeMap::new();
        for relay in relays.iter().filter(|relay| relay.is_trusted()) {
            let (Some(name), Some(first)) = (relay.name, relay.first) else {
                continue;
            };
            let this = (first, network(relay.addr));
            let home = homes.entry(name).or_insert(this);
            *home = this.min(*home);
        }
        Self(homes)
    }

    /// Where a relay has its vote.
    pub fn network(&self, relay: &Relay) -> Network {
        let home = relay.name.and_then(|name| self.0.get(&name));
        home.map_or_else(|| network(relay.addr), |(_, home)| *home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_is_one_vote_and_loopback_ports_are_people() {
        let same = |a: &str, b: &str| {
            let of = |addr: &str| network(addr.parse().expect("a test address"));
            of(a) == of(b)
        };
        assert!(same("192.0.2.1:1", "192.0.2.77:2"));
        assert!(same("192.0.2.1:1", "[::ffff:192.0.2.9]:1"));
        assert!(!same("192.0.2.1:1", "192.0.3.1:1"));
        assert!(same("[2001:db8::1]:1", "[2001:db8:0:9::2]:1"));
        assert!(!same("[2001:db8::1]:1", "[2001:db8:1::1]:1"));
        assert!(same("127.0.0.1:1", "127.0.0.1:1"));
        assert!(!same("127.0.0.1:1", "127.0.0.1:2"));
    }
}
