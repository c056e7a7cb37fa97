//! What the owner sees of the whole system: what runs, what becomes of an update, and the Wi-Fi.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Start, WifiTrouble};
use crate::device::system::{WifiLink, WifiState};
use crate::device::update::{Note, Phase};
use crate::store::SetAside;

/// The whole system, where the box is one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SystemView {
    /// Whether the box is a whole system, which can be updated, switched off, and given a Wi-Fi from here.
    pub available: bool,
    /// The version that runs.
    pub version: String,
    /// The board that the system is made for: `rpi4`.
    pub board: Option<String>,
    /// Which of the two places for a system the running one is in.
    pub slot: Option<Slot>,
    /// The update that is received or installed.
    pub update: UpdateView,
    /// What became of the last update that was started.
    pub last: Option<LastUpdateView>,
    /// The Wi-Fi; none where the board has none.
    pub wifi: Option<WifiView>,
    /// The database of a newer version, which this one cannot read and has set aside.
    pub database: Option<SetAsideView>,
    /// The journals of earlier starts that are kept, the newer one first.
    pub journals: Vec<JournalView>,
}

/// A database that was set aside, for the copy that was kept before a newer version changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SetAsideView {
    /// The name of the file, in the box's data folder.
    pub set_aside: String,
    /// When it was set aside, in seconds since 1970.
    pub at: i64,
    /// When the copy was made, in seconds since 1970: what was changed from then until `at` is in the file only.
    pub since: i64,
}

impl From<&SetAside> for SetAsideView {
    fn from(aside: &SetAside) -> Self {
        let name = aside.path.file_name().unwrap_or_default();
        Self {
            set_aside: name.to_string_lossy().into_owned(),
            at: aside.at.0,
            since: aside.since.0,
        }
    }
}

/// The journal of an earlier start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JournalView {
    /// Which start.
    pub start: Start,
    /// When that start ended, in seconds since 1970.
    pub at: i64,
    /// Bytes, packed.
    pub bytes: u64,
}

/// A place for a system on the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

/// An update on its way into the box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct UpdateView {
    /// How far it is.
    pub state: UpdateState,
    /// What was received, once it was checked.
    pub bundle: Option<BundleView>,
    /// How far the installation is, while there is one.
    #[schema(minimum = 0, maximum = 100)]
    pub percent: Option<u8>,
    /// Why the last update could not be received or installed; the state is `none` or `ready` then.
    pub problem: Option<String>,
}

/// How far an update is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// There is none.
    #[default]
    None,
    /// It is being received.
    Receiving,
    /// Its signature is being looked at.
    Checking,
    /// It may be installed.
    Ready,
    /// It is being written beside the system that runs.
    Installing,
    /// It runs from the next start.
    Installed,
}

/// An update, as its signed text describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BundleView {
    /// The version in it.
    pub version: String,
    /// The board it is for.
    pub board: String,
    /// Bytes.
    pub bytes: u64,
}

/// What became of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastUpdateView {
    /// The version that was installed.
    pub version: String,
    /// The version that ran before.
    pub from: String,
    /// When that became of it, in seconds since 1970.
    pub at: i64,
    /// What.
    pub outcome: Outcome,
    /// Why it is not kept.
    pub reason: Option<String>,
}

/// What becomes of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is being started, or runs and has still to prove itself.
    Trying,
    /// It runs, and is started from now on.
    Kept,
    /// The system before it runs again.
    WentBack,
}

/// The Wi-Fi.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct WifiView {
    /// The name of the network that the box is to join; made readable where it is not UTF-8.
    pub network: Option<String>,
    /// Whether it has.
    pub connected: bool,
    /// Why not, as far as known.
    pub problem: Option<String>,
}

impl From<WifiState> for WifiView {
    fn from(state: WifiState) -> Self {
        let name = state.network.clone().unwrap_or_default();
        let trouble = match state.link {
            _ if state.network.is_none() => None,
            WifiLink::Connected | WifiLink::Joining => None,
            WifiLink::Off => Some(WifiTrouble::Off(name)),
            WifiLink::Searching => Some(WifiTrouble::NotSeen(name)),
            WifiLink::TurnedAway => Some(WifiTrouble::TurnedAway(name)),
        };
        WifiView {
            network: state.network,
            connected: state.link == WifiLink::Connected,
            problem: trouble.map(|trouble| trouble.to_string()),
        }
    }
}

impl LastUpdateView {
    /// What is told of the last update; nothing while it is only being installed.
    pub(super) fn of(note: &Note) -> Option<Self> {
        let (outcome, reason) = match &note.phase {
            Phase::Installing | Phase::Installed => return None,
            Phase::Restarting | Phase::Trying => (Outcome::Trying, None),
            Phase::Kept => (Outcome::Kept, None),
            Phase::WentBack(why) => (Outcome::WentBack, Some(why.to_string())),
        };
        Some(LastUpdateView {
            version: note.version.clone(),
            from: note.from.clone(),
            at: note.at,
            outcome,
            reason,
        })
    }
}
