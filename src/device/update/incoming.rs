//! An update being received: to the disk as it comes, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind, Size, whole};
use crate::device::system::{BUNDLE, MAX_BUNDLE};

/// What is being received, in the folder of updates.
const PART: &str = "receiving.part";

/// Bytes that stay free beside it: the database grows, and what it is upgraded to lies beside it for a while.
const SPARE: u64 = 64 << 20;

/// Why an update is not received.
#[derive(Debug, thiserror::Error)]
pub enum IncomingError {
    /// It is empty, or too large.
    #[error("an update has {} at most, and this file {}; it is no update for the box", Size(MAX_BUNDLE), Size(*.0))]
    TooLarge(u64),
    /// There is no room.
    #[error("an update of {} does not fit: {} are free, and some must stay so; nothing was received", Size(*.needs), Size(*.free))]
    NoRoom {
        /// Bytes that it needs.
        needs: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// It ended early, or went on too long.
    #[error("the update did not arrive whole: {} of {} came", Size(*.came), Size(*.due))]
    Broken {
        /// Bytes that came.
        came: u64,
        /// Bytes that should have.
        due: u64,
    },
    /// The disk.
    #[error("the update could not be written down: {0}")]
    Io(#[from] io::Error),
}

impl Kind for IncomingError {
    fn kind(&self) -> ErrorKind {
        match self {
            IncomingError::TooLarge(_) => ErrorKind::BadInput,
            IncomingError::NoRoom { .. } => ErrorKind::NoSpace,
            IncomingError::Broken { .. } => ErrorKind::Unavailable,
            IncomingError::Io(error) => io_kind(error),
        }
    }
}

/// An update that is being received. What came of it is deleted when this is dropped before [`Incoming::finish`].
#[derive(Debug)]
pub struct Incoming {
    file: File,
    path: PathBuf,
    due: u64,
    came: u64,
}

impl Incoming {
    /// Gets ready for one of `due` bytes, in `folder`. One that was received before is deleted first, and so is what a power
    /// cut left of another.
    ///
    /// # Errors
    /// When it is too large, or does not fit.
    pub fn begin(folder: &Path, due: u64) -> Result<Self, IncomingError> {
        if !(1..=MAX_BUNDLE).contains(&due) {
            return Err(IncomingError::TooLarge(due));
        }
        clear(folder)?;
        let stat = statvfs(folder).map_err(io::Error::from)?;
        let free = stat.blocks_available().saturating_mul(stat.fragment_size());
        if free < due + SPARE {
            return Err(IncomingError::NoRoom { needs: due, free });
        }
        let path = folder.join(PART);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            file,
            path,
            due,
            came: 0,
        })
    }

    /// Takes what came next.
    ///
    /// # Errors
    /// When it is more than there should be, or the disk does not take it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), IncomingError> {
        self.came += bytes.len() as u64;
        if self.came > self.due {
            return Err(self.broken());
        }
        Ok(self.file.write_all(bytes)?)
    }

    /// All of it came.
    ///
    /// # Errors
    /// When it did not, or the disk does not take it.
    pub fn finish(self) -> Result<(), IncomingError> {
        if self.came != self.due {
            return Err(self.broken());
        }
        self.file.sync_all()?;
        fs::rename(&self.path, self.path.with_file_name(BUNDLE))?;
        Ok(whole::sync_folder(&self.path)?)
    }

    fn broken(&self) -> IncomingError {
        IncomingError::Broken {
            came: self.came,
            due: self.due,
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Err(error) = whole::remove(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "what came of an update cannot be deleted");
        }
    }
}

/// Deletes what was received, and what was about to be. Makes the folder when it is not there.
///
/// # Errors
/// What the system says.
pub fn clear(folder: &Path) -> io::Result<()> {
    make(folder)?;
    whole::remove(&folder.join(PART))?;
    whole::remove(&folder.join(BUNDLE))
}

/// Makes the folder of updates, for its owner alone.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Whether one was received whole.
pub fn is_there(folder: &Path) -> bool {
    folder.join(BUNDLE).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn it_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("update");
        let mut incoming = Incoming::begin(&folder, 6).unwrap();
        incoming.write(b"abc").unwrap();
        assert_eq!(names(&folder), [PART]);
        drop(incoming);
        assert!(names(&folder).is_empty(), "the connection broke off");

        let mut incoming = Incoming::begin(&folder, 6).unwrap();
        incoming.write(b"abc").unwrap();
        assert!(matches!(
            incoming.finish(),
            Err(IncomingError::Broken { came: 3, due: 6 })
        ));
        let mut incoming = Incoming::begin(&folder, 6).unwrap();
        incoming.write(b"abcdef").unwrap();
        assert!(matches!(
            incoming.write(b"g"),
            Err(IncomingError::Broken { came: 7, .. })
        ));
        drop(incoming);
        assert!(names(&folder).is_empty());

        // What a power cut left, and a link in its place.
        let mine = dir.path().join("mine");
        fs::write(&mine, "mine").unwrap();
        std::os::unix::fs::symlink(&mine, folder.join(PART)).unwrap();
        let mut incoming = Incoming::begin(&folder, 3).unwrap();
        incoming.write(b"abc").unwrap();
        incoming.finish().unwrap();
        assert_eq!(names(&folder), [BUNDLE]);
        assert!(is_there(&folder));
        assert_eq!(fs::read(folder.join(BUNDLE)).unwrap(), b"abc");
        assert_eq!(fs::read(&mine).unwrap(), b"mine");

        // The next one takes its place from the beginning: a card has no room for two.
        let _incoming = Incoming::begin(&folder, 3).unwrap();
        assert_eq!(names(&folder), [PART]);
    }

    #[test]
    fn what_cannot_fit_is_refused_before_it_comes() {
        let dir = tempfile::tempdir().unwrap();
        for due in [0, MAX_BUNDLE + 1, u64::MAX] {
            let error = Incoming::begin(dir.path(), due).unwrap_err();
            assert!(matches!(error, IncomingError::TooLarge(_)), "{error}");
        }
        assert!(names(dir.path()).is_empty());
    }
}
