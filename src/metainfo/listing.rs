//! Which files a release consists of.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::error::io_kind;
use crate::base::junk::{LeftOut, left_out};
use crate::base::{Content, ContentFile, ErrorKind, FileIdentity, Kind};

/// Entries of one release, left-out ones included: what a listing may hold in memory (about 40 MiB of paths), and
/// above what other clients load (libtorrent gives up at three million bencoded tokens).
pub const MAX_ENTRIES: usize = 200_000;

/// A release's files, and what lies among them but is not shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The files, sorted by the raw bytes of their paths, so that the same files make the same torrent anywhere.
    pub content: Content,
    /// What was left out, sorted likewise.
    pub skipped: Vec<Skipped>,
}

/// Something that was left out. What lies below a folder that was left out is not named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Path below the release's root.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why something is left out of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// Its name begins with a dot.
    Hidden,
    /// A system left it there.
    Junk,
    /// A symbolic link: it may lead anywhere, out of the drive included.
    Symlink,
    /// A pipe, socket or device: not a file, and reading one may block or do harm.
    Special,
}

impl From<LeftOut> for SkipReason {
    fn from(why: LeftOut) -> Self {
        match why {
            LeftOut::Hidden => SkipReason::Hidden,
            LeftOut::Junk => SkipReason::Junk,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SkipReason::Hidden => "hidden",
            SkipReason::Junk => "left there by a system",
            SkipReason::Symlink => "a symbolic link, which is not followed",
            SkipReason::Special => "a pipe, socket or device, not a file",
        })
    }
}

/// Why a path makes no release.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// A folder or file could not be looked at.
    #[error("cannot look at {}: {source}", path.display())]
    Io {
        /// What could not be looked at.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path itself is a link, a pipe, a device.
    #[error("cannot share {}: it is {reason}", path.display())]
    NotContent {
        /// The release's root.
        path: PathBuf,
        /// What it is instead.
        reason: SkipReason,
    },
    /// Nothing to share: no file, or empty files only.
    #[error("{} has nothing to share: it holds {files} files of 0 bytes, and {skipped} entries were left out", path.display())]
    Empty {
        /// The release's root.
        path: PathBuf,
        /// Files found, all of them empty.
        files: usize,
        /// Entries left out.
        skipped: usize,
    },
    /// More bytes than a torrent can say: files with holes may claim any length.
    #[error("the files of {} claim more bytes than a torrent can hold", path.display())]
    TooLarge {
        /// The release's root.
        path: PathBuf,
    },
    /// More than [`MAX_ENTRIES`].
    #[error("more than {MAX_ENTRIES} files are in {}, too many for one torrent: share its folders one by one", path.display())]
    TooMany {
        /// The release's root.
        path: PathBuf,
    },
}

impl ListingError {
    /// What is wrong, with the path as it is called within `folder`: where a drive is mounted is nothing to its owner.
    pub fn within(&self, folder: &Path) -> String {
        let said = self.to_string();
        let folder = folder.display().to_string();
        said.replacen(&format!("{}/", folder.trim_end_matches('/')), "", 1)
    }
}

impl Kind for ListingError {
    fn kind(&self) -> ErrorKind {
        match self {
            ListingError::Io { source, .. } => io_kind(source),
            _ => ErrorKind::BadInput,
        }
    }
}

/// Lists the release at `root`, a file or a folder. Nothing is opened but folders, no link is followed. An entry's
/// name decides before its type does: a link named `.x` is hidden. `root`'s own name is the owner's choice and is not judged.
///
/// # Errors
/// Anything that cannot be looked at fails the whole listing, by its path: a release is never quietly short of a file.
pub fn list(root: &Path) -> Result<Listing, ListingError> {
    let metadata = fs::symlink_metadata(root).map_err(|source| at(root, source))?;
    let kind = metadata.file_type();
    let mut walk = Walk::default();
    if kind.is_dir() {
        walk.folder(root)?;
    } else if kind.is_file() {
        walk.files.push(ContentFile {
            path: PathBuf::new(),
            length: metadata.len(),
            identity: Some(FileIdentity::of(&metadata)),
        });
    } else {
        return Err(ListingError::NotContent {
            path: root.to_owned(),
            reason: not_a_file(kind),
        });
    }
    let Walk {
        mut files,
        mut skipped,
    } = walk;
    if files.iter().all(|file| file.length == 0) {
        return Err(ListingError::Empty {
            path: root.to_owned(),
            files: files.len(),
            skipped: skipped.len(),
        });
    }
    let total = files
        .iter()
        .try_fold(0_u64, |sum, file| sum.checked_add(file.length));
    if total.is_none_or(|total| total > i64::MAX as u64) {
        return Err(ListingError::TooLarge {
            path: root.to_owned(),
        });
    }
    files.sort_unstable_by(|a, b| raw(&a.path).cmp(raw(&b.path)));
    skipped.sort_unstable_by(|a, b| raw(&a.path).cmp(raw(&b.path)));
    Ok(Listing {
        content: Content {
            root: root.to_owned(),
            files,
        },
        skipped,
    })
}

