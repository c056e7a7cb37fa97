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

use super::{Order, pass_on};
use crate::base::InfoHash;
use crate::seed::found::{Found, Witness};

/// Torrents announced locally: each has a task in librqbit's crate, and a multicast every five minutes. The ones added
/// last have it; somebody in the same house most likely wants what is new.
const ANNOUNCED: usize = 128;

/// Joins the multicast groups.
pub(super) async fn start(stop: CancellationToken) -> anyhow::Result<LocalServiceDiscovery> {
    LocalServiceDiscovery::new(LocalServiceDiscoveryOptions {
        cancel_token: stop,
        ..Default::default()
    })
    .await
}

type Announces = SelectAll<Pin<Box<dyn Stream<Item = (InfoHash, SocketAddr)> + Send>>>;

/// Announces torrents until nobody gives orders any more.
pub(super) async fn run(
    service: LocalServiceDiscovery,
    port: u16,
    mut orders: mpsc::Receiver<Order>,
    found: mpsc::Sender<Found>,
) {
    // Dropping the guard ends the announce.
    let mut announced: HashMap<InfoHash, DropGuard> = HashMap::new();
    let mut order_added: VecDeque<InfoHash> = VecDeque::new();
    let mut announces = Announces::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Add(info_hash)) if !announced.contains_key(&info_hash) => {
                    if order_added.len() == ANNOUNCED
                        && let Some(oldest) = order_added.pop_front()
                    {
                        announced.remove(&oldest);
                    }
                    let stop = CancellationToken::new();
                    let peers = service
                        .announce(Id20::new(info_hash.0), Some(port))
                        .map(move |addr| (info_hash, addr))
                        .take_until(Box::pin(stop.clone().cancelled_owned()));
                    announces.push(Box::pin(peers));
                    announced.insert(info_hash, stop.drop_guard());
                    order_added.push_back(info_hash);
                }
                Some(Order::Add(_)) => {}
                Some(Order::Remove(info_hash)) => {
                    announced.remove(&info_hash);
                    order_added.retain(|other| *other != info_hash);
                }
                None => return,
            },
            Some((info_hash, addr)) = announces.next() => {
                pass_on(&found, info_hash, addr, Witness::Lsd);
            }
        }
    }
}
