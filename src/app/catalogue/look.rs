//! One look at a source: which of its entries are not as they were.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::base::junk::left_out;
use crate::base::{Content, ContentFile, ReleaseId, Stage, Timestamp, identity};
use crate::intake::folder;
use crate::metainfo::{self, Listing, ListingError};
use crate::store::{Release, Source, Store};

mod sample;

/// A hash of each release's files, names and identities, as they were when the database was asked whether they are
/// those that were listed: as long as the hash stays, the database need not be read again. Eight bytes for a release,
/// where its files could be a thousand paths.
#[derive(Debug, Clone, Default)]
pub(in crate::app) struct Seen(HashMap<ReleaseId, u64>);

impl Seen {
    /// Whether these are the files that were seen last.
    fn is_as_seen(&self, id: ReleaseId, content: &Content) -> bool {
        self.0.get(&id) == Some(&self.hash(content))
    }

    /// These files are those that the database has.
    pub fn see(&mut self, id: ReleaseId, content: &Content) {
        let files = self.hash(content);
        self.0.insert(id, files);
    }

    // Each map hashes by secrets of its own: nobody makes up files that are taken for others.
    fn hash(&self, content: &Content) -> u64 {
        self.0.hasher().hash_one(&content.files)
    }
}

/// One entry of a source, listed.
type Entry = (OsString, Result<Listing, ListingError>);

/// What is in a source.
#[derive(Debug, Default)]
pub(in crate::app) struct Found {
    /// The number of the file system it is on.
    pub device: u64,
    pub names: HashSet<OsString>,
    /// The releases whose files are here under another name.
    pub renamed: Vec<(ReleaseId, OsString, Content)>,
    /// The entries that are not as they were, or that something is to be done with.
    pub entries: Vec<Entry>,
    /// The releases that look as they did before they went away, and are not: a sample of their bytes differs.
    pub spoiled: HashSet<ReleaseId>,
    /// Those whose sample could not be read, and why.
    pub unreadable: HashMap<ReleaseId, String>,
    /// Whether all others have been left alone for a while.
    pub settled: bool,
    pub seen: Seen,
}

/// Whether these are the files that were listed, in the state they were in.
pub(super) fn is_same_content(stored: &Content, now: &Content) -> bool {
    // The path as it is now: the file is there.
    let same = |(then, file): (&ContentFile, &ContentFile)| {
        let identity = match (&then.identity, &file.identity) {
            (Some(a), Some(b)) => identity::is_same(a, b, &now.absolute(file)),
            (a, b) => a == b,
        };
        then.path == file.path && then.length == file.length && identity
    };
    stored.files.len() == now.files.len() && stored.files.iter().zip(&now.files).all(same)
}

/// One look at a source, all on one blocking thread: there may be thousands of entries, and mostly nothing is new; and a
/// drive may hang.
pub(in crate::app) struct Look {
    pub store: Store,
    pub source: Source,
    pub quiet: Duration,
    /// As the last look left it.
    pub seen: Seen,
}

impl Look {
    /// Lists every entry that is not junk.
    pub fn look(mut self) -> Result<Found, String> {
        let path = self.source.path.clone();
        let names = folder::candidates(&path).map_err(|error| error.to_string())?;
        let device = std::fs::metadata(&path).map_err(|error| error.to_string())?;
        let known = self.store.releases_of(self.source.id);
        let known = known.map_err(|error| error.to_string())?;
        let known: HashMap<&OsStr, &Release> =
            known.iter().map(|r| (r.name.as_os_str(), r)).collect();
        let at_rest = known.values().filter(|release| is_at_rest(release));
        let at_rest: HashSet<ReleaseId> = at_rest.map(|release| release.id).collect();
        self.seen.0.retain(|id, _| at_rest.contains(id));
        let mut found = Found {
            device: device.dev(),
            settled: true,
            ..Found::default()
        };
        let wanted = names.into_iter().filter(|name| left_out(name).is_none());
        for name in wanted {
            let release = known.get(name.as_os_str()).copied();
            found.names.insert(name.clone());
            if release.is_some_and(|release| self.is_no_more_wanted(release)) {
                continue;
            }
            let listing = metainfo::list(&path.join(&name));
            match &listing {
                Ok(listing) if self.is_unchanged(release, &listing.content) => {
                    let (quiet, now) = (self.quiet, Timestamp::now());
                    found.settled &= is_left_alone(&self.source, &listing.content, quiet, now);
                }
                _ => found.entries.push((name, listing)),
            }
        }
        self.find_renamed(&known, &mut found);
        sample::compare(&self.store, &known, &mut found);
        found.seen = self.seen;
        Ok(found)
    }

    /// Whether its owner removed it, and it stays removed however often it is found.
    fn is_no_more_wanted(&self, release: &Release) -> bool {
        release.removed.is_some() && !self.source.is_for_uploads()
    }

