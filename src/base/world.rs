//! Which addresses the whole world can reach, and which only our own network or provider.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one that anybody on the internet can send to.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Whether an address is from the range that providers put between themselves and customers who share an address
/// (RFC 6598, 100.64.0.0/10).
pub fn is_carriers(ip: IpAddr) -> bool {
    matches!(ip.to_canonical(), IpAddr::V4(ip) if ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64)
}

/// Whether an address is one that only our own network or provider reaches, or nobody: who is there holds nothing for
/// the world. Loopback is not among them: nobody but tests and the demo is there.
pub fn is_near(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_near_v4(ip),
        IpAddr::V6(ip) => is_near_v6(ip),
    }
}

fn is_near_v4(ip: Ipv4Addr) -> bool {
    let shared = is_carriers(IpAddr::V4(ip));
    let nobody = ip.octets()[0] == 0 || ip.is_broadcast() || ip.is_multicast();
    ip.is_private() || ip.is_link_local() || shared || nobody
}

fn is_near_v6(ip: Ipv6Addr) -> bool {
    let nobody = ip.is_unspecified() || ip.is_multicast();
    ip.is_unique_local() || ip.is_unicast_link_local() || nobody
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let nobody = a == 0 || a >= 240 || ip.is_multicast() || ip.is_documentation();
    // RFC 2544: what benches measure between; RFC 6890: protocol assignments.
    let set_aside = (a == 198 && b & 0xfe == 18) || (a, b, c) == (192, 0, 0);
    let own = ip.is_loopback() || ip.is_private() || ip.is_link_local();
    !(nobody || set_aside || own || is_carriers(IpAddr::V4(ip)))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    // All that is handed out so far is 2000::/3; of it, 2001:db8::/32 is for books.
    let [a, b, ..] = ip.segments();
    a & 0xe000 == 0x2000 && (a, b) != (0x2001, 0x0db8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_told_from_the_house_and_the_provider() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for text in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "::ffff:8.8.8.8",
            "172.32.0.1",
        ] {
            assert!(is_public(ip(text)), "{text}");
        }
        assert!(is_public(ip("2a00:1450::1")));
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "127.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.1.1",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
            "ff02::1",
            "::ffff:192.168.1.1",
        ] {
            assert!(!is_public(ip(text)), "{text}");
        }
        assert!(is_carriers(ip("100.64.0.1")) && is_carriers(ip("::ffff:100.127.0.1")));
        assert!(!is_carriers(ip("100.128.0.1")) && !is_carriers(ip("::1")));
    }

    #[test]
    fn who_is_near_is_told_from_the_world() {
        let near = |ip: &str| is_near(ip.parse().expect("a test address"));
        for ip in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.9",
            "::ffff:192.168.1.9",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.254",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "fe80::1",
            "fd12:3456::1",
            "ff02::1",
            "::",
        ] {
            assert!(near(ip), "{ip}");
        }
        for ip in [
            "127.0.0.1",
            "::1",
            "192.0.2.1",
            "100.128.0.1",
            "172.32.0.1",
            "2001:db8::1",
        ] {
            assert!(!near(ip), "{ip}");
        }
    }
}
