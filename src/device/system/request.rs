//! What the daemon may ask of the system helper, and what it answers.
//!
//! On the socket each is one frame ([`crate::base::frame`]), such as
//!
//! ```text
//! "inspect"
//! {"bundle": {"version": "1.2.3", "board": "rpi4", "bytes": 67108864}}
//! {"refused": {"sort": "bad-update", "why": "this update is not signed by …"}}
//! ```
//!
//! Unknown requests and fields are refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::{ErrorKind, Kind};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Say whether you are there, and what is being done. Answered by [`Answer::Status`].
    Status,
    /// Look at the update that was received: whether it is one, signed by whom it should be, for this board. Answered by
    /// [`Answer::Bundle`].
    Inspect,
    /// Install it. Answered by [`Answer::Progress`] as often as there is some, and by [`Answer::Done`] in the end. It goes on
    /// when nobody listens any more.
    Install,
    /// End the machine. Answered by [`Answer::Done`], before it has.
    Power(Power),
    /// Join a Wi-Fi network, now and at each start. Answered by [`Answer::Done`], before it has.
    JoinWifi(WifiRequest),
    /// Leave it, and forget it. Answered by [`Answer::Done`].
    LeaveWifi,
    /// Say how the Wi-Fi is. Answered by [`Answer::Wifi`].
    Wifi,
}

/// How the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// And starts again.
    Restart,
    /// For good.
    ShutDown,
}

/// A Wi-Fi network to join. It is checked as one on a card is ([`crate::device::first_boot::wish::wifi`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WifiRequest {
    /// Its name.
    pub network: String,
    /// Its password; empty when it has none.
    pub password: Password,
    /// The country whose rules for radio hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// A password. Is in no log: its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Keeps a password.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The password itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// The helper is there.
    Status(Status),
    /// The update is good.
    Bundle(Bundle),
    /// So many hundredths are done.
    Progress(u8),
    /// It is done.
    Done,
    /// The Wi-Fi.
    Wifi(WifiState),
    /// It is not done.
    Refused(Refusal),
}

/// What the helper does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Status {
    /// How far the installation is that is under way, in hundredths.
    pub installing: Option<u8>,
}

/// An update, as its signed text describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bundle {
    /// The version in it.
    pub version: String,
    /// The board it is for.
    pub board: String,
    /// Bytes.
    pub bytes: u64,
}

/// How the Wi-Fi is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WifiState {
    /// The name of the network to join; made readable where it is not UTF-8.
    pub network: Option<String>,
    /// How far that is.
    pub link: WifiLink,
}

/// How far the box is with its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WifiLink {
    /// Nothing is tried.
    Off,
    /// It is not seen.
    Searching,
    /// It is seen, and spoken to.
    Joining,
    /// It does not let the box in.
    TurnedAway,
    /// The box is in.
    Connected,
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[error("{why}")]
pub struct Refusal {
    /// For the program that asked.
    pub sort: Sort,
    /// For the owner: a sentence without its full stop.
    pub why: String,
}

impl Kind for Refusal {
    fn kind(&self) -> ErrorKind {
        match self.sort {
            Sort::Malformed | Sort::BadUpdate => ErrorKind::BadInput,
            Sort::NotAllowed => ErrorKind::Forbidden,
            Sort::NotFound => ErrorKind::NotFound,
            Sort::Busy => ErrorKind::Conflict,
            Sort::TooMany => ErrorKind::TooMany,
            Sort::NoSpace => ErrorKind::NoSpace,
            Sort::Failed => ErrorKind::Unavailable,
        }
    }
}

/// The sorts of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// The request is not understood, or asks for what cannot be.
    Malformed,
    /// Who asked may not.
    NotAllowed,
    /// There is no update.
    NotFound,
    /// The update is none, was altered, is somebody else's, or for another board.
    BadUpdate,
    /// It is at something that must end first.
    Busy,
    /// Too much is asked at once.
    TooMany,
    /// A disk is full.
    NoSpace,
    /// It was tried, and does not work.
    Failed,
}
