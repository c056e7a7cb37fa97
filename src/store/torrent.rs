//! The torrents of hashed releases.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, ledger, release};
use crate::base::{InfoHash, ReleaseId, Stage, Timestamp};

/// A torrent to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewTorrent<'a> {
    /// The bencoded info dictionary, byte for byte.
    pub info: &'a [u8],
    /// Its SHA-1.
    pub info_hash: InfoHash,
    /// Bytes in a piece.
    pub piece_length: u32,
    /// Whether it is private (BEP 27).
    pub private: bool,
}

impl Store {
    /// Keeps the torrent of a release, lets go of the hashes it was made of, and moves the release to
    /// [`Stage::Ready`], at once or, while it is paused or absent, when it comes back.
    ///
    /// # Errors
    /// When there is none of that identifier, or the database refuses.
    pub fn save_torrent(
        &self,
        id: ReleaseId,
        torrent: &NewTorrent<'_>,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(
            || format!("keep the torrent of release {id}"),
            |tx| {
                let release = release::expect(tx, id)?;
                tx.prepare_cached("INSERT OR REPLACE INTO torrent (release, info) VALUES (?1, ?2)")?
                    .execute(params![id.0, torrent.info])?;
                tx.prepare_cached(
                    "UPDATE release SET info_hash = ?2, piece_length = ?3, private = ?4 WHERE id = ?1",
                )?
                .execute(params![id.0, torrent.info_hash.0, torrent.piece_length, torrent.private])?;
                ledger::begin_content(tx, id, torrent.info_hash)?;
                tx.prepare_cached("DELETE FROM hash_progress WHERE release = ?1")?
                    .execute([id.0])?;
                Ok(release::advance_or_resume_at(tx, &release, Stage::Ready, reason, now)?)
            },
        )
    }

    /// Whether a release's torrent is kept.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn has_torrent(&self, id: ReleaseId) -> Result<bool, StoreError> {
        self.read(
            || format!("look for the torrent of release {id}"),
            |db| {
                db.prepare_cached("SELECT EXISTS (SELECT 1 FROM torrent WHERE release = ?1)")?
                    .query_row([id.0], |row| row.get(0))
            },
        )
    }

    /// The bencoded info dictionary of a release, when it has been hashed.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn torrent(&self, id: ReleaseId) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(
            || format!("read the torrent of release {id}"),
            |db| {
                db.prepare_cached("SELECT info FROM torrent WHERE release = ?1")?
                    .query_row([id.0], |row| row.get(0))
                    .optional()
            },
        )
    }

    /// Bytes of the info dictionary of a release, when it has been hashed; cheaper than the dictionary itself.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn torrent_length(&self, id: ReleaseId) -> Result<Option<u64>, StoreError> {
        self.read(
            || format!("look at the torrent of release {id}"),
            |db| {
                db.prepare_cached("SELECT length(info) FROM torrent WHERE release = ?1")?
                    .query_row([id.0], |row| release::unsigned(row, 0))
                    .optional()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{box_with, torrent};

    #[test]
    fn a_torrent_makes_a_release_ready_and_findable() {
        let (store, _) = box_with(&["a", "b"]);
        let [a, b] = [ReleaseId(1), ReleaseId(2)];
        store.save_progress(a, 16, 0, &[7; 20]).unwrap();
        assert_eq!(store.torrent(a).unwrap(), None);
        assert_eq!(store.torrent_length(a).unwrap(), None);
        assert!(!store.has_torrent(a).unwrap());
        let changes = store.changes();

        let new = torrent(5);
        store.save_torrent(a, &new, "hashed", Timestamp(9)).unwrap();
        assert!(store.changes() > changes);
        let changes = store.changes();
        assert!(store.has_torrent(a).unwrap());
        let release = store.release(a).unwrap();
        assert_eq!(store.changes(), changes, "reading changes nothing");
        assert_eq!(release.stage, Stage::Ready);
        assert_eq!(release.info_hash, Some(new.info_hash));
        assert_eq!(release.piece_length, Some(new.piece_length));
        assert_eq!(store.torrent(a).unwrap().as_deref(), Some(new.info));
        let length = store.torrent_length(a).unwrap();
        assert_eq!(length, Some(new.info.len() as u64));
        assert_eq!(store.progress(a).unwrap(), None);

        // The same content in another place: found by its hash, offered ones and then older ones first, until removed.
        store.save_torrent(b, &new, "hashed", Timestamp(9)).unwrap();
        let by_hash = || {
            store
                .by_info_hash(new.info_hash)
                .unwrap()
                .map(|release| release.id)
        };
        assert_eq!(by_hash(), Some(a));
        let pause = |id, stage| {
            store
                .set_stage(id, stage, "for a while", Timestamp(10))
                .unwrap()
        };
        pause(a, Stage::Paused);
        assert_eq!(by_hash(), Some(b), "the one that is offered");
        pause(b, Stage::Absent);
        assert_eq!(by_hash(), Some(a));
        store.remove(a, Timestamp(10)).unwrap();
        assert_eq!(by_hash(), Some(b));
        store.remove(b, Timestamp(10)).unwrap();
        assert_eq!(by_hash(), None);
        assert_eq!(store.torrent(a).unwrap(), None);
    }

    #[test]
    fn a_release_paused_while_it_was_hashed_stays_paused() {
        let (store, _) = box_with(&["a"]);
        let id = ReleaseId(1);
        store
            .set_stage(id, Stage::Hashing, "its turn", Timestamp(1))
            .unwrap();
        store
            .set_stage(id, Stage::Paused, "by its owner", Timestamp(2))
            .unwrap();
        store
            .save_torrent(id, &torrent(5), "hashed", Timestamp(3))
            .unwrap();
        let release = store.release(id).unwrap();
        assert_eq!(
            (release.stage, release.resume_stage),
            (Stage::Paused, Some(Stage::Ready))
        );
        assert_eq!(release.reason, "by its owner");
    }
}
