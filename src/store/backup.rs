//! What the owner set, to be kept elsewhere: nothing secret, and nothing that the box finds out by itself.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use rusqlite::{Connection, Transaction, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::release_setting::{self, BadReleaseSetting};
use super::setting::{self, BadSetting};
use super::{Failure, ReleaseSettings, Settings, Store, StoreError};
use crate::base::{InfoHash, ReleaseId, Timestamp};

/// The version of the form below. A form that an older Semoir would misread has the next number.
pub const BACKUP_VERSION: u32 = 1;

/// What is escaped in a source's key, besides bytes that are no ASCII: what JSON would escape, and the escape itself.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%').add(b'"').add(b'\\');

/// What the owner set: settings, what is wanted of single releases, and the rules of sources. No password, no tokens,
/// no sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// The version of this form: 1.
    pub semoir_backup: u32,
    /// When it was made, in Unix time.
    #[schema(value_type = i64)]
    pub made: Timestamp,
    /// The settings, each by its name.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// What is wanted of single releases, where it is not what is wanted of all.
    #[serde(default)]
    pub releases: Vec<ReleaseWish>,
    /// The rules of sources.
    #[serde(default)]
    pub sources: Vec<SourceRule>,
}

/// What is wanted of one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseWish {
    /// Which, on whatever box it is.
    #[schema(value_type = String)]
    pub info_hash: InfoHash,
    /// Its name, for whoever reads this.
    #[serde(default)]
    pub name: String,
    /// Its settings, each by its name.
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
}

/// The rule of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceRule {
    /// What sort of place it is.
    pub kind: String,
    /// What it is known by when it comes back: for a folder its path, with what is no plain ASCII percent-encoded.
    pub key: String,
    /// Whether what is found in it is shared without asking.
    pub auto_share: bool,
}

/// What a restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Restored {
    /// Settings that were set.
    pub settings: usize,
    /// Releases whose settings were set.
    pub releases: usize,
    /// Sources whose rule was set.
    pub sources: usize,
    /// Settings this Semoir does not know, by their names.
    pub unknown_settings: Vec<String>,
    /// Releases that are not on this box, by their names or else their info hashes.
    pub missing_releases: Vec<String>,
    /// Sources that this box does not have, by their keys.
    pub missing_sources: Vec<String>,
}

/// A backup that cannot be restored. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBackup {
    /// Made by a newer Semoir, or by nobody.
    #[error(
        "the backup is of version {0}, and this Semoir reads version {BACKUP_VERSION}; install the newer Semoir first"
    )]
    Version(u32),
    /// A setting of a form that it cannot have.
    #[error("a setting in the backup cannot be read: {0}")]
    Form(String),
    /// A setting out of its range.
    #[error("the backup cannot be restored: {0}")]
    Setting(#[from] BadSetting),
    /// A setting of a release out of its range.
    #[error("the backup cannot be restored: of “{name}”, {error}")]
    Release {
        /// The release.
        name: String,
        /// What is wrong.
        error: BadReleaseSetting,
    },
}

impl From<BadBackup> for Failure {
    fn from(error: BadBackup) -> Self {
        Failure::Store(error.into())
    }
}

/// `value` as a JSON object.
fn object<T: Serialize>(value: &T) -> Result<Map<String, Value>, BadBackup> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(BadBackup::Form(error.to_string())),
    }
}

/// `now` with the fields of `wanted` in it. The names of those it does not have go to `unknown`.
fn overlaid<T: Serialize + DeserializeOwned>(
    now: &T,
    wanted: &Map<String, Value>,
    unknown: &mut Vec<String>,
) -> Result<T, BadBackup> {
    let mut fields = object(now)?;
    for (key, value) in wanted {
        match fields.get_mut(key) {
            Some(field) => field.clone_from(value),
            None if unknown.contains(key) => {}
            None => unknown.push(key.clone()),
        }
    }
    serde_json::from_value(Value::Object(fields)).map_err(|e| BadBackup::Form(e.to_string()))
}

