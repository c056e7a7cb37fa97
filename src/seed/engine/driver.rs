//! The engine's loop.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::seeding::{Link, Seeding};
use super::{Order, QUEUE, Report};
use crate::base::{Beside, InfoHash, PeerKey, Rate};
use crate::policy::offer::Uplink;
use crate::seed::connection::{self, Greeted};
use crate::seed::dial::Dialled;
use crate::seed::listener::Known;
use crate::seed::reader::{ReadError, Reader, WarmPiece};
use crate::seed::shaper::{Shaper, on_the_wire};
use crate::seed::swarm::{Action, Swarm};
use crate::seed::torrent::Torrent;

mod peers;

/// How often swarms see time pass. Short, because an idle uplink is noticed by it.
const TICK: Duration = Duration::from_millis(100);
/// Ticks between the slower duties: rates, dialling.
const SLOW_TICKS: u32 = 10;

/// Reports taken in before the next blocks are handed over.
const REPORTS_AT_ONCE: usize = 64;

type FromPeer = (InfoHash, PeerKey, connection::Report);

/// What background work brings back.
#[derive(Debug)]
enum Back {
    Warmed(InfoHash, u32, Result<WarmPiece, ReadError>),
    Dialled(InfoHash, SocketAddr, Dialled),
}

pub(super) struct Driver {
    peer_id: [u8; 20],
    port: Option<u16>,
    known: Known,
    shaper: Shaper,
    /// What leaves beside the peers, and how much of it was taken from the bucket.
    beside: (Beside, u64),
    reader: Reader,
    seedings: HashMap<InfoHash, Seeding>,
    peers: usize,
    next_key: u64,
    idle_since: Option<Instant>,
    ticks: u32,
    reports: mpsc::Sender<FromPeer>,
    from_peers: Option<mpsc::Receiver<FromPeer>>,
    back: mpsc::UnboundedSender<Back>,
    coming_back: Option<mpsc::UnboundedReceiver<Back>>,
}

impl Driver {
    pub fn new(
        peer_id: [u8; 20],
        port: Option<u16>,
        cap: Option<Rate>,
        known: Known,
        beside: Beside,
    ) -> Self {
        let (reports, from_peers) = mpsc::channel(QUEUE);
        let (back, coming_back) = mpsc::unbounded_channel();
        Self {
            peer_id,
            port,
            known,
            shaper: Shaper::new(cap.map(|cap| cap.0), Instant::now()),
            beside: (beside, 0),
            reader: Reader::default(),
            seedings: HashMap::new(),
            peers: 0,
            next_key: 0,
            idle_since: None,
            ticks: 0,
            reports,
            from_peers: Some(from_peers),
            back,
            coming_back: Some(coming_back),
        }
    }

