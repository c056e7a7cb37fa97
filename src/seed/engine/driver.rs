//! The engine's loop.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::sleep_until;

use generosity::Generosity;
use looks::Looks;
use uplink::Watch;

use super::resting::{Resting, ShelfError};
use super::seeding::{Link, Seeding};
use super::{EngineConfig, Order, QUEUE};
use crate::base::{Beside, InfoHash, PeerKey};
use crate::policy::offer::Uplink;
use crate::seed::connection::{self, Greeted};
use crate::seed::dial::Dialled;
use crate::seed::listener::Known;
use crate::seed::outside::Outside;
use crate::seed::reader::{ReadError, Reader, WarmPiece};
use crate::seed::shaper::{Shaper, on_the_wire};
use crate::seed::swarm::Action;
use crate::seed::torrent::Torrent;

mod generosity;
mod looks;
mod news;
mod peers;
mod rest;
mod serving;
mod uplink;

/// How often swarms see time pass. Short, because an idle uplink is noticed by it.
const TICK: Duration = Duration::from_millis(100);
/// Reports taken in before what follows from them is decided, when so many wait.
const REPORTS_AT_ONCE: usize = 64;
/// Ticks between the slower duties: rates, dialling. While nobody is connected, there are no others.
const SLOW_TICKS: u32 = 10;

type FromPeer = (InfoHash, PeerKey, connection::Report);

/// What background work brings back.
#[derive(Debug)]
enum Back {
    Warmed(InfoHash, u32, Result<WarmPiece, ReadError>),
    Dialled(InfoHash, SocketAddr, Dialled),
    Compared(InfoHash, PeerKey, Result<bool, ReadError>),
    Glimpsed(InfoHash, PeerKey, Box<[u8]>),
    Read(InfoHash, u64, Result<Box<Torrent>, ShelfError>),
}

pub(super) struct Driver {
    peer_id: [u8; 20],
    port: Option<u16>,
    known: Known,
    shaper: Shaper,
    watch: Watch,
    /// What leaves beside the peers, and how much of it was taken from the bucket.
    beside: (Beside, u64),
    reader: Reader,
    /// The torrents that somebody is there for, or was a moment ago.
    seedings: HashMap<InfoHash, Seeding>,
    /// All others. Nothing walks through them but a whole report.
    resting: HashMap<InfoHash, Resting>,
    /// Those among them whose figures were not in the news since they came to rest: while they rest, figures stand.
    untold: HashSet<InfoHash>,
    /// Those among them whose peers' addresses are known.
    sought: HashSet<InfoHash>,
    /// Whom to look for among those who hold everything, and how often at most.
    looks: Looks,
    /// The seedings of which something was asked for or is under way.
    busy: BTreeSet<InfoHash>,
    /// Readings from shelves so far.
    tickets: u64,
    peers: usize,
    /// What peers outside tell of where we are.
    outside: Outside,
    next_key: u64,
    generosity: Generosity,
    idle_since: Option<Instant>,
    ticks: u32,
    reports: mpsc::Sender<FromPeer>,
    from_peers: Option<mpsc::Receiver<FromPeer>>,
    back: mpsc::UnboundedSender<Back>,
    coming_back: Option<mpsc::UnboundedReceiver<Back>>,
}

