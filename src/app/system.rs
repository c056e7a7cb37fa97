//! The whole system under the box: updates, Wi-Fi, and switching it off. The box itself may do nothing of it; a small helper
//! does, as root, where the box is a whole system.

mod view;

use bytes::Bytes;
use futures::Stream;

pub use view::{
    BundleView, LastUpdateView, Outcome, SetAsideView, Slot, SystemView, UpdateState, UpdateView,
    WifiView,
};

use crate::base::{ErrorKind, Kind, Secret};

/// How the machine is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// And start again; with the update, where one was installed.
    Restart,
    /// For good.
    ShutDown,
}

/// A Wi-Fi network to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WifiWish {
    /// Its name.
    pub network: String,
    /// Its password; empty when it has none.
    pub password: Secret,
    /// The country whose rules for radio hold.
    pub country: Option<String>,
}

/// Why something about the system is not done.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// There is nobody to do it.
    #[error("this Semoir is not a whole system: updates, Wi-Fi and power are its computer's own")]
    Absent,
}

impl Kind for SystemError {
    fn kind(&self) -> ErrorKind {
        match self {
            SystemError::Absent => ErrorKind::NotFound,
        }
    }
}

/// The way to the system. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct System {}

impl System {
    /// How everything is.
    pub async fn view(&self) -> SystemView {
        SystemView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..SystemView::default()
        }
    }

    /// Receives an update of so many bytes, and has it checked.
    ///
    /// # Errors
    /// See [`SystemError`].
    pub async fn receive<S, E>(&self, _length: u64, _body: S) -> Result<UpdateView, SystemError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        Err(SystemError::Absent)
    }

    /// Forgets the update that was received.
    ///
    /// # Errors
    /// See [`SystemError`].
    pub async fn forget_update(&self) -> Result<(), SystemError> {
        Err(SystemError::Absent)
    }

    /// Begins to install the update that was received.
    ///
    /// # Errors
    /// See [`SystemError`].
    pub async fn install(&self) -> Result<(), SystemError> {
        Err(SystemError::Absent)
    }

    /// Ends the machine.
    ///
    /// # Errors
    /// See [`SystemError`].
    pub async fn power(&self, _power: Power) -> Result<(), SystemError> {
        Err(SystemError::Absent)
    }

    /// Joins a Wi-Fi network, now and at each start.
    ///
    /// # Errors
    /// See [`SystemError`].
    pub async fn join_wifi(&self, _wish: WifiWish) -> Result<(), SystemError> {
        Err(SystemError::Absent)
    }

    /// Leaves the Wi-Fi network for good.
    ///
    /// # Errors
    /// See [`SystemError`].
    pub async fn leave_wifi(&self) -> Result<(), SystemError> {
        Err(SystemError::Absent)
    }
}
