//! Local service discovery (BEP 14): peers in the same network, by multicast.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;

use futures::StreamExt;
use futures::stream::{SelectAll, Stream};
use librqbit_core::Id20;
use librqbit_lsd::{LocalServiceDiscovery, LocalServiceDiscoveryOptions};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{NotStarted, Order, pass_on};
use crate::base::InfoHash;
use crate::seed::found::{Found, Witness};

/// Torrents announced locally: each has a task in librqbit's crate, and a multicast every five minutes. The ones added
/// last have it; somebody in the same house most likely wants what is new.
const ANNOUNCED: usize = 128;

/// Joins the multicast groups.
pub(super) async fn start(stop: CancellationToken) -> Result<LocalServiceDiscovery, NotStarted> {
    let options = LocalServiceDiscoveryOptions {
        cancel_token: stop,
        ..Default::default()
    };
    let service = LocalServiceDiscovery::new(options).await;
    service.map_err(|error| NotStarted {
        part: "local service discovery",
        why: format!("{error:#}"),
    })
}

/// What comes out of an announce.
enum Step {
    Peer(InfoHash, SocketAddr),
    Ended(InfoHash),
}

type Announces = SelectAll<Pin<Box<dyn Stream<Item = Step> + Send>>>;

/// The announces under way.
struct Local {
    service: LocalServiceDiscovery,
    port: u16,
    announces: Announces,
    /// Dropping the guard ends the announce.
    announced: HashMap<InfoHash, DropGuard>,
    /// In the order added.
    ages: VecDeque<InfoHash>,
    /// Announces told to end that have not, and whether they are wanted again. Started anew before that, the end of the old
    /// one would take the new one along: librqbit's crate keeps them by info hash.
    ending: HashMap<InfoHash, bool>,
}

impl Local {
    fn add(&mut self, info_hash: InfoHash) {
        if self.announced.contains_key(&info_hash) {
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
        let stop = CancellationToken::new();
        let peers = self
            .service
            .announce(Id20::new(info_hash.0), Some(self.port));
        let peers = peers.map(move |addr| Step::Peer(info_hash, addr));
        let peers = peers.take_until(Box::pin(stop.clone().cancelled_owned()));
        let ended = futures::stream::once(async move { Step::Ended(info_hash) });
        self.announces.push(Box::pin(peers.chain(ended)));
        self.announced.insert(info_hash, stop.drop_guard());
        self.ages.push_back(info_hash);
    }

    fn remove(&mut self, info_hash: InfoHash) {
        if self.announced.remove(&info_hash).is_some() {
            self.ages.retain(|other| *other != info_hash);
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

/// Announces torrents until nobody gives orders any more.
pub(super) async fn run(
    service: LocalServiceDiscovery,
    port: u16,
    mut orders: mpsc::Receiver<Order>,
    found: mpsc::Sender<Found>,
) {
    let mut local = Local {
        service,
        port,
        announces: Announces::new(),
        announced: HashMap::new(),
        ages: VecDeque::new(),
        ending: HashMap::new(),
    };
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
        }
    }
}
