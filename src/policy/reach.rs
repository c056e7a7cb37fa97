//! Whether anybody outside can reach the box, as far as the evidence goes.
//!
//! Only one thing proves it: somebody outside did. Everything else is a sign, and the verdicts are worded by it: a router
//! that says it forwards a port may itself stand behind another one.

use std::net::IpAddr;

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::world::{is_carriers, is_public};

/// What came of asking the router to forward the peers' port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mapping {
    /// It is not asked.
    #[default]
    Off,
    /// No router was asked yet.
    Looking,
    /// No router answers such questions.
    NoRouter,
    /// A router answered, and does not forward the port.
    Refused,
    /// It says that it does.
    Mapped,
}

/// What is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The box is kept off the internet.
    pub offline: bool,
    /// What came of asking the router.
    pub mapping: Mapping,
    /// The router's own address on its outer side, as it says.
    pub router: Option<IpAddr>,
    /// Addresses of this machine.
    pub own: &'a [IpAddr],
    /// Addresses under which others say that they see us: trackers, or several peers alike.
    pub seen_as: &'a [IpAddr],
    /// A peer from outside connected to us over IPv4.
    pub came_v4: bool,
    /// A peer from outside connected to us over IPv6.
    pub came_v6: bool,
}

/// Whether peers outside can connect to the box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The box is kept off the internet.
    Offline,
    /// Somebody outside did connect.
    Open,
    /// Somebody outside did connect, over IPv6; over IPv4 nobody did.
    OpenV6,
    /// Nothing stands in the way that we know of, and nobody came yet.
    Likely,
    /// The provider puts several customers behind one address (carrier-grade NAT): only from inside out.
    CarrierNat,
    /// Behind our router is another one, which forwards nothing to it.
    DoubleNat,
    /// No router took our request, and nobody came: probably not, unless the owner forwarded the port himself.
    Unmapped,
    /// Too early to say.
    #[default]
    Unknown,
}

/// The verdict.
pub fn judge(evidence: &Evidence<'_>) -> Reach {
    match evidence {
        Evidence { offline: true, .. } => return Reach::Offline,
        Evidence { came_v4: true, .. } => return Reach::Open,
        Evidence { came_v6: true, .. } => return Reach::OpenV6,
        _ => {}
    }
    if let Some(obstacle) = obstacle(evidence) {
        return obstacle;
    }
    let without_router = evidence.own.iter().any(|ip| is_v4(*ip) && is_public(*ip));
    match evidence.mapping {
        Mapping::Mapped => Reach::Likely,
        _ if without_router => Reach::Likely,
        Mapping::Looking => Reach::Unknown,
        Mapping::Off | Mapping::NoRouter | Mapping::Refused => Reach::Unmapped,
    }
}

/// What stands between the world and our router, or us where there is none.
fn obstacle(evidence: &Evidence<'_>) -> Option<Reach> {
    let v4 = |ips: &[IpAddr]| -> Vec<IpAddr> {
        let all = ips.iter().map(IpAddr::to_canonical);
        all.filter(|ip| is_v4(*ip) && !ip.is_loopback()).collect()
    };
    if let Some(router) = evidence
        .router
        .map(|ip| ip.to_canonical())
        .filter(|ip| is_v4(*ip))
    {
        if is_carriers(router) {
            return Some(Reach::CarrierNat);
        }
        if !is_public(router) {
            return Some(Reach::DoubleNat);
        }
        let seen_as = v4(evidence.seen_as);
        // The world knows us by an address that our router does not have: somebody in between translates.
        let differs = !seen_as.is_empty() && !seen_as.contains(&router);
        return differs.then_some(Reach::CarrierNat);
    }
    // Without a router of ours, the provider's addresses are on the machine itself. Some private networks (VPNs) use the
    // same range, beside an address of the house.
    let own = v4(evidence.own);
    let all_carriers = !own.is_empty() && own.iter().all(|ip| is_carriers(*ip));
    all_carriers.then_some(Reach::CarrierNat)
}

