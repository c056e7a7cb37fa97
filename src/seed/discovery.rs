//! Finding peers without a tracker: the DHT (BEP 5), local service discovery (BEP 14), and a port mapping by UPnP so that
//! they can find us. All through librqbit's crates.
//!
//! Nothing is started when offline, and a private torrent (BEP 27) is never looked for.
//!
//! What the tests cannot show: LSD and UPnP speak multicast to real networks. Here it is only shown that they are not
//! started when they must not be.

mod dht;
mod lsd;
mod upnp;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use crate::base::{Beside, ErrorKind, InfoHash, Kind};
use crate::seed::found::{Found, Witness, plausible};

pub use upnp::PortMapping;

/// The file in the state folder that keeps the DHT's routing table.
pub const DHT_STATE: &str = "dht.json";

/// Addresses found that wait to be taken. When it is full they are dropped: they are found again.
pub const FOUND_QUEUE: usize = 256;

/// How long an end waits for a router to take back what has no end.
const SHUTDOWN_TIME: Duration = Duration::from_secs(3);

/// Orders that wait for a task. One is an info hash; a start with 1,000 torrents fits.
const ORDERS: usize = 4096;

/// How discovery is set up.
#[derive(Debug, Clone)]
pub struct DiscoveryConfig {
    /// The port we take peers on. With 0, nothing is started: there would be nothing to find.
    pub port: u16,
    /// Whether nothing may be started at all.
    pub offline: bool,
    /// Whether to take part in the DHT.
    pub dht: bool,
    /// The nodes by which the DHT is entered, `host:port`; `None` for the well-known ones.
    pub dht_bootstrap: Option<Vec<String>>,
    /// Whether to look for peers in the local network.
    pub lsd: bool,
    /// Whether to ask the router to map the port. The mapping is for TCP and lapses within 20 minutes after we are gone; where
    /// a router knows no such end, [`Discovery::shutdown`] takes it back.
    pub upnp: bool,
    /// The folder the DHT's routing table is kept in ([`DHT_STATE`]), so that the next start is quick.
    pub state_dir: PathBuf,
    /// Where what is sent is counted.
    pub beside: Beside,
}

/// A part of discovery that cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} cannot start: {why}")]
struct NotStarted {
    part: &'static str,
    why: String,
}

impl Kind for NotStarted {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

/// Which parts run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Running {
    /// The DHT.
    pub dht: bool,
    /// Local service discovery, at the start: it is tried again wherever the machine goes.
    pub lsd: bool,
    /// The port mapper. That it runs does not say that a router obeys.
    pub upnp: bool,
}

/// What a torrent's being looked for is changed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Add(InfoHash),
    Remove(InfoHash),
}

/// Looks for peers of torrents. Cheap to clone; ends with the last clone.
#[derive(Debug, Clone)]
pub struct Discovery {
    tasks: Vec<mpsc::Sender<Order>>,
    running: Running,
    mapping: watch::Receiver<PortMapping>,
    other_port: watch::Sender<Option<u16>>,
    addresses: watch::Sender<lsd::Addresses>,
    stop: CancellationToken,
    _alive: std::sync::Arc<DropGuard>,
}

