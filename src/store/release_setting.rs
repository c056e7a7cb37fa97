//! What the owner wants of one release, where it is not what he wants of all.

use std::collections::HashMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::release::{expect, signed, unsigned};
use super::setting::MAX_RELAYS;
use super::{Store, StoreError};
use crate::base::{ReleaseId, Size};

/// The longest wait that can be asked for, in seconds: a month, after which a swarm is another one.
pub const MAX_WAIT_SECONDS: u64 = 30 * 86_400;

/// The most looks in vain: half a day of them, at one every few minutes.
pub const MAX_MISSED: u32 = 100;

/// The smallest budget of a month, in bytes: a few minutes of metadata for a busy swarm. Who wants to give less pauses.
pub const MIN_MONTHLY_BUDGET: u64 = 1_000_000;

/// What the owner wants of one release. A field that is none is as for all releases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseSettings {
    /// Others that must hold it whole before it retires; 1 to 50.
    pub relays: Option<u32>,
    /// Go on seeding when others carry it.
    pub keep: Option<bool>,
    /// Once its first copy is out, go on giving by our share of what the swarm can carry.
    pub generous: Option<bool>,
    /// Seconds that others must have been enough before it retires; 300 unless set, 30 days at most.
    pub sustain: Option<u64>,
    /// Seconds over which looks for another must have been in vain before it is not believed any more; 1800 unless set,
    /// 30 days at most.
    pub patience: Option<u64>,
    /// Bytes on the wire that it may cost in a month; none is as many as the quota has. 1 MB at least.
    #[schema(value_type = Option<u64>)]
    pub monthly_budget: Option<Size>,
    /// How many of the others must have served a block of it; 1 unless set, 50 at most.
    pub proven: Option<u32>,
    /// Looks in vain after which another is not believed any more; 3 unless set, 1 to 100.
    pub missed: Option<u32>,
    /// Seconds between the first and the last time another must have been seen; 600 unless set, 30 days at most.
    pub apart: Option<u64>,
    /// Seconds after which another does not count until it is seen again; 2700 unless set, 30 days at most.
    pub fresh: Option<u64>,
    /// Seconds after which another of whom nothing was heard is not believed any more; 21600 unless set, 30 days at most.
    pub forget: Option<u64>,
    /// Seconds that somebody must be stuck to wake it although the others are there; 600 unless set, 30 days at most.
    pub reach: Option<u64>,
    /// Seconds between a stop and a return, and between a return and a stop; 1800 unless set, 30 days at most.
    pub dwell: Option<u64>,
}

/// A setting of a release out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReleaseSetting {
    /// None, or more than a swarm shows.
    #[error("the number of others to wait for is 1 to {MAX_RELAYS}, not {0}")]
    Relays(u32),
    /// More than a swarm shows.
    #[error("the number of others to ask for a block is {MAX_RELAYS} at most, not {0}")]
    Proven(u32),
    /// None, or so many that nobody would ever be given up.
    #[error("the number of looks in vain is 1 to {MAX_MISSED}, not {0}")]
    Missed(u32),
    /// Longer than makes sense.
    #[error("a wait can be {MAX_WAIT_SECONDS} seconds at most, not {0}")]
    Wait(u64),
    /// Too low to be kept.
    #[error(
        "a release's budget for a month cannot be below {MIN_MONTHLY_BUDGET} bytes, and {0} is; leave it empty for none"
    )]
    MonthlyBudget(u64),
}

impl ReleaseSettings {
    /// Looks whether every setting is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), BadReleaseSetting> {
        if let Some(relays) = self.relays
            && !(1..=MAX_RELAYS).contains(&relays)
        {
            return Err(BadReleaseSetting::Relays(relays));
        }
        if let Some(proven) = self.proven.filter(|proven| *proven > MAX_RELAYS) {
            return Err(BadReleaseSetting::Proven(proven));
        }
        if let Some(missed) = self.missed
            && !(1..=MAX_MISSED).contains(&missed)
        {
            return Err(BadReleaseSetting::Missed(missed));
        }
        let waits = [
            self.sustain,
            self.patience,
            self.apart,
            self.fresh,
            self.forget,
            self.reach,
            self.dwell,
        ];
        if let Some(wait) = waits
            .into_iter()
            .flatten()
            .find(|wait| *wait > MAX_WAIT_SECONDS)
        {
            return Err(BadReleaseSetting::Wait(wait));
        }
        if let Some(Size(budget)) = self.monthly_budget
            && !(MIN_MONTHLY_BUDGET..=i64::MAX as u64).contains(&budget)
        {
            return Err(BadReleaseSetting::MonthlyBudget(budget));
        }
        Ok(())
    }
}

