//! What the owner's page may ask about swarms, besides the picture: too much for one that is painted every second.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::history::{Figures, History, HistoryView};
use crate::base::{InfoHash, ReleaseId, Timestamp};
use crate::seed::engine::{Report, TorrentReport};
use crate::seed::swarm::PieceMap;
use crate::seed::{Census, Engine};

/// The way to the engine, and the memory of its figures.
#[derive(Debug, Clone)]
pub(super) struct Swarms {
    engine: Engine,
    history: Arc<Mutex<History>>,
}

impl Swarms {
    pub fn new(engine: Engine, now: Instant) -> Self {
        let history = Arc::new(Mutex::new(History::new(now)));
        Self { engine, history }
    }

    /// Where the pieces of a torrent are; none while nobody is there for it.
    pub async fn pieces(&self, info_hash: InfoHash) -> Option<PieceMap> {
        self.engine.pieces(info_hash).await
    }

    /// The figures of the whole box since it started, or those of one release.
    pub fn history(&self, id: Option<ReleaseId>) -> HistoryView {
        let (now, clock) = (Instant::now(), Timestamp::now());
        let history = self.history.lock();
        match id {
            Some(id) => history.release(id, now, clock),
            None => history.whole(now, clock),
        }
    }
}

impl App {
    /// Notes what the swarms are like, for those who look at it over time.
    pub(super) fn remember(&self, report: &Report) {
        let whole = Figures {
            rate: report.rate as f32,
            peers: report
                .torrents
                .iter()
                .map(|torrent| torrent.peers as f32)
                .sum(),
            ..Figures::default()
        };
        let moved = report.torrents.iter();
        let moved = moved.filter_map(|torrent| self.by_hash.get(&torrent.info_hash).copied());
        let of = |id: ReleaseId| {
            let live = self.live.get(&id)?;
            Some(live.figures.as_ref().map(figures).unwrap_or_default())
        };
        let mut history = self.swarms.history.lock();
        history.note(whole, moved, of, Instant::now());
    }
}

fn figures(torrent: &TorrentReport) -> Figures {
    Figures {
        rate: torrent.rate as f32,
        peers: torrent.peers as f32,
        relays: Census::of(&torrent.relays).seen() as f32,
        copies: torrent.copies as f32,
    }
}

/// Where the pieces of a release are besides here, in the order of its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PiecesView {
    /// Pieces of the torrent; 0 before it is hashed.
    pub pieces: u32,
    /// Pieces in each cell of the map; the last one may have fewer.
    pub per_cell: u32,
    /// The map: a sign for each cell, 4096 at most. A cell is as badly off as the worst of its pieces: `.` nobody is connected
    /// that holds it, `o` so but somebody is offered it, `1` to `8` so many hold it, `9` that many or more.
    #[schema(example = "11o..")]
    pub cells: String,
    /// Pieces that connected peers hold.
    pub held: u32,
    /// Pieces that none of them holds, and one is offered.
    pub offered: u32,
}

impl From<PieceMap> for PiecesView {
    fn from(map: PieceMap) -> Self {
        Self {
            pieces: map.pieces,
            per_cell: map.per_cell,
            cells: map.cells,
            held: map.held,
            offered: map.offered,
        }
    }
}
