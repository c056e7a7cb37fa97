//! What can go wrong with the system.

use super::UpdateState;
use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind};
use crate::device::first_boot::wish::WishError;
use crate::device::system::ClientError;
use crate::device::update::IncomingError;

/// Why something about the system is not done.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// The helper is not there, refuses, or cannot.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The update does not get here.
    #[error(transparent)]
    Incoming(#[from] IncomingError),
    /// One at a time.
    #[error("an update is being received already")]
    Receiving,
    /// It is being looked at.
    #[error("the update is being looked at")]
    Checking,
    /// It is being installed.
    #[error("an update is being installed; that cannot be broken off")]
    Installing,
    /// It is installed.
    #[error("the update is installed already; restart the box to use it")]
    Installed,
    /// The one that runs did not serve yet.
    #[error(
        "the system that runs is new, and has still to show that it serves; try again in a minute"
    )]
    Trying,
    /// There is none.
    #[error("there is no update here that could be installed; send one first")]
    NothingReady,
    /// What was done is not known.
    #[error(
        "the box's program was started again while the update was being installed; install it once more"
    )]
    Unheard,
    /// It cannot be written down.
    #[error("what becomes of the update cannot be written down, so that nothing was done: {0}")]
    Note(std::io::Error),
    /// It has no Wi-Fi.
    #[error("this box has no Wi-Fi")]
    NoWifi,
    /// None was kept.
    #[error("no journal of that start is kept")]
    NoJournal,
    /// It is kept, and cannot be read.
    #[error("the journal of that start cannot be read: {0}")]
    Journal(std::io::Error),
    /// A network that cannot be.
    #[error(transparent)]
    Wish(#[from] WishError),
    /// The runtime stopped.
    #[error("the box is shutting down")]
    Closing,
}

impl SystemError {
    /// Why nothing else can be done in that state.
    pub(super) fn at(state: UpdateState) -> Self {
        match state {
            UpdateState::None | UpdateState::Ready => SystemError::NothingReady,
            UpdateState::Receiving => SystemError::Receiving,
            UpdateState::Checking => SystemError::Checking,
            UpdateState::Installing => SystemError::Installing,
            UpdateState::Installed => SystemError::Installed,
        }
    }
}

impl Kind for SystemError {
    fn kind(&self) -> ErrorKind {
        match self {
            SystemError::Client(error) => error.kind(),
            SystemError::Incoming(error) => error.kind(),
            SystemError::Receiving
            | SystemError::Checking
            | SystemError::Installing
            | SystemError::Installed
            | SystemError::Trying
            | SystemError::Unheard
            | SystemError::NothingReady => ErrorKind::Conflict,
            SystemError::Note(error) | SystemError::Journal(error) => io_kind(error),
            SystemError::NoWifi | SystemError::NoJournal => ErrorKind::NotFound,
            SystemError::Wish(_) => ErrorKind::BadInput,
            SystemError::Closing => ErrorKind::Unavailable,
        }
    }
}

/// Why the box is not in its Wi-Fi.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WifiTrouble {
    /// Nobody tries.
    #[error("the box does not look for the Wi-Fi {0:?} at the moment")]
    Off(String),
    /// It is out of reach.
    #[error("the Wi-Fi {0:?} is not found: it is switched off, too far away, or called otherwise")]
    NotSeen(String),
    /// Its password.
    #[error("the Wi-Fi {0:?} does not let the box in; most likely its password is another")]
    TurnedAway(String),
}
