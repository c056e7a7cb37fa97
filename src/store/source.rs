//! Places releases come from.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::{Store, StoreError};
use crate::base::{SourceId, Timestamp};

/// What sort of place a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A folder the owner named. Never written to.
    Folder,
    /// The box's own folder, which uploads are received into and removed from.
    Uploads,
}

impl SourceKind {
    /// The word used in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Folder => "folder",
            SourceKind::Uploads => "uploads",
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
}

const COLUMNS: &str = "id, kind, key, name, path, auto_share, added";

fn read(row: &Row<'_>) -> rusqlite::Result<Source> {
    Ok(Source {
        id: SourceId(row.get(0)?),
        kind: row.get(1)?,
        key: row.get(2)?,
        name: row.get(3)?,
        path: path_of(row.get(4)?),
        auto_share: row.get(5)?,
        added: Timestamp(row.get(6)?),
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

impl Store {
    /// Takes up a source, or brings the one with this kind and key up to date. An existing one keeps its identifier,
    /// its date and its `auto_share`, which is the owner's to change.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn upsert_source(
        &self,
        kind: SourceKind,
        key: &OsStr,
        name: &str,
        path: &Path,
        auto_share: bool,
        now: Timestamp,
    ) -> Result<Source, StoreError> {
        let doing = || format!("write down the source {}", path.display());
        self.write(doing, |tx| {
            let sql = format!(
                "INSERT INTO source (kind, key, name, path, auto_share, added) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (kind, key) DO UPDATE SET name = excluded.name, path = excluded.path
                 RETURNING {COLUMNS}"
            );
            let values = params![kind, key.as_bytes(), name, bytes_of(path), auto_share, now.0];
            Ok(tx.prepare_cached(&sql)?.query_row(values, read)?)
        })
    }

    /// Every source, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn sources(&self) -> Result<Vec<Source>, StoreError> {
        self.read(
            || "read the sources".to_owned(),
            |db| {
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM source ORDER BY id"))?
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
        self.read(
            || format!("read source {id}"),
            |db| {
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM source WHERE id = ?1"))?
                    .query_row([id.0], read)
                    .optional()
            },
        )?
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
        let made = store
            .upsert_source(kind, key, "a", first, true, Timestamp(1))
            .unwrap();
        store.set_auto_share(made.id, false).unwrap();

        let second = Path::new(OsStr::from_bytes(b"/mnt/\xff"));
        let moved = store
            .upsert_source(kind, key, "b", second, true, Timestamp(2))
            .unwrap();
        assert_eq!(moved.id, made.id);
        assert_eq!(moved.added, Timestamp(1));
        assert_eq!(moved.key, key.as_bytes());
        assert_eq!(moved.path, second);
        assert!(!moved.auto_share, "the owner's choice was overwritten");
        assert_eq!(store.sources().unwrap(), [store.source(made.id).unwrap()]);

        let other = store.upsert_source(SourceKind::Uploads, key, "c", first, true, Timestamp(3));
        assert_ne!(other.unwrap().id, made.id);
        let missing = store.source(SourceId(99)).unwrap_err();
        assert!(matches!(missing, StoreError::NoSuchSource(SourceId(99))));
        assert!(store.set_auto_share(SourceId(99), true).is_err());
    }
}
