//! The conductor: the one sentence of data flow, as code.
//!
//! The stage column of a release is the work queue. Channels only say "look again": whatever happened while nobody
//! looked, the next step finds it in the database and on disk, and repeating a step does no harm.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::base::{ErrorKind, InfoHash, Kind, Rate, ReleaseId, SourceId, Timestamp, Visits};
use crate::device;
use crate::intake::drives::Drives;
pub use crate::intake::drives::DrivesConfig;
use crate::intake::place::Place;
use crate::intake::shares::Shares;
use crate::metainfo::{HashEvent, HashQueue};
use crate::policy::retire::Rule;
use crate::seed::announce::{AnnounceError, Announcer, AnnouncerConfig};
use crate::seed::discovery::{Discovery, DiscoveryConfig};
use crate::seed::{Engine, EngineConfig, EngineError, Found, Witness};
use crate::store::{Settings, Store, StoreError};
use crate::tracker::{Seen, Tracker, swarm};

mod board;
mod catalogue;
mod drives;
mod format;
pub mod handle;
mod hashing;
mod history;
mod limits;
mod orders;
pub mod overview;
mod picture;
mod places;
mod reach;
mod relays;
mod seeding;
mod shelf;
mod sources;
mod swarms;
pub mod system;
#[cfg(test)]
mod tests;

pub use crate::intake::shares;
pub use crate::intake::uploads::{self, Uploads};
pub use format::{DriveError, FormatWish};
pub use handle::{Handle, Order, OrderError};
pub use history::HistoryView;
pub use overview::{
    LeftOutView, LimitedBy, Overview, QuotaView, RelayView, ReleaseView, SourceView, UpstreamView,
};
pub use reach::ReachView;
pub use swarms::PiecesView;

use board::Board;
use handle::Orders;
use hashing::Hashing;
use limits::Limits;
use picture::Painted;
use reach::Reached;
use seeding::Live;
use sources::{At, Looks};
use swarms::Swarms;

/// How often the box looks at its swarms and decides, and its page is refreshed.
const STEP: Duration = Duration::from_secs(1);
/// The least time between two looks when releases are hashed in quick succession: a look reads the whole catalogue.
const BRISK: Duration = Duration::from_millis(250);
/// Messages from drives and shares that may wait for the conductor; whoever has more to say waits.
const PLACES: usize = 64;
/// How often what was spent is written down. The power may take ten seconds of it at most (design, section 6), and until the
/// next step comes, and what it wrote is on the disk, a second or two pass.
const LEDGER: Duration = Duration::from_secs(8);

/// What the conductor works with.
#[derive(Debug, Clone)]
pub struct AppConfig {
    /// Folders whose top-level entries are shared without asking.
    pub sources: Vec<PathBuf>,
    /// Where peers connect.
    pub peer: SocketAddr,
    /// The data folder: discovery keeps in it what it learnt, and the order for a reset is left there.
    pub state: PathBuf,
    /// No DHT, LSD, UPnP, and no tracker but loopback's.
    pub offline: bool,
    /// When to stop and when to come back; the number of relays is the owner's setting.
    pub rule: Rule,
    /// How long a folder's entry must have been left alone before it is shared by itself: half-copied files are not.
    pub quiet: Duration,
    /// Port of the public listener.
    pub public_port: u16,
    /// The mount helper's socket; without one, network shares cannot be used.
    pub helper: Option<PathBuf>,
    /// Where the public listener notes that somebody came from outside.
    pub visits: Visits,
    /// How drives are looked for; none are without.
    pub drives: Option<DrivesConfig>,
    /// Where the kernel reports how the board is: `/sys`.
    pub sys: PathBuf,
}

/// Why the box does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The announcer.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Kind for AppError {
    fn kind(&self) -> ErrorKind {
        match self {
            AppError::Engine(error) => error.kind(),
            AppError::Announce(error) => error.kind(),
            AppError::Store(error) => error.kind(),
        }
    }
}

/// Why the box ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was told to stop.
    Stopped,
    /// Its owner wants it started again.
    Restart,
}

