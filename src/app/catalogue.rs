//! From sources to releases: what is there, what is new, what changed, what is gone.

use std::ffi::{OsStr, OsString};

use super::App;
use crate::base::{Content, ReleaseId, Stage, Timestamp};
use crate::metainfo::{Listing, ListingError};
use crate::store::{NewSource, Release, Source, SourceKind, Store, StoreError};

mod look;

use look::{Found, Look, Seen, is_left_alone, is_same_content};

/// What the last look at a source found.
#[derive(Debug)]
pub(super) struct Looked {
    pub source: Source,
    /// Why it could not be looked at, in plain words.
    pub problem: Option<String>,
    /// The releases whose files were found as the database has them.
    seen: Seen,
}

impl App {
    /// Writes down which sources there are.
    pub(super) async fn take_up_sources(&mut self) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let uploads = self.uploads.root().to_owned();
        let folders = self.config.sources.clone();
        let sources = self
            .store
            .run(move |store| {
                let kind = SourceKind::Uploads;
                let key = OsStr::new("uploads");
                let mut sources = vec![store.take_up_source(
                    &NewSource {
                        kind,
                        key,
                        name: "Uploads",
                        path: &uploads,
                        auto_share: true,
                        facts: None,
                    },
                    now,
                )?];
                for path in folders {
                    let path = std::fs::canonicalize(&path).unwrap_or(path);
                    let name = path.display().to_string();
                    let kind = SourceKind::Folder;
                    sources.push(store.take_up_source(
                        &NewSource {
                            kind,
                            key: path.as_os_str(),
                            name: &name,
                            path: &path,
                            auto_share: true,
                            facts: None,
                        },
                        now,
                    )?);
                }
                Ok(sources)
            })
            .await?;
        for source in sources {
            let looked = Looked {
                source,
                problem: None,
                seen: Seen::default(),
            };
            self.sources.insert(looked.source.id, looked);
        }
        Ok(())
    }

    /// Looks at every source and brings the catalogue up to date; false while something is still being copied.
    pub(super) async fn look_at_sources(&mut self) -> Result<bool, StoreError> {
        let mut settled = true;
        let releases = self.store.run(Store::releases).await?;
        let sources: Vec<Source> = self.sources.values().map(|l| l.source.clone()).collect();
        for source in sources {
            let known = releases.iter().filter(|r| r.source == source.id);
            let seen = self.sources.get_mut(&source.id).map(|l| &mut l.seen);
            let look = Look {
                store: self.store.clone(),
                source: source.clone(),
                at_rest: known.clone().filter_map(at_rest).collect(),
                quiet: self.config.quiet,
                seen: seen.map(std::mem::take).unwrap_or_default(),
            };
            let looked = tokio::task::spawn_blocking(move || look.look()).await;
            let looked = looked.unwrap_or_else(|error| Err(error.to_string()));
            match looked {
                Ok(mut found) => {
                    self.set_problem(&source, None);
                    if let Some(looked) = self.sources.get_mut(&source.id) {
                        looked.seen = std::mem::take(&mut found.seen);
                    }
                    settled &= self.compare(&source, found, known).await?;
                }
                Err(why) => {
                    for release in known {
                        self.went_away(release, &why).await?;
                    }
                    self.set_problem(&source, Some(why));
                }
            }
        }
        let unknown = releases
            .iter()
            .filter(|r| !self.sources.contains_key(&r.source));
        for release in unknown.cloned().collect::<Vec<_>>() {
            self.went_away(&release, "its folder is not among the box's sources")
                .await?;
        }
        Ok(settled)
    }

    fn set_problem(&mut self, source: &Source, problem: Option<String>) {
        if let Some(looked) = self.sources.get_mut(&source.id) {
            if let Some(why) = problem
                .as_ref()
                .filter(|why| Some(*why) != looked.problem.as_ref())
            {
                tracing::warn!(source = %source.name, %why, "a source is not here");
            }
            looked.problem = problem;
        }
    }

    async fn compare<'a>(
        &mut self,
        source: &Source,
        found: Found,
        known: impl Iterator<Item = &'a Release>,
    ) -> Result<bool, StoreError> {
        let mut settled = found.settled;
        for release in known {
            if !found.names.contains(&release.name) {
                self.went_away(release, "it is not in its folder any more")
                    .await?;
            }
        }
        for (name, listing) in found.entries {
            match listing {
                Ok(listing) => settled &= self.present(source, name, listing).await?,
                // Nothing in it to share, or not yet: a folder being filled is no failure.
                Err(ListingError::Empty { .. }) => {}
                Err(error) => tracing::warn!(source = %source.name, %error, "left out"),
            }
        }
        Ok(settled)
    }

    /// An entry is there: new, as it was, changed, or back. False when it is still being copied.
    async fn present(
        &mut self,
        source: &Source,
        name: OsString,
        listing: Listing,
    ) -> Result<bool, StoreError> {
        let (now, id) = (Timestamp::now(), source.id);
        let content = listing.content;
        let fresh = content.clone();
        let (release, stored) = self
            .store
            .run(move |store| {
                let release = store.found(id, &name, &fresh, now)?;
                let stored = match release.removed {
                    Some(_) => None,
                    None => Some(store.content(release.id)?),
                };
                Ok((release, stored))
            })
            .await?;
        let Some(stored) = stored else {
            return Ok(true);
        };
        if !is_same_content(&stored, &content) {
            self.changed(&release, content).await?;
            return Ok(false);
        }
        if let Some(looked) = self.sources.get_mut(&id) {
            looked.seen.see(release.id, &content);
        }
        if release.stage == Stage::Absent {
            // It is opened anew, where it is now.
            self.stop_seeding(release.id).await;
            let back = release.resume_stage.unwrap_or(Stage::Found);
            self.set_stage(release.id, back, "it is here again").await?;
        }
        let quiet = is_left_alone(source, &content, self.config.quiet, now);
        if release.stage == Stage::Found && source.auto_share && quiet {
            self.set_stage(release.id, Stage::Hashing, "waiting to be read")
                .await?;
        }
        Ok(quiet)
    }

    /// The files are not those that were listed before: what was made of them is of no use.
    async fn changed(&mut self, release: &Release, content: Content) -> Result<(), StoreError> {
        self.stop_seeding(release.id).await;
        self.queue.cancel(release.id);
        let (id, now) = (release.id, Timestamp::now());
        let why = match release.stage {
            Stage::Found => "its files are still changing",
            _ => "its files changed; they are read again",
        };
        let replace = move |store: &Store| store.replace_content(id, &content, why, now);
        self.store.run(replace).await
    }

    async fn went_away(&mut self, release: &Release, why: &str) -> Result<(), StoreError> {
        self.queue.cancel(release.id);
        match release.stage {
            Stage::Absent | Stage::Paused => Ok(()),
            _ => self.goes_away(release.id, why).await,
        }
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

/// A release that a look at its source has nothing to do with as long as its files are what they were.
fn at_rest(release: &Release) -> Option<(OsString, ReleaseId)> {
    let moves_on = matches!(release.stage, Stage::Found | Stage::Absent);
    (!moves_on).then(|| (release.name.clone(), release.id))
}
