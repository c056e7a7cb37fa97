//! Where this machine can be reached.

use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::getifaddrs;

/// The addresses of the interfaces that are up, loopback included. Empty when the system does not say.
pub fn addresses() -> Vec<IpAddr> {
    let interfaces = match getifaddrs() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            tracing::warn!(%error, "the machine's addresses cannot be read");
            return Vec::new();
        }
    };
    let ip = |address: nix::sys::socket::SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    };
    interfaces
        .filter_map(|interface| ip(interface.address?))
        .collect()
}

/// Where a listener on `addr` can be reached: every address of the machine when it listens on all of them.
pub fn reachable_at(addr: SocketAddr) -> Vec<SocketAddr> {
    if !addr.ip().is_unspecified() {
        return vec![addr];
    }
    addresses()
        .into_iter()
        .filter(|ip| addr.is_ipv6() || ip.is_ipv4())
        .map(|ip| SocketAddr::new(ip, addr.port()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reachable_on_loopback() {
        let everywhere = reachable_at("[::]:7000".parse().unwrap());
        assert!(
            everywhere.contains(&"127.0.0.1:7000".parse().unwrap()),
            "{everywhere:?}"
        );
        let one = "192.0.2.1:7000".parse().unwrap();
        assert_eq!(reachable_at(one), [one]);
    }
}
