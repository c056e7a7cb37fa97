//! Local service discovery (BEP 14): peers in the same network, by multicast.
//!
//! librqbit's crate joins the groups on the devices there are when it is started, and on no others: where the machine's
//! addresses change (a network that comes late, another lease), it is started anew.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use futures::StreamExt;
use futures::stream::{SelectAll, Stream};
use librqbit_core::Id20;
use librqbit_lsd::{LocalServiceDiscovery, LocalServiceDiscoveryOptions};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use super::{NotStarted, Order, pass_on};
use crate::base::InfoHash;
use crate::seed::found::{Found, Witness};

/// Torrents announced locally: each has a task in librqbit's crate, and a multicast every five minutes. The ones added
/// last have it; somebody in the same house most likely wants what is new.
const ANNOUNCED: usize = 128;

/// Where the machine is; none until that was told.
pub(super) type Addresses = Option<BTreeSet<IpAddr>>;

/// Takes over where the machine is; whether it was elsewhere before. That there is no address at all may only say that they
/// cannot be read, and without any there is nobody to be found.
pub(super) fn moves(was: &mut Addresses, now: Vec<IpAddr>) -> bool {
    let now: BTreeSet<IpAddr> = now.into_iter().collect();
    let Some(before) = was else {
        *was = Some(now);
        return false;
    };
    let moves = !now.is_empty() && *before != now;
    if moves {
        *before = now;
    }
    moves
}

type Peers = Pin<Box<dyn Stream<Item = SocketAddr> + Send>>;

/// What announces, on the devices there were when it was started.
pub(super) trait Service: Send {
    /// Announces until the stream of those who answer is dropped.
    fn announce(&self, info_hash: InfoHash, port: u16) -> Peers;
}

/// librqbit's; it leaves the groups when it is dropped.
pub(super) struct Joined {
    service: LocalServiceDiscovery,
    _alive: DropGuard,
}

impl Service for Joined {
    fn announce(&self, info_hash: InfoHash, port: u16) -> Peers {
        let peers = self.service.announce(Id20::new(info_hash.0), Some(port));
        Box::pin(peers)
    }
}

/// Joins the multicast groups.
pub(super) async fn start(stop: CancellationToken) -> Result<Joined, NotStarted> {
    let options = LocalServiceDiscoveryOptions {
        cancel_token: stop.clone(),
        ..Default::default()
    };
    let alive = stop.drop_guard();
    let service = LocalServiceDiscovery::new(options).await;
    let service = service.map_err(|error| NotStarted {
        part: "local service discovery",
        why: format!("{error:#}"),
    })?;
    Ok(Joined {
        service,
        _alive: alive,
    })
}

/// What comes out of an announce.
enum Step {
    Peer(InfoHash, SocketAddr),
    Ended(InfoHash),
}

type Announces = SelectAll<Pin<Box<dyn Stream<Item = Step> + Send>>>;

/// The announces under way.
struct Local<S> {
    /// None while it cannot be started; what is to be announced is kept for when it can.
    service: Option<S>,
    port: u16,
    announces: Announces,
    /// Dropping the guard ends the announce.
    announced: HashMap<InfoHash, DropGuard>,
    /// All that are wanted, in the order added.
    ages: VecDeque<InfoHash>,
    /// Announces told to end that have not, and whether they are wanted again. Started anew before that, the end of the old
    /// one would take the new one along: librqbit's crate keeps them by info hash.
    ending: HashMap<InfoHash, bool>,
}

impl<S: Service> Local<S> {
    fn new(service: Option<S>, port: u16) -> Self {
        Self {
            service,
            port,
            announces: Announces::new(),
            announced: HashMap::new(),
            ages: VecDeque::new(),
            ending: HashMap::new(),
        }
    }

    /// Announces by another service what was announced by the last one.
    fn restart(&mut self, service: Option<S>) {
        // The last one's end with it: nothing is to be waited for.
        self.announces = Announces::new();
        self.announced.clear();
        let again = self.ending.drain().filter(|(_, again)| *again);
        let again = again.map(|(info_hash, _)| info_hash);
        let wanted: Vec<InfoHash> = self.ages.drain(..).chain(again).collect();
        self.service = service;
        wanted.into_iter().for_each(|hash| self.add(hash));
    }

    fn add(&mut self, info_hash: InfoHash) {
        if self.ages.contains(&info_hash) {
            return;
        }
        if let Some(again) = self.ending.get_mut(&info_hash) {
            *again = true;
            return;
        }
        if self.ages.len() == ANNOUNCED
            && let Some(oldest) = self.ages.front().copied()
        {
            self.remove(oldest);
        }
        self.ages.push_back(info_hash);
        let Some(service) = &self.service else {
            return;
        };
        let stop = CancellationToken::new();
        let peers = service.announce(info_hash, self.port);
        let peers = peers.map(move |addr| Step::Peer(info_hash, addr));
        let peers = peers.take_until(Box::pin(stop.clone().cancelled_owned()));
        let ended = futures::stream::once(async move { Step::Ended(info_hash) });
        self.announces.push(Box::pin(peers.chain(ended)));
        self.announced.insert(info_hash, stop.drop_guard());
    }

