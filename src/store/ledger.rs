//! What each release cost, per day, kept for good; and what was no release's.

use std::collections::HashMap;

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::release::{signed, unsigned};
use super::{Store, StoreError};
use crate::base::{Day, InfoHash, ReleaseId};

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

/// Bytes on the wire of no release: trackers, DHT, strangers who are turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpendBeside {
    /// The day.
    pub day: Day,
    /// So many.
    pub wire_bytes: u64,
}

/// Bytes on the wire from some day on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpentSince {
    /// Those of each release, removed ones too; without a row it cost nothing.
    pub releases: HashMap<ReleaseId, u64>,
    /// Those of no release.
    pub beside: u64,
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

/// What a release cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Ever.
    pub spent: Spent,
    /// Of the payload, bytes of the content that it has now: less when its files have become another torrent since.
    pub of_content: u64,
}

/// What a release cost, in a statement that has `release`, and `ledger_content` where there is any: payload, wire, and payload of
/// former contents. The last is NULL, for all of it, while its files are others and there is no torrent of them yet.
const COST: &str = "coalesce(sum(payload_bytes), 0), coalesce(sum(wire_bytes), 0),
    CASE WHEN release.info_hash IS ledger_content.info_hash THEN coalesce(payload_before, 0) END";

/// Reads [`COST`].
fn read_cost(row: &Row<'_>, first: usize) -> rusqlite::Result<Cost> {
    let spent = read(row, first)?;
    let before = match row.get_ref(first + 2)? {
        ValueRef::Null => spent.payload_bytes,
        _ => unsigned(row, first + 2)?,
    };
    Ok(Cost {
        spent,
        of_content: spent.payload_bytes.saturating_sub(before),
    })
}

/// A release has this torrent from now on: if it is another than before, what was sent so far was of another content.
pub(super) fn begin_content(
    tx: &Transaction<'_>,
    id: ReleaseId,
    info_hash: InfoHash,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO ledger_content (release, info_hash, payload_before)
         VALUES (?1, ?2, (SELECT coalesce(sum(payload_bytes), 0) FROM ledger WHERE release = ?1))
         ON CONFLICT (release) DO UPDATE SET
           info_hash = excluded.info_hash, payload_before = excluded.payload_before
           WHERE info_hash != excluded.info_hash",
    )?
    .execute(params![id.0, info_hash.0])?;
    Ok(())
}

fn add(tx: &Transaction<'_>, spend: &Spend) -> rusqlite::Result<()> {
    let (payload, wire) = (signed(spend.payload_bytes)?, signed(spend.wire_bytes)?);
    tx.prepare_cached(
        "INSERT INTO ledger (release, day, payload_bytes, wire_bytes) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (release, day) DO UPDATE SET
           payload_bytes = payload_bytes + excluded.payload_bytes,
           wire_bytes = wire_bytes + excluded.wire_bytes",
    )?
    .execute(params![spend.release.0, spend.day.0, payload, wire])?;
    Ok(())
}

fn add_beside(tx: &Transaction<'_>, spend: &SpendBeside) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO ledger_beside (day, wire_bytes) VALUES (?1, ?2)
         ON CONFLICT (day) DO UPDATE SET wire_bytes = wire_bytes + excluded.wire_bytes",
    )?
    .execute(params![spend.day.0, signed(spend.wire_bytes)?])?;
    Ok(())
}

