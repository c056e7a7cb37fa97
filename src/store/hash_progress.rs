//! Piece hashes of a release that is being hashed, so that a restart reads no byte twice.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::{Store, StoreError, release};
use crate::base::ReleaseId;

/// Bytes of a SHA-1.
const HASH: usize = 20;

/// What is hashed of a release so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashProgress {
    /// Bytes in a piece.
    pub piece_length: u32,
    /// SHA-1 of each piece hashed, from the front, 20 bytes each.
    pub hashes: Vec<u8>,
}

impl Store {
    /// Keeps the hashes of some pieces, 20 bytes each, the first of them being number `first_piece`. They follow on
    /// those kept before: beginning at piece 0 begins anew, and what was kept from `first_piece` on is replaced.
    ///
    /// A checkpoint writes the new hashes alone, a page or two, whatever was kept before.
    ///
    /// # Errors
    /// When there is none of that identifier, the hashes leave a gap, are not whole or are of another piece length,
    /// or the database refuses.
    pub fn save_progress(
        &self,
        id: ReleaseId,
        piece_length: u32,
        first_piece: u32,
        hashes: &[u8],
    ) -> Result<(), StoreError> {
        let refuse = |why| StoreError::Progress {
            release: id,
            first_piece,
            why,
        };
        if !hashes.len().is_multiple_of(HASH) {
            return Err(refuse("a hash is 20 bytes"));
        }
        if hashes.is_empty() {
            return Ok(());
        }
        self.write(
            || format!("keep the hashes of release {id} from piece {first_piece}"),
            |tx| {
                release::expect(tx, id)?;
                tx.prepare_cached(
                    "DELETE FROM hash_progress WHERE release = ?1 AND first_piece >= ?2",
                )?
                .execute(params![id.0, first_piece])?;
                match (first_piece, last(tx, id)?) {
                    (0, _) => {}
                    (_, Some((_, kept))) if kept != piece_length => {
                        return Err(refuse("those kept are of another piece length").into());
                    }
                    (next, Some((end, _))) if end == next => {}
                    _ => return Err(refuse("they do not follow on those kept").into()),
                }
                tx.prepare_cached("INSERT INTO hash_progress VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![id.0, first_piece, piece_length, hashes])?;
                Ok(())
            },
        )
    }

    /// What is hashed of a release so far; none when nothing is, or when it has its torrent.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn progress(&self, id: ReleaseId) -> Result<Option<HashProgress>, StoreError> {
        self.read(
            || format!("read the hashes of release {id}"),
            |db| {
                let sql = "SELECT piece_length, hashes FROM hash_progress WHERE release = ?1 ORDER BY first_piece";
                let mut statement = db.prepare_cached(sql)?;
                let mut rows = statement.query([id.0])?;
                let mut progress: Option<HashProgress> = None;
                while let Some(row) = rows.next()? {
                    let piece_length = row.get(0)?;
                    let kept = progress.get_or_insert_with(|| HashProgress {
                        piece_length,
                        hashes: Vec::new(),
                    });
                    kept.hashes.extend_from_slice(row.get_ref(1)?.as_blob()?);
                }
                Ok(progress)
            },
        )
    }

    /// Bytes hashed of each release that is hashed in part; its last piece counts whole.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn hashed_in_part(&self) -> Result<HashMap<ReleaseId, u64>, StoreError> {
        self.read(
            || "read how far releases are hashed".to_owned(),
            |db| {
                // Lengths of BLOBs are read without reading the BLOBs.
                let sql = "SELECT release, sum(length(hashes) / 20 * piece_length) FROM hash_progress GROUP BY release";
                db.prepare_cached(sql)?
                    .query_map([], |row| Ok((ReleaseId(row.get(0)?), release::unsigned(row, 1)?)))?
                    .collect()
            },
        )
    }

    /// Forgets the hashes kept of a release.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn clear_progress(&self, id: ReleaseId) -> Result<(), StoreError> {
        self.write(
            || format!("forget the hashes of release {id}"),
            |tx| {
                tx.prepare_cached("DELETE FROM hash_progress WHERE release = ?1")?
                    .execute([id.0])?;
                Ok(())
            },
        )
    }
}

/// The piece after the last one kept, and the piece length.
fn last(db: &Connection, id: ReleaseId) -> rusqlite::Result<Option<(u32, u32)>> {
    use rusqlite::OptionalExtension;
    let sql = "SELECT first_piece + length(hashes) / 20, piece_length FROM hash_progress
               WHERE release = ?1 ORDER BY first_piece DESC LIMIT 1";
    db.prepare_cached(sql)?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::box_with;

    const ID: ReleaseId = ReleaseId(1);

    fn hashes(range: std::ops::Range<u8>) -> Vec<u8> {
        range.flat_map(|byte| [byte; HASH]).collect()
    }

    #[test]
    fn checkpoints_follow_one_another() {
        let (store, _) = box_with(&["a"]);
        assert_eq!(store.progress(ID).unwrap(), None);
        store.save_progress(ID, 16, 0, &hashes(0..3)).unwrap();
        store.save_progress(ID, 16, 3, &hashes(3..4)).unwrap();
        store.save_progress(ID, 16, 4, &[]).unwrap();
        assert_eq!(store.hashed_in_part().unwrap()[&ID], 64);
        let kept = store.progress(ID).unwrap().unwrap();
        assert_eq!(
            kept,
            HashProgress {
                piece_length: 16,
                hashes: hashes(0..4)
            }
        );

        // The same batch again, as after a lost answer, changes nothing.
        store.save_progress(ID, 16, 3, &hashes(3..4)).unwrap();
        assert_eq!(store.progress(ID).unwrap().unwrap(), kept);

        for (length, first, bytes) in [
            (16, 5, hashes(0..1)),
            (16, 2, hashes(0..1)),
            (32, 4, hashes(0..1)),
            (16, 4, vec![0; 19]),
        ] {
            let refused = store.save_progress(ID, length, first, &bytes);
            assert!(
                matches!(refused, Err(StoreError::Progress { .. })),
                "{length} {first}"
            );
            assert_eq!(store.progress(ID).unwrap().unwrap(), kept);
        }

        store.save_progress(ID, 32, 0, &hashes(9..10)).unwrap();
        assert_eq!(store.progress(ID).unwrap().unwrap().piece_length, 32);
        store.clear_progress(ID).unwrap();
        assert_eq!(store.progress(ID).unwrap(), None);
        assert!(
            store
                .save_progress(ReleaseId(9), 16, 0, &hashes(0..1))
                .is_err()
        );
    }

    #[test]
    fn a_checkpoint_late_in_a_long_hash_writes_as_little_as_an_early_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let store = Store::open(&path).unwrap();
        crate::store::testing::fill(&store, &["a"]);
        let wal = dir.path().join("db-wal");
        let mut grown = Vec::new();
        for batch in 0..200_u32 {
            let before = std::fs::metadata(&wal).unwrap().len();
            store
                .save_progress(ID, 16, batch * 10, &hashes(0..10))
                .unwrap();
            grown.push(
                std::fs::metadata(&wal)
                    .unwrap()
                    .len()
                    .saturating_sub(before),
            );
        }
        assert_eq!(
            store.progress(ID).unwrap().unwrap().hashes.len(),
            2_000 * HASH
        );
        // Pages of 4 KiB and their frame headers; one BLOB grown by each checkpoint would write ten of them at the end.
        let late: u64 = grown[180..].iter().sum::<u64>() / 20;
        assert!(
            late <= 3 * 4_120,
            "a checkpoint of 200 bytes wrote {late} bytes"
        );
    }
}
