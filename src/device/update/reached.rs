//! How far the program of a new system came: written down by itself while it is on trial, for the old one to read.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::whole;

/// The file, in the folder of updates.
const FILE: &str = "reached.json";

/// The most bytes of an error that are written down, and shown.
const MOST: usize = 500;

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The last step that it began.
    pub step: Step,
    /// Why it ended there, where it could say so.
    pub why: Option<String>,
}

/// A step of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The program was started.
    Began,
    /// It opened the database.
    Database,
    /// It upgraded the database.
    Upgrade,
    /// The database was open; it opened its pages, and took up its work.
    Opening,
}

impl Reached {
    /// A step that was begun.
    pub fn step(step: Step) -> Self {
        Self { step, why: None }
    }

    /// What is written down in the folder; nothing where that is nothing, or is not understood.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Writes it down. When this returns it is on the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(mut self, folder: &Path) -> io::Result<()> {
        self.why = self.why.map(|why| why.chars().take(MOST).collect());
        let text = serde_json::to_vec(&self).map_err(io::Error::other)?;
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