impl Discovery {
    /// Starts what the configuration allows. A part that cannot start is left out, with a warning in the log: the others,
    /// and the trackers, do without.
    pub async fn start(config: DiscoveryConfig) -> (Discovery, mpsc::Receiver<Found>) {
        let (found, receiver) = mpsc::channel(FOUND_QUEUE);
        let stop = CancellationToken::new();
        let mut tasks = Vec::new();
        let mut running = Running::default();
        let (addresses, elsewhere) = watch::channel(None);
        let allowed = !config.offline && config.port != 0;
        if allowed && config.dht {
            match dht::start(&config, stop.clone()).await {
                Ok(node) => {
                    let (sender, orders) = mpsc::channel(ORDERS);
                    tokio::spawn(dht::run(
                        node,
                        config.port,
                        orders,
                        found.clone(),
                        config.beside.clone(),
                    ));
                    tasks.push(sender);
                    running.dht = true;
                }
                Err(error) => warn!(%error, "discovery does without"),
            }
        }
        if allowed && config.lsd {
            let alive = stop.clone();
            let start = move || lsd::start(alive.child_token());
            let service = start().await;
            running.lsd = service.is_ok();
            if let Err(error) = &service {
                warn!(%error, "discovery does without until the addresses change");
            }
            let (sender, orders) = mpsc::channel(ORDERS);
            let service = service.ok();
            tokio::spawn(lsd::run(
                service,
                start,
                config.port,
                elsewhere,
                orders,
                found.clone(),
            ));
            tasks.push(sender);
        }
        let (mapped, mapping) = watch::channel(PortMapping::default());
        let (other_port, other) = watch::channel(None);
        if allowed && config.upnp {
            match upnp::start(config.port, other, mapped, stop.clone()) {
                Ok(()) => running.upnp = true,
                Err(error) => warn!(%error, "discovery does without"),
            }
        }
        info!(
            dht = running.dht,
            lsd = running.lsd,
            upnp = running.upnp,
            "discovery"
        );
        let discovery = Discovery {
            tasks,
            running,
            mapping,
            other_port,
            addresses,
            stop: stop.clone(),
            _alive: std::sync::Arc::new(stop.drop_guard()),
        };
        (discovery, receiver)
    }

    /// Which parts run.
    pub fn running(&self) -> Running {
        self.running
    }

    /// Asks the router to map another TCP port too from now on, or no other.
    pub fn map_also(&self, port: Option<u16>) {
        self.other_port
            .send_if_modified(|now| std::mem::replace(now, port) != port);
    }

    /// Says which addresses the machine has: what was told first is where it started, and where they are others, the local
    /// network is another.
    pub fn lives_at(&self, addresses: Vec<IpAddr>) {
        self.addresses
            .send_if_modified(|was| lsd::moves(was, addresses));
    }

    /// What came of asking the router to map ports.
    pub fn mapping(&self) -> PortMapping {
        *self.mapping.borrow()
    }

    /// Looks for peers of a torrent from now on, unless it is private.
    pub async fn add(&self, info_hash: InfoHash, private: bool) {
        if !private {
            self.order(Order::Add(info_hash)).await;
        }
    }

    /// Looks for peers of a torrent no longer.
    pub async fn remove(&self, info_hash: InfoHash) {
        self.order(Order::Remove(info_hash)).await;
    }

    /// Ends, and takes back from the router what would stay behind, within [`SHUTDOWN_TIME`].
    pub async fn shutdown(&self) {
        self.stop.cancel();
        let mut mapping = self.mapping.clone();
        // The port mapper has ended when it says nothing any more.
        let ended = async { while mapping.changed().await.is_ok() {} };
        if timeout(SHUTDOWN_TIME, ended).await.is_err() {
            warn!("the router may keep what it maps to us");
        }
    }

    async fn order(&self, order: Order) {
        for task in &self.tasks {
            // A task that has ended needs no orders.
            let _ = task.send(order).await;
        }
    }
}

/// Passes an address on, or drops it when nobody takes them.
fn pass_on(found: &mpsc::Sender<Found>, info_hash: InfoHash, addr: SocketAddr, source: Witness) {
    if let Some(addr) = plausible(addr) {
        // Full or closed: found again, or wanted no more.
        let _ = found.try_send(Found {
            info_hash,
            addrs: vec![addr],
            source,
            full: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(offline: bool, port: u16) -> DiscoveryConfig {
        DiscoveryConfig {
            port,
            offline,
            dht: true,
            dht_bootstrap: Some(Vec::new()),
            lsd: true,
            upnp: true,
            state_dir: PathBuf::from("nowhere"),
            beside: Beside::default(),
        }
    }

    #[tokio::test]
    async fn nothing_is_started_when_offline_or_without_a_port() {
        for config in [config(true, 6881), config(false, 0)] {
            let (discovery, mut found) = Discovery::start(config).await;
            assert_eq!(discovery.running(), Running::default());
            assert_eq!(discovery.mapping(), PortMapping::default());
            assert!(discovery.tasks.is_empty());
            discovery.shutdown().await;
            discovery.add(InfoHash([1; 20]), false).await;
            // Nobody is there to find anything.
            assert_eq!(found.recv().await, None);
        }
        assert!(!PathBuf::from("nowhere").exists());
    }
}