const COLUMNS: &str = "relays, keep, generous, sustain, patience, monthly_budget,
    proven, missed, apart, fresh, forget, reach, dwell";

fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<ReleaseSettings> {
    let number = |column: usize| -> rusqlite::Result<Option<u64>> {
        match row.get_ref(column)? {
            ValueRef::Null => Ok(None),
            _ => unsigned(row, column).map(Some),
        }
    };
    Ok(ReleaseSettings {
        relays: row.get(first)?,
        keep: row.get(first + 1)?,
        generous: row.get(first + 2)?,
        sustain: number(first + 3)?,
        patience: number(first + 4)?,
        monthly_budget: number(first + 5)?.map(Size),
        proven: row.get(first + 6)?,
        missed: row.get(first + 7)?,
        apart: number(first + 8)?,
        fresh: number(first + 9)?,
        forget: number(first + 10)?,
        reach: number(first + 11)?,
        dwell: number(first + 12)?,
    })
}

fn get(db: &Connection, id: ReleaseId) -> rusqlite::Result<ReleaseSettings> {
    let sql = format!("SELECT {COLUMNS} FROM release_setting WHERE release = ?1");
    let row = db
        .prepare_cached(&sql)?
        .query_row([id.0], |row| read(row, 0))
        .optional()?;
    Ok(row.unwrap_or_default())
}