    pub async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut newcomers: mpsc::Receiver<Greeted>,
        listeners: Vec<AbortHandle>,
    ) {
        let (Some(mut from_peers), Some(mut coming_back)) =
            (self.from_peers.take(), self.coming_back.take())
        else {
            return;
        };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reports = Vec::new();
        let stopped = loop {
            let opens = self.shaper.opens_at(Instant::now());
            let opens = opens.unwrap_or_else(|| Instant::now() + TICK);
            let mut touched = None;
            tokio::select! {
                1.. = from_peers.recv_many(&mut reports, REPORTS_AT_ONCE) => {
                    for (hash, peer, report) in reports.drain(..) {
                        self.heard_from(hash, peer, report);
                        self.act(hash);
                    }
                }
                Some(greeted) = newcomers.recv() => self.newcomer(greeted),
                Some(back) = coming_back.recv() => touched = Some(self.came_back(back)),
                order = orders.recv() => match order {
                    Some(Order::Stop(reply)) => break Some(reply),
                    Some(order) => self.order(order),
                    None => break None,
                },
                _ = tick.tick() => self.tick(),
                () = sleep_until(opens.into()) => {}
            }
            if let Some(hash) = touched {
                self.act(hash);
            }
            self.pump();
        };
        listeners.iter().for_each(AbortHandle::abort);
        self.known.write().clear();
        self.seedings.clear();
        if let Some(reply) = stopped {
            // Whoever asked may have lost interest.
            let _: Result<(), ()> = oneshot::Sender::send(reply, ());
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Add {
                torrent,
                device,
                silent,
                done,
            } => {
                self.add(torrent, device, silent);
                // Whoever asked may have lost interest.
                let _ = done.send(());
            }
            Order::Remove(hash) => self.remove(hash),
            Order::Silence(hash, silent) => {
                let now = Instant::now();
                if let Some(seeding) = self.seedings.get_mut(&hash) {
                    seeding.swarm.set_silent(silent, now);
                    self.act(hash);
                }
            }
            Order::Cap(cap) => self.set_cap(cap.map(|cap| cap.0)),
            Order::Met(hash, addresses) => {
                if let Some(seeding) = self.seedings.get_mut(&hash) {
                    seeding.book.learn(addresses, Instant::now());
                }
            }
            Order::Report(reply) => {
                // Whoever asked may have lost interest.
                let _ = reply.send(self.report());
            }
            Order::Stop(_) => {}
        }
    }

    /// Changes the limit, also for what connections hold already.
    fn set_cap(&mut self, cap: Option<u64>) {
        let now = Instant::now();
        let old = self.shaper.cap();
        self.shaper.set_cap(cap, now);
        let lowered = cap.filter(|cap| old.is_none_or(|old| *cap < old));
        let sending: usize = self.seedings.values().map(|s| s.sending(now)).sum();
        let share = lowered.map(|cap| cap / sending.max(1) as u64);
        for seeding in self.seedings.values_mut() {
            seeding.pace(cap, share, old.is_none());
        }
    }

    fn add(&mut self, torrent: Arc<Torrent>, device: u64, silent: bool) {
        let now = Instant::now();
        let hash = torrent.info_hash;
        if self.seedings.contains_key(&hash) {
            return;
        }
        let mut swarm = Swarm::new(torrent, self.port);
        swarm.set_silent(silent, now);
        // The first peers may come before the first tick.
        swarm.tick(self.uplink(0), now);
        self.seedings.insert(hash, Seeding::new(swarm, device, now));
        self.known.write().insert(hash);
    }

    fn remove(&mut self, hash: InfoHash) {
        self.known.write().remove(&hash);
        self.shaper.forget(hash);
        // Dropping the links ends their connections.
        if let Some(gone) = self.seedings.remove(&hash) {
            self.peers -= gone.links.len();
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.ticks += 1;
        self.charge_beside();
        let slow = self.ticks.is_multiple_of(SLOW_TICKS);
        let hashes: Vec<InfoHash> = self
            .seedings
            .iter()
            .filter(|(_, seeding)| slow || !seeding.links.is_empty())
            .map(|(hash, _)| *hash)
            .collect();
        for hash in hashes {
            let Some(seeding) = self.seedings.get_mut(&hash) else {
                continue;
            };
            if slow {
                seeding.measure(now);
                self.dial(hash, now);
            }
            let Some(seeding) = self.seedings.get(&hash) else {
                continue;
            };
            let rate = seeding.rate() as u64;
            let uplink = self.uplink(rate);
            let Some(seeding) = self.seedings.get_mut(&hash) else {
                continue;
            };
            seeding.swarm.tick(uplink, now);
            self.act(hash);
        }
    }

    /// Takes from the bucket what left beside the peers since the last look.
    fn charge_beside(&mut self) {
        let (beside, charged) = &mut self.beside;
        let total = beside.total();
        self.shaper.charge(None, (total - *charged) as f64);
        *charged = total;
    }

    /// What the uplink does, as a torrent that is sent at `rate` sees it.
    fn uplink(&self, rate: u64) -> Uplink {
        Uplink {
            cap: self.shaper.cap(),
            rate,
            idle_since: self.idle_since,
        }
    }

    /// Does what a swarm wants done.
    fn act(&mut self, hash: InfoHash) {
        let mut spoken = None;
        while let Some(seeding) = self.seedings.get_mut(&hash)
            && let Some(action) = seeding.swarm.poll()
        {
            match action {
                Action::Say(peer, said) => {
                    // What is said in one breath to one peer leaves in one segment.
                    let fresh = spoken.replace(peer) != Some(peer);
                    let headers = if fresh { on_the_wire(1) - 1 } else { 0 };
                    let wire = seeding.say(peer, said, headers);
                    self.shaper.charge(Some(hash), wire);
                }
                Action::Unsend(peer, piece) => {
                    if let Some(link) = seeding.links.get(&peer) {
                        // A connection that is gone has nothing to unsend.
                        let _ = link.orders.send(connection::Order::Unsend(Some(piece)));
                    }
                }
                Action::Close(peer, offence) => self.hang_up(hash, peer, &offence.to_string()),
                Action::Met(addresses) => seeding.book.learn(addresses, Instant::now()),
                Action::Warm(piece) => {
                    let (reader, back) = (self.reader.clone(), self.back.clone());
                    let (torrent, device) = (seeding.swarm.torrent().clone(), seeding.device);
                    tokio::spawn(async move {
                        let result = reader.warm(torrent, device, piece).await;
                        // The engine is gone when this fails, and so is the need.
                        let _ = back.send(Back::Warmed(hash, piece, result));
                    });
                }
                Action::Cool(piece) => {
                    seeding.pieces.remove(&piece);
                }
            }
        }
    }

    /// Hands blocks to connections as long as the bucket is open and anybody wants some.
    fn pump(&mut self) {
        let now = Instant::now();
        let cap = self.shaper.cap();
        loop {
            if !self.shaper.is_open(now) {
                self.idle_since = None;
                return;
            }
            let ready = self.seedings.iter().filter(|(_, s)| s.swarm.has_next());
            let Some(hash) = self.shaper.next(ready.map(|(hash, _)| *hash)) else {
                break;
            };
            let Some(seeding) = self.seedings.get_mut(&hash) else {
                break;
            };
            let Some((peer, block)) = seeding.swarm.next_block(now) else {
                break;
            };
            self.idle_since = None;
            let wire = seeding.hand_over(peer, block, now);
            self.shaper.charge(Some(hash), wire);
            let piece = seeding.pieces.get(&block.index);
            if let (Some(piece), Some(link)) = (piece, seeding.links.get(&peer)) {
                let order = connection::Order::Serve {
                    block,
                    segments: piece.block(block),
                    rate: cap,
                };
                // A connection that is gone reports so by itself.
                let _ = link.orders.send(order);
            }
        }
        if self.seedings.values().all(|s| s.swarm.is_idle()) {
            self.idle_since.get_or_insert(now);
        } else {
            self.idle_since = None;
        }
    }

    fn report(&self) -> Report {
        let now = Instant::now();
        let rates = self.seedings.values().map(Seeding::rate);
        Report {
            cap: self.shaper.cap(),
            rate: rates.sum::<f64>() as u64,
            torrents: self.seedings.values().map(|s| s.report(now)).collect(),
        }
    }
}
