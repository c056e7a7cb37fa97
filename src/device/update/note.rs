//! What is written down of an update, from its installation to what became of it.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::incoming::make;
use super::trial::Why;
use crate::base::{Timestamp, whole};

/// The file, in the folder of updates.
const FILE: &str = "last.json";

/// An update, and how far it is. The old system writes it, and the new one goes on in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The version in it.
    pub version: String,
    /// The version that installed it.
    pub from: String,
    /// The slot of the system that installed it: what runs in any other is the update.
    pub from_slot: Option<char>,
    /// The start of the machine in which that was, as the kernel numbers them.
    pub boot: String,
    /// When it came to this phase, in seconds since 1970.
    pub at: i64,
    /// How far it is.
    pub phase: Phase,
}

/// How far an update is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is being written to its slot.
    Installing,
    /// It is to be started next.
    Installed,
    /// As [`Phase::Installed`], and its owner had the machine restarted for it.
    Restarting,
    /// It runs, and did not serve yet.
    Trying,
    /// It served.
    Kept,
    /// The system before it runs again.
    WentBack(Why),
}

impl Note {
    /// The same, at another phase.
    pub fn at_phase(self, phase: Phase) -> Self {
        let at = Timestamp::now().0;
        Self { phase, at, ..self }
    }

    /// What is written down in the folder; nothing where that is nothing, or is not understood.
    pub fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "what is written down of the last update cannot be read");
                return None;
            }
        };
        let note = serde_json::from_slice(&text);
        note.inspect_err(|error| tracing::warn!(%error, path = %path.display(), "what is written down of the last update is not understood"))
            .ok()
    }

    /// Writes it down. When this returns it is on the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        make(folder)?;
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        whole::write(&folder.join(FILE), &text, 0o600)
    }

    /// Forgets what is written down.
    ///
    /// # Errors
    /// When the disk does not let it.
    pub fn forget(folder: &Path) -> io::Result<()> {
        whole::remove(&folder.join(FILE))
    }
}
