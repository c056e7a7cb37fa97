//! The box of the demo: the real conductor, database, tracker and public page, on ports the system chooses.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::DemoError;
use crate::app::{App, AppConfig, Handle, Uploads};
use crate::base::{InfoHash, Rate, Timestamp, Visits};
use crate::policy::retire::Rule;
use crate::publish::{self, PublishState};
use crate::store::{Settings, Store};
use crate::tracker::{self, Tracker};

/// Any free port of this computer, and of nobody else's.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How long the conductor and the public page may take to end.
const GOODBYE: Duration = Duration::from_secs(5);

/// A running box.
pub(super) struct Appliance {
    pub store: Store,
    pub handle: Handle,
    /// Where the public page and the tracker are.
    pub public: SocketAddr,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// What the box is told.
pub(super) struct Orders<'a> {
    /// Where it keeps its state.
    pub data: &'a Path,
    /// The folder it shares.
    pub media: PathBuf,
    pub cap: Rate,
    /// When to stop, and when to come back.
    pub rule: Rule,
}

impl Appliance {
    /// Starts it.
    ///
    /// # Errors
    /// When its state cannot be made, or no port can be had.
    pub async fn start(orders: Orders<'_>) -> Result<Self, DemoError> {
        let store = Store::open(&orders.data.join("semoir.db"))?;
        let settings = Settings {
            upstream_cap: Some(orders.cap),
            relays: orders.rule.relays,
            ..Settings::default()
        };
        store.set_settings(&settings)?;
        let uploads = Uploads::open(&orders.data.join("uploads"), Timestamp::now())?;
        let listener = TcpListener::bind(LOOPBACK)
            .await
            .map_err(DemoError::Listen)?;
        let public = listener.local_addr().map_err(DemoError::Listen)?;
        let tracker = Tracker::default();
        let config = AppConfig {
            sources: vec![orders.media],
            peer: LOOPBACK,
            state: orders.data.to_owned(),
            offline: true,
            rule: orders.rule,
            // The sample was whole before the box came.
            quiet: Duration::ZERO,
            public_port: public.port(),
            visits: Visits::default(),
            // A demonstration is as fast as it can be.
            sys: orders.data.join("no-sys"),
            drives: None,
        };
        let (app, handle) = App::start(config, store.clone(), uploads, tracker.clone()).await?;
        let router = publish::router(PublishState {
            store: store.clone(),
            name: String::from("Semoir's demo"),
            public_port: public.port(),
            visits: Visits::default(),
        })
        .merge(tracker::http::router(tracker));
        let stop = CancellationToken::new();
        let serving = stop.clone();
        let page = async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let served = axum::serve(listener, service)
                .with_graceful_shutdown(serving.cancelled_owned())
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the public page ended");
            }
        };
        let ends = stop.clone();
        let running = async move {
            app.run(ends).await;
        };
        let tasks = vec![tokio::spawn(running), tokio::spawn(page)];
        Ok(Self {
            store,
            handle,
            public,
            stop,
            tasks,
        })
    }

    /// Where the public page has the torrent.
    pub fn torrent_url(&self, info_hash: InfoHash) -> String {
        format!("http://{}/t/{info_hash}.torrent", self.public)
    }

    /// Stops it, and waits until it wrote its state down.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            // What does not end ends with the process.
            let _ = tokio::time::timeout(GOODBYE, task).await;
        }
    }
}
