//! Things the owner shares.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Type, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, params};

use super::{Failure, Store, StoreError, content, decision};
use crate::base::{Content, InfoHash, ReleaseId, SourceId, Stage, Timestamp};

/// The reason written when something is found for the first time.
const FOUND: &str = "found";

/// A file or a top-level folder of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its identifier.
    pub id: ReleaseId,
    /// The source it comes from.
    pub source: SourceId,
    /// The file's or folder's name, byte for byte.
    pub name: OsString,
    /// Where it is in its life.
    pub stage: Stage,
    /// The stage to go back to; set while [`Stage::Paused`] or [`Stage::Absent`].
    pub resume_stage: Option<Stage>,
    /// Why it is in that stage, in plain words.
    pub reason: String,
    /// Since when it is in that stage.
    pub since: Timestamp,
    /// Bytes of all its files, padding included.
    pub size: u64,
    /// Number of its files, padding left out.
    pub files: u64,
    /// The swarm's name, once hashed.
    pub info_hash: Option<InfoHash>,
    /// Bytes in a piece, once hashed.
    pub piece_length: Option<u32>,
    /// Whether its torrent is private (BEP 27).
    pub private: bool,
    /// When its owner removed it.
    pub removed: Option<Timestamp>,
    /// When it was first found.
    pub added: Timestamp,
}

impl Release {
    /// The name, made readable where it is not UTF-8.
    pub fn display_name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }
}

impl ToSql for Stage {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Stage {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

/// Neither removed, nor of a source that is.
const SHOWN: &str =
    "removed IS NULL AND source NOT IN (SELECT id FROM source WHERE removed IS NOT NULL)";

const COLUMNS: &str = "id, source, name, stage, resume_stage, reason, since, size, files, info_hash, piece_length, \
                       private, removed, added";

fn read(row: &Row<'_>) -> rusqlite::Result<Release> {
    Ok(Release {
        id: ReleaseId(row.get(0)?),
        source: SourceId(row.get(1)?),
        name: OsString::from_vec(row.get(2)?),
        stage: row.get(3)?,
        resume_stage: row.get(4)?,
        reason: row.get(5)?,
        since: Timestamp(row.get(6)?),
        size: unsigned(row, 7)?,
        files: unsigned(row, 8)?,
        info_hash: row.get::<_, Option<[u8; 20]>>(9)?.map(InfoHash),
        piece_length: row.get(10)?,
        private: row.get(11)?,
        removed: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        added: Timestamp(row.get(13)?),
    })
}

/// A count or size, which SQLite keeps as a signed integer.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(e)))
}

/// A count or size as SQLite keeps it.
pub(super) fn signed(value: u64) -> rusqlite::Result<i64> {
    i64::try_from(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

/// One release, removed or not.
pub(super) fn get(db: &Connection, id: ReleaseId) -> rusqlite::Result<Option<Release>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM release WHERE id = ?1"))?
        .query_row([id.0], read)
        .optional()
}

/// One release that must be there, removed or not.
fn expect_any(tx: &Transaction<'_>, id: ReleaseId) -> Result<Release, Failure> {
    get(tx, id)?.ok_or_else(|| StoreError::NoSuchRelease(id).into())
}

/// One release that must be there and not removed: work that was under way when its owner removed it ends here.
pub(super) fn expect(tx: &Transaction<'_>, id: ReleaseId) -> Result<Release, Failure> {
    match expect_any(tx, id)? {
        Release {
            removed: Some(_), ..
        } => Err(StoreError::NoSuchRelease(id).into()),
        release => Ok(release),
    }
}

/// Moves a release to a stage and writes the decision, unless it is there for that very reason already.
pub(super) fn advance(
    tx: &Transaction<'_>,
    release: &Release,
    stage: Stage,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    if release.stage == stage && release.reason == reason {
        return Ok(false);
    }
    let aside = |stage| matches!(stage, Stage::Paused | Stage::Absent);
    let resume = match (aside(stage), aside(release.stage)) {
        (false, _) => None,
        (true, true) => release.resume_stage,
        (true, false) => Some(release.stage),
    };
    let since = if release.stage == stage {
        release.since
    } else {
        now
    };
    tx.prepare_cached(
        "UPDATE release SET stage = ?2, resume_stage = ?3, reason = ?4, since = ?5 WHERE id = ?1",
    )?
    .execute(params![release.id.0, stage, resume, reason, since.0])?;
    decision::write(tx, release.id, now, stage, reason)?;
    Ok(true)
}

/// Like [`advance`], for a release that was worked on while its owner paused it or its drive left: such a one stays
/// aside, and goes to `stage` when it comes back.
pub(super) fn advance_or_resume_at(
    tx: &Transaction<'_>,
    release: &Release,
    stage: Stage,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    if release.resume_stage.is_some() {
        tx.prepare_cached("UPDATE release SET resume_stage = ?2 WHERE id = ?1")?
            .execute(params![release.id.0, stage])?;
    } else {
        advance(tx, release, stage, reason, now)?;
    }
    Ok(())
}

/// Takes away what was derived from the content: torrent and hashes.
pub(super) fn drop_torrent(tx: &Transaction<'_>, id: ReleaseId) -> rusqlite::Result<()> {
    for table in ["torrent", "hash_progress"] {
        tx.prepare_cached(&format!("DELETE FROM {table} WHERE release = ?1"))?
            .execute([id.0])?;
    }
    // Refused by a CHECK while the stage is one that needs a torrent: move it first.
    tx.prepare_cached("UPDATE release SET info_hash = NULL, piece_length = NULL WHERE id = ?1")?
        .execute([id.0])?;
    Ok(())
}

/// The releases of a source that are not removed.
pub(super) fn all_of(tx: &Transaction<'_>, source: SourceId) -> rusqlite::Result<Vec<Release>> {
    let sql = format!("SELECT {COLUMNS} FROM release WHERE source = ?1 AND removed IS NULL");
    tx.prepare_cached(&sql)?
        .query_map([source.0], read)?
        .collect()
}

impl Store {
    /// Takes up what was found in a source under a name, in [`Stage::Found`]; when there is such a release already
    /// it is returned as it is, with the content it had ([`Store::content`], [`Store::replace_content`]).
    ///
    /// One that was removed stays so ([`Release::removed`], [`Store::restore`]). Uploads are the exception: removing
    /// one deletes its files, so that finding it means that it was uploaded again, and it is taken up anew.
    ///
    /// # Errors
    /// When there is no such source, or the database refuses.
    pub fn found(
        &self,
        source: SourceId,
        name: &OsStr,
        content: &Content,
        now: Timestamp,
    ) -> Result<Release, StoreError> {
        let doing = || format!("take up {} of source {source}", name.display());
        self.write(doing, |tx| {
            let is_for_uploads = super::source::by_id(tx, source)?
                .ok_or(StoreError::NoSuchSource(source))?
                .is_for_uploads();
            let known = tx
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM release WHERE source = ?1 AND name = ?2"
                ))?
                .query_row(params![source.0, name.as_bytes()], read)
                .optional()?;
            let id = match known {
                Some(release) if release.removed.is_some() && is_for_uploads => {
                    bring_back(tx, &release, content, "uploaded again", now)?;
                    release.id
                }
                Some(release) => return Ok(release),
                None => insert(tx, source, name, content, now)?,
            };
            expect(tx, id)
        })
    }

