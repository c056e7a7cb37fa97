//! How the owner's page talks to the conductor.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

pub use super::format::{DriveError, FormatWish};
use super::history::HistoryView;
use super::overview::Overview;
use super::swarms::{PiecesView, Swarms};
use crate::base::error::io_kind;
use crate::base::{ErrorKind, InfoHash, Kind, ReleaseId, SourceId};
use crate::intake::drives::Keeper;
use crate::intake::shares::{ShareState, Shares};
use crate::seed::swarm::PieceMap;

/// What the owner can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Take up a release that was found and not shared, or try a failed one again.
    Share(ReleaseId),
    /// Stop seeding until resumed.
    Pause(ReleaseId),
    /// Go on where it was.
    Resume(ReleaseId),
    /// Forget a release; an uploaded one is deleted from the box.
    Remove(ReleaseId),
    /// Look at every source now.
    Rescan,
    /// Read the settings again: they changed in the database.
    ReloadSettings,
    /// End in good order, to be started again.
    Restart,
    /// As [`Order::Restart`], and forget everything before the start: the factory reset.
    Reset {
        /// Whether what was uploaded to the box stays on it.
        keep_uploads: bool,
    },
    /// Read again what is wanted of each source: it changed in the database.
    ReloadSources,
    /// Read again which network shares there are, and how they are reached: it changed in the database.
    ReloadShares,
    /// Try a network share now, whatever it waits for.
    TryShare(SourceId),
    /// Take a source that is away off the list, until it is here again.
    Forget(SourceId),
    /// Stop using a drive. It is taken up again when whoever watches over drives says that it is here.
    LetGo {
        /// The drive.
        id: SourceId,
        /// Why, as a sentence without its full stop.
        why: &'static str,
    },
}

/// An order that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No such release.
    #[error("there is no release {0}")]
    NoSuchRelease(ReleaseId),
    /// The release is in a stage in which this makes no sense.
    #[error("release {id} cannot be changed so now: {why}")]
    WrongStage {
        /// The release.
        id: ReleaseId,
        /// Why, in plain words.
        why: String,
    },
    /// No such source.
    #[error("there is no source {0}")]
    NoSuchSource(SourceId),
    /// Only what is away can be forgotten.
    #[error("{0:?} is here; unplug it first")]
    StillPlugged(String),
    /// As [`OrderError::StillPlugged`], of a share.
    #[error("{0:?} is connected; it can be removed in the settings")]
    StillConnected(String),
    /// A folder that was given on the command line or in the configuration.
    #[error("{0:?} was named when the box was started, and goes when it is started without")]
    Named(String),
    /// The box's own folder of uploads.
    #[error("the box's own uploads cannot be forgotten")]
    OwnUploads,
    /// This is for drives.
    #[error("{0:?} is no drive")]
    NoDrive(String),
    /// The database refused.
    #[error("the box could not write its state down: {0}")]
    Store(String),
    /// The order to forget everything could not be left for the next start.
    #[error("the reset could not be ordered, and nothing was forgotten: {0}")]
    Reset(std::io::Error),
    /// The box is shutting down.
    #[error("the box is shutting down")]
    Closing,
}

impl Kind for OrderError {
    fn kind(&self) -> ErrorKind {
        match self {
            OrderError::NoSuchRelease(_) | OrderError::NoSuchSource(_) => ErrorKind::NotFound,
            OrderError::WrongStage { .. }
            | OrderError::StillPlugged(_)
            | OrderError::StillConnected(_)
            | OrderError::Named(_)
            | OrderError::OwnUploads
            | OrderError::NoDrive(_) => ErrorKind::Conflict,
            OrderError::Store(_) => ErrorKind::Internal,
            OrderError::Reset(error) => io_kind(error),
            OrderError::Closing => ErrorKind::Unavailable,
        }
    }
}

/// Orders with the place their answer goes to.
pub type Orders = mpsc::Receiver<(Order, oneshot::Sender<Result<(), OrderError>>)>;

/// Orders waiting for the conductor. The owner clicks; more than this many at once is not a person.
const ORDER_QUEUE: usize = 64;

/// A cheap, cloneable way to the conductor: orders in, the live picture out.
#[derive(Debug, Clone)]
pub struct Handle {
    orders: mpsc::Sender<(Order, oneshot::Sender<Result<(), OrderError>>)>,
    overview: watch::Receiver<Arc<Overview>>,
    /// None where there is no engine behind it.
    swarms: Option<Swarms>,
    /// None where nobody looks after shares.
    shares: Option<Shares>,
    /// None where there is no mount helper.
    pub(super) keeper: Option<Keeper>,
}

impl Handle {
    /// A handle, and the end at which the conductor takes its orders.
    pub fn new(overview: watch::Receiver<Arc<Overview>>) -> (Self, Orders) {
        let (orders, taken) = mpsc::channel(ORDER_QUEUE);
        let handle = Self {
            orders,
            overview,
            swarms: None,
            shares: None,
            keeper: None,
        };
        (handle, taken)
    }

    /// With an engine that can be asked about its swarms.
    pub(super) fn seeing(self, swarms: Swarms) -> Self {
        Self {
            swarms: Some(swarms),
            ..self
        }
    }

    /// With network shares that can be asked how they are.
    pub(super) fn with_shares(self, shares: Shares) -> Self {
        Self {
            shares: Some(shares),
            ..self
        }
    }

    /// With somebody who does what an owner may want of drives.
    pub(super) fn with_keeper(self, keeper: Option<Keeper>) -> Self {
        Self { keeper, ..self }
    }

    /// Asks the conductor, and waits for its answer.
    ///
    /// # Errors
    /// When the order makes no sense now, cannot be written down, or the box is shutting down.
    pub async fn order(&self, order: Order) -> Result<(), OrderError> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .send((order, reply))
            .await
            .map_err(|_| OrderError::Closing)?;
        answer.await.map_err(|_| OrderError::Closing)?
    }

    /// The picture as it is now.
    pub fn overview(&self) -> Arc<Overview> {
        self.overview.borrow().clone()
    }

    /// Where the pieces of a torrent of so many pieces are, among the peers who are connected now.
    pub async fn pieces(&self, info_hash: InfoHash, pieces: u32) -> PiecesView {
        let map = match &self.swarms {
            Some(swarms) => swarms.pieces(info_hash).await,
            None => None,
        };
        map.unwrap_or_else(|| PieceMap::deserted(pieces)).into()
    }

    /// What the box was like since it started, or one release; empty where nobody was there.
    pub fn history(&self, id: Option<ReleaseId>) -> HistoryView {
        let swarms = self.swarms.as_ref();
        swarms.map(|swarms| swarms.history(id)).unwrap_or_default()
    }

    /// How a network share is.
    pub fn share_state(&self, id: SourceId) -> ShareState {
        let shares = self.shares.as_ref();
        shares.map_or(ShareState::Opening, |shares| shares.state(id))
    }

    /// The picture as it changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Overview>> {
        self.overview.clone()
    }
}
