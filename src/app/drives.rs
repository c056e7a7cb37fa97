//! What the owner wants of whole drives: uploads on one, forgetting one, letting go of one.

use std::path::Path;

use super::{App, OrderError};
use crate::base::{SourceId, Timestamp};
use crate::store::{SourceKind, Store};

impl App {
    /// A drive is here: if it was formatted for uploads, those that began on it can go on.
    pub(super) fn uploads_here(&mut self, id: SourceId, root: &Path) {
        let source = self.sources.get(&id).map(|at| at.source.clone());
        let Some((source, key)) = source.and_then(|source| {
            let key = source.uploads_key()?;
            Some((source, key))
        }) else {
            return;
        };
        let (uploads, root, now) = (self.uploads.clone(), root.to_owned(), Timestamp::now());
        let (name, arrival) = (source.name.clone(), uploads.drive_comes(&key));
        // A few small files are read, of a drive that was mounted a moment ago. Nobody waits for it: one that hangs holds
        // up itself.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = uploads.drive_here(arrival, &name, &root, now) {
                tracing::warn!(drive = name, %error, "a drive for uploads cannot take any");
            }
        });
    }

    /// Takes a drive or a share that is away off the list, and its releases with it. If uploads were to go to it, they go to
    /// the box.
    pub(super) async fn forget(&mut self, id: SourceId) -> Result<(), OrderError> {
        let Some(at) = self.sources.get(&id) else {
            return Err(OrderError::NoSuchSource(id));
        };
        let source = at.source.clone();
        let name = || source.name.clone();
        match source.kind {
            SourceKind::Drive if at.can_forget() => {}
            SourceKind::Drive => return Err(OrderError::StillPlugged(name())),
            SourceKind::Share if at.can_forget() => {
                let forget = move |store: &Store| store.remove_share(id, Timestamp::now());
                self.store.run(forget).await?;
                // Whoever looks after it ends, and says so; then it is no source any more.
                self.shares.reload().await;
                return Ok(());
            }
            SourceKind::Share => {
                return Err(OrderError::StillConnected(name()));
            }
            SourceKind::Uploads => return Err(OrderError::OwnUploads),
            SourceKind::Folder => return Err(OrderError::Named(name())),
        }
        self.stop_all_of(&source).await?;
        let forget = move |store: &Store| store.remove_source(id, Timestamp::now());
        self.store.run(forget).await?;
        self.sources.remove(&id);
        if let Some(key) = source.uploads_key() {
            if self.settings.uploads_to.as_ref() == Some(&key) {
                let choose =
                    |store: &Store| store.change_settings(|settings| settings.uploads_to = None);
                self.store.run(choose).await?;
                self.reload_settings().await?;
            }
            self.uploads.drive_forgotten(&key);
        }
        tracing::info!(source = %source.name, "forgotten by its owner");
        Ok(())
    }

    /// Stops using a drive of which its owner wants something else.
    pub(super) async fn let_go(
        &mut self,
        id: SourceId,
        why: &'static str,
    ) -> Result<(), OrderError> {
        let Some(at) = self.sources.get(&id) else {
            return Err(OrderError::NoSuchSource(id));
        };
        if at.source.kind != SourceKind::Drive {
            return Err(OrderError::NoDrive(at.source.name.clone()));
        }
        let source = at.source.clone();
        for release in self.releases_of(&source).await? {
            self.stop_seeding(release.id).await;
        }
        self.not_plugged(id);
        Ok(self.source_away(id, why, false).await?)
    }
}