/// The running box.
#[derive(Debug)]
pub struct App {
    config: AppConfig,
    store: Store,
    uploads: Uploads,
    settings: Settings,
    limits: Limits,
    /// The limit that the engine was told.
    capped: Option<Rate>,
    engine: Engine,
    tracker: Tracker,
    announcer: Announcer,
    discovery: Discovery,
    found: mpsc::Receiver<Found>,
    queue: HashQueue,
    hashing: Hashing,
    sources: HashMap<SourceId, At>,
    looks: Looks,
    places: mpsc::Receiver<Place>,
    /// The watch over drives, which ends with us.
    drives: Option<Drives>,
    shares: Shares,
    live: HashMap<ReleaseId, Live>,
    by_hash: HashMap<InfoHash, ReleaseId>,
    orders: Orders,
    overview: watch::Sender<Arc<Overview>>,
    written_down: Instant,
    stepped: Instant,
    /// The database as it was when the work queue was last looked at; none when something else calls for a look.
    looked: Option<u64>,
    painted: Painted,
    swarms: Swarms,
    reached: Reached,
    board: Board,
    /// When the DHT last named a peer to us.
    heard: Option<Instant>,
    /// Whether we were in touch with the world at the last decision.
    in_touch: bool,
    /// Who is told that we serve and live.
    pulse: device::pulse::Pulse,
    /// Set when the owner orders an end.
    ending: Option<Ending>,
}

impl App {
    /// Starts the engine and takes up the sources; nothing is looked at before [`App::run`].
    ///
    /// # Errors
    /// When the peers' address cannot be had, or the database refuses.
    pub async fn start(
        config: AppConfig,
        store: Store,
        uploads: Uploads,
        tracker: Tracker,
    ) -> Result<(Self, Handle), AppError> {
        let read = |store: &Store| {
            let written = store.ledger_days()?.map(|(_, last)| last);
            Ok((store.settings()?, store.all_release_settings()?, written))
        };
        let (settings, own, written) = store.run(read).await?;
        let limits = Limits::new(&settings, own, written, Timestamp::now(), Instant::now());
        // The other limits are known before the first release is given.
        let capped = settings.upstream_cap;
        let engine = Engine::start(EngineConfig {
            beside: tracker.beside().clone(),
            listen: vec![config.peer],
            cap: capped,
            guard: settings.guard,
            generous: settings.generous,
        })?;
        let peer = engine.listening().first().copied().unwrap_or(config.peer);
        tracker.set_own_addresses(device::network::reachable_at(peer));
        let (announcer, announced) = Announcer::start(AnnouncerConfig {
            beside: tracker.beside().clone(),
            peer_id: engine.peer_id(),
            port: peer.port(),
            from: peer.ip(),
            offline: config.offline,
            given: Vec::new(),
        });
        // Read before it starts: what changes meanwhile is noticed at the next look.
        let here = device::network::addresses();
        let (discovery, discovered) = Discovery::start(DiscoveryConfig {
            beside: tracker.beside().clone(),
            port: peer.port(),
            offline: config.offline,
            dht: true,
            dht_bootstrap: None,
            lsd: true,
            upnp: true,
            state_dir: config.state.clone(),
        })
        .await;
        discovery.lives_at(here);
        let (overview, watch) = watch::channel(Arc::new(Overview::default()));
        let (handle, orders) = Handle::new(watch);
        let swarms = Swarms::new(engine.clone(), Instant::now());
        let handle = handle.seeing(swarms.clone());
        uploads.choose(settings.uploads_to.clone());
        let (tell, places) = mpsc::channel(PLACES);
        let shares = Shares::start(store.clone(), config.helper.clone(), tell.clone());
        let handle = handle.with_shares(shares.clone());
        let drives = config
            .drives
            .clone()
            .map(|config| watch_drives(config, tell));
        let handle = handle.with_keeper(drives.as_ref().and_then(Drives::keeper));
        let mut app = Self {
            queue: HashQueue::new(),
            hashing: Hashing::default(),
            sources: HashMap::new(),
            looks: Looks::default(),
            places,
            drives,
            shares,
            live: HashMap::new(),
            by_hash: HashMap::new(),
            written_down: Instant::now(),
            stepped: Instant::now(),
            looked: None,
            painted: Painted::default(),
            swarms,
            reached: Reached::default(),
            board: Board::watch(config.sys.clone()),
            heard: None,
            in_touch: false,
            pulse: device::pulse::Pulse::default(),
            ending: None,
            found: merged(announced, discovered, tracker.subscribe()),
            config,
            store,
            uploads,
            settings,
            limits,
            capped,
            engine,
            tracker,
            announcer,
            discovery,
            orders,
            overview,
        };
        app.forward_public_port();
        app.take_up_sources().await?;
        Ok((app, handle))
    }

    /// Tells `pulse` after each step that the box lives; nobody is told without.
    pub fn beating(mut self, pulse: device::pulse::Pulse) -> Self {
        self.pulse = pulse;
        self
    }

    /// Where peers connect.
    pub fn peers_connect_to(&self) -> SocketAddr {
        self.engine
            .listening()
            .first()
            .copied()
            .unwrap_or(self.config.peer)
    }

