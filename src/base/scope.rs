//! How far an address reaches.

use std::net::IpAddr;

use super::world::is_near;

/// How far an address reaches, from near to far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// This machine.
    Loopback,
    /// A network at home: private, link-local, unique local, and the shared range of carriers and overlay networks.
    Private,
    /// Everywhere.
    Public,
}

impl Scope {
    /// How far this one does.
    pub fn of(ip: IpAddr) -> Self {
        if ip.to_canonical().is_loopback() {
            Scope::Loopback
        } else if is_near(ip) {
            Scope::Private
        } else {
            Scope::Public
        }
    }

    /// Whether someone at this scope can hope to connect to an address of scope `other`. Also keeps the addresses of the
    /// home network from strangers.
    pub fn reaches(self, other: Scope) -> bool {
        self <= other
    }

    /// How many steps there are between two.
    pub fn abs_diff(self, other: Scope) -> u8 {
        (self as u8).abs_diff(other as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_scope_people_expect() {
        let of = |text: &str| Scope::of(text.parse().unwrap());
        for text in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(of(text), Scope::Loopback, "{text}");
        }
        for text in [
            "10.1.1.1",
            "192.168.0.9",
            "172.31.0.1",
            "169.254.3.3",
            "100.64.0.1",
            "100.127.255.255",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(of(text), Scope::Private, "{text}");
        }
        for text in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2001:db8::1"] {
            assert_eq!(of(text), Scope::Public, "{text}");
        }
    }

    #[test]
    fn the_near_reach_the_far_and_not_the_other_way() {
        assert!(Scope::Loopback.reaches(Scope::Public));
        assert!(Scope::Private.reaches(Scope::Private));
        assert!(!Scope::Public.reaches(Scope::Private));
        assert!(!Scope::Private.reaches(Scope::Loopback));
    }
}