fn is_v4(ip: IpAddr) -> bool {
    ip.to_canonical().is_ipv4()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(of: &[&str]) -> Vec<IpAddr> {
        of.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    /// The verdict on a box in a house, with what the router and others say.
    fn at_home(mapping: Mapping, router: Option<&str>, seen_as: &[&str]) -> Reach {
        let (own, seen_as) = (ips(&["127.0.0.1", "192.168.1.7", "fe80::1"]), ips(seen_as));
        judge(&Evidence {
            mapping,
            router: router.map(|ip| ip.parse().unwrap()),
            own: &own,
            seen_as: &seen_as,
            ..Evidence::default()
        })
    }

    #[test]
    fn who_came_proves_it_against_all_signs() {
        let own = ips(&["192.168.1.7"]);
        let bad = Evidence {
            mapping: Mapping::Refused,
            router: Some("100.64.0.9".parse().unwrap()),
            own: &own,
            ..Evidence::default()
        };
        assert_eq!(judge(&bad), Reach::CarrierNat);
        let v6 = Evidence {
            came_v6: true,
            ..bad
        };
        assert_eq!(judge(&v6), Reach::OpenV6);
        let v4 = Evidence {
            came_v4: true,
            ..v6
        };
        assert_eq!(judge(&v4), Reach::Open);
        let offline = Evidence {
            offline: true,
            ..v4
        };
        assert_eq!(judge(&offline), Reach::Offline);
    }

    #[test]
    fn a_router_that_maps_is_believed_as_far_as_its_own_address() {
        for (router, seen_as, expected) in [
            (None, &[][..], Reach::Likely),
            (Some("1.1.1.1"), &[], Reach::Likely),
            (Some("1.1.1.1"), &["1.1.1.1"], Reach::Likely),
            (Some("1.1.1.1"), &["::ffff:1.1.1.1"], Reach::Likely),
            (Some("1.1.1.1"), &["2a00::1"], Reach::Likely),
            (Some("1.1.1.1"), &["1.0.0.1", "1.1.1.1"], Reach::Likely),
            (Some("1.1.1.1"), &["8.8.8.8"], Reach::CarrierNat),
            (Some("100.64.1.2"), &["8.8.8.8"], Reach::CarrierNat),
            (Some("100.127.1.2"), &[], Reach::CarrierNat),
            (Some("192.168.0.2"), &[], Reach::DoubleNat),
            (Some("10.0.0.2"), &["8.8.8.8"], Reach::DoubleNat),
            (Some("0.0.0.0"), &[], Reach::DoubleNat),
        ] {
            let verdict = at_home(Mapping::Mapped, router, seen_as);
            assert_eq!(verdict, expected, "{router:?} {seen_as:?}");
        }
    }

    #[test]
    fn without_a_mapping_it_takes_an_address_of_the_worlds() {
        assert_eq!(at_home(Mapping::Looking, None, &[]), Reach::Unknown);
        for mapping in [Mapping::Off, Mapping::NoRouter, Mapping::Refused] {
            assert_eq!(at_home(mapping, None, &["8.8.8.8"]), Reach::Unmapped);
        }
        let verdict = |own: &[&str]| {
            let own = ips(own);
            judge(&Evidence {
                mapping: Mapping::NoRouter,
                own: &own,
                ..Evidence::default()
            })
        };
        assert_eq!(verdict(&["127.0.0.1", "8.8.8.8"]), Reach::Likely);
        // A mobile modem.
        assert_eq!(verdict(&["127.0.0.1", "100.70.1.2"]), Reach::CarrierNat);
        // A VPN in that range, in a house.
        assert_eq!(verdict(&["192.168.1.7", "100.70.1.2"]), Reach::Unmapped);
        // Routers let IPv6 out and not in, unless told.
        assert_eq!(verdict(&["192.168.1.7", "2a00::7"]), Reach::Unmapped);
        assert_eq!(verdict(&[]), Reach::Unmapped);
    }
}
