//! What drives and network shares tell the conductor: where releases may be, now.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::store::{Facts, SourceKind};

/// A place as it is now. Sent whenever it changes, whole: whoever missed one message knows all from the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A drive or a share.
    pub kind: SourceKind,
    /// What it is known by when it comes back.
    pub key: OsString,
    /// What the owner sees: a drive's label, or its maker and size; a share's server and folder.
    pub name: String,
    /// Whether it can be read.
    pub state: PlaceState,
    /// What else is known of it.
    pub facts: Facts,
}

/// Whether a place can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceState {
    /// It is mounted, read-only.
    Here {
        /// Where; absolute.
        path: PathBuf,
        /// What the owner should know all the same ("it was pulled out while something was written to it").
        note: Option<String>,
    },
    /// It is there, or should be, and cannot be used.
    Unusable {
        /// Why, as a sentence without its full stop.
        why: String,
    },
    /// It was pulled out, or given up.
    Gone,
}
