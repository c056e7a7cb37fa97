//! The database as the shelf from which the engine takes torrents that somebody comes for.

use crate::base::{InfoHash, ReleaseId};
use crate::seed::Torrent;
use crate::seed::engine::{Shelf, ShelfError};
use crate::store::{Store, StoreError};

/// One release's place on it.
#[derive(Debug)]
pub(super) struct Shelved {
    pub store: Store,
    pub id: ReleaseId,
}

/// Why a torrent that somebody came for is not there.
#[derive(Debug, thiserror::Error)]
enum Missing {
    #[error("release {0} has no torrent any more")]
    NoTorrent(ReleaseId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Shelved {
    fn take(&self) -> Result<Torrent, Missing> {
        let release = self.store.release(self.id)?;
        let info = self.store.torrent(self.id)?;
        let (Some(info), Some(info_hash), Some(piece_length)) =
            (info, release.info_hash, release.piece_length)
        else {
            return Err(Missing::NoTorrent(self.id));
        };
        let content = self.store.content(self.id)?;
        let (info, private) = (info.into(), release.private);
        Ok(Torrent::new(
            info_hash,
            info,
            piece_length,
            content,
            private,
        ))
    }
}

impl Shelf for Shelved {
    fn read(&self, _: InfoHash) -> Result<Torrent, ShelfError> {
        Ok(self.take()?)
    }
}
