//! One look at a source: which of its entries are not as they were.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher;
use std::time::Duration;

use crate::base::{Content, ContentFile, ReleaseId, Timestamp, identity};
use crate::intake::folder;
use crate::metainfo::{self, Listing, ListingError};
use crate::store::{Source, SourceKind, Store};

/// A hash of each release's files, names and identities, as they were when the database was asked whether they are
/// those that were listed: as long as the hash stays, the database need not be read again. Eight bytes for a release,
/// where its files could be a thousand paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(HashMap<ReleaseId, u64>);

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
#[derive(Debug)]
pub(super) struct Found {
    pub names: HashSet<OsString>,
    /// The entries that are not as they were, or that something is to be done with.
    pub entries: Vec<Entry>,
    /// Whether all others have been left alone for a while.
    pub settled: bool,
    pub seen: Seen,
}

/// Whether these are the files that were listed, in the state they were in.
pub(super) fn is_same_content(stored: &Content, now: &Content) -> bool {
    let same = |(then, now): (&ContentFile, &ContentFile)| {
        let identity = match (&then.identity, &now.identity) {
            (Some(a), Some(b)) => identity::is_same(a, b, &stored.absolute(then)),
            (a, b) => a == b,
        };
        then.path == now.path && then.length == now.length && identity
    };
    stored.files.len() == now.files.len() && stored.files.iter().zip(&now.files).all(same)
}

/// One look at a source, all on one blocking thread: there may be thousands of entries, and mostly nothing is new.
pub(super) struct Look {
    pub store: Store,
    pub source: Source,
    /// The releases that there is nothing to do with as long as their files are what they were.
    pub at_rest: HashMap<OsString, ReleaseId>,
    pub quiet: Duration,
    /// As the last look left it.
    pub seen: Seen,
}

impl Look {
    /// Lists every entry that is not junk.
    pub fn look(mut self) -> Result<Found, String> {
        let path = self.source.path.clone();
        let names = folder::candidates(&path).map_err(|error| error.to_string())?;
        let at_rest: HashSet<ReleaseId> = self.at_rest.values().copied().collect();
        self.seen.0.retain(|id, _| at_rest.contains(id));
        let mut found = Found {
            names: HashSet::new(),
            entries: Vec::new(),
            settled: true,
            seen: Seen::default(),
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
        found.seen = self.seen;
        Ok(found)
    }

    fn is_unchanged(&mut self, name: &OsStr, content: &Content) -> bool {
        let Some(id) = self.at_rest.get(name) else {
            return false;
        };
        if self.seen.is_as_seen(*id, content) {
            return true;
        }
        // What cannot be read is looked at once more, and then its error is said.
        let stored = self.store.content(*id);
        let unchanged = stored.is_ok_and(|stored| is_same_content(&stored, content));
        if unchanged {
            self.seen.see(*id, content);
        } else {
            self.seen.0.remove(id);
        }
        unchanged
    }
}

/// Whether nothing is being copied here: uploads come whole, and what is not shared by itself need not be waited for.
pub(super) fn is_left_alone(
    source: &Source,
    content: &Content,
    quiet: Duration,
    now: Timestamp,
) -> bool {
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
    use crate::store::NewSource;

    /// A source with a file and a folder in it, both at rest.
    struct Bench {
        store: Store,
        source: Source,
        at_rest: HashMap<OsString, ReleaseId>,
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
            let kind = SourceKind::Folder;
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
                at_rest: HashMap::new(),
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
                at_rest: self.at_rest.clone(),
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
                self.at_rest.insert(name, id);
            }
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
        // Another database would know none of it.
        let elsewhere = Store::in_memory().unwrap();
        let store = std::mem::replace(&mut bench.store, elsewhere);
        let found = bench.look();
        assert_eq!(names(&found), [""; 0]);
        assert_eq!(found.names.len(), 2, "it is there all the same");
        // What is being worked on is asked for anew when it comes to rest.
        let id = bench.at_rest.remove(OsStr::new("film"));
        assert_eq!(names(&bench.look()), ["film"]);
        bench.at_rest.insert("film".into(), id.unwrap());
        assert_eq!(names(&bench.look()), ["film"]);
        bench.store = store;
        assert_eq!(names(&bench.look()), [""; 0]);
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
        bench.at_rest.remove(OsStr::new("film"));
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
