//! librqbit's `Session`, run in this process.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use librqbit::limits::LimitsConfig;
use librqbit::{
    AddTorrent, AddTorrentOptions, ConnectionOptions, ListenerOptions, ManagedTorrent, Session,
    SessionOptions,
};
use tempfile::TempDir;

use super::{Client, Limits, Link, Progress, text};
use crate::common::http::runtime;
use crate::common::net;

/// Adding a magnet ends when its metadata is there.
const METADATA_BOUND: Duration = Duration::from_secs(60);

/// A running session with one torrent.
pub struct Librqbit {
    dir: TempDir,
    session: Arc<Session>,
    torrent: tokio::task::JoinHandle<Arc<ManagedTorrent>>,
    added: Option<Arc<ManagedTorrent>>,
}

impl Librqbit {
    /// Starts a session on the link. It announces and dials from 127.0.0.1 whatever it listens on, so it listens there.
    pub fn start(link: &Link, limits: Limits) -> Librqbit {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // It announces 4240 if it does not know its port.
        let port = net::free_port(std::net::Ipv4Addr::LOCALHOST);
        let options = SessionOptions {
            dht: None,
            disable_local_service_discovery: true,
            fastresume: false,
            persistence: None,
            ipv4_only: true,
            listen: Some(ListenerOptions {
                listen_addr: (std::net::Ipv4Addr::LOCALHOST, port).into(),
                announce_port: Some(port),
                ipv4_only: true,
                ..ListenerOptions::default()
            }),
            connect: Some(ConnectionOptions {
                enable_tcp: true,
                ..ConnectionOptions::default()
            }),
            ratelimits: LimitsConfig {
                upload_bps: limits.up.and_then(NonZeroU32::new),
                download_bps: limits.down.and_then(NonZeroU32::new),
            },
            ..SessionOptions::default()
        };
        let session = runtime()
            .block_on(Session::new_with_opts(dir.path().to_owned(), options))
            .unwrap_or_else(|error| panic!("librqbit does not start: {error:#}"));
        let (added_to, link) = (session.clone(), link.clone());
        let output_folder = Some(text(dir.path()).to_owned() + "/content");
        // Adding a magnet waits for its metadata: the caller must not.
        let torrent = runtime().spawn(async move {
            let add = match &link {
                Link::Torrent(path) => {
                    AddTorrent::from_bytes(std::fs::read(path).expect("the torrent can be read"))
                }
                Link::Magnet(magnet) => AddTorrent::from_url(magnet.clone()),
            };
            let options = AddTorrentOptions {
                output_folder,
                overwrite: true,
                ..AddTorrentOptions::default()
            };
            let added =
                tokio::time::timeout(METADATA_BOUND, added_to.add_torrent(add, Some(options)))
                    .await;
            let added = added.expect("librqbit finds no metadata within its bound");
            added
                .expect("librqbit takes the link")
                .into_handle()
                .expect("an added torrent has a handle")
        });
        Librqbit {
            dir,
            session,
            torrent,
            added: None,
        }
    }

    fn torrent(&mut self) -> Option<Arc<ManagedTorrent>> {
        if self.added.is_none() && self.torrent.is_finished() {
            self.added = Some(
                runtime()
                    .block_on(&mut self.torrent)
                    .expect("librqbit takes the link"),
            );
        }
        self.added.clone()
    }
}

impl Client for Librqbit {
    fn name(&self) -> &'static str {
        "librqbit"
    }

    fn progress(&mut self) -> Progress {
        let Some(torrent) = self.torrent() else {
            return Progress::default();
        };
        let stats = torrent.stats();
        let live = stats.live.as_ref();
        Progress {
            have: stats.progress_bytes,
            total: stats.total_bytes,
            complete: stats.finished,
            peers: live.map_or(0, |live| live.snapshot.peer_stats.live as u64),
            downloaded: live.map_or(0, |live| live.snapshot.fetched_bytes),
            error: stats.error.clone(),
        }
    }

    fn files(&mut self) -> Vec<PathBuf> {
        let root = self.dir.path().join("content");
        let torrent = self.torrent().expect("librqbit has a torrent");
        torrent
            .with_metadata(|meta| {
                meta.file_infos
                    .iter()
                    .map(|file| root.join(&file.relative_filename))
                    .collect()
            })
            .expect("librqbit knows the files")
    }
}

impl Drop for Librqbit {
    fn drop(&mut self) {
        self.torrent.abort();
        runtime().block_on(self.session.stop());
    }
}
