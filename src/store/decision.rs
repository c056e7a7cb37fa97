//! The decision log: every change of stage, in plain words, kept for good.

use rusqlite::{Transaction, params};
use serde::Serialize;

use super::{Store, StoreError};
use crate::base::{ReleaseId, Stage, Timestamp};

/// One change of stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Decision {
    /// When it was taken.
    #[schema(value_type = i64)]
    pub at: Timestamp,
    /// The stage the release went to, or stayed in for a new reason.
    #[schema(value_type = String, example = "retired")]
    pub stage: Stage,
    /// Why, in plain words.
    pub reason: String,
}

/// Adds a row to the log.
pub(super) fn write(
    tx: &Transaction<'_>,
    id: ReleaseId,
    at: Timestamp,
    stage: Stage,
    reason: &str,
) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO decision (release, at, stage, reason) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id.0, at.0, stage, reason])?;
    Ok(())
}

impl Store {
    /// The last `limit` decisions about a release, latest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn decisions(&self, id: ReleaseId, limit: usize) -> Result<Vec<Decision>, StoreError> {
        self.read(
            || format!("read the decisions about release {id}"),
            |db| {
                let sql = "SELECT at, stage, reason FROM decision WHERE release = ?1 ORDER BY id DESC LIMIT ?2";
                db.prepare_cached(sql)?
                    .query_map(params![id.0, limit as i64], |row| {
                        Ok(Decision {
                            at: Timestamp(row.get(0)?),
                            stage: row.get(1)?,
                            reason: row.get(2)?,
                        })
                    })?
                    .collect()
            },
        )
    }
}
