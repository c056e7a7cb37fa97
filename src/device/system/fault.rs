//! What the helper cannot do, in words for the owner.

use std::io;

use super::request::{Refusal, Sort};
use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind};
use crate::device::first_boot::FirstBootError;
use crate::device::first_boot::wish::WishError;

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Somebody else asks.
    #[error("the system is changed for the box alone")]
    Stranger,
    /// The frame.
    #[error("the system helper was asked for something that it does not know: {0}")]
    Malformed(String),
    /// Too much at once.
    #[error("the system is asked for too much at once; try again in a moment")]
    TooMany,
    /// There is no file.
    #[error("no update was received")]
    NoUpdate,
    /// There is something else in its place.
    #[error("what was received cannot be opened: {0}")]
    Open(io::Error),
    /// There is a link, a pipe, or another's file in its place.
    #[error("what lies in the update's place is no file of the box's own")]
    NotOwn,
    /// RAUC does not take it for one.
    #[error("this file is no update for the box, or did not arrive whole")]
    NotABundle,
    /// The signature.
    #[error(
        "this update is not signed by who made this box's system, or was altered on its way; nothing of it was used"
    )]
    Signature,
    /// Another board's.
    #[error("this update is for another board ({theirs:?}), and this box is {ours:?}")]
    OtherBoard {
        /// The one it is for.
        theirs: String,
        /// This one.
        ours: String,
    },
    /// Sums do not agree.
    #[error(
        "the update was altered, or the card does not give back what was written to it; the running system is as it was"
    )]
    Altered,
    /// RAUC says something else about it.
    #[error("the update could not be looked at: {0}")]
    Check(String),
    /// RAUC says something else.
    #[error("the update could not be installed, and the running system is as it was: {0}")]
    Install(String),
    /// A program cannot be run.
    #[error("the system's own programs cannot be run: {0}")]
    Program(io::Error),
    /// One at a time.
    #[error("an update is being looked at or installed")]
    Busy,
    /// systemd refuses.
    #[error("systemd does not do it: {0}")]
    Systemd(String),
    /// A network that cannot be.
    #[error(transparent)]
    Wish(#[from] WishError),
    /// It cannot be written down.
    #[error("the Wi-Fi could not be written down: {0}")]
    Keep(io::Error),
}

impl Kind for Fault {
    fn kind(&self) -> ErrorKind {
        match self {
            Fault::Stranger | Fault::NotOwn => ErrorKind::Forbidden,
            Fault::Malformed(_)
            | Fault::NotABundle
            | Fault::Signature
            | Fault::OtherBoard { .. }
            | Fault::Altered
            | Fault::Wish(_) => ErrorKind::BadInput,
            Fault::TooMany => ErrorKind::TooMany,
            Fault::NoUpdate => ErrorKind::NotFound,
            Fault::Busy => ErrorKind::Conflict,
            Fault::Keep(error) => io_kind(error),
            Fault::Open(_)
            | Fault::Check(_)
            | Fault::Install(_)
            | Fault::Program(_)
            | Fault::Systemd(_) => ErrorKind::Unavailable,
        }
    }
}

impl From<FirstBootError> for Fault {
    fn from(error: FirstBootError) -> Self {
        match error {
            FirstBootError::Io { error, .. } | FirstBootError::HostName { error, .. } => {
                Fault::Keep(error)
            }
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let sort = match (&fault, fault.kind()) {
            (
                Fault::NotABundle | Fault::Signature | Fault::OtherBoard { .. } | Fault::Altered,
                _,
            ) => Sort::BadUpdate,
            (_, ErrorKind::BadInput) => Sort::Malformed,
            (_, ErrorKind::Forbidden | ErrorKind::Unauthorized) => Sort::NotAllowed,
            (_, ErrorKind::NotFound) => Sort::NotFound,
            (_, ErrorKind::Conflict) => Sort::Busy,
            (_, ErrorKind::TooMany) => Sort::TooMany,
            (_, ErrorKind::NoSpace) => Sort::NoSpace,
            (_, ErrorKind::Unavailable | ErrorKind::Internal) => Sort::Failed,
        };
        Refusal {
            sort,
            why: fault.to_string(),
        }
    }
}
