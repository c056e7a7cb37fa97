//! Why the demo did not come to its end.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{MAX_SIZE, MIN_CAP, MIN_SIZE};
use crate::app::AppError;
use crate::app::uploads::UploadError;
use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind, Rate, Size};
use crate::store::StoreError;

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// More or less than can be shown.
    #[error("a demo shares {least} to {most}, not {0}", least = Size(MIN_SIZE), most = Size(MAX_SIZE))]
    Size(Size),
    /// Slower than can be shown.
    #[error("a demo runs at {least} or more, not at {0}", least = Rate(MIN_CAP))]
    Cap(Rate),
    /// A file of the demo's.
    #[error("cannot use {}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The box's database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The box's folder of uploads.
    #[error(transparent)]
    Uploads(#[from] UploadError),
    /// The box.
    #[error(transparent)]
    App(#[from] AppError),
    /// The public page.
    #[error("cannot serve the public page on loopback: {0}")]
    Listen(io::Error),
    /// The public page does not give the torrent.
    #[error("the public page does not give the torrent: {0}")]
    Fetch(#[from] reqwest::Error),
    /// A leecher.
    #[error("leecher {number} cannot go on: {why}")]
    Leecher {
        /// Which, from 1.
        number: usize,
        /// What librqbit said.
        why: String,
    },
    /// The box gave up.
    #[error("the box cannot share the sample: {0}")]
    Failed(String),
    /// It took too long.
    #[error("not there after {} s: {state}", bound.as_secs())]
    TooLong {
        /// How long it was given.
        bound: Duration,
        /// How far it was.
        state: String,
    },
    /// Ctrl-C, or SIGTERM.
    #[error("stopped before its end; everything temporary is removed")]
    Stopped,
}

impl Kind for DemoError {
    fn kind(&self) -> ErrorKind {
        match self {
            DemoError::Size(_) | DemoError::Cap(_) => ErrorKind::BadInput,
            DemoError::Io { error, .. } | DemoError::Listen(error) => io_kind(error),
            DemoError::Store(error) => error.kind(),
            DemoError::Uploads(error) => error.kind(),
            DemoError::App(error) => error.kind(),
            DemoError::Fetch(_)
            | DemoError::Leecher { .. }
            | DemoError::Failed(_)
            | DemoError::TooLong { .. }
            | DemoError::Stopped => ErrorKind::Unavailable,
        }
    }
}