impl Store {
    /// Adds to the ledger, all of it or, on an error, nothing.
    ///
    /// # Errors
    /// When one of the releases does not exist, or the database refuses.
    pub fn spend(&self, spends: &[Spend], beside: Option<SpendBeside>) -> Result<(), StoreError> {
        let doing = || format!("write {} rows of the ledger", spends.len());
        let write = |tx: &Transaction<'_>| {
            spends.iter().try_for_each(|spend| add(tx, spend))?;
            if let Some(beside) = beside {
                add_beside(tx, &beside)?;
            }
            Ok(())
        };
        match (spends, beside) {
            ([], None) => Ok(()),
            // Nobody but who writes it keeps what is no release's: nothing need be read anew.
            ([], Some(_)) => self.write_quietly(doing, write),
            _ => self.write(doing, write),
        }
    }

    /// Bytes on the wire from a day on, days to come included: a clock that was ahead wrote them.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn spent_since(&self, from: Day) -> Result<SpentSince, StoreError> {
        self.read(
            || "read the ledger".to_owned(),
            |db| {
                let sql =
                    "SELECT release, sum(wire_bytes) FROM ledger WHERE day >= ?1 GROUP BY release";
                let releases = db
                    .prepare_cached(sql)?
                    .query_map([from.0], |row| {
                        Ok((ReleaseId(row.get(0)?), unsigned(row, 1)?))
                    })?
                    .collect::<rusqlite::Result<_>>()?;
                let sql = "SELECT coalesce(sum(wire_bytes), 0) FROM ledger_beside WHERE day >= ?1";
                let beside = db
                    .prepare_cached(sql)?
                    .query_row([from.0], |row| unsigned(row, 0))?;
                Ok(SpentSince { releases, beside })
            },
        )
    }

    /// The first and the last day on which something was written to the ledger.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn ledger_days(&self) -> Result<Option<(Day, Day)>, StoreError> {
        self.read(
            || "read the ledger".to_owned(),
            |db| {
                let sql = "SELECT min(day), max(day) FROM (
                             SELECT day FROM ledger UNION ALL SELECT day FROM ledger_beside)";
                let days: (Option<i64>, Option<i64>) = db
                    .prepare_cached(sql)?
                    .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(days
                    .0
                    .zip(days.1)
                    .map(|(first, last)| (Day(first), Day(last))))
            },
        )
    }

    /// Brings what was written under days after `today` to it: it was spent by then, by a clock that was ahead.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn bring_back(&self, today: Day) -> Result<(), StoreError> {
        self.write(
            || "bring the ledger back to today".to_owned(),
            |tx| {
                tx.execute(
                    "INSERT INTO ledger (release, day, payload_bytes, wire_bytes)
                     SELECT release, ?1, sum(payload_bytes), sum(wire_bytes) FROM ledger WHERE day > ?1 GROUP BY release
                     ON CONFLICT (release, day) DO UPDATE SET
                       payload_bytes = payload_bytes + excluded.payload_bytes,
                       wire_bytes = wire_bytes + excluded.wire_bytes",
                    [today.0],
                )?;
                tx.execute(
                    "INSERT INTO ledger_beside (day, wire_bytes)
                     SELECT ?1, sum(wire_bytes) FROM ledger_beside WHERE day > ?1 HAVING count(*) > 0
                     ON CONFLICT (day) DO UPDATE SET wire_bytes = wire_bytes + excluded.wire_bytes",
                    [today.0],
                )?;
                for table in ["ledger", "ledger_beside"] {
                    tx.execute(&format!("DELETE FROM {table} WHERE day > ?1"), [today.0])?;
                }
                Ok(())
            },
        )
    }

    /// What a release cost, ever.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn spent(&self, id: ReleaseId) -> Result<Cost, StoreError> {
        self.read(
            || format!("read the ledger of release {id}"),
            |db| {
                let sql = format!(
                    "SELECT {COST} FROM release
                     LEFT JOIN ledger ON ledger.release = release.id
                     LEFT JOIN ledger_content ON ledger_content.release = release.id
                     WHERE release.id = ?1 GROUP BY release.id"
                );
                let cost = db
                    .prepare_cached(&sql)?
                    .query_row([id.0], |row| read_cost(row, 0))
                    .optional()?;
                Ok(cost.unwrap_or_default())
            },
        )
    }

    /// What every release cost, ever; those without a row cost nothing.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn spent_by_release(&self) -> Result<HashMap<ReleaseId, Cost>, StoreError> {
        self.read(
            || "read the ledger".to_owned(),
            |db| {
                let sql = format!(
                    "SELECT release.id, {COST} FROM ledger
                     JOIN release ON release.id = ledger.release
                     LEFT JOIN ledger_content ON ledger_content.release = release.id
                     GROUP BY release.id"
                );
                db.prepare_cached(&sql)?
                    .query_map([], |row| Ok((ReleaseId(row.get(0)?), read_cost(row, 1)?)))?
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
    use crate::base::Timestamp;
    use crate::store::testing::{box_with, content, torrent};

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

    fn cost(payload_bytes: u64, wire_bytes: u64) -> Cost {
        Cost {
            spent: spent(payload_bytes, wire_bytes),
            of_content: payload_bytes,
        }
    }

    #[test]
    fn what_was_sent_of_other_content_is_no_copy_of_this() {
        let (store, _) = box_with(&["a", "b"]);
        let id = ReleaseId(1);
        let save = |number| {
            let saved = store.save_torrent(id, &torrent(number), "read", Timestamp(1));
            saved.unwrap();
        };
        let all = || store.spent_by_release().unwrap()[&id];
        save(1);
        store
            .spend(&[spend(1, 10, 5, 6), spend(2, 10, 50, 60)], None)
            .unwrap();
        // Read again, and the same.
        save(1);
        assert_eq!((store.spent(id).unwrap(), all()), (cost(5, 6), cost(5, 6)));
        save(2);
        let changed = |payload, wire, of_content| Cost {
            spent: spent(payload, wire),
            of_content,
        };
        assert_eq!(store.spent(id).unwrap(), changed(5, 6, 0));
        store.spend(&[spend(1, 11, 3, 4)], None).unwrap();
        assert_eq!(store.spent(id).unwrap(), changed(8, 10, 3));
        assert_eq!(all(), changed(8, 10, 3));
        // Its files are others again, and not read yet.
        store
            .replace_content(id, &content(&[("x", 9)]), "changed", Timestamp(2))
            .unwrap();
        assert_eq!(store.spent(id).unwrap(), changed(8, 10, 0));
        assert_eq!(all(), changed(8, 10, 0));
        // Whoever goes back to what he had gives it anew.
        save(1);
        assert_eq!(store.spent(id).unwrap().of_content, 0);
        assert_eq!(store.spent(ReleaseId(2)).unwrap(), cost(50, 60));
    }

    #[test]
    fn sums_per_release_and_per_day() {
        let (store, _) = box_with(&["a", "b"]);
        let id = ReleaseId(1);
        assert_eq!(store.spent(id).unwrap(), Cost::default());
        store
            .spend(
                &[spend(1, 10, 5, 6), spend(2, 10, 50, 60), spend(1, 11, 7, 8)],
                None,
            )
            .unwrap();
        store.spend(&[spend(1, 10, 1, 1)], None).unwrap();
        store.spend(&[], None).unwrap();
        assert_eq!(store.spent(id).unwrap(), cost(13, 15));
        let all = store.spent_by_release().unwrap();
        assert_eq!(
            all,
            HashMap::from([(id, cost(13, 15)), (ReleaseId(2), cost(50, 60))])
        );
        let days = [(Day(10), spent(56, 67)), (Day(11), spent(7, 8))];
        assert_eq!(store.spent_by_day(Day(0)).unwrap(), days);
        assert_eq!(store.spent_by_day(Day(11)).unwrap(), days[1..]);
    }

    #[test]
    fn a_batch_is_written_whole_or_not_at_all() {
        let (store, _) = box_with(&["a"]);
        let bad = [spend(1, 1, 5, 5), spend(99, 1, 5, 5)];
        assert!(store.spend(&bad, beside(1, 7)).is_err());
        assert!(
            store
                .spend(&[spend(1, 1, 5, 5), spend(1, 2, u64::MAX, 0)], None)
                .is_err()
        );
        assert!(
            store
                .spend(&[spend(1, 1, 5, 5)], beside(1, u64::MAX))
                .is_err()
        );
        assert_eq!(store.spent(ReleaseId(1)).unwrap(), Cost::default());
        assert_eq!(store.spent_since(Day(0)).unwrap(), SpentSince::default());
        assert_eq!(store.ledger_days().unwrap(), None);
    }

    fn beside(day: i64, wire_bytes: u64) -> Option<SpendBeside> {
        let day = Day(day);
        Some(SpendBeside { day, wire_bytes })
    }

    fn since(releases: &[(i64, u64)], beside: u64) -> SpentSince {
        let release = |(id, bytes): &(i64, u64)| (ReleaseId(*id), *bytes);
        SpentSince {
            releases: releases.iter().map(release).collect(),
            beside,
        }
    }

    #[test]
    fn sums_from_a_day_on_have_what_is_no_releases() {
        let (store, _) = box_with(&["a", "b"]);
        let before = store.changes();
        store.spend(&[], beside(9, 100)).unwrap();
        assert_eq!(store.changes(), before, "nothing that is shown changed");
        store
            .spend(&[spend(1, 10, 5, 6), spend(2, 11, 7, 8)], beside(10, 30))
            .unwrap();
        assert_ne!(store.changes(), before);
        store.spend(&[], beside(10, 3)).unwrap();
        for (from, expected) in [
            (9, since(&[(1, 6), (2, 8)], 133)),
            (10, since(&[(1, 6), (2, 8)], 33)),
            (11, since(&[(2, 8)], 0)),
            (12, since(&[], 0)),
        ] {
            assert_eq!(store.spent_since(Day(from)).unwrap(), expected, "{from}");
        }
        assert_eq!(store.ledger_days().unwrap(), Some((Day(9), Day(11))));
    }

    #[test]
    fn days_to_come_are_brought_back_and_nothing_is_lost() {
        let (store, _) = box_with(&["a", "b"]);
        let rows = [
            spend(1, 9, 1, 1),
            spend(1, 10, 2, 3),
            spend(1, 500, 20, 30),
            spend(1, 501, 200, 300),
            spend(2, 500, 4, 5),
        ];
        store.spend(&rows, beside(500, 7)).unwrap();
        store.spend(&[], beside(9, 1)).unwrap();
        store.bring_back(Day(10)).unwrap();
        assert_eq!(store.ledger_days().unwrap(), Some((Day(9), Day(10))));
        assert_eq!(
            store.spent_since(Day(10)).unwrap(),
            since(&[(1, 333), (2, 5)], 7)
        );
        assert_eq!(store.spent(ReleaseId(1)).unwrap(), cost(223, 334));
        store.bring_back(Day(10)).unwrap();
        assert_eq!(
            store.spent_since(Day(0)).unwrap(),
            since(&[(1, 334), (2, 5)], 8)
        );
    }
}
