//! From what is found in a source to releases: what is there, what is new, what changed, what is gone.

use std::ffi::OsString;

use super::App;
use super::overview::LeftOutView;
use crate::base::{Content, ErrorKind, Kind, ReleaseId, Stage, Timestamp};
use crate::metainfo::{Listing, ListingError};
use crate::store::{Release, Source, Store, StoreError};

pub(super) mod look;

use look::{Found, is_left_alone, is_same_content};

/// Entries of a source that cannot be listed, named in the log. A folder may hold [`crate::intake::folder::MAX_CANDIDATES`]
/// of them, and the journal is in memory.
const LEFT_OUT_LOGGED: usize = 20;

impl App {
    /// Brings the catalogue up to date with what a look found; false while something is still being copied.
    pub(super) async fn compare(
        &mut self,
        source: &Source,
        mut found: Found,
    ) -> Result<bool, StoreError> {
        let mut settled = found.settled;
        for (id, name, content) in std::mem::take(&mut found.renamed) {
            self.renamed(id, name, content).await?;
        }
        for release in self.releases_of(source).await? {
            if !found.names.contains(&release.name) {
                self.went_away(&release, "it is not in its folder any more")
                    .await?;
            }
        }
        let mut left_out = Vec::new();
        for (name, listing) in std::mem::take(&mut found.entries) {
            match listing {
                Ok(listing) => settled &= self.present(source, name, listing, &found).await?,
                // Nothing in it to share, or not yet: a folder being filled is no failure.
                Err(ListingError::Empty { .. }) => {}
                // It was there a moment ago: something is being renamed or deleted.
                Err(error) if error.kind() == ErrorKind::NotFound => settled = false,
                Err(error) => left_out.push(error),
            }
        }
        self.leave_out(source, &left_out);
        Ok(settled)
    }

    /// Says what could not be listed: to its owner, and in the log when it is news.
    fn leave_out(&mut self, source: &Source, errors: &[ListingError]) {
        let left_out = errors.split_first().map(|(first, others)| LeftOutView {
            why: first.within(&source.path),
            others: others.len(),
        });
        let Some(at) = self.sources.get_mut(&source.id) else {
            return;
        };
        if at.left_out != left_out {
            for error in errors.iter().take(LEFT_OUT_LOGGED) {
                tracing::warn!(source = %source.name, %error, "left out");
            }
            at.left_out = left_out;
        }
    }

    /// The releases of a source that are not removed.
    pub(super) async fn releases_of(&self, source: &Source) -> Result<Vec<Release>, StoreError> {
        let id = source.id;
        let mut releases = self.store.run(move |store| store.releases_of(id)).await?;
        releases.retain(|release| release.removed.is_none());
        Ok(releases)
    }

    /// Nothing of a source is given or read any more.
    pub(super) async fn stop_all_of(&mut self, source: &Source) -> Result<(), StoreError> {
        for release in self.releases_of(source).await? {
            self.stop_seeding(release.id).await;
            self.stop_hashing(release.id);
        }
        Ok(())
    }

    /// An entry is there: new, as it was, changed, or back. False when it is still being copied.
    async fn present(
        &mut self,
        source: &Source,
        name: OsString,
        listing: Listing,
        found: &Found,
    ) -> Result<bool, StoreError> {
        let (now, id) = (Timestamp::now(), source.id);
        let content = listing.content;
        let fresh = content.clone();
        let (release, known) = self
            .store
            .run(move |store| {
                let release = store.found(id, &name, &fresh, now)?;
                let known = match release.removed {
                    Some(_) => None,
                    None => Some((store.content(release.id)?, store.was_wanted(release.id)?)),
                };
                Ok((release, known))
            })
            .await?;
        let Some((stored, was_wanted)) = known else {
            return Ok(true);
        };
        if found.spoiled.contains(&release.id) || !is_same_content(&stored, &content) {
            self.changed(&release, content).await?;
            return Ok(false);
        }
        if let Some(at) = self.sources.get_mut(&id) {
            at.seen.see(release.id, &content);
        }
        if release.stage == Stage::Absent {
            if let Some(why) = found.unreadable.get(&release.id) {
                // Its drive may drop out again. It stays away, and fails when a later look cannot read it either.
                self.doubt(release.id, id, why.clone());
                return Ok(true);
            }
            // It is opened anew, where it is now.
            self.stop_seeding(release.id).await;
            self.forget_doubt(release.id);
            self.comes_back(&release, "it is here again").await?;
        }
        let quiet = is_left_alone(source, &content, self.config.quiet, now);
        // What was shared once and changed since is read again, whatever the rule.
        let is_wanted = source.auto_share || was_wanted;
        if release.stage == Stage::Found && is_wanted && quiet {
            self.set_stage(release.id, Stage::Hashing, "waiting to be read")
                .await?;
        }
        Ok(quiet)
    }

    /// The files are not those that were listed before: what was made of them is of no use.
    async fn changed(&mut self, release: &Release, content: Content) -> Result<(), StoreError> {
        self.stop_seeding(release.id).await;
        self.stop_hashing(release.id);
        self.forget_doubt(release.id);
        let (id, now) = (release.id, Timestamp::now());
        let why = match release.stage {
            Stage::Found => "its files are still changing",
            _ => "its files changed; they are read again",
        };
        let replace = move |store: &Store| store.replace_content(id, &content, why, now);
        self.store.run(replace).await
    }

    /// Its files are here under another name.
    async fn renamed(
        &mut self,
        id: ReleaseId,
        name: OsString,
        content: Content,
    ) -> Result<(), StoreError> {
        // It is opened anew under the name it has now.
        self.stop_seeding(id).await;
        self.stop_hashing(id);
        self.forget_doubt(id);
        let now = Timestamp::now();
        tracing::info!(release = %id, name = %name.display(), "a release has another name now");
        let rename = move |store: &Store| store.rename(id, &name, &content, now);
        self.store.run(rename).await
    }

    pub(super) async fn went_away(
        &mut self,
        release: &Release,
        why: &str,
    ) -> Result<(), StoreError> {
        self.stop_hashing(release.id);
        self.forget_doubt(release.id);
        match release.stage {
            Stage::Absent | Stage::Paused => Ok(()),
            _ => self.goes_away(release.id, why).await,
        }
    }

    /// Moves a release that was aside to where it was; one that had failed is said to have for the reason it had.
    pub(super) async fn comes_back(
        &mut self,
        release: &Release,
        why: &str,
    ) -> Result<(), StoreError> {
        let (id, back) = (release.id, release.resume_stage.unwrap_or(Stage::Found));
        let failed = match back {
            Stage::Failed => self.store.run(move |store| store.why_failed(id)).await?,
            _ => None,
        };
        let why = failed.as_deref().unwrap_or(why);
        self.set_stage(id, back, why).await
    }

    /// Moves a release to a stage, and writes down why.
    pub(super) async fn set_stage(
        &mut self,
        id: ReleaseId,
        stage: Stage,
        why: &str,
    ) -> Result<(), StoreError> {
        let (why, now) = (why.to_owned(), Timestamp::now());
        tracing::info!(release = %id, %stage, why);
        let moved = self
            .store
            .run(move |store| store.set_stage(id, stage, &why, now));
        moved.await.map(|_| ())
    }
}
