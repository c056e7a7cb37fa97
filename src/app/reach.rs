//! Whether the box is reached from outside: the evidence, gathered from the stations, and the verdict on it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use crate::base::Timestamp;
use crate::base::world::is_public;
use crate::device;
use crate::policy::reach::{Evidence, Mapping, Reach, judge};
use crate::seed::Seen;
use crate::seed::discovery::PortMapping;

/// How often the evidence is gathered. It changes in minutes.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Whether the box is reached from outside, and how that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReachView {
    /// Whether peers outside can connect.
    pub verdict: Reach,
    /// What came of asking the router to forward the peers' port.
    pub mapping: Mapping,
    /// The port that peers connect to, which a router has to forward (TCP).
    pub peer_port: u16,
    /// What came of asking it to forward the public listener's port, where the owner wants that.
    pub public_mapping: Mapping,
    /// The router's address on its outer side, as it says.
    pub router: Option<String>,
    /// Addresses under which trackers, or several peers alike, say that they see the box.
    pub seen_as: Vec<String>,
    /// When the first peer from outside connected over IPv4 since start; none when nobody did.
    #[schema(value_type = Option<i64>)]
    pub came_v4: Option<Timestamp>,
    /// When the first did over IPv6.
    #[schema(value_type = Option<i64>)]
    pub came_v6: Option<Timestamp>,
    /// When somebody outside first opened a public page since start; none when nobody did. Who comes through a proxy in
    /// the house is not seen.
    #[schema(value_type = Option<i64>)]
    pub page_seen: Option<Timestamp>,
}

/// The last verdict.
#[derive(Debug, Default)]
pub(super) struct Reached {
    at: Option<Instant>,
    view: ReachView,
}

impl App {
    /// The verdict as it is now.
    pub(super) fn reach_view(&mut self, seen: &Seen, now: Instant) -> ReachView {
        let is_fresh = |at| now.saturating_duration_since(at) < LOOK_EVERY;
        if !self.reached.at.is_some_and(is_fresh) {
            self.reached = Reached {
                at: Some(now),
                view: self.look_outside(seen),
            };
        }
        self.reached.view.clone()
    }

    /// Has the router asked for the public listener's port, or not, as the owner wants.
    pub(super) fn forward_public_port(&mut self) {
        let wanted = self.settings.public_forward;
        self.discovery
            .map_also(wanted.then_some(self.config.public_port));
    }

    /// Where peers outside can be sent to find us: where a router forwards our port, and where somebody did come.
    pub(super) fn reached_from_outside(&self, seen: &Seen) -> Vec<SocketAddr> {
        let peer = self.peers_connect_to();
        let ips = reached_from_outside(&self.discovery.mapping(), seen);
        ips.into_iter()
            .filter(|_| !peer.ip().is_loopback())
            .map(|ip| SocketAddr::new(ip, peer.port()))
            .collect()
    }

    fn look_outside(&self, seen: &Seen) -> ReachView {
        let mapping = self.discovery.mapping();
        let own = device::network::addresses();
        // Trackers in the house say what they see there.
        let told = self.announcer.external_ips();
        let mut seen_as: Vec<IpAddr> = told.into_iter().map(|ip| ip.to_canonical()).collect();
        seen_as.extend(&seen.seen_as);
        seen_as.retain(|ip| is_public(*ip));
        seen_as.sort_unstable();
        seen_as.dedup();
        let evidence = Evidence {
            offline: self.config.offline,
            mapping: mapping.state,
            router: mapping.external,
            own: &own,
            seen_as: &seen_as,
            came_v4: seen.came_v4.is_some(),
            came_v6: seen.came_v6.is_some(),
        };
        ReachView {
            verdict: judge(&evidence),
            mapping: mapping.state,
            public_mapping: mapping.other,
            peer_port: self.peers_connect_to().port(),
            router: mapping.external.map(|ip| ip.to_string()),
            seen_as: seen_as.iter().map(IpAddr::to_string).collect(),
            came_v4: seen.came_v4,
            came_v6: seen.came_v6,
            page_seen: self.config.visits.first(),
        }
    }
}

/// What a single tracker says of our address is not among it: believed, it would send our leechers to whomever it likes.
fn reached_from_outside(mapping: &PortMapping, seen: &Seen) -> Vec<IpAddr> {
    let forwarded = mapping
        .external
        .filter(|_| mapping.state == Mapping::Mapped);
    let came = seen.seen_as.iter().filter(|ip| match ip {
        IpAddr::V4(_) => seen.came_v4.is_some(),
        IpAddr::V6(_) => seen.came_v6.is_some(),
    });
    let mut ips: Vec<IpAddr> = forwarded.iter().chain(came).copied().collect();
    // Behind another router, what ours calls outside is not.
    ips.retain(|ip| is_public(*ip));
    ips.sort_unstable();
    ips.dedup();
    ips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_sent_where_a_router_forwards_and_where_somebody_came() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mapping = |state, external| PortMapping {
            state,
            external: Some(ip(external)),
            ..PortMapping::default()
        };
        let said = Seen {
            seen_as: vec![ip("8.8.4.4"), ip("2a00::9")],
            ..Seen::default()
        };
        let of = |mapping: &PortMapping, seen: &Seen| reached_from_outside(mapping, seen);
        let none = [] as [IpAddr; 0];
        for state in [Mapping::Off, Mapping::NoRouter, Mapping::Refused] {
            assert_eq!(of(&mapping(state, "8.8.8.8"), &said), none, "{state:?}");
        }
        let mapped = mapping(Mapping::Mapped, "8.8.8.8");
        assert_eq!(of(&mapped, &said), [ip("8.8.8.8")]);
        for behind in ["192.168.1.2", "100.64.0.7"] {
            let behind = mapping(Mapping::Mapped, behind);
            assert_eq!(of(&behind, &said), none, "behind another router");
        }
        let came = Seen {
            came_v4: Some(Timestamp(1)),
            ..said
        };
        assert_eq!(of(&mapped, &came), [ip("8.8.4.4"), ip("8.8.8.8")]);
        assert_eq!(of(&PortMapping::default(), &came), [ip("8.8.4.4")]);
    }
}
