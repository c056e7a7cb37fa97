//! What becomes of drives and network shares: they come, move, cannot be used, and go; and are sources meanwhile.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::App;
use super::sources::{At, NO_SOURCE, Presence, gone};
use crate::base::{SourceId, Timestamp};
use crate::intake::place::{Place, PlaceState};
use crate::store::{NewSource, SourceKind, Store, StoreError};

impl App {
    /// A drive or a share came, went, or changed.
    pub(super) async fn place_changed(&mut self, place: Place) -> Result<(), StoreError> {
        tracing::info!(kind = place.kind.as_str(), name = place.name, state = ?place.state);
        // What is said of a share may come after its owner removed it.
        if place.kind == SourceKind::Share && !self.is_wanted(&place).await? {
            return self.drop_place(&place).await;
        }
        match &place.state {
            PlaceState::Here { path, note } => {
                let (path, note) = (path.clone(), note.clone());
                let id = self.take_up_place(&place, &path).await?;
                self.plugged_in(id, path, note).await
            }
            PlaceState::Unusable { why } => {
                let known = self.known_place(&place).map(|at| at.source.path.clone());
                let path = known.unwrap_or_else(|| PathBuf::from("/"));
                let id = self.take_up_place(&place, &path).await?;
                self.source_away(id, why, false).await
            }
            PlaceState::Gone => {
                let Some(id) = self.known_place(&place).map(|at| at.source.id) else {
                    return Ok(());
                };
                self.not_plugged(id);
                self.source_away(id, gone(place.kind), false).await
            }
        }
    }

    /// Whether a share is among those that its owner named.
    async fn is_wanted(&self, place: &Place) -> Result<bool, StoreError> {
        let shares = self.store.run(Store::shares).await?;
        let key = place.key.as_encoded_bytes();
        Ok(shares
            .iter()
            .any(|share| share.address.key().as_bytes() == key))
    }

    /// A share was removed: it is no source any more, and what was on it is not even said to be away.
    async fn drop_place(&mut self, place: &Place) -> Result<(), StoreError> {
        let Some(source) = self.known_place(place).map(|at| at.source.clone()) else {
            return Ok(());
        };
        self.stop_all_of(&source).await?;
        self.source_away(source.id, NO_SOURCE, false).await?;
        self.sources.remove(&source.id);
        Ok(())
    }

    /// It is not there any more, or not as what it was.
    pub(super) fn not_plugged(&mut self, id: SourceId) {
        if let Some(at) = self.sources.get_mut(&id) {
            at.plugged = false;
        }
    }

    fn known_place(&self, place: &Place) -> Option<&At> {
        let is_it = |at: &&At| {
            at.source.kind == place.kind && at.source.key == place.key.as_encoded_bytes()
        };
        self.sources.values().find(is_it)
    }

    async fn take_up_place(&mut self, place: &Place, path: &Path) -> Result<SourceId, StoreError> {
        let (mut place, path, now) = (place.clone(), path.to_owned(), Timestamp::now());
        if !matches!(place.state, PlaceState::Here { .. }) {
            // Whether a drive is for uploads shows when it is mounted; until then it is what it was.
            let known = self
                .known_place(&place)
                .and_then(|at| at.source.facts.as_ref());
            place.facts.for_uploads = known.is_some_and(|facts| facts.for_uploads);
        }
        let taken_up = self.store.run(move |store| {
            let new = NewSource {
                kind: place.kind,
                key: &place.key,
                name: &place.name,
                path: &path,
                // What is on somebody's drive is asked for, unless its owner says otherwise; uploads are meant to be shared.
                auto_share: place.facts.for_uploads,
                facts: Some(&place.facts),
            };
            store.take_up_source(&new, now)
        });
        let source = taken_up.await?;
        let id = source.id;
        match self.sources.get_mut(&id) {
            Some(at) => at.source = source,
            None => {
                let why = String::new();
                let can_look = false;
                let at = At::new(source, Presence::Away { why, can_look });
                self.sources.insert(id, at);
            }
        }
        if let Some(at) = self.sources.get_mut(&id) {
            at.plugged = true;
        }
        Ok(id)
    }

    /// It is mounted at `path`: what is on it is looked at, and what was away is taken up again.
    async fn plugged_in(
        &mut self,
        id: SourceId,
        path: PathBuf,
        note: Option<String>,
    ) -> Result<(), StoreError> {
        let Some(at) = self.sources.get_mut(&id) else {
            return Ok(());
        };
        at.note = note;
        let stays = matches!(at.presence, Presence::Here { .. } | Presence::Unseen);
        if stays && at.mounted.as_ref() == Some(&path) {
            at.look_again(Instant::now());
            return Ok(());
        }
        if stays {
            // It moved while it was here: what is open is of the old place.
            self.source_away(id, "it was plugged in anew", false)
                .await?;
        }
        self.uploads_here(id, &path);
        if let Some(at) = self.sources.get_mut(&id) {
            at.presence = Presence::Unseen;
            at.mounted = Some(path);
            at.time = at.time.wrapping_add(1);
            at.next = Instant::now();
        }
        Ok(())
    }
}