    fn is_unchanged(&mut self, release: Option<&Release>, content: &Content) -> bool {
        let Some(release) = release.filter(|release| is_at_rest(release)) else {
            return false;
        };
        if self.seen.is_as_seen(release.id, content) {
            return true;
        }
        // What cannot be read is looked at once more, and then its error is said.
        let stored = self.store.content(release.id);
        let unchanged = stored.is_ok_and(|stored| is_same_content(&stored, content));
        if unchanged {
            self.seen.see(release.id, content);
        } else {
            self.seen.0.remove(&release.id);
        }
        unchanged
    }

    /// Tells new entries from releases that have another name now. Only their files' sizes, times and numbers are
    /// compared: that is cheap, and who changed them as well has another release. Nothing is guessed: of two that could
    /// be it, none is.
    fn find_renamed(&self, known: &HashMap<&OsStr, &Release>, found: &mut Found) {
        let is_lost =
            |release: &&&Release| release.removed.is_none() && !found.names.contains(&release.name);
        let mut lost: HashMap<(u64, u64), Vec<&Release>> = HashMap::new();
        for release in known.values().filter(is_lost) {
            let alike = lost.entry((release.size, release.files)).or_default();
            alike.push(release);
        }
        if lost.is_empty() {
            return;
        }
        for (name, listing) in &found.entries {
            let Ok(Listing { content, .. }) = listing else {
                continue;
            };
            if known.contains_key(name.as_os_str()) {
                continue;
            }
            let files = content.files.iter().filter(|file| file.identity.is_some());
            let Some(alike) = lost.get_mut(&(content.total(), files.count() as u64)) else {
                continue;
            };
            let is_it = |release: &&Release| {
                let stored = self.store.content(release.id);
                stored.is_ok_and(|stored| is_same_content(&stored, content))
            };
            let candidates: Vec<&Release> = alike.iter().copied().filter(is_it).collect();
            if let [release] = candidates[..] {
                alike.retain(|other| other.id != release.id);
                let renamed = (release.id, name.clone(), content.clone());
                found.renamed.push(renamed);
            }
        }
    }
}

/// A release that a look at its source has nothing to do with as long as its files are what they were.
fn is_at_rest(release: &Release) -> bool {
    release.removed.is_none() && !matches!(release.stage, Stage::Found | Stage::Absent)
}