#[derive(Default)]
struct Walk {
    files: Vec<ContentFile>,
    skipped: Vec<Skipped>,
}

impl Walk {
    /// Walks with a list of folders still to visit, not by recursion: depth is the drive's to choose.
    fn folder(&mut self, root: &Path) -> Result<(), ListingError> {
        let mut to_visit = vec![PathBuf::new()];
        while let Some(below) = to_visit.pop() {
            let folder = root.join(&below);
            for entry in fs::read_dir(&folder).map_err(|source| at(&folder, source))? {
                let entry = entry.map_err(|source| at(&folder, source))?;
                let name = entry.file_name();
                let path = below.join(&name);
                if self.files.len() + self.skipped.len() + to_visit.len() >= MAX_ENTRIES {
                    return Err(ListingError::TooMany {
                        path: root.to_owned(),
                    });
                }
                if let Some(reason) = left_out(&name) {
                    let reason = reason.into();
                    self.skipped.push(Skipped { path, reason });
                    continue;
                }
                let metadata = entry
                    .metadata()
                    .map_err(|source| at(&entry.path(), source))?;
                let kind = metadata.file_type();
                if kind.is_dir() {
                    to_visit.push(path);
                } else if kind.is_file() {
                    self.files.push(ContentFile {
                        path,
                        length: metadata.len(),
                        identity: Some(FileIdentity::of(&metadata)),
                    });
                } else {
                    self.skipped.push(Skipped {
                        path,
                        reason: not_a_file(kind),
                    });
                }
            }
        }
        Ok(())
    }
}

fn not_a_file(kind: fs::FileType) -> SkipReason {
    if kind.is_symlink() {
        SkipReason::Symlink
    } else {
        SkipReason::Special
    }
}

fn at(path: &Path, source: io::Error) -> ListingError {
    ListingError::Io {
        path: path.to_owned(),
        source,
    }
}

fn raw(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn put(root: &Path, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn files_are_sorted_by_raw_bytes_and_the_rest_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, "a/b", b"1");
        put(root, "a.txt", b"22");
        put(root, "B", b"");
        put(root, OsStr::from_bytes(b"\xff"), b"4");
        put(root, "é", b"3");
        put(root, "@eaDir/x", b"x");
        put(root, ".DS_Store", b"x");
        put(root, "a/Thumbs.db", b"x");
        symlink("a.txt", root.join("link")).unwrap();
        symlink("/", root.join("a/up")).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(root.join("socket")).unwrap();

        let listing = list(root).unwrap();
        let paths: Vec<_> = listing.content.files.iter().map(|f| raw(&f.path)).collect();
        assert_eq!(
            paths,
            [&b"B"[..], b"a.txt", b"a/b", "é".as_bytes(), b"\xff"]
        );
        assert_eq!(listing.content.total(), 5);
        let skipped: Vec<_> = listing
            .skipped
            .iter()
            .map(|s| (s.path.to_str().unwrap(), s.reason))
            .collect();
        assert_eq!(
            skipped,
            [
                (".DS_Store", SkipReason::Hidden),
                ("@eaDir", SkipReason::Junk),
                ("a/Thumbs.db", SkipReason::Junk),
                ("a/up", SkipReason::Symlink),
                ("link", SkipReason::Symlink),
                ("pipe", SkipReason::Special),
                ("socket", SkipReason::Special),
            ]
        );
        assert!(matches!(
            list(&root.join("pipe")),
            Err(ListingError::NotContent {
                reason: SkipReason::Special,
                ..
            })
        ));
        assert!(matches!(
            list(&root.join("link")),
            Err(ListingError::NotContent {
                reason: SkipReason::Symlink,
                ..
            })
        ));
    }

    #[test]
    fn nothing_to_share_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |path: &Path| list(path).unwrap_err().to_string();
        assert!(refused(dir.path()).contains("nothing to share"));
        put(dir.path(), "empty", b"");
        put(dir.path(), ".hidden", b"x");
        assert!(refused(dir.path()).contains("1 files of 0 bytes, and 1 entries"));
        assert!(refused(&dir.path().join("empty")).contains("nothing to share"));
        let gone = list(&dir.path().join("gone")).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn claims_beyond_reason_are_refused() {
        // A file system that takes such files, as the temporary one may not.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        for name in ["a", "b"] {
            let file = fs::File::create(dir.path().join(name)).unwrap();
            file.set_len(i64::MAX as u64 - 4095).unwrap();
        }
        let error = list(dir.path()).unwrap_err();
        assert!(matches!(error, ListingError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn one_file_is_a_release_with_an_empty_path() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), ".film", b"123");
        let listing = list(&dir.path().join(".film")).unwrap();
        assert!(listing.content.is_single_file());
        assert_eq!(listing.content.total(), 3);
    }
}
