//! Which releases the public may see.

use crate::base::{InfoHash, Stage};
use crate::store::Release;

/// A release that has a public page.
#[derive(Debug, Clone)]
pub(super) struct Visible {
    /// The release.
    pub(super) release: Release,
    /// Its swarm.
    pub(super) info_hash: InfoHash,
    /// Why it cannot be had from this box now; none when it can.
    pub(super) note: Option<&'static str>,
}

impl Visible {
    /// A release as the public sees it; none when it does not.
    ///
    /// What is offered is seen. What is paused or away keeps its page and its torrent, because its links are out in
    /// the world and others may carry it.
    pub(super) fn of(release: Release) -> Option<Self> {
        if release.removed.is_some() {
            return None;
        }
        let info_hash = release.info_hash?;
        let note = match release.stage {
            Stage::Ready | Stage::Spreading | Stage::Supporting | Stage::Retired => None,
            Stage::Paused => Some("This box has paused it. Others may still carry it."),
            Stage::Absent => {
                Some("The drive it is on is not connected now. Others may still carry it.")
            }
            Stage::Found | Stage::Hashing | Stage::Failed => return None,
        };
        Some(Self {
            release,
            info_hash,
            note,
        })
    }
}
