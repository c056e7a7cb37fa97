//! The DHT (BEP 5): announces us, and looks for peers, of all torrents in turn.
//!
//! librqbit's look-up asks again every minute for as long as it lives, with two tasks each; a thousand of them would never
//! be idle. So a torrent is looked up for a while, a few torrents at a time, and then it rests until its announce is about
//! to lapse.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{SelectAll, Stream};
use librqbit_core::Id20;
use librqbit_dht::{Dht, DhtPersistenceConfig, PersistentDht};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{DiscoveryConfig, NotStarted, Order, pass_on};
use crate::base::{Beside, InfoHash};
use crate::seed::found::{Found, Witness};

/// How often a torrent is announced: nodes forget an announce after half an hour.
const AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);

/// How long a look-up is given. It goes four steps deep, and a step is answered within a second or two or never.
const LOOKUP_TIME: Duration = Duration::from_secs(20);

/// Look-ups together. With 24, a thousand torrents take 14 minutes: all of them are announced in time.
const TOGETHER: usize = 24;

/// Bytes on the wire that a look-up is taken to cost: a hundred queries of 125. A guess: librqbit's node does not count
/// what it sends, and its answers to other nodes are not in it.
const LOOKUP_BYTES: u64 = 12_500;

/// How often the routing table is written. Seldom, to spare an SD card: it changes slowly.
const DUMP_EVERY: Duration = Duration::from_secs(15 * 60);

/// How long entering may take (it resolves names).
const START_TIME: Duration = Duration::from_secs(20);

/// Starts our node, on the UDP port of the number we take peers on if it is free.
pub(super) async fn start(
    config: &DiscoveryConfig,
    stop: CancellationToken,
) -> Result<Dht, NotStarted> {
    let create = |port: Option<u16>, ipv4_only: bool| {
        let persistence = DhtPersistenceConfig {
            dump_interval: Some(DUMP_EVERY),
            config_filename: Some(config.state_dir.join(super::DHT_STATE)),
        };
        let token = Some(stop.clone());
        PersistentDht::create(
            persistence,
            port,
            ipv4_only,
            config.dht_bootstrap.clone(),
            token,
            None,
        )
    };
    let mut why = String::new();
    for (port, ipv4_only) in [
        (config.port, false),
        (config.port, true),
        (0, false),
        (0, true),
    ] {
        match timeout(START_TIME, create(Some(port), ipv4_only)).await {
            Ok(Ok(node)) => return Ok(node),
            Ok(Err(error)) => why = format!("{error:#}"),
            Err(_) => why = "it takes too long".to_owned(),
        }
        debug!(port, ipv4_only, why, "no DHT here");
    }
    Err(NotStarted {
        part: "the DHT",
        why,
    })
}

type Lookups = SelectAll<Pin<Box<dyn Stream<Item = Step> + Send>>>;

/// What comes out of a look-up.
enum Step {
    Peer(InfoHash, std::net::SocketAddr),
    Done(InfoHash),
}

/// One look-up, which ends by itself.
fn lookup(node: &Dht, port: u16, info_hash: InfoHash) -> Pin<Box<dyn Stream<Item = Step> + Send>> {
    let peers = node.get_peers(Id20::new(info_hash.0), Some(port));
    let peers = peers.map(move |addr| Step::Peer(info_hash, addr));
    let peers = peers.take_until(Box::pin(tokio::time::sleep(LOOKUP_TIME)));
    let done = futures::stream::once(async move { Step::Done(info_hash) });
    Box::pin(peers.chain(done))
}