/// Keeps what is wanted of one release; nothing of one of which nothing is.
pub(super) fn put(
    tx: &Connection,
    id: ReleaseId,
    settings: &ReleaseSettings,
) -> rusqlite::Result<()> {
    if *settings == ReleaseSettings::default() {
        tx.execute("DELETE FROM release_setting WHERE release = ?1", [id.0])?;
        return Ok(());
    }
    let sql = format!(
        "INSERT OR REPLACE INTO release_setting (release, {COLUMNS}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    );
    tx.prepare_cached(&sql)?.execute(params![
        id.0,
        settings.relays,
        settings.keep,
        settings.generous,
        settings.sustain.map(signed).transpose()?,
        settings.patience.map(signed).transpose()?,
        settings
            .monthly_budget
            .map(|budget| signed(budget.0))
            .transpose()?,
        settings.proven,
        settings.missed,
        settings.apart.map(signed).transpose()?,
        settings.fresh.map(signed).transpose()?,
        settings.forget.map(signed).transpose()?,
        settings.reach.map(signed).transpose()?,
        settings.dwell.map(signed).transpose()?,
    ])?;
    Ok(())
}

impl Store {
    /// What the owner wants of one release.
    ///
    /// # Errors
    /// When there is none of that identifier, it was removed, or the database refuses.
    pub fn release_settings(&self, id: ReleaseId) -> Result<ReleaseSettings, StoreError> {
        let release = self.release(id)?;
        if release.removed.is_some() {
            return Err(StoreError::NoSuchRelease(id));
        }
        self.read(
            || format!("read the settings of release {id}"),
            |db| get(db, id),
        )
    }

    /// What the owner wants of each release of which he wants something.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn all_release_settings(&self) -> Result<HashMap<ReleaseId, ReleaseSettings>, StoreError> {
        self.read(
            || "read the releases' settings".to_owned(),
            |db| {
                let sql = format!("SELECT release, {COLUMNS} FROM release_setting");
                db.prepare_cached(&sql)?
                    .query_map([], |row| Ok((ReleaseId(row.get(0)?), read(row, 1)?)))?
                    .collect()
            },
        )
    }

    /// Changes what the owner wants of one release from what it is, and returns what it is then.
    ///
    /// # Errors
    /// [`StoreError::ReleaseSetting`] for one out of its range; there is no such release, or it was removed; or the
    /// database refuses. Nothing is changed then.
    pub fn change_release_settings(
        &self,
        id: ReleaseId,
        change: impl FnOnce(&mut ReleaseSettings),
    ) -> Result<ReleaseSettings, StoreError> {
        self.change_release_settings_if(id, |_| true, change)
    }

    /// As [`Store::change_release_settings`], if `expected` says that they still are what the change was made for.
    ///
    /// # Errors
    /// [`StoreError::SettingsChanged`] when they are not; else as there.
    pub fn change_release_settings_if(
        &self,
        id: ReleaseId,
        expected: impl FnOnce(&ReleaseSettings) -> bool,
        change: impl FnOnce(&mut ReleaseSettings),
    ) -> Result<ReleaseSettings, StoreError> {
        self.write_to_disk(
            || format!("write down the settings of release {id}"),
            |tx| {
                expect(tx, id)?;
                let mut settings = get(tx, id)?;
                if !expected(&settings) {
                    return Err(StoreError::SettingsChanged.into());
                }
                change(&mut settings);
                settings.check().map_err(StoreError::from)?;
                put(tx, id, &settings)?;
                Ok(settings)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::store::testing::box_with;

    const ID: ReleaseId = ReleaseId(1);

    #[test]
    fn they_are_the_boxs_until_they_are_set_and_again_when_they_are_cleared() {
        let (store, _) = box_with(&["a", "b"]);
        assert_eq!(
            store.release_settings(ID).unwrap(),
            ReleaseSettings::default()
        );
        let wanted = ReleaseSettings {
            relays: Some(5),
            keep: Some(false),
            generous: Some(true),
            sustain: Some(0),
            patience: Some(MAX_WAIT_SECONDS),
            monthly_budget: Some(Size(7_000_000_000)),
            proven: Some(0),
            missed: Some(7),
            apart: Some(1),
            fresh: Some(2),
            forget: Some(3),
            reach: Some(4),
            dwell: Some(5),
        };
        let changed = store
            .change_release_settings(ID, |now| *now = wanted)
            .unwrap();
        assert_eq!(changed, wanted);
        let changed = store
            .change_release_settings(ID, |now| now.keep = None)
            .unwrap();
        let expected = ReleaseSettings {
            keep: None,
            ..wanted
        };
        assert_eq!(changed, expected);
        assert_eq!(store.release_settings(ID).unwrap(), expected);
        assert_eq!(
            store.release_settings(ReleaseId(2)).unwrap(),
            ReleaseSettings::default()
        );
        assert_eq!(
            store.all_release_settings().unwrap(),
            HashMap::from([(ID, expected)])
        );
        store
            .change_release_settings(ID, |now| *now = ReleaseSettings::default())
            .unwrap();
        assert_eq!(store.all_release_settings().unwrap(), HashMap::new());
    }

    #[test]
    fn what_is_out_of_range_or_of_no_release_is_refused() {
        let (store, _) = box_with(&["a"]);
        let set = |id, settings| store.change_release_settings(id, |now| *now = settings);
        let none = ReleaseSettings::default();
        for bad in [
            ReleaseSettings {
                relays: Some(0),
                ..none
            },
            ReleaseSettings {
                relays: Some(51),
                ..none
            },
            ReleaseSettings {
                proven: Some(51),
                ..none
            },
            ReleaseSettings {
                missed: Some(0),
                ..none
            },
            ReleaseSettings {
                dwell: Some(MAX_WAIT_SECONDS + 1),
                ..none
            },
            ReleaseSettings {
                sustain: Some(u64::MAX),
                ..none
            },
            ReleaseSettings {
                patience: Some(MAX_WAIT_SECONDS + 1),
                ..none
            },
            ReleaseSettings {
                monthly_budget: Some(Size(0)),
                ..none
            },
            ReleaseSettings {
                monthly_budget: Some(Size(u64::MAX)),
                ..none
            },
        ] {
            let error = set(ID, bad).unwrap_err();
            assert!(matches!(error, StoreError::ReleaseSetting(_)), "{error}");
        }
        let error = set(ReleaseId(9), none).unwrap_err();
        assert!(matches!(error, StoreError::NoSuchRelease(_)), "{error}");
        store.remove(ID, Timestamp(2)).unwrap();
        assert!(set(ID, none).is_err() && store.release_settings(ID).is_err());
        assert_eq!(store.all_release_settings().unwrap(), HashMap::new());
    }
}
