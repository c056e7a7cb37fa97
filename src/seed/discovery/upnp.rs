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
use gateway::{Client, Control, GatewayError};

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

/// Mappings without an end that are kept in mind: more than a house's routers have of ours.
const MAX_ENDLESS: usize = 2 * MAX_ANSWERS;

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

/// What no lease ends: it is to be asked for in that way again, and taken back when we go.
#[derive(Debug, Default)]
struct Endless(Vec<(Control, u16)>);

impl Endless {
    /// Whether a router is known to map ports for ever only.
    fn is_of(&self, control: &Control) -> bool {
        self.0.iter().any(|(other, _)| other == control)
    }

    fn add(&mut self, control: &Control, port: u16) {
        self.remove(control, port);
        if self.0.len() == MAX_ENDLESS {
            self.0.remove(0);
        }
        self.0.push((control.clone(), port));
    }

    fn remove(&mut self, control: &Control, port: u16) {
        self.0.retain(|(other, p)| (other, *p) != (control, port));
    }

    /// Takes back what is left of it.
    async fn end(self, client: &Client) {
        for (control, port) in self.0 {
            if let Err(error) = client.unmap(&control, port).await {
                tracing::warn!(port, %error, "the router keeps a mapping that has no end");
            }
        }
    }
}

/// Maps the TCP port of the peers, and whichever other one `other` holds, for as long as `stop` is not given, and says in
/// `mapped` how that stands. When that is dropped, what would have stayed behind was taken back.
pub(super) fn start(
    port: u16,
    other: watch::Receiver<Option<u16>>,
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
    tokio::spawn(keep(client, EVERYBODY.into(), port, other, mapped, stop));
    Ok(())
}

/// Keeps the ports mapped until `stop`, and takes back then what no lease would end.
async fn keep(
    client: Client,
    search_at: SocketAddr,
    port: u16,
    mut other: watch::Receiver<Option<u16>>,
    mapped: watch::Sender<PortMapping>,
    stop: CancellationToken,
) {
    let mut endless = Endless::default();
    let renew = async {
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
            let now = look(&client, search_at, SEARCH, wanted, &mut endless).await;
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
        () = renew => {}
    }
    endless.end(&client).await;
    // Its end says that ours has come.
    drop(mapped);
}

/// Looks for routers, and asks each. The best answer counts.
async fn look(
    client: &Client,
    search_at: SocketAddr,
    wait: Duration,
    wanted: Wanted,
    endless: &mut Endless,
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
        let mut outcomes = [Mapping::Off; 2];
        for (outcome, port) in outcomes.iter_mut().zip([Some(wanted.peers), wanted.other]) {
            let Some(port) = port else { continue };
            *outcome = match map(client, &control, from, port, endless).await {
                Ok(()) => Mapping::Mapped,
                Err(error) => {
                    tracing::debug!(%location, port, %error, "the router does not map the port");
                    Mapping::Refused
                }
            };
        }
        let [state, other] = outcomes;
        if let Some(port) = wanted.dropped {
            match client.unmap(&control, port).await {
                Ok(()) => endless.remove(&control, port),
                // Then it lapses with its lease, or is taken back when we go.
                Err(error) => {
                    tracing::debug!(%location, port, %error, "the router keeps the mapping");
                }
            }
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

/// Maps a port for a while, or without an end where a router knows nothing else.
async fn map(
    client: &Client,
    control: &Control,
    router: IpAddr,
    port: u16,
    endless: &mut Endless,
) -> Result<(), GatewayError> {
    if !endless.is_of(control) {
        match client.map(control, router, port, LEASE).await {
            Err(error) if error.wants_no_end() => {}
            done => return done,
        }
    }
    client.map(control, router, port, Duration::ZERO).await?;
    endless.add(control, port);
    Ok(())
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
