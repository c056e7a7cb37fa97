//! What peers outside tell of where we are: that they came at all, and under which address they see us.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::base::Timestamp;
use crate::base::world::is_public;

/// Peers whose word on our address is kept, the latest.
const MAX_SAID: usize = 32;

/// Peers who must say the same before it is worth anything: one alone can say what it likes.
const ALIKE: usize = 2;

/// Since the engine started.
#[derive(Debug, Clone, Default)]
pub(super) struct Outside {
    came_v4: Option<Timestamp>,
    came_v6: Option<Timestamp>,
    /// Who says so, and what.
    said: VecDeque<(IpAddr, IpAddr)>,
}

/// What they tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// When the first of them connected to us over IPv4.
    pub came_v4: Option<Timestamp>,
    /// When the first of them connected to us over IPv6.
    pub came_v6: Option<Timestamp>,
    /// Addresses under which at least two of them see us.
    pub seen_as: Vec<IpAddr>,
}

impl Outside {
    /// A peer connected to us and finished the handshake. Whoever comes from an address that is not the world's, or from
    /// our own (a router that turns the house's own connections around), says nothing of the world.
    pub fn came(&mut self, from: IpAddr, now: Timestamp) {
        let from = from.to_canonical();
        if !is_public(from) || self.said.iter().any(|(_, us)| *us == from) {
            return;
        }
        let first = match from {
            IpAddr::V4(_) => &mut self.came_v4,
            IpAddr::V6(_) => &mut self.came_v6,
        };
        first.get_or_insert(now);
    }

    /// A peer says under which address it sees us (BEP 10, `yourip`).
    pub fn said(&mut self, who: IpAddr, us: IpAddr) {
        let (who, us) = (who.to_canonical(), us.to_canonical());
        if !is_public(who) || !is_public(us) {
            return;
        }
        self.said.retain(|(other, _)| *other != who);
        if self.said.len() >= MAX_SAID {
            self.said.pop_front();
        }
        self.said.push_back((who, us));
    }

    /// What that comes to.
    pub fn seen(&self) -> Seen {
        let alike =
            |us: &IpAddr| self.said.iter().filter(|(_, other)| other == us).count() >= ALIKE;
        let mut seen_as: Vec<IpAddr> = self.said.iter().map(|(_, us)| *us).filter(alike).collect();
        seen_as.sort_unstable();
        seen_as.dedup();
        Seen {
            came_v4: self.came_v4,
            came_v6: self.came_v6,
            seen_as,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_who_comes_from_the_world_came_from_outside() {
        let mut outside = Outside::default();
        for near in [
            "127.0.0.1",
            "192.168.1.9",
            "100.64.0.1",
            "fe80::1",
            "fd00::1",
        ] {
            outside.came(ip(near), Timestamp(1));
        }
        assert_eq!(outside.seen(), Seen::default());
        // Turned around by our own router.
        outside.said(ip("9.9.9.9"), ip("8.8.8.8"));
        outside.came(ip("8.8.8.8"), Timestamp(2));
        assert_eq!(outside.seen(), Seen::default());
        outside.came(ip("::ffff:1.1.1.1"), Timestamp(3));
        outside.came(ip("1.1.1.1"), Timestamp(4));
        outside.came(ip("2a00::1"), Timestamp(5));
        let seen = outside.seen();
        assert_eq!(seen.came_v4, Some(Timestamp(3)));
        assert_eq!(seen.came_v6, Some(Timestamp(5)));
    }

    #[test]
    fn one_alone_is_not_believed_however_often_it_says_so() {
        let mut outside = Outside::default();
        for _ in 0..100 {
            outside.said(ip("9.9.9.9"), ip("8.8.8.8"));
        }
        outside.said(ip("192.168.1.9"), ip("8.8.8.8"));
        outside.said(ip("7.7.7.7"), ip("192.168.1.7"));
        assert_eq!(outside.seen().seen_as, [] as [IpAddr; 0]);
        outside.said(ip("1.1.1.1"), ip("::ffff:8.8.8.8"));
        assert_eq!(outside.seen().seen_as, [ip("8.8.8.8")]);
        for n in 0..=255 {
            outside.said(IpAddr::from([5, 5, 5, n]), IpAddr::from([6, 6, 6, n]));
        }
        assert_eq!(outside.said.len(), MAX_SAID);
        assert_eq!(
            outside.seen().seen_as,
            [] as [IpAddr; 0],
            "what is old is forgotten"
        );
    }
}
