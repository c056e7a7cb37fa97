//! What each release cost, per day, kept for good.

use std::collections::HashMap;

use rusqlite::{Row, params};

use super::release::{signed, unsigned};
use super::{Store, StoreError};
use crate::base::{Day, ReleaseId};

/// Bytes a release uploaded, to be added to its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// The release.
    pub release: ReleaseId,
    /// The day.
    pub day: Day,
    /// Bytes of content.
    pub payload_bytes: u64,
    /// Bytes on the wire: payload, protocol, TCP/IP headers, retransmits.
    pub wire_bytes: u64,
}

/// A sum of the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Bytes of content.
    pub payload_bytes: u64,
    /// Bytes on the wire.
    pub wire_bytes: u64,
}

fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Spent> {
    Ok(Spent {
        payload_bytes: unsigned(row, first)?,
        wire_bytes: unsigned(row, first + 1)?,
    })
}

impl Store {
    /// Adds to the ledger, all of `spends` or, on an error, nothing.
    ///
    /// # Errors
    /// When one of the releases does not exist, or the database refuses.
    pub fn spend(&self, spends: &[Spend]) -> Result<(), StoreError> {
        if spends.is_empty() {
            return Ok(());
        }
        self.write(
            || format!("write {} rows of the ledger", spends.len()),
            |tx| {
                let mut add = tx.prepare_cached(
                    "INSERT INTO ledger (release, day, payload_bytes, wire_bytes) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (release, day) DO UPDATE SET
                       payload_bytes = payload_bytes + excluded.payload_bytes,
                       wire_bytes = wire_bytes + excluded.wire_bytes",
                )?;
                for spend in spends {
                    let (payload, wire) = (signed(spend.payload_bytes)?, signed(spend.wire_bytes)?);
                    add.execute(params![spend.release.0, spend.day.0, payload, wire])?;
                }
                Ok(())
            },
        )
    }

    /// What a release cost, ever.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn spent(&self, id: ReleaseId) -> Result<Spent, StoreError> {
        self.read(
            || format!("read the ledger of release {id}"),
            |db| {
                let sql = "SELECT coalesce(sum(payload_bytes), 0), coalesce(sum(wire_bytes), 0)
                           FROM ledger WHERE release = ?1";
                db.prepare_cached(sql)?
                    .query_row([id.0], |row| read(row, 0))
            },
        )
    }

    /// What every release cost, ever; those without a row cost nothing.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn spent_by_release(&self) -> Result<HashMap<ReleaseId, Spent>, StoreError> {
        self.read(
            || "read the ledger".to_owned(),
            |db| {
                let sql = "SELECT release, sum(payload_bytes), sum(wire_bytes) FROM ledger GROUP BY release";
                db.prepare_cached(sql)?
                    .query_map([], |row| Ok((ReleaseId(row.get(0)?), read(row, 1)?)))?
                    .collect()
            },
        )
    }

    /// What all releases together cost, per day, from day `from` on, oldest first; days without a row are left out.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn spent_by_day(&self, from: Day) -> Result<Vec<(Day, Spent)>, StoreError> {
        self.read(
            || "read the ledger".to_owned(),
            |db| {
                let sql = "SELECT day, sum(payload_bytes), sum(wire_bytes) FROM ledger
                           WHERE day >= ?1 GROUP BY day ORDER BY day";
                db.prepare_cached(sql)?
                    .query_map([from.0], |row| Ok((Day(row.get(0)?), read(row, 1)?)))?
                    .collect()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::box_with;

    fn spend(release: i64, day: i64, payload_bytes: u64, wire_bytes: u64) -> Spend {
        Spend {
            release: ReleaseId(release),
            day: Day(day),
            payload_bytes,
            wire_bytes,
        }
    }

    fn spent(payload_bytes: u64, wire_bytes: u64) -> Spent {
        Spent {
            payload_bytes,
            wire_bytes,
        }
    }

    #[test]
    fn sums_per_release_and_per_day() {
        let (store, _) = box_with(&["a", "b"]);
        let id = ReleaseId(1);
        assert_eq!(store.spent(id).unwrap(), Spent::default());
        store
            .spend(&[spend(1, 10, 5, 6), spend(2, 10, 50, 60), spend(1, 11, 7, 8)])
            .unwrap();
        store.spend(&[spend(1, 10, 1, 1)]).unwrap();
        store.spend(&[]).unwrap();
        assert_eq!(store.spent(id).unwrap(), spent(13, 15));
        let all = store.spent_by_release().unwrap();
        assert_eq!(
            all,
            HashMap::from([(id, spent(13, 15)), (ReleaseId(2), spent(50, 60))])
        );
        let days = [(Day(10), spent(56, 67)), (Day(11), spent(7, 8))];
        assert_eq!(store.spent_by_day(Day(0)).unwrap(), days);
        assert_eq!(store.spent_by_day(Day(11)).unwrap(), days[1..]);
    }

    #[test]
    fn a_batch_is_written_whole_or_not_at_all() {
        let (store, _) = box_with(&["a"]);
        let bad = [spend(1, 1, 5, 5), spend(99, 1, 5, 5)];
        assert!(store.spend(&bad).is_err());
        assert!(
            store
                .spend(&[spend(1, 1, 5, 5), spend(1, 2, u64::MAX, 0)])
                .is_err()
        );
        assert_eq!(store.spent(ReleaseId(1)).unwrap(), Spent::default());
    }
}