/// Whether nothing is being copied here: uploads come whole, and what is not shared by itself need not be waited for.
pub(super) fn is_left_alone(
    source: &Source,
    content: &Content,
    quiet: Duration,
    now: Timestamp,
) -> bool {
    let quiet = || is_quiet(content, quiet, now);
    source.is_for_uploads() || !source.auto_share || quiet()
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
    use crate::store::NewSource;

    /// A source with a file and a folder in it, both at rest.
    struct Bench {
        store: Store,
        source: Source,
        seen: Seen,
        dir: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path();
            std::fs::write(path.join("film"), b"film").unwrap();
            std::fs::create_dir(path.join("album")).unwrap();
            std::fs::write(path.join("album/song"), b"song").unwrap();
            let (store, now) = (Store::in_memory().unwrap(), Timestamp(1));
            let kind = crate::store::SourceKind::Folder;
            let source = store.take_up_source(
                &NewSource {
                    kind,
                    key: path.as_os_str(),
                    name: "media",
                    path,
                    auto_share: true,
                    facts: None,
                },
                now,
            );
            let mut bench = Self {
                store,
                source: source.unwrap(),
                seen: Seen::default(),
                dir,
            };
            let found = bench.look();
            assert_eq!(names(&found), ["album", "film"], "all is new");
            bench.take_up(found);
            bench
        }

        fn look(&mut self) -> Found {
            let look = Look {
                store: self.store.clone(),
                source: self.source.clone(),
                quiet: Duration::ZERO,
                seen: std::mem::take(&mut self.seen),
            };
            let found = look.look().unwrap();
            self.seen.clone_from(&found.seen);
            found
        }

        /// Does what is done with what a look found.
        fn take_up(&mut self, found: Found) {
            let now = Timestamp(1);
            for (name, listing) in found.entries {
                let content = listing.unwrap().content;
                let release = self.store.found(self.source.id, &name, &content, now);
                let id = release.unwrap().id;
                self.store.replace_content(id, &content, "", now).unwrap();
                self.move_to(id, Stage::Hashing);
            }
        }

        fn move_to(&self, id: ReleaseId, stage: Stage) {
            self.store.set_stage(id, stage, "", Timestamp(1)).unwrap();
        }

        fn id_of(&self, name: &str) -> ReleaseId {
            let known = self.store.releases().unwrap();
            known.iter().find(|r| r.name == name).unwrap().id
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.dir.path().join(name)
        }
    }

    /// The entries that something is to be done with.
    fn names(found: &Found) -> Vec<&str> {
        let names = found.entries.iter().map(|(name, _)| name.to_str().unwrap());
        names.collect()
    }

    #[test]
    fn what_was_seen_is_not_asked_of_the_database_again() {
        let mut bench = Bench::new();
        assert_eq!(names(&bench.look()), [""; 0]);
        let id = bench.id_of("film");
        // Were it asked again, it would say that these are other files.
        let other = Content {
            root: bench.path("film"),
            files: Vec::new(),
        };
        bench
            .store
            .replace_content(id, &other, "", Timestamp(1))
            .unwrap();
        bench.move_to(id, Stage::Hashing);
        let found = bench.look();
        assert_eq!(names(&found), [""; 0]);
        assert_eq!(found.names.len(), 2, "it is there all the same");
        // What is being worked on is asked for anew when it comes to rest.
        bench.move_to(id, Stage::Found);
        assert_eq!(names(&bench.look()), ["film"]);
        bench.move_to(id, Stage::Hashing);
        assert_eq!(names(&bench.look()), ["film"]);
    }

    #[test]
    fn another_name_is_no_other_release() {
        let mut bench = Bench::new();
        let (film, album) = (bench.id_of("film"), bench.id_of("album"));
        std::fs::rename(bench.path("film"), bench.path("The Film")).unwrap();
        std::fs::rename(bench.path("album"), bench.path("The Album")).unwrap();
        std::fs::write(bench.path("fond"), b"film").unwrap();
        let found = bench.look();
        let renamed: HashSet<_> = found
            .renamed
            .iter()
            .map(|(id, name, _)| (*id, name.to_str().unwrap()))
            .collect();
        assert_eq!(
            renamed,
            HashSet::from([(film, "The Film"), (album, "The Album")])
        );

        // Two that could be it: none is.
        std::fs::remove_file(bench.path("fond")).unwrap();
        std::fs::hard_link(bench.path("The Film"), bench.path("Another")).unwrap();
        let found = bench.look();
        assert_eq!(
            found.renamed.len(),
            2,
            "the first of them is as good as the other"
        );
        std::fs::write(bench.path("The Album/song"), b"gnos").unwrap();
        let newer = std::time::SystemTime::now() + Duration::from_secs(9);
        let song = std::fs::File::options()
            .write(true)
            .open(bench.path("The Album/song"))
            .unwrap();
        song.set_modified(newer).unwrap();
        let found = bench.look();
        assert!(
            found.renamed.iter().all(|(id, ..)| *id != album),
            "it was written to"
        );
    }

    #[test]
    fn what_changes_back_has_changed() {
        let mut bench = Bench::new();
        assert_eq!(names(&bench.look()), [""; 0]);
        let path = bench.path("film");
        let set = |time| {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(time).unwrap();
        };
        let then = std::fs::metadata(&path).unwrap().modified().unwrap();
        set(then - Duration::from_secs(3600));
        let found = bench.look();
        assert_eq!(names(&found), ["film"]);
        bench.take_up(found);
        set(then);
        assert_eq!(names(&bench.look()), ["film"]);
    }

    #[test]
    fn whatever_changed_is_seen_by_the_next_look() {
        let mut bench = Bench::new();
        let film = |bench: &Bench| {
            std::fs::File::options()
                .write(true)
                .open(bench.path("film"))
        };
        let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        type Change<'a> = &'a dyn Fn(&Bench);
        let changes: [(&str, Change, &[&str]); 6] = [
            (
                "a file is longer",
                &|bench| std::fs::write(bench.path("film"), b"longer").unwrap(),
                &["film"],
            ),
            (
                "a file has another time and nothing else",
                &|bench| film(bench).unwrap().set_modified(hour_ago).unwrap(),
                &["film"],
            ),
            (
                "a file was put in the place of one of the same length and time",
                &|bench| {
                    let other = bench.path(".other");
                    std::fs::write(&other, b"LONGER").unwrap();
                    std::fs::rename(other, bench.path("film")).unwrap();
                    film(bench).unwrap().set_modified(hour_ago).unwrap();
                },
                &["film"],
            ),
            (
                "a file is new in a folder that is known",
                &|bench| std::fs::write(bench.path("album/more"), b"more").unwrap(),
                &["album"],
            ),
            (
                "a file in a folder has another name",
                &|bench| {
                    std::fs::rename(bench.path("album/more"), bench.path("album/last")).unwrap();
                },
                &["album"],
            ),
            (
                "a file is new",
                &|bench| std::fs::write(bench.path("book"), b"book").unwrap(),
                &["book"],
            ),
        ];
        for (what, change, expected) in changes {
            assert_eq!(names(&bench.look()), [""; 0], "before {what}");
            change(&bench);
            let found = bench.look();
            assert_eq!(names(&found), expected, "{what}");
            bench.take_up(found);
        }
        std::fs::remove_file(bench.path("film")).unwrap();
        let found = bench.look();
        assert_eq!((names(&found), found.names.len()), (vec![], 2));
        assert!(!found.names.contains(OsStr::new("film")), "it is gone");
        bench.move_to(bench.id_of("film"), Stage::Absent);
        bench.look();
        assert_eq!(bench.seen.0.len(), 2, "and forgotten");
    }

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
