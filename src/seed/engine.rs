//! The one task that feeds every swarm and does what the swarms decide.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::found::{Found, Witness};
use super::listener::{self, Known};
use super::outside::Seen;
use super::reader::Reader;
use super::swarm::PieceMap;
use super::torrent::Torrent;
use crate::base::error::io_kind;
use crate::base::{Beside, ErrorKind, InfoHash, Kind, Rate, listen};
use crate::policy::guard::Ruling;
use crate::policy::retire::Relay;

mod driver;
mod resting;
mod seeding;

use driver::Driver;
use resting::{Resting, Source};
pub use resting::{Shelf, ShelfError};

/// Messages waiting for the engine, from connections and from its owner. When it is full, connections wait and TCP
/// slows their peers down.
const QUEUE: usize = 1024;
/// Ours in peer ids (BEP 20): Semoir, and the version.
const PEER_ID_PREFIX: &[u8; 8] = b"-SM0100-";

/// How to start an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where to take connections; port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// The owner's limit on what leaves, in wire bytes per second; none is no limit of his. Under 0 neither payload nor
    /// metadata is given: who withholds payload alone has the release be silent.
    pub cap: Option<Rate>,
    /// Whether the latency guard limits what leaves over the uplink, so that others on it do not notice.
    pub guard: bool,
    /// Whether more is given than the first copy and what a swarm lacks.
    pub generous: bool,
    /// What leaves beside the peers' connections; it is taken from the limit.
    pub beside: Beside,
}

impl Default for EngineConfig {
    /// Listens nowhere, without an owner's limit, guarded.
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            cap: None,
            guard: true,
            generous: false,
            beside: Beside::default(),
        }
    }
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A listening address is taken or not ours.
    #[error("cannot take peers' connections on {addr}: {error}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

impl Kind for EngineError {
    fn kind(&self) -> ErrorKind {
        match self {
            EngineError::Listen { error, .. } => io_kind(error),
        }
    }
}

/// What the engine knows of itself and its torrents at one moment.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The owner's limit, bytes per second.
    pub cap: Option<u64>,
    /// What the latency guard says; none while it is off, or nobody is connected over the uplink.
    pub guard: Option<Ruling>,
    /// Wire bytes per second, over about the last second.
    pub rate: u64,
    /// Whether a peer out of our own network is connected, or answered lately. While nothing does, it may be our own line that is down, and
    /// silence says nothing.
    pub in_touch: bool,
    /// What peers outside tell of where we are.
    pub outside: Seen,
    /// Every torrent; of [`Engine::news`] those that may have moved.
    pub torrents: Vec<TorrentReport>,
}

/// One torrent's figures.
#[derive(Debug, Clone, PartialEq)]
pub struct TorrentReport {
    /// Which.
    pub info_hash: InfoHash,
    /// Payload bytes sent since it was added.
    pub payload: u64,
    /// Wire bytes sent since it was added.
    pub wire: u64,
    /// Wire bytes per second, over about the last second.
    pub rate: u64,
    /// Connected peers.
    pub peers: u32,
    /// Those who hold every piece, or are said to, by address; connected or not.
    pub relays: Vec<Relay>,
    /// Who said or saw it, in the order of `relays`.
    pub witnesses: Vec<Witness>,
    /// Distributed copies without us.
    pub copies: f64,
    /// Leechers that got nothing from anybody but us for a while.
    pub stuck: u32,
    /// When the one among them that waits longest got something last, or came.
    pub stuck_since: Option<Instant>,
    /// Why its content cannot be read, when it cannot.
    pub unreadable: Option<String>,
}

/// What the engine's owner asks for.
#[derive(Debug)]
enum Order {
    Add {
        info_hash: InfoHash,
        resting: Box<Resting>,
        done: oneshot::Sender<()>,
    },
    Remove(InfoHash),
    Silence(InfoHash, bool),
    Cap(Option<Rate>),
    Guard(bool),
    /// Read less at a time.
    Gentle(bool),
    Generous(bool),
    GenerousOf(InfoHash, Option<bool>),
    Met(Found),
    /// Somebody was seen to hold everything before the engine started.
    Remembered(InfoHash, Vec<SocketAddr>),
    /// Something says that others are fewer, or came: look for them soon.
    Hasten(InfoHash),
    /// Where we are ourselves: never dialled.
    Ourselves(Vec<SocketAddr>),
    Report(oneshot::Sender<Report>),
    News(oneshot::Sender<Report>),
    /// Where the pieces of a torrent are; none while nobody is there for it.
    Pieces(InfoHash, oneshot::Sender<Option<PieceMap>>),
    Stop(oneshot::Sender<()>),
}

/// A running engine. Cheap to clone; it stops when the last clone is dropped, or by [`Engine::stop`].
#[derive(Debug, Clone)]
pub struct Engine {
    orders: mpsc::Sender<Order>,
    listening: Vec<SocketAddr>,
    peer_id: [u8; 20],
}

impl Engine {
    /// Opens the listeners and starts.
    ///
    /// # Errors
    /// When an address to listen on cannot be had.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let peer_id = random_peer_id();
        let known = Known::default();
        let (greeted, newcomers) = mpsc::channel(QUEUE);
        let mut listening = Vec::new();
        let mut listeners = Vec::new();
        for addr in config.listen.iter().copied() {
            let failed = |error| EngineError::Listen { addr, error };
            let listener = listen::tcp(addr).map_err(failed)?;
            listening.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        let tasks = listeners
            .into_iter()
            .map(|l| {
                let (known, beside) = (known.clone(), config.beside.clone());
                listener::listen(l, known, peer_id, greeted.clone(), beside)
            })
            .map(|task| tokio::spawn(task).abort_handle())
            .collect();
        let (orders, taken) = mpsc::channel(QUEUE);
        let port = listening.first().map(SocketAddr::port);
        let driver = Driver::new(peer_id, port, &config, known);
        tokio::spawn(driver.run(taken, newcomers, tasks));
        Ok(Self {
            orders,
            listening,
            peer_id,
        })
    }

