//! Places releases come from.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::{Facts, Store, StoreError};
use crate::base::{SourceId, Timestamp};

/// What sort of place a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A folder the owner named. Never written to.
    Folder,
    /// The box's own folder, which uploads are received into and removed from.
    Uploads,
    /// A file system on a drive that was plugged in. Never written to.
    Drive,
    /// A folder of another machine on the network. Never written to.
    Share,
}

impl SourceKind {
    /// The word used in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Folder => "folder",
            SourceKind::Uploads => "uploads",
            SourceKind::Drive => "drive",
            SourceKind::Share => "share",
        }
    }
}

impl ToSql for SourceKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for SourceKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "folder" => Ok(SourceKind::Folder),
            "uploads" => Ok(SourceKind::Uploads),
            "drive" => Ok(SourceKind::Drive),
            "share" => Ok(SourceKind::Share),
            other => Err(FromSqlError::Other(
                format!("no sort of source is called {other:?}").into(),
            )),
        }
    }
}

/// A place releases come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its identifier.
    pub id: SourceId,
    /// What sort of place it is.
    pub kind: SourceKind,
    /// What it is known by when it comes back.
    pub key: Vec<u8>,
    /// What the owner sees.
    pub name: String,
    /// Where it is now; absolute.
    pub path: PathBuf,
    /// Whether what is found in it is shared without asking.
    pub auto_share: bool,
    /// When it was first seen.
    pub added: Timestamp,
    /// What else is known of it, when it is a drive or a share.
    pub facts: Option<Facts>,
}

impl Source {
    /// Whether what is in it was uploaded, and is removed from it when its owner removes it: the box's own folder, and drives
    /// that were formatted for it.
    pub fn is_for_uploads(&self) -> bool {
        let formatted = self.facts.as_ref().is_some_and(|facts| facts.for_uploads);
        self.kind == SourceKind::Uploads || (self.kind == SourceKind::Drive && formatted)
    }

    /// The key of a drive that was formatted for uploads.
    pub fn uploads_key(&self) -> Option<String> {
        let is_drive = self.kind == SourceKind::Drive && self.is_for_uploads();
        is_drive.then(|| String::from_utf8_lossy(&self.key).into_owned())
    }
}

/// A source to take up.
#[derive(Debug, Clone, Copy)]
pub struct NewSource<'a> {
    /// What sort of place it is.
    pub kind: SourceKind,
    /// What it is known by.
    pub key: &'a OsStr,
    /// What the owner sees.
    pub name: &'a str,
    /// Where it is; absolute.
    pub path: &'a Path,
    /// Whether what is found in it is shared without asking, when it is new.
    pub auto_share: bool,
    /// What else is known of it.
    pub facts: Option<&'a Facts>,
}

const COLUMNS: &str = "id, kind, key, name, path, auto_share, added, facts";

fn read(row: &Row<'_>) -> rusqlite::Result<Source> {
    Ok(Source {
        id: SourceId(row.get(0)?),
        kind: row.get(1)?,
        key: row.get(2)?,
        name: row.get(3)?,
        path: path_of(row.get(4)?),
        auto_share: row.get(5)?,
        added: Timestamp(row.get(6)?),
        facts: row.get(7)?,
    })
}

/// A path from the bytes in the database.
pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    std::ffi::OsString::from_vec(bytes).into()
}

/// A path as the bytes in the database.
pub(super) fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Within a transaction: see [`Store::source`].
pub(super) fn by_id(db: &Connection, id: SourceId) -> rusqlite::Result<Option<Source>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM source WHERE id = ?1"))?
        .query_row([id.0], read)
        .optional()
}

/// Within a transaction: see [`Store::take_up_source`].
pub(super) fn take_up(
    tx: &Connection,
    new: &NewSource<'_>,
    now: Timestamp,
) -> rusqlite::Result<Source> {
    let sql = format!(
        "INSERT INTO source (kind, key, name, path, auto_share, added, facts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (kind, key) DO UPDATE
         SET name = excluded.name, path = excluded.path, facts = excluded.facts, removed = NULL
         RETURNING {COLUMNS}"
    );
    let values = params![
        new.kind,
        new.key.as_bytes(),
        new.name,
        bytes_of(new.path),
        new.auto_share,
        now.0,
        new.facts
    ];
    tx.prepare_cached(&sql)?.query_row(values, read)
}