impl Store {
    /// What the owner set.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn backup(&self, now: Timestamp) -> Result<Backup, StoreError> {
        let (settings, releases, sources) = self.read(
            || "read what was set".to_owned(),
            |db| Ok((setting::read(db)?, wishes(db)?, rules(db)?)),
        )?;
        let own = self.all_release_settings()?;
        let mut named = Vec::with_capacity(releases.len());
        for (id, info_hash, name) in releases {
            // What is as for all is left out: a later Semoir may have another default.
            let mut settings = object(&own.get(&id))?;
            settings.retain(|_, value| !value.is_null());
            named.push(ReleaseWish {
                info_hash,
                name,
                settings,
            });
        }
        Ok(Backup {
            semoir_backup: BACKUP_VERSION,
            made: now,
            settings: object(&settings)?,
            releases: named,
            sources,
        })
    }

    /// Sets what a backup says. A setting that it does not name stays as it is, and so does what it says nothing of.
    ///
    /// # Errors
    /// [`StoreError::Backup`] when any of it cannot be; or the database refuses. Nothing is changed then.
    pub fn restore_backup(&self, backup: &Backup) -> Result<Restored, StoreError> {
        if backup.semoir_backup != BACKUP_VERSION {
            return Err(BadBackup::Version(backup.semoir_backup).into());
        }
        // One transaction: what fails half way has changed nothing.
        self.write_to_disk(
            || "restore what was set".to_owned(),
            |tx| {
                let mut restored = Restored::default();
                restore_settings(tx, &backup.settings, &mut restored)?;
                for wish in &backup.releases {
                    restore_release(tx, wish, &mut restored)?;
                }
                for rule in &backup.sources {
                    restore_source(tx, rule, &mut restored)?;
                }
                Ok(restored)
            },
        )
    }
}

/// The releases of which something is wanted.
fn wishes(db: &Connection) -> rusqlite::Result<Vec<(ReleaseId, InfoHash, String)>> {
    db.prepare_cached(
        "SELECT id, info_hash, name FROM release JOIN release_setting ON release = id
         WHERE removed IS NULL AND info_hash IS NOT NULL ORDER BY id",
    )?
    .query_map([], |row| {
        let name: Vec<u8> = row.get(2)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        Ok((ReleaseId(row.get(0)?), InfoHash(row.get(1)?), name))
    })?
    .collect()
}

fn rules(db: &Connection) -> rusqlite::Result<Vec<SourceRule>> {
    db.prepare_cached("SELECT kind, key, auto_share FROM source ORDER BY id")?
        .query_map([], |row| {
            let key: Vec<u8> = row.get(1)?;
            Ok(SourceRule {
                kind: row.get(0)?,
                key: percent_encode(&key, ESCAPED).to_string(),
                auto_share: row.get(2)?,
            })
        })?
        .collect()
}

fn restore_settings(
    tx: &Transaction<'_>,
    wanted: &Map<String, Value>,
    restored: &mut Restored,
) -> Result<(), Failure> {
    let now = setting::read(tx)?;
    let settings: Settings = overlaid(&now, wanted, &mut restored.unknown_settings)?;
    settings.check().map_err(BadBackup::from)?;
    setting::write(tx, &settings)?;
    restored.settings = wanted.len() - restored.unknown_settings.len();
    Ok(())
}

fn restore_release(
    tx: &Transaction<'_>,
    wish: &ReleaseWish,
    restored: &mut Restored,
) -> Result<(), Failure> {
    let none = ReleaseSettings::default();
    // Looked at also when there is no such release: a backup is good or it is not.
    let settings = overlaid(&none, &wish.settings, &mut restored.unknown_settings)?;
    settings.check().map_err(|error| BadBackup::Release {
        name: wish.name.clone(),
        error,
    })?;
    let ids: Vec<i64> = tx
        .prepare_cached("SELECT id FROM release WHERE info_hash = ?1 AND removed IS NULL")?
        .query_map([wish.info_hash.0], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if ids.is_empty() {
        restored.missing_releases.push(match wish.name.as_str() {
            "" => wish.info_hash.to_string(),
            name => name.to_owned(),
        });
    }
    for id in ids {
        release_setting::put(tx, ReleaseId(id), &settings)?;
        restored.releases += 1;
    }
    Ok(())
}

fn restore_source(
    tx: &Transaction<'_>,
    rule: &SourceRule,
    restored: &mut Restored,
) -> Result<(), Failure> {
    let key: Vec<u8> = percent_decode_str(&rule.key).collect();
    let sql = "UPDATE source SET auto_share = ?3 WHERE kind = ?1 AND key = ?2";
    match tx
        .prepare_cached(sql)?
        .execute(params![rule.kind, key, rule.auto_share])?
    {
        0 => restored.missing_sources.push(rule.key.clone()),
        _ => restored.sources += 1,
    }
    Ok(())
}

#[cfg(test)]
mod tests;
