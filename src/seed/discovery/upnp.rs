//! Asks the router to map our port (UPnP Internet Gateway Device), and what its own address outside is.
//!
//! The router is whoever in the house says that it is one: what it answers is bounded, and it is asked only where its
//! answer came from.

mod gateway;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use librqbit_upnp::{
    SSDP_SEARCH_WAN_IPCONNECTION_ST, make_ssdp_search_request, parse_upnp_discover_response,
};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::NotStarted;
use crate::policy::reach::Mapping;
use gateway::Client;

/// How long a mapping holds. Long enough that a short outage of ours does not lose it, short enough that it does not stay
/// behind when the box moves out.
const LEASE: Duration = Duration::from_secs(20 * 60);

/// How often a router is looked for and the mapping renewed: one that was just switched on is found soon, and a lease
/// outlives three looks that fail.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// How long answers to a search are waited for. They are spread over three seconds, as the search asks.
const SEARCH: Duration = Duration::from_secs(5);

/// Where routers listen for searches (UPnP Device Architecture, 1.2.2).
const EVERYBODY: ([u8; 4], u16) = ([239, 255, 255, 250], 1900);

/// Answers to a search that are looked at: a house has a router or two.
const MAX_ANSWERS: usize = 8;

/// How things stand with the mappings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortMapping {
    /// What came of asking for the peers' port.
    pub state: Mapping,
    /// What came of asking for the other one, where one is wanted.
    pub other: Mapping,
    /// The router's address on its outer side, as it says.
    pub external: Option<IpAddr>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    /// The port that peers connect to.
    peers: u16,
    /// Another one, if its owner wants it reached too.
    other: Option<u16>,
    /// One that is wanted no longer: the router is told so, once.
    dropped: Option<u16>,
}

/// Maps the TCP port of the peers, and whichever other one `other` holds, for as long as `stop` is not given, and says in
/// `mapped` how that stands.
pub(super) fn start(
    port: u16,
    mut other: watch::Receiver<Option<u16>>,
    mapped: watch::Sender<PortMapping>,
    stop: CancellationToken,
) -> Result<(), NotStarted> {
    let client = Client::new().map_err(|error| NotStarted {
        part: "port mapping",
        why: error.to_string(),
    })?;
    mapped.send_replace(PortMapping {
        state: Mapping::Looking,
        ..PortMapping::default()
    });
    tokio::spawn(async move {
        let keep = async {
            let mut before = None;
            loop {
                let wanted = *other.borrow_and_update();
                let dropped = before.filter(|_| wanted != before);
                before = wanted;
                let wanted = Wanted {
                    peers: port,
                    other: wanted,
                    dropped,
                };
                let now = look(&client, EVERYBODY.into(), SEARCH, wanted).await;
                if mapped.send_replace(now) != now {
                    tracing::info!(?now, ?wanted, "port mapping");
                }
                tokio::select! {
                    () = sleep(LOOK_EVERY) => {}
                    Ok(()) = other.changed() => {}
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = keep => {}
        }
    });
    Ok(())
}

/// Looks for routers, and asks each. The best answer counts.
async fn look(
    client: &Client,
    search_at: SocketAddr,
    wait: Duration,
    wanted: Wanted,
) -> PortMapping {
    let mut best = PortMapping {
        state: Mapping::NoRouter,
        other: wanted.other.map_or(Mapping::Off, |_| Mapping::NoRouter),
        external: None,
    };
    let routers = match search(search_at, wait).await {
        Ok(routers) => routers,
        Err(error) => {
            tracing::debug!(%error, "no router can be looked for");
            return best;
        }
    };
    for (from, location) in routers {
        let control = match client.control(&location, from).await {
            Ok(control) => control,
            Err(error) => {
                tracing::debug!(%location, %error, "this is no router that maps ports");
                continue;
            }
        };
        let ask = async |port| match client.map(&control, from, port, LEASE).await {
            Ok(()) => Mapping::Mapped,
            Err(error) => {
                tracing::debug!(%location, port, %error, "the router does not map the port");
                Mapping::Refused
            }
        };
        let state = ask(wanted.peers).await;
        let other = match wanted.other {
            Some(port) => ask(port).await,
            None => Mapping::Off,
        };
        if let Some(port) = wanted.dropped
            && let Err(error) = client.unmap(&control, port).await
        {
            // Then it lapses with its lease.
            tracing::debug!(%location, port, %error, "the router keeps the mapping");
        }
        if best.state != Mapping::Mapped {
            let external = client.external(&control).await.ok();
            best = PortMapping {
                state,
                other,
                external,
            };
        }
    }
    best
}

/// Who answers a search, and where each describes itself.
async fn search(at: SocketAddr, wait: Duration) -> std::io::Result<Vec<(IpAddr, url::Url)>> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).await?;
    let request = make_ssdp_search_request(SSDP_SEARCH_WAN_IPCONNECTION_ST);
    socket.send_to(request.as_bytes(), at).await?;
    let mut found: Vec<(IpAddr, url::Url)> = Vec::new();
    let mut buffer = [0; 2048];
    let listen = async {
        while found.len() < MAX_ANSWERS {
            // An error here is an ICMP message to an earlier datagram; others may answer yet.
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
                continue;
            };
            let Ok(answer) = parse_upnp_discover_response(&buffer[..length], from) else {
                continue;
            };
            if !found
                .iter()
                .any(|(_, location)| *location == answer.location)
            {
                found.push((from.ip(), answer.location));
            }
        }
    };
    // That nobody answers any more is how it ends.
    let _ = timeout(wait, listen).await;
    Ok(found)
}

#[cfg(test)]
mod tests;