    /// Runs until cancelled or ordered to end; then says goodbye to trackers and writes down what was spent.
    pub async fn run(mut self, cancel: CancellationToken) -> Ending {
        let mut step = interval(STEP);
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let look = tokio::select! {
                () = cancel.cancelled() => break,
                Some((order, reply)) = self.orders.recv() => {
                    let result = self.obey(order).await;
                    // The page may have been closed while we worked.
                    let _ = reply.send(result);
                    if self.ending.is_some() {
                        break;
                    }
                    true
                }
                Some(told) = self.hashing.next() => {
                    let finished = matches!(told, (_, _, HashEvent::Finished(_)));
                    self.hashed(told).await;
                    finished && self.stepped.elapsed() >= BRISK
                }
                Some(place) = self.places.recv() => {
                    if let Err(error) = self.place_changed(place).await {
                        tracing::error!(%error, "a drive or a share could not be taken up");
                    }
                    true
                }
                Some(looked) = self.looks.next() => {
                    if let Err(error) = self.looked_at(looked).await {
                        tracing::error!(%error, "what a source holds could not be taken up; it is looked at again");
                    }
                    true
                }
                Some(found) = self.found.recv() => {
                    if found.source == Witness::Dht {
                        self.heard = Some(Instant::now());
                    }
                    self.engine.met(found).await;
                    false
                }
                _ = step.tick() => true,
            };
            if !look {
                continue;
            }
            self.stepped = Instant::now();
            let stepped = self.step().await;
            self.pulse.beat(Instant::now(), stepped.is_ok());
            if let Err(error) = stepped {
                tracing::error!(%error, "a step could not be finished; it is tried again");
            }
        }
        self.pulse.ending();
        let ending = self.ending.unwrap_or(Ending::Stopped);
        self.stop().await;
        ending
    }

    /// The sentence: sources are looked at, releases are catalogued, hashed and seeded, the swarms are observed,
    /// policy decides, within what may leave the box, and the owner sees it.
    async fn step(&mut self) -> Result<(), StoreError> {
        self.go_easy().await;
        self.look_at_sources().await?;
        self.take_up_work().await?;
        let report = self.engine.news().await;
        self.decide(&report).await?;
        self.remember(&report);
        self.limits.guard = report.guard;
        self.limit().await?;
        if self.written_down.elapsed() >= LEDGER {
            self.write_down().await?;
            self.look_after_relays(&report.outside).await?;
        }
        self.paint(&report).await
    }

    /// Does what the stage column says is to be done, when it may have changed.
    async fn take_up_work(&mut self) -> Result<(), StoreError> {
        let changes = self.store.changes();
        if self.looked == Some(changes) {
            return Ok(());
        }
        let releases = self.store.run(Store::releases).await?;
        let all_taken = self.hash_what_waits(&releases).await?;
        self.seed_what_is_ready(&releases).await?;
        self.looked = all_taken.then_some(changes);
        Ok(())
    }

    async fn stop(mut self) {
        self.queue.cancel_all();
        let report = self.engine.report().await;
        self.count(&report);
        if let Err(error) = self.write_down().await {
            tracing::error!(%error, "what was spent last could not be written down");
        }
        if let Err(error) = self.look_after_relays(&report.outside).await {
            tracing::error!(%error, "who holds what could not be written down");
        }
        tokio::join!(
            self.announcer.shutdown(),
            self.discovery.shutdown(),
            self.engine.stop()
        );
        if let Some(drives) = self.drives {
            drives.shutdown().await;
        }
        if let Err(error) = self.store.run(Store::put_in_order).await {
            tracing::error!(%error, "the database is left with its log");
        }
    }
}

/// Watches for drives, and tells what becomes of them.
fn watch_drives(config: DrivesConfig, tell: mpsc::Sender<Place>) -> Drives {
    let (drives, mut said) = Drives::start(config);
    tokio::spawn(async move {
        while let Some(place) = said.recv().await {
            if tell.send(place).await.is_err() {
                return;
            }
        }
    });
    drives
}

/// All streams of found addresses in one. Those who announced to our own tracker are dialled as well: some clients
/// take no address from others on their own network, yet let us in.
fn merged(
    mut announced: mpsc::Receiver<Found>,
    mut discovered: mpsc::Receiver<Found>,
    mut tracked: broadcast::Receiver<Seen>,
) -> mpsc::Receiver<Found> {
    let (both, merged) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let found = tokio::select! {
                Some(found) = announced.recv() => found,
                Some(found) = discovered.recv() => found,
                seen = tracked.recv() => match seen {
                    Ok(seen) if seen.event != swarm::Event::Stopped => Found {
                        info_hash: seen.info_hash,
                        addrs: vec![seen.addr],
                        source: Witness::OwnTracker,
                        full: seen.left == 0,
                    },
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
            };
            if both.send(found).await.is_err() {
                return;
            }
        }
    });
    merged
}
