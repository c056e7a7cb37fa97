//! What the owner asks for.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::seeding::TWICE;
use super::sources::{At, NO_SOURCE, Presence};
use super::{App, Ending, Order, OrderError};
use crate::base::{ReleaseId, Stage, Timestamp, whole};
use crate::device::reset::{self, Uploaded};
use crate::intake::drives::Drives;
use crate::store::{Release, Store, StoreError};

/// How long files may take to be deleted before their owner is told that they are still being deleted. Everything else waits
/// for it, so it is well below the time that the box may be silent for ([`crate::device::pulse`]).
const DELETE: Duration = Duration::from_secs(20);

impl From<StoreError> for OrderError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchRelease(id) => OrderError::NoSuchRelease(id),
            StoreError::NoSuchSource(id) => OrderError::NoSuchSource(id),
            other => OrderError::Store(other.to_string()),
        }
    }
}

impl App {
    pub(super) async fn obey(&mut self, order: Order) -> Result<(), OrderError> {
        match order {
            Order::Share(id) => self.share(id).await,
            Order::Pause(id) => self.pause(id).await,
            Order::Resume(id) => self.resume(id).await,
            Order::Remove(id) => self.remove(id).await,
            Order::Rescan => {
                self.drives.iter().for_each(Drives::look_again);
                self.look_again_at_all();
                Ok(())
            }
            Order::ReloadSettings => self.reload_settings().await,
            Order::Restart => {
                self.ending = Some(Ending::Restart);
                Ok(())
            }
            Order::Reset { keep_uploads } => self.reset(keep_uploads).await,
            Order::ReloadSources => self.reload_sources().await,
            Order::ReloadShares => {
                self.shares.reload().await;
                Ok(())
            }
            Order::TryShare(id) => {
                self.shares.try_now(id).await;
                Ok(())
            }
            Order::Forget(id) => self.forget(id).await,
            Order::LetGo { id, why } => self.let_go(id, why).await,
        }
    }

    /// Leaves the order for the next start, and ends.
    async fn reset(&mut self, keep_uploads: bool) -> Result<(), OrderError> {
        let data = self.config.state.clone();
        let uploaded = if keep_uploads {
            Uploaded::Kept
        } else {
            Uploaded::Deleted
        };
        let ordered = tokio::task::spawn_blocking(move || reset::order(&data, uploaded)).await;
        ordered
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(OrderError::Reset)?;
        tracing::warn!("the owner ordered a factory reset");
        self.ending = Some(Ending::Restart);
        Ok(())
    }

    async fn release(&self, id: ReleaseId) -> Result<Release, OrderError> {
        let release = self.store.run(move |store| store.release(id)).await?;
        match release.removed {
            Some(_) => Err(OrderError::NoSuchRelease(id)),
            None => Ok(release),
        }
    }

    async fn share(&mut self, id: ReleaseId) -> Result<(), OrderError> {
        let release = self.release(id).await?;
        match release.stage {
            Stage::Found | Stage::Failed => {
                self.forget_doubt(id);
                Ok(self
                    .set_stage(id, Stage::Hashing, "shared by its owner")
                    .await?)
            }
            Stage::Absent => Err(wrong_stage(&release, "it is not here")),
            _ => Err(wrong_stage(&release, "it is shared already")),
        }
    }

    async fn pause(&mut self, id: ReleaseId) -> Result<(), OrderError> {
        let release = self.release(id).await?;
        // One that stands aside for another may be paused for good.
        if release.stage == Stage::Paused && release.reason != TWICE {
            return Err(wrong_stage(&release, "it is paused already"));
        }
        self.stop_seeding(id).await;
        self.stop_hashing(id);
        self.forget_doubt(id);
        Ok(self
            .set_stage(id, Stage::Paused, "paused by its owner")
            .await?)
    }

    async fn resume(&mut self, id: ReleaseId) -> Result<(), OrderError> {
        let release = self.release(id).await?;
        if release.stage != Stage::Paused {
            return Err(wrong_stage(&release, "it is not paused"));
        }
        Ok(self.go_on(&release, "resumed by its owner").await?)
    }

