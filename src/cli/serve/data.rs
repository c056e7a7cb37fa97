//! The data folder, which one process has at a time.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind};

/// The file whose lock stands for the folder. It stays: a file that comes and goes could be locked twice.
const LOCK: &str = "semoir.lock";
/// Most of the lock's content that is read: a process id, and no more of what somebody may have put there.
const MAX_PID: u64 = 16;

/// Why a data folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It cannot be made, or nothing can be written into it.
    #[error("the data folder {} cannot be used: {error}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another process has it.
    #[error(
        "the data folder {} is in use by another Semoir{}; stop that one, or give this one a folder of its own with --data",
        path.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other process, when it has said so.
        pid: Option<u32>,
    },
}

impl Kind for DataError {
    fn kind(&self) -> ErrorKind {
        match self {
            DataError::Unusable { error, .. } => io_kind(error),
            DataError::InUse { .. } => ErrorKind::Conflict,
        }
    }
}

/// A data folder that is ours as long as this value lives. The kernel takes the lock back when the process ends, however
/// it ends.
#[derive(Debug)]
pub(super) struct DataFolder {
    _lock: File,
}

impl DataFolder {
    /// Makes the folder when it is not there, and takes it.
    pub(super) fn take(path: &Path) -> Result<Self, DataError> {
        let unusable = |error| DataError::Unusable {
            path: path.to_owned(),
            error,
        };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataError::InUse {
                    path: path.to_owned(),
                    pid: pid_in(&lock),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let said = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        said.map_err(unusable)?;
        Ok(Self { _lock: lock })
    }
}

fn pid_in(lock: &File) -> Option<u32> {
    let mut text = String::new();
    lock.take(MAX_PID).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = DataFolder::take(&path).unwrap();
        let error = DataFolder::take(&path).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
        let pid = format!("(process {})", std::process::id());
        assert!(text.contains(&pid), "{text}");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        drop(first);
        DataFolder::take(&path).unwrap();
    }

    #[test]
    fn a_lock_that_says_nothing_is_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        let _first = DataFolder::take(dir.path()).unwrap();
        std::fs::write(dir.path().join(LOCK), "\u{fffd}".repeat(1000)).unwrap();
        let error = DataFolder::take(dir.path()).unwrap_err();
        assert!(
            matches!(error, DataError::InUse { pid: None, .. }),
            "{error}"
        );
        assert!(!error.to_string().contains("process"), "{error}");
    }

    #[test]
    fn an_old_number_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK), "99999999999999\n").unwrap();
        let _first = DataFolder::take(dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join(LOCK)).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = DataFolder::take(&file.join("data")).unwrap_err();
        assert!(
            error.to_string().contains(&file.display().to_string()),
            "{error}"
        );
    }
}