    /// Where it takes connections.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Its name among peers (BEP 20), new at every start.
    pub fn peer_id(&self) -> [u8; 20] {
        self.peer_id
    }

    /// Starts to seed a torrent; `silent` gives metadata and addresses only, as when retired. Peers that come for it
    /// are let in once this returns.
    pub async fn add(&self, torrent: Arc<Torrent>, silent: bool) {
        let device = Reader::device(&torrent.content.root).await;
        let resting = Resting::new(Source::Held(torrent.clone()), device, silent);
        self.add_resting(torrent.info_hash, resting).await;
    }

    /// As [`Engine::add`], for a torrent that is read from its shelf when somebody comes for it, and let go of when
    /// everybody has left. `device` is whatever number tells the caller's devices apart: reads of one wait for one
    /// another, reads of several do not.
    pub async fn add_shelved(
        &self,
        info_hash: InfoHash,
        device: u64,
        shelf: Arc<dyn Shelf>,
        silent: bool,
    ) {
        let resting = Resting::new(Source::Shelved(shelf), device, silent);
        self.add_resting(info_hash, resting).await;
    }

    async fn add_resting(&self, info_hash: InfoHash, resting: Resting) {
        let resting = Box::new(resting);
        let (done, added) = oneshot::channel();
        self.order(Order::Add {
            info_hash,
            resting,
            done,
        })
        .await;
        // An error means that the engine has stopped.
        let _ = added.await;
    }

    /// Stops seeding a torrent and hangs up on its peers.
    pub async fn remove(&self, info_hash: InfoHash) {
        self.order(Order::Remove(info_hash)).await;
    }

    /// Stops or starts giving payload of a torrent.
    pub async fn silence(&self, info_hash: InfoHash, silent: bool) {
        self.order(Order::Silence(info_hash, silent)).await;
    }

    /// Turns the latency guard on or off; obeyed at once.
    pub async fn set_guard(&self, guard: bool) {
        self.order(Order::Guard(guard)).await;
    }

    /// Reads one piece at a time from each device, or as many as usual.
    pub async fn set_gentle(&self, gentle: bool) {
        self.order(Order::Gentle(gentle)).await;
    }

    /// Changes the owner's limit; obeyed at once.
    pub async fn set_cap(&self, cap: Option<Rate>) {
        self.order(Order::Cap(cap)).await;
    }

    /// Gives more than the first copy and what a swarm lacks, or no more.
    pub async fn set_generous(&self, generous: bool) {
        self.order(Order::Generous(generous)).await;
    }

    /// The same for one torrent, whatever is said of all; `None` is as for all.
    pub async fn set_generous_of(&self, info_hash: InfoHash, generous: Option<bool>) {
        self.order(Order::GenerousOf(info_hash, generous)).await;
    }

    /// Names addresses in a torrent's swarm.
    pub async fn met(&self, found: Found) {
        self.order(Order::Met(found)).await;
    }

    /// Names addresses that were known to hold everything before this engine started: they are looked for again, and count
    /// for no more than a claim until they are seen.
    pub async fn remember(&self, info_hash: InfoHash, addresses: Vec<SocketAddr>) {
        self.order(Order::Remembered(info_hash, addresses)).await;
    }

    /// Looks soon for all who were seen to hold everything: something says that they are fewer than they were.
    pub async fn hasten(&self, info_hash: InfoHash) {
        self.order(Order::Hasten(info_hash)).await;
    }

    /// Says where we can be reached ourselves: nobody is looked for there. Replaces what was said before.
    pub async fn set_ourselves(&self, addresses: Vec<SocketAddr>) {
        self.order(Order::Ourselves(addresses)).await;
    }

    /// The figures of every torrent now; empty when the engine has stopped.
    pub async fn report(&self) -> Report {
        self.ask(Order::Report).await
    }

    /// As [`Engine::report`], without the torrents that nobody was there for since they were told of last: their figures
    /// stand. Each is told of at least once after it was added, and once more after everybody has left. What was told is
    /// remembered for all clones together: ask for news from one place only, and take them in before the next.
    pub async fn news(&self) -> Report {
        self.ask(Order::News).await
    }

    /// Where the pieces of a torrent are, among the peers who are connected; none when nobody is there for it, or the
    /// engine does not have it. For whoever looks: it walks over every piece.
    pub async fn pieces(&self, info_hash: InfoHash) -> Option<PieceMap> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Pieces(info_hash, reply)).await;
        answer.await.unwrap_or_default()
    }

    async fn ask(&self, order: impl FnOnce(oneshot::Sender<Report>) -> Order) -> Report {
        let (reply, answer) = oneshot::channel();
        self.order(order(reply)).await;
        answer.await.unwrap_or_default()
    }

    /// Hangs up on everybody and stops.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        self.order(Order::Stop(reply)).await;
        // An error means that it had stopped already.
        let _ = done.await;
    }

    async fn order(&self, order: Order) {
        // Fails only when the engine has stopped, and then there is nothing left to order.
        let _ = self.orders.send(order).await;
    }
}

fn random_peer_id() -> [u8; 20] {
    let mut id = [0; 20];
    id[..8].copy_from_slice(PEER_ID_PREFIX);
    for byte in &mut id[8..] {
        *byte = rand::random_range(b'a'..=b'z');
    }
    id
}