impl Store {
    /// Takes up a source, or brings the one with this kind and key up to date. An existing one keeps its identifier,
    /// its date and its `auto_share`, which is the owner's to change; one that was removed is here again.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn take_up_source(
        &self,
        new: &NewSource<'_>,
        now: Timestamp,
    ) -> Result<Source, StoreError> {
        let doing = || format!("write down the source {}", new.name);
        self.write(doing, |tx| Ok(take_up(tx, new, now)?))
    }

    /// Marks a source as removed: it is not listed any more until it is taken up again, and its releases are not either. They
    /// keep their rows, and what was made of them; the log says why they are gone.
    ///
    /// # Errors
    /// When there is none of that identifier, or the database refuses.
    pub fn remove_source(&self, id: SourceId, now: Timestamp) -> Result<(), StoreError> {
        self.write(
            || format!("remove source {id}"),
            |tx| {
                for release in super::release::all_of(tx, id)? {
                    let why = "its source was forgotten by its owner";
                    super::release::advance(tx, &release, release.stage, why, now)?;
                }
                let sql = "UPDATE source SET removed = ?2 WHERE id = ?1 AND removed IS NULL";
                match tx.prepare_cached(sql)?.execute(params![id.0, now.0])? {
                    0 => Err(StoreError::NoSuchSource(id).into()),
                    _ => Ok(()),
                }
            },
        )
    }

    /// Every source that was not removed, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn sources(&self) -> Result<Vec<Source>, StoreError> {
        self.read(
            || "read the sources".to_owned(),
            |db| {
                db.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM source WHERE removed IS NULL ORDER BY id"
                ))?
                .query_map([], read)?
                .collect()
            },
        )
    }

    /// One source.
    ///
    /// # Errors
    /// When there is none of that identifier, or the database refuses.
    pub fn source(&self, id: SourceId) -> Result<Source, StoreError> {
        self.read(|| format!("read source {id}"), |db| by_id(db, id))?
            .ok_or(StoreError::NoSuchSource(id))
    }

    /// Says whether what is found in a source is shared without asking.
    ///
    /// # Errors
    /// When there is none of that identifier, or the database refuses.
    pub fn set_auto_share(&self, id: SourceId, auto_share: bool) -> Result<(), StoreError> {
        self.write(
            || format!("change source {id}"),
            |tx| {
                let sql = "UPDATE source SET auto_share = ?2 WHERE id = ?1";
                match tx.prepare_cached(sql)?.execute(params![id.0, auto_share])? {
                    0 => Err(StoreError::NoSuchSource(id).into()),
                    _ => Ok(()),
                }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_known_by_its_key_and_may_move() {
        let store = Store::in_memory().unwrap();
        let key = OsStr::from_bytes(b"/media/\xff\xfe");
        let first = Path::new("/media/a");
        let kind = SourceKind::Folder;
        let new = |kind, name, path| NewSource {
            kind,
            key,
            name,
            path,
            auto_share: true,
            facts: None,
        };
        let made = store
            .take_up_source(&new(kind, "a", first), Timestamp(1))
            .unwrap();
        store.set_auto_share(made.id, false).unwrap();

        let second = Path::new(OsStr::from_bytes(b"/mnt/\xff"));
        let facts = Facts {
            file_system: Some("exfat".to_owned()),
            size: Some(1 << 40),
            ..Facts::default()
        };
        let known = NewSource {
            facts: Some(&facts),
            ..new(kind, "b", second)
        };
        let moved = store.take_up_source(&known, Timestamp(2)).unwrap();
        assert_eq!(moved.id, made.id);
        assert_eq!(moved.added, Timestamp(1));
        assert_eq!(moved.key, key.as_bytes());
        assert_eq!(moved.path, second);
        assert_eq!(moved.facts, Some(facts));
        assert!(!moved.auto_share, "the owner's choice was overwritten");
        assert_eq!(store.sources().unwrap(), [store.source(made.id).unwrap()]);

        let other = new(SourceKind::Uploads, "c", first);
        let other = store.take_up_source(&other, Timestamp(3)).unwrap();
        assert_ne!(other.id, made.id);

        store.remove_source(made.id, Timestamp(4)).unwrap();
        assert_eq!(store.sources().unwrap(), [other]);
        assert!(store.remove_source(made.id, Timestamp(5)).is_err());
        let again = store.take_up_source(&new(kind, "a", first), Timestamp(6));
        assert_eq!(again.unwrap().id, made.id);
        assert_eq!(store.sources().unwrap().len(), 2);

        let missing = store.source(SourceId(99)).unwrap_err();
        assert!(matches!(missing, StoreError::NoSuchSource(SourceId(99))));
        assert!(store.set_auto_share(SourceId(99), true).is_err());
    }
}
