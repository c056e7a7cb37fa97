//! `semoir serve`: the box.

mod data;
mod http;
mod ownership;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use data::DataError;

use super::signals;
use crate::admin::{self, AdminState, AuthError};
use crate::app::system::{System, SystemConfig};
use crate::app::uploads::UploadError;
use crate::app::{App, AppConfig, AppError, DrivesConfig, Ending, Uploads};
use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind, Timestamp, Visits, listen};
use crate::config::{Config, ConfigError, Partial};
use crate::device::pulse::Pulse;
use crate::device::system::UPDATES;
use crate::device::{journals, reset, supervisor};
use crate::policy::retire::Rule;
use crate::publish::{self, Printer, PublishState};
use crate::seed::discovery::DHT_STATE;
use crate::store::{Store, StoreError};
use crate::telemetry;
use crate::tracker::{self, Tracker};
use data::DataFolder;
use http::Terms;

/// The database, in the data folder.
const DATABASE: &str = "semoir.db";
/// Uploads, in the data folder.
const UPLOADS: &str = "uploads";
/// Where the kernel reports how the board is.
const SYS: &str = "/sys";
/// How long an entry of a folder must have been left alone before it is shared by itself. A copy over a network pauses
/// for a second or two; ten are no pause.
const QUIET: Duration = Duration::from_secs(10);
/// The name the box shows until its owner gives it one.
const NAME: &str = "Semoir";

/// How the box is started.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Read the rest from this TOML file; what is given here wins
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keep the box's state here [default: var]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Share what lies in this folder: each file and each folder in it becomes a torrent
    #[arg(long = "source", value_name = "DIR")]
    pub sources: Vec<PathBuf>,
    /// Where the owner's page is served [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// Where the public page and the tracker are served [default: [::]:6880]
    #[arg(long, value_name = "ADDR")]
    pub public: Option<SocketAddr>,
    /// Where peers connect [default: [::]:6881]
    #[arg(long, value_name = "ADDR")]
    pub peer: Option<SocketAddr>,
    /// Open the owner's page by this name too; addresses, localhost and names in .local always do
    #[arg(long = "host-name", value_name = "NAME")]
    pub host_names: Vec<String>,
    /// Take the owner's password from this file if the box has no owner yet
    #[arg(long, value_name = "FILE")]
    pub owner_password_file: Option<PathBuf>,
    /// Take the hash of the owner's password from this file if the box has no owner yet, and delete the file
    #[arg(long, value_name = "FILE")]
    pub owner_hash_file: Option<PathBuf>,
    /// Leave the setup code in this file as long as the box has no owner
    #[arg(long, value_name = "FILE")]
    pub setup_code_file: Option<PathBuf>,
    /// Have drives and network shares mounted by the mount helper that listens on this socket
    #[arg(long, value_name = "PATH")]
    pub mount_helper: Option<PathBuf>,
    /// Have the system updated, ended, and joined to a Wi-Fi by the system helper that listens on this socket, if one does
    #[arg(long, value_name = "PATH")]
    pub system_helper: Option<PathBuf>,
}

