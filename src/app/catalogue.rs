//! From sources to releases: what is there, what is new, what changed, what is gone.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use super::App;
use crate::base::{Content, ContentFile, ReleaseId, Stage, Timestamp, identity};
use crate::intake::folder;
use crate::metainfo::{self, Listing, ListingError};
use crate::store::{Release, Source, SourceKind, Store, StoreError};

/// What the last look at a source found.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    pub source: Source,
    /// Why it could not be looked at, in plain words.
    pub problem: Option<String>,
}

/// One entry of a source, listed.
type Entry = (OsString, Result<Listing, ListingError>);

/// What is in a source.
#[derive(Debug)]
struct Found {
    names: HashSet<OsString>,
    /// The entries that are not as they were, or that something is to be done with.
    entries: Vec<Entry>,
    /// Whether all others have been left alone for a while.
    settled: bool,
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
                let mut sources =
                    vec![store.upsert_source(kind, key, "Uploads", &uploads, true, now)?];
                for path in folders {
                    let path = std::fs::canonicalize(&path).unwrap_or(path);
                    let name = path.display().to_string();
                    let kind = SourceKind::Folder;
                    sources.push(store.upsert_source(
                        kind,
                        path.as_os_str(),
                        &name,
                        &path,
                        true,
                        now,
                    )?);
                }
                Ok(sources)
            })
            .await?;
        for source in sources {
            let problem = None;
            self.sources.insert(source.id, Looked { source, problem });
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
            let look = Look {
                store: self.store.clone(),
                source: source.clone(),
                at_rest: known.clone().filter_map(at_rest).collect(),
                quiet: self.config.quiet,
            };
            let looked = tokio::task::spawn_blocking(move || look.look()).await;
            let looked = looked.unwrap_or_else(|error| Err(error.to_string()));
            match looked {
                Ok(found) => {
                    self.set_problem(&source, None);
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
        if release.stage == Stage::Absent {
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
        self.stop_seeding(release.id).await;
        self.queue.cancel(release.id);
        match release.stage {
            Stage::Absent | Stage::Paused => Ok(()),
            _ => self.set_stage(release.id, Stage::Absent, why).await,
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

/// Whether these are the files that were listed, in the state they were in.
fn is_same_content(stored: &Content, now: &Content) -> bool {
    let same = |(then, now): (&ContentFile, &ContentFile)| {
        let identity = match (&then.identity, &now.identity) {
            (Some(a), Some(b)) => identity::is_same(a, b, &stored.absolute(then)),
            (a, b) => a == b,
        };
        then.path == now.path && then.length == now.length && identity
    };
    stored.files.len() == now.files.len() && stored.files.iter().zip(&now.files).all(same)
}

/// A release that a look at its source has nothing to do with as long as its files are what they were.
fn at_rest(release: &Release) -> Option<(OsString, ReleaseId)> {
    let moves_on = matches!(release.stage, Stage::Found | Stage::Absent);
    (!moves_on).then(|| (release.name.clone(), release.id))
}

/// One look at a source, all on one blocking thread: there may be thousands of entries, and mostly nothing is new.
struct Look {
    store: Store,
    source: Source,
    at_rest: HashMap<OsString, ReleaseId>,
    quiet: Duration,
}

impl Look {
    /// Lists every entry that is not junk.
    fn look(self) -> Result<Found, String> {
        let path = &self.source.path;
        let names = folder::candidates(path).map_err(|error| error.to_string())?;
        let mut found = Found {
            names: HashSet::new(),
            entries: Vec::new(),
            settled: true,
        };
        let wanted = names
            .into_iter()
            .filter(|name| metainfo::left_out(name).is_none());
        for name in wanted {
            let listing = metainfo::list(&path.join(&name));
            found.names.insert(name.clone());
            match &listing {
                Ok(listing) if self.is_unchanged(&name, &listing.content) => {
                    let (quiet, now) = (self.quiet, Timestamp::now());
                    found.settled &= is_left_alone(&self.source, &listing.content, quiet, now);
                }
                _ => found.entries.push((name, listing)),
            }
        }
        Ok(found)
    }

    fn is_unchanged(&self, name: &OsStr, content: &Content) -> bool {
        let stored = self.at_rest.get(name).map(|id| self.store.content(*id));
        // What cannot be read is looked at once more, and then its error is said.
        stored.is_some_and(|stored| stored.is_ok_and(|stored| is_same_content(&stored, content)))
    }
}

/// Whether nothing is being copied here: uploads come whole, and what is not shared by itself need not be waited for.
fn is_left_alone(source: &Source, content: &Content, quiet: Duration, now: Timestamp) -> bool {
    let quiet = || is_quiet(content, quiet, now);
    source.kind == SourceKind::Uploads || !source.auto_share || quiet()
}

/// Whether nothing was written to it for a while. A time in the future says nothing, and does not hold it up.
fn is_quiet(content: &Content, quiet: Duration, now: Timestamp) -> bool {
    let newest = content
        .files
        .iter()
        .filter_map(|file| file.identity)
        .map(|i| i.mtime_ns);
    let newest = newest.max().unwrap_or(0) / 1_000_000_000;
    let age = now.0.saturating_sub(newest);
    age < 0 || age as u64 >= quiet.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::FileIdentity;

    #[test]
    fn a_folder_written_to_a_moment_ago_is_left_alone() {
        let at = |seconds: i64| Content {
            root: "/x".into(),
            files: vec![ContentFile {
                path: "a".into(),
                length: 1,
                identity: Some(FileIdentity {
                    size: 1,
                    mtime_ns: seconds * 1_000_000_000,
                    inode: 1,
                }),
            }],
        };
        let (quiet, now) = (Duration::from_secs(10), Timestamp(1_000_000));
        assert!(!is_quiet(&at(999_995), quiet, now));
        assert!(is_quiet(&at(999_990), quiet, now));
        assert!(
            is_quiet(&at(2_000_000), quiet, now),
            "a camera with a wrong clock"
        );
    }
}
