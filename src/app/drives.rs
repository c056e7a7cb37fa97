//! What the owner wants of whole drives: uploads on one, forgetting one, letting go of one.

use std::path::Path;
use std::time::Instant;

use super::{App, OrderError};
use crate::base::{SourceId, Timestamp};
use crate::store::{SourceKind, Store};

impl App {
    /// A drive is here: if it was formatted for uploads, those that began on it can go on.
    pub(super) async fn uploads_here(&mut self, id: SourceId, root: &Path) {
        let source = self.sources.get(&id).map(|at| at.source.clone());
        let Some((source, key)) = source.and_then(|source| {
            let key = source.uploads_key()?;
            Some((source, key))
        }) else {
            return;
        };
        let (uploads, root, now) = (self.uploads.clone(), root.to_owned(), Timestamp::now());
        let name = source.name.clone();
        // A few small files are read, of a drive that was mounted a moment ago. Nobody waits for it: one that hangs holds
        // up itself.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = uploads.drive_here(&key, &name, &root, now) {
                tracing::warn!(drive = name, %error, "a drive for uploads cannot take any");
            }
        });
    }

    /// Takes a source that is away off the list, and its releases with it.
    pub(super) async fn forget(&mut self, id: SourceId) -> Result<(), OrderError> {
        let Some(at) = self.sources.get(&id) else {
            return Err(OrderError::NoSuchSource(id));
        };
        let source = at.source.clone();
        let wrong = |why: &str| OrderError::WrongSource {
            name: source.name.clone(),
            why: why.to_owned(),
        };
        if !matches!(source.kind, SourceKind::Drive | SourceKind::Share) {
            return Err(wrong("is no drive, and cannot be forgotten"));
        }
        if at.problem().is_none() {
            return Err(wrong("is here; unplug it first"));
        }
        for release in self.releases_of(&source).await? {
            self.stop_seeding(release.id).await;
            self.stop_hashing(release.id);
        }
        let forget = move |store: &Store| store.remove_source(id, Timestamp::now());
        self.store.run(forget).await?;
        self.sources.remove(&id);
        tracing::info!(source = %source.name, "forgotten by its owner");
        Ok(())
    }

    /// A drive was not formatted after all: it is looked at, and is here again if it is.
    pub(super) async fn take_back(&mut self, id: SourceId) -> Result<(), OrderError> {
        let Some(at) = self.sources.get(&id) else {
            return Err(OrderError::NoSuchSource(id));
        };
        let path = at.source.path.clone();
        self.source_away(id, "it could not be formatted", true)
            .await?;
        self.uploads_here(id, &path).await;
        if let Some(at) = self.sources.get_mut(&id) {
            at.look_again(Instant::now());
        }
        Ok(())
    }

    /// Stops using a drive that its owner wants formatted.
    pub(super) async fn let_go(&mut self, id: SourceId) -> Result<(), OrderError> {
        let Some(at) = self.sources.get(&id) else {
            return Err(OrderError::NoSuchSource(id));
        };
        if at.source.kind != SourceKind::Drive {
            return Err(OrderError::WrongSource {
                name: at.source.name.clone(),
                why: "is no drive".to_owned(),
            });
        }
        let source = at.source.clone();
        for release in self.releases_of(&source).await? {
            self.stop_seeding(release.id).await;
        }
        Ok(self.source_away(id, "it is being formatted", false).await?)
    }
}
