//! A folder as a source: each of its top-level files and folders is a release candidate.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind};

/// Releases one source may hold. More is a folder of somebody's photographs taken one by one, not a catalogue.
pub const MAX_CANDIDATES: usize = 10_000;

/// Why a folder cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It is not there, or may not be read.
    #[error("{} cannot be looked at: {error}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It holds more than [`MAX_CANDIDATES`] entries.
    #[error("{} holds more than {MAX_CANDIDATES} entries; put them into folders", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
}

impl Kind for FolderError {
    fn kind(&self) -> ErrorKind {
        match self {
            FolderError::Io { error, .. } => io_kind(error),
            FolderError::TooMany { .. } => ErrorKind::BadInput,
        }
    }
}

/// The names of the top-level entries of `folder` that are files or folders, sorted. Links are not followed.
///
/// # Errors
/// When the folder cannot be read, or holds too much.
pub fn candidates(folder: &Path) -> Result<Vec<OsString>, FolderError> {
    let failed = |error| FolderError::Io {
        path: folder.to_owned(),
        error,
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_file() || kind.is_dir() {
            names.push(entry.file_name());
        }
        if names.len() > MAX_CANDIDATES {
            return Err(FolderError::TooMany {
                path: folder.to_owned(),
            });
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_candidates_and_links_are_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("b album")).unwrap();
        std::fs::write(dir.path().join("a.mkv"), b"x").unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("link")).unwrap();
        assert_eq!(candidates(dir.path()).unwrap(), ["a.mkv", "b album"]);
        let gone = candidates(&dir.path().join("gone")).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    }
}
