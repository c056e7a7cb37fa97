//! The files of a release, as they were when it was listed.

use std::path::PathBuf;

use rusqlite::{Row, Transaction, params};

use super::release::{self, signed, unsigned};
use super::source::{bytes_of, path_of};
use super::{Store, StoreError};
use crate::base::{Content, ContentFile, FileIdentity, ReleaseId, Stage, Timestamp};

/// Writes the files of a release and its figures, in place of those it had.
pub(super) fn write(
    tx: &Transaction<'_>,
    id: ReleaseId,
    content: &Content,
) -> rusqlite::Result<()> {
    delete(tx, id)?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO release_file (release, position, path, length, size, mtime_ns, inode)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut total = 0_u64;
    for (position, file) in content.files.iter().enumerate() {
        let size = file
            .identity
            .map(|identity| signed(identity.size))
            .transpose()?;
        insert.execute(params![
            id.0,
            position as i64,
            bytes_of(&file.path),
            signed(file.length)?,
            size,
            file.identity.map(|identity| identity.mtime_ns),
            file.identity.map(|identity| identity.inode as i64),
        ])?;
        total = total.saturating_add(file.length);
    }
    let files = content
        .files
        .iter()
        .filter(|file| file.identity.is_some())
        .count();
    tx.prepare_cached("UPDATE release SET size = ?2, files = ?3 WHERE id = ?1")?
        .execute(params![id.0, signed(total)?, files as i64])?;
    Ok(())
}

/// Forgets the files of a release.
pub(super) fn delete(tx: &Transaction<'_>, id: ReleaseId) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM release_file WHERE release = ?1")?
        .execute([id.0])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<ContentFile> {
    let size: Option<i64> = row.get(2)?;
    let identity = match size {
        None => None,
        Some(_) => Some(FileIdentity {
            size: unsigned(row, 2)?,
            mtime_ns: row.get(3)?,
            inode: row.get::<_, i64>(4)? as u64,
        }),
    };
    Ok(ContentFile {
        path: path_of(row.get(0)?),
        length: unsigned(row, 1)?,
        identity,
    })
}

impl Store {
    /// The files of a release, below where its source is now. None for a removed release.
    ///
    /// # Errors
    /// When there is none of that identifier, or the database refuses.
    pub fn content(&self, id: ReleaseId) -> Result<Content, StoreError> {
        self.read(
            || format!("read the files of release {id}"),
            |db| {
                let Some(root) = root(db, id)? else {
                    return Ok(None);
                };
                let sql = "SELECT path, length, size, mtime_ns, inode FROM release_file
                           WHERE release = ?1 ORDER BY position";
                let files = db
                    .prepare_cached(sql)?
                    .query_map([id.0], read)?
                    .collect::<rusqlite::Result<_>>()?;
                Ok(Some(Content { root, files }))
            },
        )?
        .ok_or(StoreError::NoSuchRelease(id))
    }

    /// The first `limit` files of a release as `(path, bytes)`, padding left out, for lists.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn files(&self, id: ReleaseId, limit: usize) -> Result<Vec<(PathBuf, u64)>, StoreError> {
        self.read(
            || format!("read the files of release {id}"),
            |db| {
                let sql = "SELECT path, length FROM release_file
                           WHERE release = ?1 AND size IS NOT NULL ORDER BY position LIMIT ?2";
                db.prepare_cached(sql)?
                    .query_map(params![id.0, limit as i64], |row| {
                        Ok((path_of(row.get(0)?), unsigned(row, 1)?))
                    })?
                    .collect()
            },
        )
    }

    /// Writes down that the files of a release changed. Torrent and hashes of the old ones go, and the release goes
    /// back to [`Stage::Found`], at once or, while it is paused or absent, when it comes back.
    ///
    /// # Errors
    /// When there is none of that identifier, or the database refuses.
    pub fn replace_content(
        &self,
        id: ReleaseId,
        content: &Content,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(
            || format!("write down the files of release {id}"),
            |tx| {
                let release = release::expect(tx, id)?;
                release::advance_or_resume_at(tx, &release, Stage::Found, reason, now)?;
                release::drop_torrent(tx, id)?;
                Ok(write(tx, id, content)?)
            },
        )
    }
}

/// Where a release is: its source's path and its name.
fn root(db: &rusqlite::Connection, id: ReleaseId) -> rusqlite::Result<Option<PathBuf>> {
    use rusqlite::OptionalExtension;
    let sql = "SELECT source.path, release.name FROM release
               JOIN source ON source.id = release.source WHERE release.id = ?1";
    db.prepare_cached(sql)?
        .query_row([id.0], |row| {
            let folder: PathBuf = path_of(row.get(0)?);
            Ok(folder.join(path_of(row.get(1)?)))
        })
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{box_with, content};

    #[test]
    fn ten_thousand_files_and_padding_come_back_in_order() {
        let (store, source) = box_with(&[]);
        let mut listed = content(&[]);
        for number in 0..10_000_u64 {
            listed.files.push(ContentFile {
                path: PathBuf::from(format!("part/{:05}", 9_999 - number)),
                length: number,
                identity: (number % 2 == 0).then_some(FileIdentity {
                    size: number,
                    mtime_ns: -1,
                    inode: u64::MAX - number,
                }),
            });
        }
        let release = store
            .found(source, "big".as_ref(), &listed, Timestamp(1))
            .unwrap();
        assert_eq!(release.size, listed.total());
        assert_eq!(release.files, 5_000);
        let read = store.content(release.id).unwrap();
        assert_eq!(read.files, listed.files);
        assert_eq!(read.root, PathBuf::from("/media/big"));
        let first = store.files(release.id, 2).unwrap();
        assert_eq!(first, [("part/09999".into(), 0), ("part/09997".into(), 2)]);
    }

    #[test]
    fn changed_files_send_a_release_back_to_the_start() {
        let (store, source) = box_with(&[]);
        let release = store
            .found(source, "a".as_ref(), &content(&[("x", 1)]), Timestamp(1))
            .unwrap();
        store.save_progress(release.id, 16, 0, &[7; 20]).unwrap();
        let changed = content(&[("x", 2), ("y", 3)]);
        store
            .replace_content(release.id, &changed, "its files changed", Timestamp(2))
            .unwrap();
        let now = store.release(release.id).unwrap();
        assert_eq!((now.stage, now.size, now.files), (Stage::Found, 5, 2));
        assert_eq!(now.reason, "its files changed");
        assert_eq!(store.progress(release.id).unwrap(), None);
        assert!(store.content(ReleaseId(99)).is_err());
    }
}
