//! What sort of thing went wrong, so that a caller (an HTTP status, an exit code) need not know each error type.

/// The sorts of failure a caller can act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was asked for makes no sense as given; asking again changes nothing.
    BadInput,
    /// The thing named does not exist.
    NotFound,
    /// The caller has not proved to be the owner.
    Unauthorized,
    /// The caller is known, and may not do this.
    Forbidden,
    /// The state of things does not allow it now.
    Conflict,
    /// Too much, too often; the caller may come back later.
    TooMany,
    /// No room left on a disk.
    NoSpace,
    /// Something we depend on (a drive, the network) is not there now.
    Unavailable,
    /// Our own fault.
    Internal,
}

/// Implemented by every error type of the crate.
pub trait Kind: std::error::Error {
    /// The sort of failure this is.
    fn kind(&self) -> ErrorKind;
}

/// The kind of a bare I/O error.
pub fn io_kind(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        Io::PermissionDenied => ErrorKind::Forbidden,
        Io::StorageFull | Io::QuotaExceeded => ErrorKind::NoSpace,
        Io::AlreadyExists => ErrorKind::Conflict,
        Io::InvalidInput | Io::InvalidFilename => ErrorKind::BadInput,
        _ => ErrorKind::Unavailable,
    }
}