/// Looks torrents up, in turn, until nobody gives orders any more.
pub(super) async fn run(
    node: Dht,
    port: u16,
    mut orders: mpsc::Receiver<Order>,
    found: mpsc::Sender<Found>,
    beside: Beside,
) {
    let mut wanted: HashSet<InfoHash> = HashSet::new();
    // In order of time: each is put at the end when it is due after all the others.
    let mut queue: VecDeque<(Instant, InfoHash)> = VecDeque::new();
    let mut lookups = Lookups::new();
    loop {
        let now = Instant::now();
        while lookups.len() < TOGETHER
            && let Some((due, info_hash)) = queue.front().copied()
            && due <= now
        {
            queue.pop_front();
            if wanted.contains(&info_hash) {
                beside.add(LOOKUP_BYTES);
                lookups.push(lookup(&node, port, info_hash));
            }
        }
        let wake = queue
            .front()
            .filter(|_| lookups.len() < TOGETHER)
            .map(|(due, _)| *due);
        let sleep = async {
            match wake {
                Some(wake) => sleep_until(wake.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            order = orders.recv() => match order {
                // A newcomer goes before all that wait for their next turn.
                Some(Order::Add(info_hash)) if wanted.insert(info_hash) => {
                    queue.retain(|(_, other)| *other != info_hash);
                    let at = queue.partition_point(|(due, _)| *due <= now);
                    queue.insert(at, (now, info_hash));
                }
                Some(Order::Add(_)) => {}
                Some(Order::Remove(info_hash)) => {
                    wanted.remove(&info_hash);
                    queue.retain(|(_, other)| *other != info_hash);
                }
                None => return,
            },
            () = sleep => {}
            Some(step) = lookups.next() => match step {
                Step::Peer(info_hash, addr) if wanted.contains(&info_hash) => {
                    pass_on(&found, info_hash, addr, Witness::Dht);
                }
                Step::Peer(..) => {}
                Step::Done(info_hash) => {
                    let waits = queue.iter().any(|(_, other)| *other == info_hash);
                    if wanted.contains(&info_hash) && !waits {
                        queue.push_back((now + AGAIN_AFTER, info_hash));
                    }
                    if node.stats().routing_table_size == 0 {
                        warn_once_empty();
                    }
                }
            },
        }
    }
}

/// Says once in the life of the program that the DHT does not answer: it does so after every look-up.
fn warn_once_empty() {
    static SAID: std::sync::Once = std::sync::Once::new();
    SAID.call_once(|| warn!("no node of the DHT answers: is UDP blocked?"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::discovery::Discovery;
    use librqbit_dht::{DhtConfig, DhtState};
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    /// The node by which the others enter: it knows one node, and names it whatever it is asked.
    async fn entrance() -> (SocketAddr, tokio::sync::watch::Sender<Vec<u8>>) {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let (known, knows) = tokio::sync::watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let query = &buffer[..length];
                let Some(at) = query.windows(5).position(|bytes| bytes == b"1:t2:") else {
                    continue;
                };
                let mut reply = b"d1:rd2:id20:".to_vec();
                reply.extend([0x55; 20]);
                let nodes = knows.borrow().clone();
                reply.extend(format!("5:nodes{}:", nodes.len()).as_bytes());
                reply.extend(nodes);
                reply.extend(b"e");
                reply.extend(&query[at..at + 7]);
                reply.extend(b"1:y1:re");
                let _ = socket.send_to(&reply, from).await;
            }
        });
        (addr, known)
    }

    /// A node of somebody else, on loopback, and the way into the DHT that leads to it. Its id is near the info hash, as
    /// that of one node in a large DHT would be: librqbit announces to near nodes only.
    async fn neighbour(info_hash: InfoHash) -> (Dht, SocketAddr) {
        let (entrance, known) = entrance().await;
        let mut id = info_hash.0;
        id[19] ^= 1;
        let config = DhtConfig {
            peer_id: Some(Id20::new(id)),
            bootstrap_addrs: Some(vec![entrance.to_string()]),
            listen_addr: Some((Ipv4Addr::LOCALHOST, 0).into()),
            ..Default::default()
        };
        let node = DhtState::with_config(config).await.unwrap();
        let mut compact = id.to_vec();
        compact.extend([127, 0, 0, 1]);
        compact.extend(node.listen_addr().port().to_be_bytes());
        known.send_replace(compact);
        (node, entrance)
    }

    /// A box that enters the DHT.
    async fn member(
        entrance: SocketAddr,
        port: u16,
        folder: &std::path::Path,
    ) -> (Discovery, mpsc::Receiver<Found>) {
        Discovery::start(DiscoveryConfig {
            beside: Default::default(),
            port,
            offline: false,
            dht: true,
            dht_bootstrap: Some(vec![entrance.to_string()]),
            lsd: false,
            upnp: false,
            state_dir: folder.to_owned(),
        })
        .await
    }

    #[tokio::test]
    async fn two_boxes_find_each_other_through_a_third_node() {
        let info_hash = InfoHash([7; 20]);
        let (_node, entrance) = neighbour(info_hash).await;
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        // Ports nobody else has: the system gave them to us.
        let held = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held
            .each_ref()
            .map(|listener| listener.local_addr().unwrap().port());
        let (one, _found) = member(entrance, ports[0], folders[0].path()).await;
        assert!(one.running().dht);
        one.add(info_hash, false).await;
        let (other, mut found) = member(entrance, ports[1], folders[1].path()).await;
        let expected = SocketAddr::new(IpAddr::from(Ipv4Addr::LOCALHOST), ports[0]);
        // The first may have announced after the second asked: whoever wants to know asks again.
        let search = async {
            loop {
                other.add(info_hash, false).await;
                match timeout(Duration::from_secs(3), found.recv()).await {
                    Ok(Some(found)) if found.addrs.contains(&expected) => return found,
                    _ => other.remove(info_hash).await,
                }
            }
        };
        let found = timeout(Duration::from_secs(60), search).await.unwrap();
        assert_eq!((found.info_hash, found.source), (info_hash, Witness::Dht));
    }

    #[tokio::test]
    async fn a_private_torrent_is_not_looked_for() {
        let info_hash = InfoHash([7; 20]);
        let (_node, entrance) = neighbour(info_hash).await;
        let folder = tempfile::tempdir().unwrap();
        let (discovery, _found) = member(entrance, 6881, folder.path()).await;
        discovery.add(info_hash, true).await;
        assert!(
            discovery
                .tasks
                .iter()
                .all(|task| task.capacity() == task.max_capacity())
        );
    }
}
