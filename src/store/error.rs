//! What can go wrong with the database.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::api_token::TOKENS_AT_MOST;
use super::backup::BadBackup;
use super::release_setting::BadReleaseSetting;
use super::setting::BadSetting;
use super::share::SHARES_AT_MOST;
use crate::base::{BadShare, ErrorKind, Kind, ReleaseId, SourceId};

/// A call to the database that failed. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or made.
    #[error("the database {path} cannot be opened: {source}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file cannot be made or read.
    #[error("the database {path} cannot be opened: {source}")]
    File {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is damaged.
    #[error(
        "the database {path} is damaged ({detail}); it was left as it is. Put a backup in its place, or move it away \
         to begin anew"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// The file is a database of some other program.
    #[error("{path} is not a database of Semoir's; it was left as it is")]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// The file was written by a newer Semoir.
    #[error(
        "the database {path} was written by a newer Semoir (its version is {found}, this one knows {known}); install \
         the newer Semoir again"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The file's version.
        found: i64,
        /// The latest version this program knows.
        known: i64,
    },
    /// An older database could not be brought to the version of this program.
    #[error(
        "the database {path} could not be upgraded from version {from} to {to}: {source}; it was left as it was"
    )]
    NotUpgraded {
        /// The database file.
        path: PathBuf,
        /// Its version.
        from: i64,
        /// The version of this program.
        to: i64,
        /// What SQLite says.
        source: Box<rusqlite::Error>,
    },
    /// No copy could be kept of an older database, without which it is not upgraded.
    #[error(
        "the database {path} was not upgraded, for no copy of it could be kept: {source}; it was left as it was"
    )]
    NotCopied {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: FileFault,
    },
    /// The same, because the disk is full.
    #[error(
        "there is no room for a copy of the database {path}, without which it is not upgraded: make {} MB free; it was \
         left as it was",
        bytes.div_ceil(1_000_000)
    )]
    NoRoomForCopy {
        /// The database file.
        path: PathBuf,
        /// What the copy takes at most.
        bytes: u64,
    },
    /// A newer Semoir's database could not make room for the copy that this one can read.
    #[error(
        "the database {path} was written by a newer Semoir, and could not be set aside for the copy from before: \
         {source}; both were left as they were"
    )]
    NotSetAside {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: FileFault,
    },
    /// SQLite refused.
    #[error("could not {doing}: {source}")]
    Sql {
        /// What was being done, with the id or path it was done to.
        doing: String,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// No such release.
    #[error("there is no release {0}")]
    NoSuchRelease(ReleaseId),
    /// No such source.
    #[error("there is no source {0}")]
    NoSuchSource(SourceId),
    /// A batch of piece hashes that does not follow on those already kept.
    #[error("could not keep the hashes of release {release} from piece {first_piece}: {why}")]
    Progress {
        /// The release.
        release: ReleaseId,
        /// First piece of the batch.
        first_piece: u32,
        /// Why.
        why: &'static str,
    },
    /// The box has an owner already.
    #[error("this box has an owner already")]
    Claimed,
    /// The box has no owner yet.
    #[error("this box has no owner yet")]
    Unclaimed,
    /// The password was changed by somebody else meanwhile.
    #[error("the password was changed meanwhile")]
    PasswordChanged,
    /// The settings are not any more what a change was made for.
    #[error(
        "the settings were changed elsewhere meanwhile; look at them again before you change them"
    )]
    SettingsChanged,
    /// No such token.
    #[error("there is no such token")]
    NoSuchToken,
    /// No more tokens can be made.
    #[error("there can be {TOKENS_AT_MOST} tokens at most; revoke one that is not needed any more")]
    TooManyTokens,
    /// The share is a source already.
    #[error("{0} is among the network shares already")]
    ShareThere(String),
    /// The share was a source of its own once.
    #[error(
        "{0} was a network share of its own, and is known still; add it again, and remove this one"
    )]
    ShareWas(String),
    /// No more shares can be taken up.
    #[error(
        "there can be {SHARES_AT_MOST} network shares at most; remove one that is not needed any more"
    )]
    TooManyShares,
    /// A share that cannot be.
    #[error(transparent)]
    Share(#[from] BadShare),
    /// A backup that cannot be restored.
    #[error(transparent)]
    Backup(#[from] BadBackup),
    /// A setting out of its range.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// A setting of a release out of its range.
    #[error(transparent)]
    ReleaseSetting(#[from] BadReleaseSetting),
    /// The runtime stopped before the call began.
    #[error("the box is shutting down")]
    Stopped,
}

/// What went wrong with a file that is a database.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// SQLite says so.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// The system says so.
    #[error(transparent)]
    File(#[from] std::io::Error),
}

impl Kind for FileFault {
    fn kind(&self) -> ErrorKind {
        match self {
            FileFault::Sql(error) => sql_kind(error),
            FileFault::File(error) => crate::base::error::io_kind(error),
        }
    }
}

impl StoreError {
    /// Whether the database could be read, and could not be brought to this program's version.
    pub fn is_of_upgrade(&self) -> bool {
        matches!(
            self,
            StoreError::NotUpgraded { .. }
                | StoreError::NotCopied { .. }
                | StoreError::NoRoomForCopy { .. }
        )
    }

    pub(super) fn sql(doing: String, source: rusqlite::Error) -> Self {
        StoreError::Sql { doing, source }
    }
}

/// The kind of a failure within SQLite.
fn sql_kind(error: &rusqlite::Error) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ErrorKind::NoSpace,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure) => {
            ErrorKind::Unavailable
        }
        Some(ErrorCode::CannotOpen) => ErrorKind::NotFound,
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => ErrorKind::Forbidden,
        _ => ErrorKind::Internal,
    }
}

impl Kind for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            StoreError::Open { source, .. } | StoreError::Sql { source, .. } => sql_kind(source),
            StoreError::NotUpgraded { source, .. } => sql_kind(source),
            StoreError::NotCopied { source, .. } | StoreError::NotSetAside { source, .. } => {
                source.kind()
            }
            StoreError::NoRoomForCopy { .. } => ErrorKind::NoSpace,
            StoreError::File { source, .. } => crate::base::error::io_kind(source),
            StoreError::NoSuchRelease(_)
            | StoreError::NoSuchSource(_)
            | StoreError::NoSuchToken => ErrorKind::NotFound,
            StoreError::Claimed
            | StoreError::Unclaimed
            | StoreError::PasswordChanged
            | StoreError::SettingsChanged
            | StoreError::ShareThere(_)
            | StoreError::ShareWas(_)
            | StoreError::TooManyShares
            | StoreError::TooManyTokens => ErrorKind::Conflict,
            StoreError::Setting(_)
            | StoreError::ReleaseSetting(_)
            | StoreError::Share(_)
            | StoreError::Backup(_) => ErrorKind::BadInput,
            StoreError::Stopped => ErrorKind::Unavailable,
            StoreError::Damaged { .. }
            | StoreError::Foreign { .. }
            | StoreError::Newer { .. }
            | StoreError::Progress { .. } => ErrorKind::Internal,
        }
    }
}
