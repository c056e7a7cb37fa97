//! The stages of a release's life (design, section 1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a release is in its life. The stage column of the database is the work queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Listed, nothing done yet.
    Found,
    /// Being read and hashed.
    Hashing,
    /// A torrent exists; seeding has not begun.
    Ready,
    /// We are (nearly) the only holder.
    Spreading,
    /// Others hold it too, not yet enough of them.
    Supporting,
    /// Others carry it; we watch.
    Retired,
    /// Its drive is not here.
    Absent,
    /// The owner paused it.
    Paused,
    /// It cannot be shared; the decision log says why.
    Failed,
}

impl Stage {
    /// Every stage, in the order of a life.
    pub const ALL: [Stage; 9] = [
        Stage::Found,
        Stage::Hashing,
        Stage::Ready,
        Stage::Spreading,
        Stage::Supporting,
        Stage::Retired,
        Stage::Absent,
        Stage::Paused,
        Stage::Failed,
    ];

    /// The word used in the database, the API and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Found => "found",
            Stage::Hashing => "hashing",
            Stage::Ready => "ready",
            Stage::Spreading => "spreading",
            Stage::Supporting => "supporting",
            Stage::Retired => "retired",
            Stage::Absent => "absent",
            Stage::Paused => "paused",
            Stage::Failed => "failed",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no stage is called {0:?}")]
pub struct UnknownStage(pub String);

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Stage::ALL
            .into_iter()
            .find(|stage| stage.as_str() == word)
            .ok_or_else(|| UnknownStage(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_reads_back_from_its_word() {
        for stage in Stage::ALL {
            assert_eq!(stage.as_str().parse(), Ok(stage));
            assert_eq!(serde_json::to_value(stage).unwrap(), stage.as_str());
        }
    }
}