    fn remove(&mut self, info_hash: InfoHash) {
        self.ages.retain(|other| *other != info_hash);
        if self.announced.remove(&info_hash).is_some() {
            self.ending.insert(info_hash, false);
        } else if let Some(again) = self.ending.get_mut(&info_hash) {
            *again = false;
        }
    }

    fn ended(&mut self, info_hash: InfoHash) {
        self.announced.remove(&info_hash);
        self.ages.retain(|other| *other != info_hash);
        if self.ending.remove(&info_hash) == Some(true) {
            self.add(info_hash);
        }
    }
}

/// Announces torrents until nobody gives orders any more. `start` is called whenever the machine is elsewhere.
pub(super) async fn run<S, F, Fut>(
    service: Option<S>,
    start: F,
    port: u16,
    mut addresses: watch::Receiver<Addresses>,
    mut orders: mpsc::Receiver<Order>,
    found: mpsc::Sender<Found>,
) where
    S: Service,
    F: Fn() -> Fut,
    Fut: Future<Output = Result<S, NotStarted>>,
{
    let mut local = Local::new(service, port);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Add(info_hash)) => local.add(info_hash),
                Some(Order::Remove(info_hash)) => local.remove(info_hash),
                None => return,
            },
            Some(step) = local.announces.next() => match step {
                Step::Peer(info_hash, addr) => pass_on(&found, info_hash, addr, Witness::Lsd),
                Step::Ended(info_hash) => local.ended(info_hash),
            },
            Ok(()) = addresses.changed() => {
                let started = start().await;
                if let Err(error) = &started {
                    warn!(%error, "discovery does without until the addresses change again");
                }
                local.restart(started.ok());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// What a service of the test was told: which one, and what; nothing for its start.
    type Told = (usize, Option<InfoHash>);

    struct Noted(usize, mpsc::UnboundedSender<Told>);

    impl Service for Noted {
        fn announce(&self, info_hash: InfoHash, port: u16) -> Peers {
            assert_eq!(port, 6881);
            self.1.send((self.0, Some(info_hash))).unwrap();
            Box::pin(futures::stream::pending())
        }
    }

    fn hash(n: u8) -> InfoHash {
        InfoHash([n; 20])
    }

    fn ips(of: &[&str]) -> Vec<IpAddr> {
        of.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn the_machine_moves_when_its_addresses_are_others() {
        let mut was = None;
        assert!(!moves(&mut was, ips(&["127.0.0.1"])), "it starts there");
        assert!(!moves(&mut was, ips(&["127.0.0.1", "127.0.0.1"])));
        assert!(moves(&mut was, ips(&["127.0.0.1", "192.168.1.2"])));
        assert!(!moves(&mut was, ips(&["192.168.1.2", "127.0.0.1"])));
        assert!(!moves(&mut was, Vec::new()), "they cannot be read");
        assert!(moves(&mut was, ips(&["127.0.0.1", "192.168.1.3"])));
        // A network namespace may have none at first.
        let mut nowhere = None;
        assert!(!moves(&mut nowhere, Vec::new()));
        assert!(moves(&mut nowhere, ips(&["127.0.0.1"])));
    }

    #[tokio::test]
    async fn what_is_wanted_is_announced_anew_when_the_machine_moves_and_only_then() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let starts = AtomicUsize::new(0);
        let start = move || {
            let n = starts.fetch_add(1, Ordering::SeqCst) + 1;
            let tell = tell.clone();
            async move {
                tell.send((n, None)).unwrap();
                match n {
                    2 => Err(NotStarted {
                        part: "it",
                        why: "no device".to_owned(),
                    }),
                    _ => Ok(Noted(n, tell)),
                }
            }
        };
        let (sender, addresses) = watch::channel(None);
        let lives_at = |of: &[&str]| sender.send_if_modified(|was| moves(was, ips(of)));
        lives_at(&["127.0.0.1"]);
        let (give, orders) = mpsc::channel(8);
        let (found, _found) = mpsc::channel(8);
        // It could not be started where there was no network.
        let running = tokio::spawn(run(None, start, 6881, addresses, orders, found));
        let order = async |order| give.send(order).await.unwrap();
        for n in 1..=3 {
            order(Order::Add(hash(n))).await;
        }
        order(Order::Remove(hash(2))).await;
        while give.capacity() < give.max_capacity() {
            tokio::task::yield_now().await;
        }
        lives_at(&["127.0.0.1", "192.168.1.2"]);
        assert_eq!(told.recv().await, Some((1, None)));
        assert_eq!(told.recv().await, Some((1, Some(hash(1)))));
        assert_eq!(told.recv().await, Some((1, Some(hash(3)))));
        // Nothing is new.
        lives_at(&["192.168.1.2", "127.0.0.1"]);
        order(Order::Add(hash(4))).await;
        assert_eq!(told.recv().await, Some((1, Some(hash(4)))));
        // Once it cannot be started, and then it can.
        lives_at(&["127.0.0.1"]);
        assert_eq!(told.recv().await, Some((2, None)));
        lives_at(&["127.0.0.1", "192.168.1.3"]);
        assert_eq!(told.recv().await, Some((3, None)));
        for n in [1, 3, 4] {
            assert_eq!(told.recv().await, Some((3, Some(hash(n)))));
        }
        drop(give);
        running.await.unwrap();
        assert_eq!(told.recv().await, None);
    }
}
