//! Which releases the public may see.

use crate::base::{InfoHash, Language, Stage};
use crate::store::Release;

/// A release that has a public page.
#[derive(Debug, Clone)]
pub(super) struct Visible {
    /// The release.
    pub(super) release: Release,
    /// Its swarm.
    pub(super) info_hash: InfoHash,
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
        match release.stage {
            Stage::Found | Stage::Hashing | Stage::Failed => None,
            _ => Some(Self { release, info_hash }),
        }
    }

    /// Whether it stands in the index and the feed: what can be had now. A private torrent (BEP 27) is for those who were
    /// given its link.
    pub(super) fn is_listed(&self) -> bool {
        let is_here = !matches!(self.release.stage, Stage::Paused | Stage::Absent);
        is_here && !self.release.private
    }

    /// Why it cannot be had from this box now; none when it can.
    pub(super) fn note(&self, language: Language) -> Option<&'static str> {
        match self.release.stage {
            Stage::Paused => Some(language.pick(
                "This box has paused it. Others may still carry it.",
                "Ce boîtier l’a mis en pause. D’autres le portent peut-être encore.",
            )),
            Stage::Absent => Some(language.pick(
                "The drive it is on is not connected now. Others may still carry it.",
                "Le disque qui le contient n’est pas branché. D’autres le portent peut-être encore.",
            )),
            _ => None,
        }
    }
}
