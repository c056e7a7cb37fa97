//! The daemon's end: asks the mount helper.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::request::{Answer, FormatRequest, MountId, Mounted, Reason, Refusal, Request};
use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind, frame};

/// The socket of the helper that writes, in the folder of the everyday one's.
pub const WRITER: &str = "format.sock";

/// Asks the mount helpers. Cheap to clone; each request has its own connection, so that one that hangs holds up no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    socket: PathBuf,
    patience: Duration,
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The helper cannot be reached, or does not keep to the protocol.
    #[error("the mount helper at {} cannot be asked: {error}", socket.display())]
    Io {
        /// The helper's socket.
        socket: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The helper does not answer in time.
    #[error("the mount helper did not answer within {} s", patience.as_secs())]
    TooSlow {
        /// The time it had.
        patience: Duration,
    },
    /// The helper refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Kind for ClientError {
    fn kind(&self) -> ErrorKind {
        match self {
            ClientError::Io { error, .. } => io_kind(error),
            ClientError::TooSlow { .. } => ErrorKind::Unavailable,
            ClientError::Refused(refusal) => refusal.kind(),
        }
    }
}

impl Client {
    /// A client of the everyday helper at `socket`, and of the one that writes ([`WRITER`]) beside it. It waits for an answer
    /// for as long as `patience`.
    pub fn new(socket: PathBuf, patience: Duration) -> Self {
        Self { socket, patience }
    }

    /// The everyday helper's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Has something mounted: [`Request::MountDrive`] or [`Request::MountShare`].
    ///
    /// # Errors
    /// See [`ClientError`]. A request that was not answered in time may still be carried out.
    pub async fn mount(&self, request: &Request) -> Result<Mounted, ClientError> {
        let answered = match self.ask(request).await {
            Err(ClientError::Refused(refusal)) if refusal.reason == Reason::ForUploads => {
                self.writer().ask(request).await
            }
            answered => answered,
        };
        match answered? {
            Answer::Mounted(mounted) => Ok(mounted),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Has something done that is answered by [`Answer::Done`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn order(&self, request: &Request) -> Result<(), ClientError> {
        match self.ask(request).await? {
            Answer::Done => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Has a drive emptied and made one for uploads; returns what it is known by then.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn format(&self, drive: FormatRequest) -> Result<MountId, ClientError> {
        let client = Self {
            patience: self.patience.max(super::format::PATIENCE),
            ..self.writer()
        };
        match client.ask(&Request::Format(drive)).await? {
            Answer::Formatted(formatted) => Ok(formatted.key),
            other => Err(self.unexpected(&other)),
        }
    }

    /// A client of the helper that writes.
    fn writer(&self) -> Self {
        Self {
            socket: self.socket.with_file_name(WRITER),
            ..self.clone()
        }
    }

    /// Asks, and takes a refusal for an error.
    async fn ask(&self, request: &Request) -> Result<Answer, ClientError> {
        let asked = timeout(self.patience, exchange(&self.socket, request)).await;
        let answered = asked.map_err(|_| ClientError::TooSlow {
            patience: self.patience,
        })?;
        match answered.map_err(|error| self.io(error))? {
            Answer::Refused(refusal) => Err(refusal.into()),
            answer => Ok(answer),
        }
    }

    fn unexpected(&self, answer: &Answer) -> ClientError {
        self.io(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{answer:?} is no answer to what was asked"),
        ))
    }

    fn io(&self, error: io::Error) -> ClientError {
        ClientError::Io {
            socket: self.socket.clone(),
            error,
        }
    }
}

async fn exchange(socket: &Path, request: &Request) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket).await?;
    frame::send(&mut stream, request).await?;
    frame::receive(&mut stream).await
}
