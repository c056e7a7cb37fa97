//! What can go wrong with an upload.

use std::path::{Path, PathBuf};

use super::{MAX_DEPTH, MAX_FILES, MAX_NAME, MAX_OPEN, MAX_PATH};
use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind, Size};

/// An upload that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No such upload: it was finished, cancelled or swept, or never was.
    #[error("there is no upload {0:?} under way")]
    NoSuchUpload(String),
    /// The upload has no file of that number.
    #[error("the upload has no file number {0}")]
    NoSuchFile(usize),
    /// No files.
    #[error("an upload needs at least one file")]
    Empty,
    /// Too many files.
    #[error("an upload has {MAX_FILES} files at most, not {0}")]
    TooManyFiles(usize),
    /// Not the name of a file.
    #[error(
        "{0:?} cannot be used as a name: it must have 1 to {MAX_NAME} bytes, not begin with a dot, and contain no slash and \
         no control character"
    )]
    BadName(String),
    /// Too deep or too long.
    #[error("{0:?} is too deep or too long: at most {MAX_DEPTH} folders and {MAX_PATH} bytes")]
    BadPath(String),
    /// Two files in one place, or a file where a folder is.
    #[error("{0:?} is there twice")]
    Duplicate(String),
    /// No release would come of it.
    #[error(
        "nothing in {0:?} can be shared: it has no bytes, or only what systems leave lying about"
    )]
    NothingToShare(String),
    /// More bytes than can be counted.
    #[error("the files are too large")]
    TooLarge,
    /// Something of that name is here.
    #[error("something called {0:?} is already here")]
    NameTaken(String),
    /// It will not fit.
    #[error("{name:?} needs {}, and only {} can be used", Size(*size), Size(*free))]
    NoSpace {
        /// Its name.
        name: String,
        /// Bytes it needs.
        size: u64,
        /// Bytes there are for it.
        free: u64,
    },
    /// Its drive, or the one that uploads go to, is not here.
    #[error("the drive {0:?} is not here; it goes on when it is plugged in again")]
    Away(String),
    /// The drive that uploads go to was never seen since the start.
    #[error(
        "the drive that uploads go to is not here; plug it in, or choose another place in the settings"
    )]
    Unknown,
    /// Too many unfinished uploads.
    #[error("{MAX_OPEN} uploads are under way; finish or cancel one of them first")]
    TooManyOpen,
    /// Too many files are being received.
    #[error("too many files are being received at once; try again in a moment")]
    TooManyReceiving,
    /// The offset is not what was received.
    #[error("{received} bytes of this file are here, not {offset}")]
    WrongOffset {
        /// Where the bytes were said to begin.
        offset: u64,
        /// Bytes that are here.
        received: u64,
    },
    /// The file, or the upload, is in the hands of another request.
    #[error("this is being sent or finished by another request")]
    Busy {
        /// Bytes of the file that are here, where it is about one.
        received: Option<u64>,
    },
    /// The bytes are not what their digest says.
    #[error("the bytes were damaged on their way; they must be sent again")]
    Damaged {
        /// Bytes of the file that are here.
        received: u64,
    },
    /// Given up while it was being sent.
    #[error("the upload was cancelled")]
    Cancelled,
    /// More than was said.
    #[error("{path:?} has more bytes than the {size} it was said to have")]
    TooMuch {
        /// The file.
        path: String,
        /// Bytes it was said to have.
        size: u64,
    },
    /// Something is missing.
    #[error("{received} of {size} bytes of {path:?} are here")]
    Incomplete {
        /// The file.
        path: String,
        /// Bytes it is to have.
        size: u64,
        /// Bytes that are here.
        received: u64,
    },
    /// The sender broke off.
    #[error("the connection broke off: {0}")]
    Broken(String),
    /// Nothing came for too long.
    #[error("nothing arrived for too long")]
    Stalled,
    /// The disk failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl UploadError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        UploadError::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Bytes of the file that are here, where that is what the sender must know to go on.
    pub fn received(&self) -> Option<u64> {
        match self {
            UploadError::WrongOffset { received, .. } | UploadError::Damaged { received } => {
                Some(*received)
            }
            UploadError::Busy { received } => *received,
            _ => None,
        }
    }
}

impl Kind for UploadError {
    fn kind(&self) -> ErrorKind {
        match self {
            UploadError::NoSuchUpload(_) | UploadError::NoSuchFile(_) => ErrorKind::NotFound,
            UploadError::Empty
            | UploadError::TooManyFiles(_)
            | UploadError::BadName(_)
            | UploadError::BadPath(_)
            | UploadError::Duplicate(_)
            | UploadError::NothingToShare(_)
            | UploadError::TooLarge
            | UploadError::TooMuch { .. }
            | UploadError::Broken(_)
            | UploadError::Stalled => ErrorKind::BadInput,
            UploadError::NameTaken(_)
            | UploadError::Cancelled
            | UploadError::WrongOffset { .. }
            | UploadError::Damaged { .. }
            | UploadError::Busy { .. }
            | UploadError::Incomplete { .. } => ErrorKind::Conflict,
            UploadError::Away(_) | UploadError::Unknown => ErrorKind::Unavailable,
            UploadError::NoSpace { .. } => ErrorKind::NoSpace,
            UploadError::TooManyOpen | UploadError::TooManyReceiving => ErrorKind::TooMany,
            // A path of ours that is missing is our fault, not the caller's.
            UploadError::Io { source, .. } => match io_kind(source) {
                ErrorKind::NoSpace => ErrorKind::NoSpace,
                ErrorKind::BadInput => ErrorKind::BadInput,
                _ => ErrorKind::Internal,
            },
        }
    }
}
