//! Who is near: reached without the uplink.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use crate::base::scope::Scope;

/// Interfaces come and go, seldom.
const READ_EVERY: Duration = Duration::from_secs(60);

/// The networks that this machine's interfaces are on.
#[derive(Debug, Default)]
pub(super) struct Near {
    /// An address of ours, and the length of its network's prefix in bits.
    networks: Vec<(IpAddr, u32)>,
    read: Option<Instant>,
}

impl Near {
    /// Whether an address is this machine's, or on a link that it is on.
    pub fn holds(&mut self, ip: IpAddr, now: Instant) -> bool {
        let ip = ip.to_canonical();
        let local = match ip {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
        };
        if local {
            return true;
        }
        let fresh = |read: Instant| now.saturating_duration_since(read) < READ_EVERY;
        if !self.read.is_some_and(fresh) {
            self.read = Some(now);
            self.networks = networks();
        }
        let on = |(own, length): &(IpAddr, u32)| shares(*own, ip, *length);
        self.networks.iter().any(on)
    }
}

/// Whether two addresses have the same first bits. A network without a prefix is everything, and no link.
fn shares(own: IpAddr, other: IpAddr, length: u32) -> bool {
    let (differs, bits) = match (own, other) {
        (IpAddr::V4(own), IpAddr::V4(other)) => {
            (u128::from(u32::from(own) ^ u32::from(other)) << 96, 32)
        }
        (IpAddr::V6(own), IpAddr::V6(other)) => (u128::from(own) ^ u128::from(other), 128),
        _ => return false,
    };
    (1..=bits).contains(&length) && differs.leading_zeros() >= length
}

/// What somebody has one of and not many: an IPv4 address, or the network of an IPv6 address, which holds as many as its
/// owner likes.
pub(super) fn origin(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

/// Whether an address is neither this machine's nor a private network's, whatever its owner is to us.
pub(super) fn is_strangers(ip: IpAddr) -> bool {
    Scope::of(ip) == Scope::Public
}

/// Whether one at `namer` can know of one at `named`: a stranger who names an address at our home would have us knock there.
pub(super) fn may_name(namer: IpAddr, named: IpAddr) -> bool {
    Scope::of(namer).reaches(Scope::of(named))
}

/// Empty when the system does not say: then everybody is taken to be far.
fn networks() -> Vec<(IpAddr, u32)> {
    let interfaces = match getifaddrs() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            tracing::warn!(%error, "the machine's networks cannot be read");
            return Vec::new();
        }
    };
    let network = |interface: nix::ifaddrs::InterfaceAddress| {
        let own = ip(&interface.address?)?;
        let length = match ip(&interface.netmask?)? {
            IpAddr::V4(mask) => u32::from(mask).leading_ones(),
            IpAddr::V6(mask) => u128::from(mask).leading_ones(),
        };
        Some((own, length))
    };
    interfaces.filter_map(network).collect()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_links_are_near_and_the_rest_is_far() {
        let now = Instant::now();
        let mut near = Near {
            networks: Vec::new(),
            read: Some(now),
        };
        for ip in [
            "127.0.0.1",
            "127.9.8.7",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.1.1",
            "fe80::1",
        ] {
            assert!(near.holds(ip.parse().unwrap(), now), "{ip}");
        }
        near.networks = vec![("192.168.1.7".parse().unwrap(), 24)];
        assert!(near.holds("192.168.1.8".parse().unwrap(), now));
        for ip in ["192.168.2.8", "203.0.113.1", "2001:db8::1"] {
            assert!(!near.holds(ip.parse().unwrap(), now), "{ip}");
        }
    }

    #[test]
    fn an_origin_is_what_somebody_has_one_of() {
        let of = |text: &str| origin(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::7"), of("2001:db8:0:1:ffff::"));
        assert_ne!(of("2001:db8:0:1::7"), of("2001:db8:0:2::7"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn what_this_machine_is_on_is_read() {
        let loopback = |(ip, length): &(IpAddr, u32)| ip.is_loopback() && *length == 8;
        assert!(networks().iter().any(loopback), "{:?}", networks());
    }

    #[test]
    fn a_network_ends_where_its_prefix_does() {
        for (own, other, length, expected) in [
            ("192.168.1.7", "192.168.1.200", 24, true),
            ("192.168.1.7", "192.168.2.7", 24, false),
            ("192.168.1.7", "192.168.1.7", 32, true),
            ("192.168.1.7", "192.168.1.6", 32, false),
            ("192.168.1.7", "192.168.1.6", 0, false),
            ("2001:db8::1", "2001:db8::2", 64, true),
            ("2001:db8::1", "2001:db8:0:1::1", 64, false),
            ("192.168.1.7", "2001:db8::1", 1, false),
        ] {
            let (own, other) = (own.parse().unwrap(), other.parse().unwrap());
            assert_eq!(
                shares(own, other, length),
                expected,
                "{own} {other}/{length}"
            );
        }
    }
}
