//! One peer of a swarm, as small as it can be kept.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Bytes one peer takes in the table. A swarm is a vector of these in order of address, with no index beside it: a look-up
/// is a binary search and an insertion moves at most 64 KiB. A vector that grows has up to as much again spare; a swarm
/// built to 2,000 peers one by one was measured at 32.8 bytes of heap a peer (`memory_a_peer_takes`).
pub const BYTES_PER_PEER: usize = size_of::<Peer>();

const _: () = assert!(BYTES_PER_PEER == 32);

/// IPv6 networks are told apart by this many leading bits: a household is commonly given a /56.
const V6_NETWORK_BITS: u32 = 56;

#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// The address; IPv4 as IPv4-mapped.
    ip: u128,
    /// Bytes it lacks; `u64::MAX` when unknown.
    pub left: u64,
    /// When it last announced, in seconds since the table began.
    pub seen: u32,
    port: u16,
    /// Early announces in a row.
    pub early: u8,
    /// Whether it was counted as having downloaded.
    pub counted: bool,
}

/// What peers are ordered by.
pub(super) type Key = (u128, u16);

/// The key of a canonical address.
pub(super) fn key(addr: SocketAddr) -> Key {
    let ip = match addr.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    (ip.to_bits(), addr.port())
}

/// The first and the last address of the network `addr` is in.
pub(super) fn network(addr: SocketAddr) -> (u128, u128) {
    let (ip, _) = key(addr);
    if addr.is_ipv4() {
        return (ip, ip);
    }
    let host = u128::MAX >> V6_NETWORK_BITS;
    (ip & !host, ip | host)
}

impl Peer {
    pub fn new(addr: SocketAddr, left: u64, seen: u32) -> Self {
        let (ip, port) = key(addr);
        Self {
            ip,
            left,
            seen,
            port,
            early: 0,
            counted: false,
        }
    }

    pub fn key(&self) -> Key {
        (self.ip, self.port)
    }

    pub fn addr(&self) -> SocketAddr {
        let ip = IpAddr::V6(Ipv6Addr::from_bits(self.ip)).to_canonical();
        SocketAddr::new(ip, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in ["1.2.3.4:5", "[2001:db8::7]:65535", "[::1]:1"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(Peer::new(addr, 0, 0).addr(), addr);
        }
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_a_slash_56() {
        let net = |text: &str| network(text.parse().unwrap());
        assert_eq!(net("1.2.3.4:1"), net("1.2.3.4:2"));
        assert_ne!(net("1.2.3.4:1"), net("1.2.3.5:1"));
        assert_eq!(net("[2001:db8:0:1100::1]:1"), net("[2001:db8:0:11ff::2]:1"));
        assert_ne!(net("[2001:db8:0:1100::1]:1"), net("[2001:db8:0:1200::1]:1"));
    }
}
