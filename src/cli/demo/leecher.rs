//! Somebody who downloads: librqbit's session, in this process, on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use librqbit::limits::LimitsConfig;
use librqbit::{
    AddTorrent, AddTorrentOptions, ConnectionOptions, ListenerOptions, ManagedTorrent,
    PeerConnectionOptions, Session, SessionOptions,
};

use crate::base::Rate;

/// librqbit hangs up after ten seconds in which nothing came, and leechers that wait for a piece say nothing.
const PATIENCE: Duration = Duration::from_secs(120);
/// The smallest limit it works with: its limiter takes no block larger than what passes in a second.
const LEAST_LIMIT: u64 = 32 << 10;

/// A running leecher. It ends with [`Leecher::stop`].
pub(super) struct Leecher {
    session: Arc<Session>,
    torrent: Arc<ManagedTorrent>,
}

/// How far a leecher is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// Bytes verified.
    pub have: u64,
    /// Whether that is all.
    pub complete: bool,
    /// Received over about the last second.
    pub down: Rate,
    /// Sent over about the last second.
    pub up: Rate,
    /// How many it is connected to, the box among them.
    pub peers: u64,
}

impl Leecher {
    /// Starts to download the torrent into `folder`. Nothing but loopback: no DHT, no local discovery, no mapped port.
    ///
    /// # Errors
    /// When its port or folder cannot be had, or the torrent is refused.
    pub async fn start(
        folder: &Path,
        torrent: Vec<u8>,
        down: Rate,
        up: Rate,
    ) -> anyhow::Result<Self> {
        // On loopback librqbit announces a port only if it is told one. Should somebody take this one meanwhile, the start
        // fails and says so.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let limit = |rate: Rate| NonZeroU32::new(rate.0.clamp(LEAST_LIMIT, u32::MAX.into()) as u32);
        let patient = PeerConnectionOptions {
            read_write_timeout: Some(PATIENCE),
            ..PeerConnectionOptions::default()
        };
        let options = SessionOptions {
            dht: None,
            disable_local_service_discovery: true,
            ipv4_only: true,
            listen: Some(ListenerOptions {
                listen_addr: free,
                announce_port: Some(free.port()),
                ipv4_only: true,
                ..ListenerOptions::default()
            }),
            connect: Some(ConnectionOptions {
                peer_opts: Some(patient),
                ..ConnectionOptions::default()
            }),
            ratelimits: LimitsConfig {
                upload_bps: limit(up),
                download_bps: limit(down),
            },
            ..SessionOptions::default()
        };
        let session = Session::new_with_opts(folder.to_owned(), options).await?;
        let options = AddTorrentOptions {
            output_folder: Some(folder.to_string_lossy().into_owned()),
            overwrite: true,
            peer_opts: Some(patient),
            ..AddTorrentOptions::default()
        };
        let added = session
            .add_torrent(AddTorrent::from_bytes(torrent), Some(options))
            .await?;
        let torrent = added
            .into_handle()
            .ok_or_else(|| anyhow::anyhow!("librqbit lists the torrent and does not take it"))?;
        // Until then it turns away whoever the tracker sends, and they come back minutes later.
        torrent.wait_until_initialized().await?;
        Ok(Self { session, torrent })
    }

    /// How far it is.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub fn progress(&self) -> Result<Progress, String> {
        let stats = self.torrent.stats();
        if let Some(error) = stats.error {
            return Err(error);
        }
        let rate = |mebibytes: f64| Rate((mebibytes * f64::from(1 << 20)) as u64);
        let live = stats.live.as_ref();
        let zero = Rate(0);
        Ok(Progress {
            have: stats.progress_bytes,
            complete: stats.finished,
            down: live.map_or(zero, |live| rate(live.download_speed.mbps)),
            up: live.map_or(zero, |live| rate(live.upload_speed.mbps)),
            peers: live.map_or(0, |live| live.snapshot.peer_stats.live as u64),
        })
    }

    /// Hangs up and closes its files.
    pub async fn stop(&self) {
        self.session.stop().await;
    }
}
