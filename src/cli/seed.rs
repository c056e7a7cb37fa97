//! `semoir seed`: one file or folder, in the foreground, without page or database.

use std::io::{self, Write};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::signals;
use crate::base::{Beside, ErrorKind, InfoHash, Kind, Rate, Size, Stage};
use crate::policy::retire::{Evidence, Retire, Rule, Verdict};
use crate::seed::announce::{AnnounceError, Announcer, AnnouncerConfig, Figures, Subject};
use crate::seed::discovery::{Discovery, DiscoveryConfig};
use crate::seed::engine::{Report, TorrentReport};
use crate::seed::{Census, Engine, EngineConfig, EngineError, Torrent};

mod memory;
mod prepare;

use memory::Memory;
pub use prepare::PrepareError;

/// How often figures are printed and policy looks at the swarm.
const STEP: Duration = Duration::from_secs(1);
/// Where peers connect by default.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 6881);

/// What to seed, and how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file or folder; with --torrent also the folder it lies in
    pub path: PathBuf,
    /// Seed this torrent, once the content was found to be right
    #[arg(long, value_name = "FILE")]
    pub torrent: Option<PathBuf>,
    /// A tracker to announce to, besides the torrent's own; several are tried in order
    #[arg(short, long = "tracker", value_name = "URL")]
    pub trackers: Vec<String>,
    /// Where peers connect
    #[arg(long, value_name = "ADDR", default_value_t = DEFAULT_LISTEN)]
    pub listen: SocketAddr,
    /// Upload no faster, everything on the wire counted; 4MiB/s, 800kbit/s
    #[arg(long, value_name = "RATE")]
    pub cap: Option<Rate>,
    /// Upload as fast as peers take it (or as --cap lets it), whoever else uses the line
    #[arg(long)]
    pub no_guard: bool,
    /// Stop when this many others carry it
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub relays: u32,
    /// How long they must have carried it, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub sustain: u64,
    /// Never stop, however many others carry it
    #[arg(long, conflicts_with = "relays")]
    pub keep: bool,
    /// Once a first copy is out, go on giving by our share of what the swarm can carry
    #[arg(long)]
    pub generous: bool,
    /// Remember here what was read and spent, so that the next start need not read it again
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// No DHT
    #[arg(long)]
    pub no_dht: bool,
    /// A line of JSON each second
    #[arg(long)]
    pub json: bool,
}

/// Why nothing is seeded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The content and the torrent.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The announcer.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
    /// The content cannot be read any more.
    #[error("{0}")]
    Unreadable(String),
    /// The system.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

impl Kind for SeedError {
    fn kind(&self) -> ErrorKind {
        match self {
            SeedError::Prepare(error) => error.kind(),
            SeedError::Engine(error) => error.kind(),
            SeedError::Announce(error) => error.kind(),
            SeedError::Unreadable(_) => ErrorKind::Unavailable,
            SeedError::Signals(_) => ErrorKind::Internal,
        }
    }
}

/// The first line of `--json`.
#[derive(Debug, Serialize)]
struct Started {
    listening: SocketAddr,
    info_hash: InfoHash,
    magnet: String,
}

/// A line of `--json`: bytes, bytes per second.
#[derive(Debug, Serialize)]
struct Line<'a> {
    wire: u64,
    payload: u64,
    copies: f64,
    rate: u64,
    peers: u32,
    availability: f64,
    relays: u32,
    proven: u32,
    stage: Stage,
    reason: &'a str,
    guard: Option<Guarded>,
}

/// What the latency guard says: bytes per second, milliseconds.
#[derive(Debug, Serialize)]
struct Guarded {
    rate: u64,
    delay: u32,
    reason: String,
}

