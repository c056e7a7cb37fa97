//! The decision log: every change of stage, in plain words, kept for good.

use rusqlite::{OptionalExtension, Transaction, params};
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

/// One change of stage of any release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LoggedDecision {
    /// Its place in the log: a later decision has a higher one.
    pub id: i64,
    /// Whose stage changed.
    #[schema(value_type = i64)]
    pub release: ReleaseId,
    /// The release's name, made readable where it is not UTF-8.
    pub name: String,
    /// Whether the release is there no more: its owner removed it.
    pub removed: bool,
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

    /// Why a release failed last; none when it never did.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn why_failed(&self, id: ReleaseId) -> Result<Option<String>, StoreError> {
        self.read(
            || format!("read the decisions about release {id}"),
            |db| {
                let sql = "SELECT reason FROM decision WHERE release = ?1 AND stage = ?2 ORDER BY id DESC LIMIT 1";
                db.prepare_cached(sql)?
                    .query_row(params![id.0, Stage::Failed], |row| row.get(0))
                    .optional()
            },
        )
    }

    /// The last `limit` decisions about any release, latest first; only those before the one with the identifier `before`,
    /// where that is given.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn latest_decisions(
        &self,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<LoggedDecision>, StoreError> {
        self.read(
            || "read the latest decisions".to_owned(),
            |db| {
                let sql = "SELECT d.id, d.release, r.name, r.removed IS NOT NULL, d.at, d.stage, d.reason \
                           FROM decision d JOIN release r ON r.id = d.release \
                           WHERE d.id < ?1 ORDER BY d.id DESC LIMIT ?2";
                db.prepare_cached(sql)?
                    .query_map(params![before.unwrap_or(i64::MAX), limit as i64], |row| {
                        let name: Vec<u8> = row.get(2)?;
                        Ok(LoggedDecision {
                            id: row.get(0)?,
                            release: ReleaseId(row.get(1)?),
                            name: String::from_utf8_lossy(&name).into_owned(),
                            removed: row.get(3)?,
                            at: Timestamp(row.get(4)?),
                            stage: row.get(5)?,
                            reason: row.get(6)?,
                        })
                    })?
                    .collect()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::box_with;

    #[test]
    fn the_log_of_all_is_read_page_by_page_and_keeps_what_was_removed() {
        let (store, _) = box_with(&["a", "b"]);
        for (id, at) in [(1, 10), (2, 11), (1, 12)] {
            let why = format!("because of {at}");
            store
                .set_stage(ReleaseId(id), Stage::Hashing, &why, Timestamp(at))
                .unwrap();
        }
        store.remove(ReleaseId(2), Timestamp(13)).unwrap();
        let all = store.latest_decisions(None, 100).unwrap();
        let ids: Vec<i64> = all.iter().map(|decision| decision.id).collect();
        assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
        let newest = all.iter().find(|d| d.release == ReleaseId(1)).unwrap();
        assert_eq!((newest.name.as_str(), newest.removed), ("a", false));
        assert_eq!(newest.reason, "because of 12");
        assert!(all.iter().any(|d| d.name == "b" && d.removed));

        let mut paged = store.latest_decisions(None, 2).unwrap();
        while let Some(last) = paged.last().map(|d| d.id) {
            let more = store.latest_decisions(Some(last), 2).unwrap();
            if more.is_empty() {
                break;
            }
            paged.extend(more);
        }
        assert_eq!(paged, all);
    }
}