    /// Takes up again what was paused. While its source is away, it is away with it, and goes on when that is back.
    pub(super) async fn go_on(&mut self, release: &Release, why: &str) -> Result<(), StoreError> {
        let away = match self.sources.get_mut(&release.source) {
            Some(at) => {
                at.look_again(Instant::now());
                at.problem().map(str::to_owned)
            }
            None => Some(NO_SOURCE.to_owned()),
        };
        match away {
            Some(why) => self.set_stage(release.id, Stage::Absent, &why).await,
            None => self.comes_back(release, why).await,
        }
    }

    async fn remove(&mut self, id: ReleaseId) -> Result<(), OrderError> {
        let release = self.release(id).await?;
        let at = self.sources.get(&release.source);
        let uploaded = at.filter(|at| at.source.is_for_uploads());
        // What is not deleted would be found again when it is back, and be shared again.
        let is_away = |at: &At| !matches!(at.presence, Presence::Unseen | Presence::Here { .. });
        if uploaded.is_some_and(is_away) {
            return Err(wrong_stage(
                &release,
                "its files are on a drive that is not here, and are to be deleted",
            ));
        }
        let path = uploaded.map(|at| at.source.path.join(&release.name));
        self.stop_seeding(id).await;
        self.stop_hashing(id);
        self.forget_doubt(id);
        if let Some(path) = path {
            // A disk that hangs goes on with it when it can.
            let deleting = tokio::task::spawn_blocking(move || delete(&path));
            let Ok(ended) = timeout(DELETE, deleting).await else {
                return Err(wrong_stage(
                    &release,
                    "its files are still being deleted; try again in a while",
                ));
            };
            let deleted = ended.unwrap_or_else(|error| Err(io::Error::other(error)));
            if let Err(error) = deleted {
                return Err(wrong_stage(
                    &release,
                    &format!("its files cannot be deleted: {error}"),
                ));
            }
        }
        let remove = move |store: &Store| store.remove(id, Timestamp::now());
        Ok(self.store.run(remove).await?)
    }

    async fn reload_sources(&mut self) -> Result<(), OrderError> {
        for source in self.store.run(Store::sources).await? {
            if let Some(at) = self.sources.get_mut(&source.id) {
                at.source.auto_share = source.auto_share;
            }
        }
        // What was found and left may be wanted now.
        self.look_again_at_all();
        Ok(())
    }

    fn look_again_at_all(&mut self) {
        let now = Instant::now();
        self.sources.values_mut().for_each(|at| at.look_again(now));
    }

    pub(super) async fn reload_settings(&mut self) -> Result<(), OrderError> {
        let before = self.settings.clone();
        let read = |store: &Store| Ok((store.settings()?, store.all_release_settings()?));
        let (settings, own) = self.store.run(read).await?;
        self.settings = settings;
        self.uploads.choose(self.settings.uploads_to.clone());
        for (id, live) in &self.live {
            let generous = own.get(id).and_then(|own| own.generous);
            if self.limits.own(*id).generous != generous {
                self.engine.set_generous_of(live.info_hash, generous).await;
            }
        }
        self.limits.set(&self.settings, own);
        // What was decided by the old rule is decided again.
        self.live
            .values_mut()
            .for_each(|live| live.undecided = true);
        self.limit().await?;
        if self.settings.guard != before.guard {
            self.engine.set_guard(self.settings.guard).await;
        }
        if self.settings.generous != before.generous {
            self.engine.set_generous(self.settings.generous).await;
        }
        self.forward_public_port();
        if self.settings.trackers != before.trackers {
            for live in self.live.values() {
                self.announcer.add(self.subject(live.info_hash));
            }
        }
        Ok(())
    }
}

fn wrong_stage(release: &Release, why: &str) -> OrderError {
    OrderError::WrongStage {
        id: release.id,
        why: why.to_owned(),
    }
}

/// Deletes an uploaded file or folder; one that is gone is deleted. It is on the disk before the database says so: what came
/// back after a power cut would be taken for another upload.
fn delete(path: &Path) -> io::Result<()> {
    let deleted = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match deleted {
        Ok(()) => whole::sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