/// Why the box does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of uploads.
    #[error(transparent)]
    Uploads(#[from] UploadError),
    /// The conductor.
    #[error(transparent)]
    App(#[from] AppError),
    /// The owner's password.
    #[error("the password in {} cannot be used: {error}", path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: AuthError,
    },
    /// A factory reset was ordered, and cannot be made.
    #[error("the factory reset of {} cannot be finished: {error}", path.display())]
    Reset {
        /// The data folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file or folder.
    #[error("cannot use {}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A listening address.
    #[error("cannot serve the {what} on {addr}: {error}")]
    Listen {
        /// What was to be served.
        what: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

impl Kind for ServeError {
    fn kind(&self) -> ErrorKind {
        match self {
            ServeError::Config(error) => error.kind(),
            ServeError::Data(error) => error.kind(),
            ServeError::Store(error) => error.kind(),
            ServeError::Uploads(error) => error.kind(),
            ServeError::App(error) => error.kind(),
            ServeError::Password { error, .. } => error.kind(),
            ServeError::Io { error, .. }
            | ServeError::Reset { error, .. }
            | ServeError::Listen { error, .. } => io_kind(error),
        }
    }
}

/// Runs the box until it is told to stop, or its owner wants it started again.
///
/// # Errors
/// See [`ServeError`]; once it runs, it runs.
pub async fn run(args: Args, offline: bool) -> Result<Ending, ServeError> {
    let config = configuration(args, offline)?;
    let stop = signals::stop_on_signals().map_err(|error| ServeError::Io {
        path: "signals".into(),
        error,
    })?;
    let _data = DataFolder::take(&config.data)?;
    forget_if_ordered(&config.data)?;
    let system = System::at_start(SystemConfig::new(
        config.system_helper.clone(),
        &config.data,
    ));
    let served = serve(config, stop, &system).await;
    if let Err(error) = &served {
        system.fails(&error.to_string());
    }
    served
}

/// Serves until `stop`, with a data folder that is ours.
async fn serve(
    config: Config,
    stop: CancellationToken,
    system: &System,
) -> Result<Ending, ServeError> {
    let store = take_up(&config.data.join(DATABASE), system)?;
    let uploads = Uploads::open(&config.data.join(UPLOADS), Timestamp::now())?;
    if let Some(path) = &config.owner_password_file {
        ownership::claim(&store, path)?;
    }
    if let Some(path) = &config.owner_hash_file {
        ownership::claim_once(&store, path)?;
    }
    let code = admin::renew_setup_code(&store)?;
    if let Some(path) = &config.setup_code_file {
        ownership::leave(code.as_ref(), path)?;
    }

    let (public, udp) = bind_public(config.public).await?;
    let public_addr = local(&public, "public page", config.public)?;
    let admin_listener = bind("owner's page", config.admin)?;
    let admin_addr = local(&admin_listener, "owner's page", config.admin)?;
    let tracker = Tracker::default();
    let visits = Visits::default();
    let app_config = AppConfig {
        sources: config.sources,
        peer: config.peer,
        state: config.data.clone(),
        offline: config.offline,
        rule: Rule::default(),
        quiet: QUIET,
        public_port: public_addr.port(),
        helper: config.mount_helper.clone(),
        visits: visits.clone(),
        drives: Some(DrivesConfig {
            helper: config.mount_helper,
            ..DrivesConfig::default()
        }),
        sys: SYS.into(),
    };
    let (app, handle) =
        App::start(app_config, store.clone(), uploads.clone(), tracker.clone()).await?;
    let peers = app.peers_connect_to();

    let admin_router = admin::router(AdminState {
        store: store.clone(),
        handle,
        uploads,
        name: NAME.to_owned(),
        host_names: config.host_names,
        public_port: public_addr.port(),
        logs: telemetry::logs(),
        supervised: supervisor::is_there(),
        setup_code_file: config.setup_code_file,
        // The two rooms do not know each other; what they agree on is `base::Press`.
        press: Arc::new(Printer),
        system: system.clone(),
    });
    let public_router = publish::router(PublishState {
        store,
        name: NAME.to_owned(),
        public_port: public_addr.port(),
        visits,
    })
    .merge(tracker::http::router(tracker.clone()));

    say(&format!("admin http://{admin_addr}/"));
    say(&format!("public http://{public_addr}/"));
    say(&format!("peers {peers}"));
    if let Some(code) = code {
        say(&format!("setup code {code}"));
    }
    let services = [
        tokio::spawn(http::serve(
            admin_listener,
            admin_router,
            Terms::ADMIN,
            stop.clone(),
        )),
        tokio::spawn(http::serve(
            public,
            public_router,
            Terms::PUBLIC,
            stop.clone(),
        )),
        tokio::spawn(tracker::udp::serve(udp, tracker, stop.clone())),
    ];
    system.go_on();
    let (waiting, serves) = oneshot::channel();
    let kept = system.clone();
    tokio::spawn(async move {
        if serves.await.is_ok() {
            kept.serves().await;
        }
    });
    let ending = app
        .beating(Pulse::from_environment().telling(waiting))
        .run(stop.clone())
        .await;
    stop.cancel();
    for service in services {
        if let Err(error) = service.await {
            tracing::error!(%error, "a listener broke down");
        }
    }
    Ok(ending)
}

/// Opens the database, and says how far that is.
fn take_up(path: &Path, system: &System) -> Result<Store, StoreError> {
    system.opens_database();
    let taken = Store::take_up(path, Timestamp::now(), |from, to| {
        tracing::info!(from, to, "the database is being upgraded");
        system.upgrades_database();
    })?;
    system.opens_pages(taken.set_aside.as_ref());
    Ok(taken.store)
}

/// Makes the factory reset that the owner ordered before this start, if he did.
fn forget_if_ordered(data: &Path) -> Result<(), ServeError> {
    let obeyed = reset::obey(
        data,
        &[DATABASE, DHT_STATE, journals::PREFIX],
        UPDATES,
        UPLOADS,
    );
    let uploaded = obeyed.map_err(|error| ServeError::Reset {
        path: data.to_owned(),
        error,
    })?;
    if let Some(uploaded) = uploaded {
        tracing::warn!(uploads = ?uploaded, "everything was forgotten, as its owner ordered");
    }
    Ok(())
}

fn configuration(args: Args, offline: bool) -> Result<Config, ConfigError> {
    let file = match &args.config {
        Some(path) => Partial::read(path)?,
        None => Partial::default(),
    };
    let flags = Partial {
        data: args.data,
        sources: args.sources,
        admin: args.admin,
        public: args.public,
        peer: args.peer,
        host_names: args.host_names,
        owner_password_file: args.owner_password_file,
        owner_hash_file: args.owner_hash_file,
        setup_code_file: args.setup_code_file,
        mount_helper: args.mount_helper,
        system_helper: args.system_helper,
        offline: offline.then_some(true),
    };
    Ok(flags.over(file).complete())
}

fn bind(what: &'static str, addr: SocketAddr) -> Result<TcpListener, ServeError> {
    listen::tcp(addr).map_err(|error| ServeError::Listen { what, addr, error })
}

fn local(
    listener: &TcpListener,
    what: &'static str,
    addr: SocketAddr,
) -> Result<SocketAddr, ServeError> {
    let local = listener.local_addr();
    local.map_err(|error| ServeError::Listen { what, addr, error })
}

/// The public page and the UDP tracker have one port number, which a port chosen by the system for one may not be free
/// for the other: then it chooses again.
async fn bind_public(addr: SocketAddr) -> Result<(TcpListener, UdpSocket), ServeError> {
    const TRIES: u32 = 16;
    let mut tried = 0;
    loop {
        let listener = bind("public page", addr)?;
        let same = local(&listener, "public page", addr)?;
        match UdpSocket::bind(same).await {
            Ok(udp) => return Ok((listener, udp)),
            Err(_) if addr.port() == 0 && tried < TRIES => tried += 1,
            Err(error) => {
                return Err(ServeError::Listen {
                    what: "UDP tracker",
                    addr: same,
                    error,
                });
            }
        }
    }
}

/// Writes a line for whoever started us.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    // Nobody may be reading, and that is no reason not to run.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
