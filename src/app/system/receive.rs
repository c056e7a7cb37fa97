//! An update, from a request's body to the disk.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::{System, SystemError, UpdateState, UpdateView};
use crate::device::update::{Incoming, IncomingError, Note, Phase};

/// Parts of a body between network and disk. A part is what one read of the socket gave: some hundred KiB at most.
const QUEUE: usize = 4;

impl System {
    /// Receives an update of so many bytes, and has it checked. When the request goes away before the last byte, what came is
    /// deleted; after it, the check is made all the same.
    ///
    /// # Errors
    /// See [`SystemError`]: when another is on its way, when it does not fit, and when it is not good.
    pub async fn receive<S, E>(&self, length: u64, mut body: S) -> Result<UpdateView, SystemError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        self.there().await?;
        self.claim()?;
        let (parts, taken) = mpsc::channel(QUEUE);
        let this = self.clone();
        // A task of its own: the next update must not begin beside one that is being written still.
        let received = tokio::spawn(async move { this.take(length, taken).await });
        while !parts.is_closed() {
            match body.next().await {
                Some(Ok(part)) => {
                    if parts.send(part).await.is_err() {
                        break;
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "an update's connection broke off");
                    break;
                }
                None => break,
            }
        }
        drop(parts);
        received.await.map_err(|_| SystemError::Closing)?
    }

    /// From here on it is being received, by this request alone.
    fn claim(&self) -> Result<(), SystemError> {
        let trying = |note: &Note| note.phase == Phase::Trying;
        if self.0.note.lock().as_ref().is_some_and(trying) {
            return Err(SystemError::Trying);
        }
        let mut update = self.0.update.lock();
        match update.state {
            UpdateState::None | UpdateState::Ready => {
                *update = UpdateView {
                    state: UpdateState::Receiving,
                    ..UpdateView::default()
                };
                Ok(())
            }
            state => Err(SystemError::at(state)),
        }
    }

    async fn take(
        &self,
        length: u64,
        taken: mpsc::Receiver<Bytes>,
    ) -> Result<UpdateView, SystemError> {
        let folder = self.0.folder.clone();
        let written = tokio::task::spawn_blocking(move || -> Result<(), IncomingError> {
            let mut taken = taken;
            let mut incoming = Incoming::begin(&folder, length)?;
            while let Some(part) = taken.blocking_recv() {
                incoming.write(&part)?;
            }
            incoming.finish()
        });
        let written = match written.await {
            Ok(written) => written.map_err(SystemError::from),
            Err(_) => Err(SystemError::Closing),
        };
        if let Err(error) = written {
            tracing::info!(%error, "an update was not received");
            self.set(UpdateView {
                problem: Some(error.to_string()),
                ..UpdateView::default()
            });
            return Err(error);
        }
        self.set(UpdateView {
            state: UpdateState::Checking,
            ..UpdateView::default()
        });
        self.check().await
    }
}