    /// Every release that is not removed, nor its source, by name as people sort names.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn releases(&self) -> Result<Vec<Release>, StoreError> {
        let mut releases: Vec<Release> = self.read(
            || "read the releases".to_owned(),
            |db| {
                let sql = format!("SELECT {COLUMNS} FROM release WHERE {SHOWN} ORDER BY id");
                db.prepare_cached(&sql)?.query_map([], read)?.collect()
            },
        )?;
        releases.sort_by_cached_key(|release| (release.display_name().to_lowercase(), release.id));
        Ok(releases)
    }

    /// Every release of a source, removed ones too.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn releases_of(&self, source: SourceId) -> Result<Vec<Release>, StoreError> {
        self.read(
            || format!("read the releases of source {source}"),
            |db| {
                let sql = format!("SELECT {COLUMNS} FROM release WHERE source = ?1");
                db.prepare_cached(&sql)?
                    .query_map([source.0], read)?
                    .collect()
            },
        )
    }

    /// One release, also a removed one.
    ///
    /// # Errors
    /// When there is none of that identifier, or the database refuses.
    pub fn release(&self, id: ReleaseId) -> Result<Release, StoreError> {
        self.read(|| format!("read release {id}"), |db| get(db, id))?
            .ok_or(StoreError::NoSuchRelease(id))
    }

    /// The release of a swarm, if we share it and its source was not forgotten. Where the same content is shared from two
    /// places: one that is offered now, rather than one that is paused or whose drive is away, and the oldest of those.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn by_info_hash(&self, info_hash: InfoHash) -> Result<Option<Release>, StoreError> {
        self.read(
            || format!("look up the torrent {info_hash}"),
            |db| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM release WHERE info_hash = ?1 AND {SHOWN}
                     ORDER BY stage IN ('absent', 'paused', 'failed'), id LIMIT 1"
                );
                db.prepare_cached(&sql)?
                    .query_row([info_hash.0], read)
                    .optional()
            },
        )
    }

    /// Moves a release to a stage, with one row in the decision log; neither when it is there for that very reason
    /// already. Whether anything changed is returned.
    ///
    /// Going to [`Stage::Paused`] or [`Stage::Absent`] remembers the stage to come back to
    /// ([`Release::resume_stage`]), through both when one follows the other. A new reason for the same stage leaves
    /// [`Release::since`] alone.
    ///
    /// # Errors
    /// When there is none of that identifier, it was removed, the stage needs a torrent and there is none, or the
    /// database refuses.
    pub fn set_stage(
        &self,
        id: ReleaseId,
        stage: Stage,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(
            || format!("move release {id} to {stage}"),
            |tx| {
                let release = expect(tx, id)?;
                Ok(advance(tx, &release, stage, reason, now)?)
            },
        )
    }

    /// Gives a release the name that its file or folder has now, with one row in the decision log. Its torrent stays, with
    /// the name it was made with: the swarm is the same. `content` is as it was, its identity excepted.
    ///
    /// # Errors
    /// When there is none of that identifier, it was removed, another of its source has that name, or the database
    /// refuses.
    pub fn rename(
        &self,
        id: ReleaseId,
        name: &OsStr,
        content: &Content,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(
            || format!("rename release {id} to {}", name.display()),
            |tx| {
                let release = expect(tx, id)?;
                let reason = format!("it was called {} before", release.display_name());
                tx.prepare_cached("UPDATE release SET name = ?2 WHERE id = ?1")?
                    .execute(params![id.0, name.as_bytes()])?;
                content::write(tx, id, content)?;
                advance(tx, &release, release.stage, &reason, now)?;
                Ok(())
            },
        )
    }

    /// Whether a release was ever to be shared, by its owner or by the rule of its source.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn was_wanted(&self, id: ReleaseId) -> Result<bool, StoreError> {
        self.read(
            || format!("read the decisions about release {id}"),
            |db| {
                let sql =
                    "SELECT EXISTS (SELECT 1 FROM decision WHERE release = ?1 AND stage = ?2)";
                db.prepare_cached(sql)?
                    .query_row(params![id.0, Stage::Hashing], |row| row.get(0))
            },
        )
    }

    /// Marks a release as removed by its owner. Its files, torrent and hashes are forgotten; its decisions and its
    /// ledger stay. Once removed, nothing happens.
    ///
    /// For an upload, delete its files first: what is found of a removed upload counts as uploaded again.
    ///
    /// # Errors
    /// When there is none of that identifier, or the database refuses.
    pub fn remove(&self, id: ReleaseId, now: Timestamp) -> Result<(), StoreError> {
        self.write(
            || format!("remove release {id}"),
            |tx| {
                let release = expect_any(tx, id)?;
                if release.removed.is_some() {
                    return Ok(());
                }
                advance(tx, &release, Stage::Found, "removed by its owner", now)?;
                drop_torrent(tx, id)?;
                content::delete(tx, id)?;
                tx.prepare_cached("UPDATE release SET removed = ?2 WHERE id = ?1")?
                    .execute(params![id.0, now.0])?;
                Ok(())
            },
        )
    }

    /// Takes a removed release up again, in [`Stage::Found`] with the content it has now. One that is not removed is
    /// left as it is.
    ///
    /// # Errors
    /// When there is none of that identifier, or the database refuses.
    pub fn restore(
        &self,
        id: ReleaseId,
        content: &Content,
        reason: &str,
        now: Timestamp,
    ) -> Result<Release, StoreError> {
        self.write(
            || format!("share release {id} again"),
            |tx| {
                let release = expect_any(tx, id)?;
                if release.removed.is_some() {
                    bring_back(tx, &release, content, reason, now)?;
                }
                expect(tx, id)
            },
        )
    }
}

fn insert(
    tx: &Transaction<'_>,
    source: SourceId,
    name: &OsStr,
    content: &Content,
    now: Timestamp,
) -> Result<ReleaseId, Failure> {
    tx.prepare_cached(
        "INSERT INTO release (source, name, stage, reason, since, size, files, private, added)
         VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, ?5)",
    )?
    .execute(params![
        source.0,
        name.as_bytes(),
        Stage::Found,
        FOUND,
        now.0
    ])?;
    let id = ReleaseId(tx.last_insert_rowid());
    content::write(tx, id, content)?;
    decision::write(tx, id, now, Stage::Found, FOUND)?;
    Ok(id)
}

fn bring_back(
    tx: &Transaction<'_>,
    release: &Release,
    content: &Content,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    content::write(tx, release.id, content)?;
    advance(tx, release, Stage::Found, reason, now)?;
    tx.prepare_cached("UPDATE release SET removed = NULL, since = ?2 WHERE id = ?1")?
        .execute(params![release.id.0, now.0])?;
    Ok(())
}

#[cfg(test)]
mod tests;
