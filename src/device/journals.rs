//! The journals of the last two starts. A whole system's journal is in memory alone; when it ends in good order, the last
//! lines go to the data folder, packed with gzip (`usr/lib/semoir/keep-journal`, which semoir-journal.service calls).

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::Timestamp;

/// How the names of their files begin, in the data folder.
pub const PREFIX: &str = "journal-";

/// An earlier start of the whole system. Only those count that ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The last one.
    Last,
    /// The one before it.
    Before,
}

impl Start {
    /// Both, the newer one first.
    pub const ALL: [Start; 2] = [Start::Last, Start::Before];

    /// The name of the file, as `keep-journal` has it.
    fn file(self) -> String {
        let name = match self {
            Start::Last => "last",
            Start::Before => "before",
        };
        format!("{PREFIX}{name}.gz")
    }
}

/// A journal that was kept, open.
#[derive(Debug)]
pub struct Journal {
    /// When it was written, at the end of its start.
    pub at: Timestamp,
    /// Bytes, packed.
    pub bytes: u64,
    /// The file, a text packed with gzip.
    pub file: File,
}

/// The journal of a start, from the data folder; none where none was kept.
///
/// # Errors
/// When it cannot be read.
pub fn open(data: &Path, start: Start) -> io::Result<Option<Journal>> {
    let file = match File::open(data.join(start.file())) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    let since = about.modified()?.duration_since(UNIX_EPOCH);
    Ok(Some(Journal {
        at: Timestamp(since.map_or(0, |since| since.as_secs() as i64)),
        bytes: about.len(),
        file,
    }))
}
