//! What a release consists of: files, in torrent order, each with the identity it had when it was listed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileIdentity {
    /// Bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Inode number; file systems without stable inodes (FAT) report what the kernel made up.
    pub inode: u64,
}

impl FileIdentity {
    /// Reads the identity off a file's metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            mtime_ns: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
            inode: metadata.ino(),
        }
    }
}

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentFile {
    /// Path below [`Content::root`]; empty when the release is a single file.
    pub path: PathBuf,
    /// Bytes.
    pub length: u64,
    /// What the file was when it was listed. `None` for padding (BEP 47), which has no file and reads as zeros.
    pub identity: Option<FileIdentity>,
}

/// The files of one release, in the order in which their bytes follow one another in the torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The file itself, or the folder that holds the files.
    pub root: PathBuf,
    /// The files, in torrent order.
    pub files: Vec<ContentFile>,
}

impl Content {
    /// Bytes of all files together.
    pub fn total(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// Where `file` is on disk.
    pub fn absolute(&self, file: &ContentFile) -> PathBuf {
        if file.path.as_os_str().is_empty() {
            self.root.clone()
        } else {
            self.root.join(&file.path)
        }
    }

    /// Whether the release is one file rather than a folder.
    pub fn is_single_file(&self) -> bool {
        matches!(self.files.as_slice(), [only] if only.path == Path::new(""))
    }
}