impl Driver {
    pub fn new(peer_id: [u8; 20], port: Option<u16>, config: &EngineConfig, known: Known) -> Self {
        let (reports, from_peers) = mpsc::channel(QUEUE);
        let (back, coming_back) = mpsc::unbounded_channel();
        Self {
            peer_id,
            port,
            known,
            shaper: Shaper::new(config.cap.map(|cap| cap.0), Instant::now()),
            watch: Watch::new(config.guard),
            beside: (config.beside.clone(), 0),
            reader: Reader::default(),
            seedings: HashMap::new(),
            resting: HashMap::new(),
            untold: HashSet::new(),
            sought: HashSet::new(),
            looks: Looks::new(Instant::now()),
            busy: BTreeSet::new(),
            tickets: 0,
            peers: 0,
            outside: Outside::default(),
            next_key: 0,
            generosity: Generosity::new(config.generous),
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
        let mut ticked = Instant::now();
        let mut reports = Vec::new();
        let stopped = loop {
            let tick = ticked + self.pause();
            let opens = self.shaper.opens_at(Instant::now()).unwrap_or(tick);
            // Then there is nothing that time would change.
            let asleep = self.seedings.is_empty() && self.sought.is_empty();
            let look_at = self.looks.next();
            let mut touched = BTreeSet::new();
            tokio::select! {
                1.. = from_peers.recv_many(&mut reports, REPORTS_AT_ONCE) => {
                    for (hash, peer, report) in reports.drain(..) {
                        self.heard_from(hash, peer, report);
                        touched.insert(hash);
                    }
                }
                Some(greeted) = newcomers.recv() => self.newcomer(greeted),
                Some(back) = coming_back.recv() => {
                    touched.insert(self.came_back(back));
                }
                order = orders.recv() => match order {
                    Some(Order::Stop(reply)) => break Some(reply),
                    Some(order) => self.order(order),
                    None => break None,
                },
                () = sleep_until(tick.into()), if !asleep => {
                    ticked = Instant::now();
                    self.tick();
                }
                () = sleep_until(opens.into()), if self.peers > 0 && opens < tick => {}
                () = sleep_until(look_at.unwrap_or(tick).into()), if look_at.is_some() => {
                    self.look_around(Instant::now());
                }
            }
            touched.into_iter().for_each(|hash| self.act(hash));
            self.pump();
        };
        listeners.iter().for_each(AbortHandle::abort);
        self.known.write().clear();
        self.seedings.clear();
        self.resting.clear();
        if let Some(reply) = stopped {
            // Whoever asked may have lost interest.
            let _: Result<(), ()> = oneshot::Sender::send(reply, ());
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Add {
                info_hash,
                resting,
                done,
            } => {
                self.add(info_hash, *resting);
                // Whoever asked may have lost interest.
                let _ = done.send(());
            }
            Order::Remove(hash) => self.remove(hash),
            Order::Silence(hash, silent) => {
                let now = Instant::now();
                if let Some(seeding) = self.seedings.get_mut(&hash) {
                    seeding.swarm.set_silent(silent, now);
                    self.act(hash);
                } else if let Some(resting) = self.resting.get_mut(&hash) {
                    resting.silent = silent;
                }
            }
            Order::Cap(cap) => {
                let now = Instant::now();
                self.relimit(now, |shaper| shaper.set_cap(cap.map(|cap| cap.0), now));
            }
            Order::Guard(wanted) => self.set_guard(wanted),
            Order::Gentle(gentle) => self.reader.set_gentle(gentle),
            Order::Generous(generous) => self.set_generous(generous),
            Order::GenerousOf(hash, generous) => self.set_generous_of(hash, generous),
            Order::Met(found) => self.met(found),
            Order::Remembered(hash, addresses) => self.remember(hash, addresses),
            Order::Hasten(hash) => self.hasten(hash, Instant::now()),
            Order::Ourselves(addresses) => self.looks.set_ourselves(addresses),
            Order::Report(reply) => {
                // Whoever asked may have lost interest.
                let _ = reply.send(self.report());
            }
            Order::Pieces(hash, reply) => {
                let awake = self.seedings.get(&hash);
                // Whoever asked may have lost interest.
                let _ = reply.send(awake.map(|seeding| seeding.swarm.piece_map()));
            }
            Order::News(reply) => {
                let (told, news) = self.news();
                if reply.send(news).is_err() {
                    // Whoever asked has lost interest, and was told nothing.
                    self.untold.extend(told);
                }
            }
            Order::Stop(_) => {}
        }
    }

    fn remove(&mut self, hash: InfoHash) {
        self.known.write().remove(&hash);
        self.shaper.forget(hash);
        self.busy.remove(&hash);
        self.sought.remove(&hash);
        self.untold.remove(&hash);
        self.generosity.forget(hash);
        if let Some(gone) = self.resting.remove(&hash) {
            self.looks.unschedule(hash, gone.look_at);
        }
        // Dropping the links ends their connections.
        if let Some(gone) = self.seedings.remove(&hash) {
            self.peers -= gone.links.len();
        }
    }

    /// The time from one tick to the next.
    fn pause(&self) -> Duration {
        match self.peers {
            0 => TICK * SLOW_TICKS,
            _ => TICK,
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.ticks += 1;
        self.guard_the_line(now);
        let slow = self.ticks.is_multiple_of(SLOW_TICKS) || self.peers == 0;
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
                self.observe(hash, now);
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
        if slow {
            self.mind_the_line(now);
            self.seek(now);
            self.put_to_rest(now);
        }
    }

    /// Takes from the bucket what left beside the peers since the last look. While the engine sleeps nobody looks.
    fn charge_beside(&mut self, now: Instant) {
        let (beside, charged) = &mut self.beside;
        let total = beside.total();
        self.shaper.charge_late((total - *charged) as f64, now);
        *charged = total;
    }

    /// What the uplink does, as a torrent that is sent at `rate` sees it.
    fn uplink(&self, rate: u64) -> Uplink {
        Uplink {
            cap: self.shaper.limit(),
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
                Action::Met(named) => self.named(hash, named),
                Action::Compare(peer, block, bytes) => {
                    let (reader, back) = (self.reader.clone(), self.back.clone());
                    let (torrent, device) = (seeding.swarm.torrent().clone(), seeding.device);
                    tokio::spawn(async move {
                        let result = reader.compare(torrent, device, block, bytes).await;
                        // The engine is gone when this fails, and so is the need.
                        let _ = back.send(Back::Compared(hash, peer, result));
                    });
                }
                Action::Probed(addr, proof) => self.probed(hash, addr, proof),
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
        self.note(hash);
    }
}

#[cfg(test)]
mod tests;