/// Seeds until told to stop (SIGTERM, Ctrl-C), or until enough others carry it.
///
/// # Errors
/// See [`SeedError`].
pub async fn run(args: Args, offline: bool) -> Result<(), SeedError> {
    let stop = signals::stop_on_signals().map_err(SeedError::Signals)?;
    let mut memory = Memory::open(args.state.clone());
    let prepared = {
        let (args, stop) = ((&args.path, &args.torrent, &args.trackers), stop.clone());
        let (path, torrent, trackers) = (args.0.clone(), args.1.clone(), args.2.clone());
        let read = memory.clone();
        let ready = tokio::task::spawn_blocking(move || {
            prepare::prepare(&path, torrent.as_deref(), &trackers, &read)
        });
        tokio::select! {
            ready = ready => ready.map_err(|e| SeedError::Unreadable(e.to_string()))??,
            () = stop.cancelled() => return Ok(()),
        }
    };
    let (metainfo, content) = prepared;
    memory.verified(&metainfo, &content);
    let beside = Beside::default();
    let engine = Engine::start(EngineConfig {
        beside: beside.clone(),
        listen: vec![args.listen],
        cap: args.cap,
        guard: !args.no_guard,
        generous: args.generous,
    })?;
    let listening = engine.listening().first().copied().unwrap_or(args.listen);
    let (announcer, mut announced) = Announcer::start(AnnouncerConfig {
        beside: beside.clone(),
        peer_id: engine.peer_id(),
        port: listening.port(),
        from: listening.ip(),
        offline,
        given: metainfo.trackers.iter().flatten().cloned().collect(),
    });
    let (discovery, mut discovered) = Discovery::start(DiscoveryConfig {
        beside: beside.clone(),
        port: listening.port(),
        offline,
        dht: !args.no_dht,
        dht_bootstrap: None,
        lsd: true,
        upnp: true,
        state_dir: args.state.clone().unwrap_or_else(std::env::temp_dir),
    })
    .await;
    let (hash, size) = (metainfo.info_hash, metainfo.total());
    let torrent = Torrent::new(
        hash,
        metainfo.info.clone(),
        metainfo.piece_length,
        content,
        metainfo.private,
    );
    engine.add(Arc::new(torrent), false).await;
    announcer.add(Subject {
        info_hash: hash,
        tiers: metainfo.trackers.clone(),
        figures: Figures::default(),
    });
    discovery.add(hash, metainfo.private).await;
    let magnet = metainfo.magnet().to_string();
    greet(
        &args,
        Started {
            listening,
            info_hash: hash,
            magnet,
        },
    );

    let rule = Rule {
        relays: args.relays,
        apart: Duration::from_secs(args.sustain),
        sustain: Duration::ZERO,
        keep: args.keep,
        ..Rule::default()
    };
    let mut retire = Retire::new(Stage::Ready);
    let mut step = interval(STEP);
    step.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = false;
    let ended = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            Some(found) = announced.recv() => { engine.met(found).await; continue }
            Some(found) = discovered.recv() => { engine.met(found).await; continue }
            _ = step.tick() => {}
        }
        if !announcer.fewer().is_empty() {
            engine.hasten(hash).await;
        }
        let report = engine.report().await;
        let Some(figures) = of(&report, hash) else {
            continue;
        };
        if let Some(why) = &figures.unreadable {
            break Err(SeedError::Unreadable(why.clone()));
        }
        let evidence = Evidence {
            relays: &figures.relays,
            copies: figures.copies,
            stuck: figures.stuck,
            stuck_since: figures.stuck_since,
            in_touch: report.in_touch,
        };
        let verdict = retire.decide(&rule, &evidence, Instant::now());
        memory.spent(figures.payload, figures.wire);
        announcer.update(hash, uploaded(figures));
        tell(&args, &report, figures, &memory, size, &verdict);
        let retired = verdict.stage == Stage::Retired;
        if retired {
            break Ok(());
        }
        if retired != silent {
            silent = retired;
            engine.silence(hash, silent).await;
        }
    };
    if let Some(figures) = of(&engine.report().await, hash) {
        memory.spent(figures.payload, figures.wire);
        announcer.update(hash, uploaded(figures));
    }
    memory.write();
    tokio::join!(announcer.shutdown(), discovery.shutdown(), engine.stop());
    ended
}

/// What trackers are told: an origin lacks nothing.
fn uploaded(figures: &TorrentReport) -> Figures {
    Figures {
        uploaded: figures.payload,
        ..Figures::default()
    }
}

fn of(report: &Report, hash: InfoHash) -> Option<&TorrentReport> {
    report.torrents.iter().find(|t| t.info_hash == hash)
}

/// Says what is seeded and where.
fn greet(args: &Args, started: Started) {
    if args.json {
        print(&serde_json::to_string(&started).unwrap_or_default());
    } else {
        print(&format!(
            "Seeding {} on {}\nMagnet: {}",
            started.info_hash, started.listening, started.magnet
        ));
    }
}

fn tell(
    args: &Args,
    report: &Report,
    figures: &TorrentReport,
    memory: &Memory,
    size: u64,
    verdict: &Verdict,
) {
    let (payload, wire) = memory.totals();
    let copies = payload as f64 / size.max(1) as f64;
    let census = Census::of(&figures.relays);
    let line = Line {
        wire,
        payload,
        copies,
        rate: figures.rate,
        peers: figures.peers,
        availability: figures.copies,
        relays: census.seen(),
        proven: census.proven,
        stage: verdict.stage,
        reason: &verdict.reason,
        guard: report.guard.map(|guard| Guarded {
            rate: guard.rate,
            delay: guard.delay.as_millis().try_into().unwrap_or(u32::MAX),
            reason: guard.reason.to_string(),
        }),
    };
    if args.json {
        print(&serde_json::to_string(&line).unwrap_or_default());
    } else {
        print(&format!(
            "{:<10} {copies:.2} copies spent, {} sent at {}, {} peers: {}",
            verdict.stage,
            Size(wire),
            Rate(line.rate),
            line.peers,
            verdict.reason
        ));
    }
}

/// Writes a line; whoever read them may have gone, and that is no reason to stop seeding.
fn print(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
