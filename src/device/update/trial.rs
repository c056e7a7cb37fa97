//! What each start makes of the update that is written down.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::incoming;
use super::note::{Note, Phase};
use super::reached::{Reached, Step};
use crate::device::running::Running;
use crate::device::system::STARTED;

/// Why the system before an update runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It was installed, and then the power went.
    #[error(
        "the box was switched off before the new system was started, and starts such a system only when it is restarted from its page"
    )]
    NotRestarted,
    /// Nothing of it ran.
    #[error("the new system was never started, or did not come as far as its own disk")]
    NeverStarted,
    /// The system ran, and the box did not.
    #[error("the new system was started, and did not come as far as starting the box's program")]
    NoProgram,
    /// The program ended before it opened its database.
    #[error("the box's program was started in the new system, and ended at once")]
    Ended,
    /// The database was being opened.
    #[error("the new system was stopped while it opened the box's database")]
    InDatabase,
    /// The database was being upgraded.
    #[error("the new system was stopped while it upgraded the box's database")]
    InUpgrade,
    /// The database could not be.
    #[error("the new system could not use the box's database: {why}")]
    Database {
        /// What it said.
        why: String,
    },
    /// It came to nothing after that.
    #[error("the new system opened the box's database, and did not come to serve")]
    NotServing,
    /// It ended with an error.
    #[error("the new system did not come to serve: {why}")]
    Failed {
        /// What it said.
        why: String,
    },
    /// It served.
    #[error("the new system served, and then did not start any more")]
    NotAnyMore,
}

/// The update that is written down, and whether the system that runs is it and has still to prove itself.
#[derive(Debug, Clone)]
pub struct Trial {
    folder: PathBuf,
    on: bool,
}

impl Trial {
    /// What this start makes of what is written down in `folder`: the note as it is now, and the trial. `kept` is the folder
    /// where each start of a system leaves word.
    pub fn at_start(folder: &Path, running: &Running, kept: &Path) -> (Option<Note>, Self) {
        let mut trial = Self {
            folder: folder.to_owned(),
            on: false,
        };
        let Some(note) = Note::read(folder) else {
            return (None, trial);
        };
        let judged = judge(&note, running, || why(folder, &note, kept));
        let Some(phase) = judged else {
            // It was broken off while it was being written; nothing of it is started.
            trial.log(Note::forget(folder));
            return (None, trial);
        };
        trial.on = phase == Phase::Trying;
        if trial.on {
            // At each start of it: what an earlier one came to is told no more.
            trial.reach(Reached::step(Step::Began));
        }
        if phase == note.phase {
            return (Some(note), trial);
        }
        let note = note.at_phase(phase);
        if let Phase::WentBack(why) = &note.phase {
            tracing::warn!(version = note.version, %why, "the update is not kept");
        }
        trial.log(note.write(folder));
        (Some(note), trial)
    }

    /// Whether the system that runs is an update that has still to prove itself.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// A step is begun.
    pub fn begin(&self, step: Step) {
        if self.on {
            self.reach(Reached::step(step));
        }
    }

    /// The program ends with an error.
    pub fn failed(&self, why: &str) {
        if self.on {
            let step = Reached::read(&self.folder).map_or(Step::Began, |reached| reached.step);
            let why = Some(why.to_owned());
            self.reach(Reached { step, why });
        }
    }

    /// The box serves: the update is kept. What was received of it is deleted. The note as it is now, where it changed.
    pub fn served(&self) -> Option<Note> {
        let note = Note::read(&self.folder).filter(|_| self.on)?;
        let note = note.at_phase(Phase::Kept);
        self.log(note.write(&self.folder));
        self.log(Reached::forget(&self.folder));
        self.log(incoming::clear(&self.folder));
        tracing::info!(
            version = note.version,
            from = note.from,
            "the update serves, and is kept"
        );
        Some(note)
    }

    fn reach(&self, reached: Reached) {
        self.log(reached.write(&self.folder));
    }

    /// A start does not fail for what is only to be told.
    fn log(&self, done: io::Result<()>) {
        if let Err(error) = done {
            tracing::warn!(%error, folder = %self.folder.display(), "what becomes of the update cannot be written down");
        }
    }
}

/// The phase that a note is in at this start; none when it has come to nothing.
fn judge(note: &Note, running: &Running, why: impl FnOnce() -> Why) -> Option<Phase> {
    let same_boot = !running.boot.is_empty() && note.boot == running.boot;
    // A slot is sure; a version may be installed over itself.
    let is_new = match (note.from_slot, running.slot) {
        (Some(from), Some(now)) => from != now,
        _ => running.version.as_ref() == Some(&note.version),
    };
    Some(match &note.phase {
        // The program alone was started again.
        Phase::Installing | Phase::Installed | Phase::Restarting if same_boot => note.phase.clone(),
        // Where a boot loader counts, it may try a system again that went back.
        Phase::Installing | Phase::Installed | Phase::Restarting | Phase::WentBack(_) if is_new => {
            Phase::Trying
        }
        Phase::Installing => return None,
        Phase::Installed | Phase::Restarting => Phase::WentBack(why()),
        Phase::Trying if is_new => Phase::Trying,
        Phase::Trying => Phase::WentBack(why()),
        Phase::Kept if !is_new && note.from_slot.is_some() && running.slot.is_some() => {
            Phase::WentBack(Why::NotAnyMore)
        }
        Phase::Kept | Phase::WentBack(_) => note.phase.clone(),
    })
}

/// Why the system of the note does not run, as far as it left word.
fn why(folder: &Path, note: &Note, kept: &Path) -> Why {
    if let Some(reached) = Reached::read(folder) {
        return match (reached.step, reached.why) {
            (Step::Database | Step::Upgrade, Some(why)) => Why::Database { why },
            (_, Some(why)) => Why::Failed { why },
            (Step::Began, None) => Why::Ended,
            (Step::Database, None) => Why::InDatabase,
            (Step::Upgrade, None) => Why::InUpgrade,
            (Step::Opening, None) => Why::NotServing,
        };
    }
    let other = match note.from_slot {
        Some('A') => 'B',
        _ => 'A',
    };
    let started = note.from_slot.is_some() && kept.join(format!("{STARTED}{other}")).exists();
    match (started, &note.phase) {
        (true, _) => Why::NoProgram,
        (false, Phase::Installed) => Why::NotRestarted,
        (false, _) => Why::NeverStarted,
    }
}

#[cfg(test)]
mod tests;
