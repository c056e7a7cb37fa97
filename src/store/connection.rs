//! Opening a database file: ours or nobody's, whole, and at the version we know.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::copies;
use super::error::StoreError;
use super::upgrade::{self, Known, PRESENT};

/// How long a call waits for another process (a backup, a curious owner with `sqlite3`) to finish with the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Told the versions from and to which a database is about to be upgraded.
pub(super) type Telling<'a> = &'a mut dyn FnMut(i64, i64);

/// Opens or makes the database at `path`; of an older one a copy is kept before it is upgraded.
pub(super) fn open(
    path: &Path,
    known: &Known<'_>,
    upgrading: Telling<'_>,
) -> Result<Connection, StoreError> {
    // SQLite would make the file with the process's umask, and gives its WAL the same mode as the file.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| StoreError::File {
            path: path.to_owned(),
            source,
        })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|e| failed(path, e))?;
    prepare(&mut connection, path, known, |connection, from| {
        upgrading(from, known.latest());
        copies::keep(connection, path, from)
    })?;
    Ok(connection)
}

/// A database in memory.
pub(super) fn open_in_memory() -> Result<Connection, StoreError> {
    let path = Path::new(":memory:");
    let mut connection = Connection::open_in_memory().map_err(|e| failed(path, e))?;
    prepare(&mut connection, path, &PRESENT, |_, _| Ok(()))?;
    Ok(connection)
}

/// `keep` is called with the version before an upgrade, and can prevent it.
fn prepare(
    connection: &mut Connection,
    path: &Path,
    known: &Known<'_>,
    keep: impl FnOnce(&Connection, i64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let sql = |e| failed(path, e);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sql)?;
    // Looked at before anything is written: another program's database stays as it is.
    let version = upgrade::version(connection, path, known)?;
    if version > 0 {
        check(connection, path)?;
    }
    if (1..known.latest()).contains(&version) {
        keep(connection, version)?;
    }
    // With a write-ahead log, NORMAL survives any crash of ours and keeps the file whole over a power cut; the last
    // moments before the cut may be missing, which re-runs a step and breaks nothing. How many moments: see flush.rs.
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        .map_err(sql)?;
    upgrade::to_latest(connection, path, version, known)?;
    // Set last: upgrade steps rebuild tables, which must not cascade.
    connection
        .execute_batch("PRAGMA foreign_keys = ON;")
        .map_err(sql)
}

/// Walks the whole file once, so that damage is said at the start and not in the middle of a write.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|e| failed(path, e))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged {
            path: path.to_owned(),
            detail: verdict,
        })
    }
}

/// Names an error met while opening.
pub(super) fn failed(path: &Path, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged {
            path: path.to_owned(),
            detail: source.to_string(),
        },
        _ => StoreError::Open {
            path: path.to_owned(),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::Store;

    #[test]
    fn opens_again_what_it_made_and_keeps_it_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("semoir.db");
        drop(Store::open(&path).unwrap());
        drop(Store::open(&path).unwrap());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let connection = open(&path, &PRESENT, &mut |_, _| {}).unwrap();
        let pragma = |name: &str| -> String {
            connection
                .query_row(
                    &format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}"),
                    [],
                    |r| r.get(0),
                )
                .unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal");
        assert_eq!(pragma("foreign_keys"), "1");
        assert_eq!(pragma("synchronous"), "1");
    }

    #[test]
    fn a_damaged_file_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("semoir.db");

        fs::write(
            &path,
            b"this was never a database, and is long enough to look at".repeat(100),
        )
        .unwrap();
        assert_left_alone(&path);

        fs::remove_file(&path).unwrap();
        {
            let store = Store::open(&path).unwrap();
            let connection = store.connection.lock();
            connection
                .execute_batch(
                    "INSERT INTO setting VALUES ('keep', 'true'); PRAGMA wal_checkpoint(TRUNCATE);",
                )
                .unwrap();
        }
        let mut bytes = fs::read(&path).unwrap();
        let from = bytes.len() / 4;
        bytes[from..].fill(0xa5);
        fs::write(&path, &bytes).unwrap();
        assert_left_alone(&path);
    }

    fn assert_left_alone(path: &Path) {
        let before = fs::read(path).unwrap();
        let error = Store::open(path).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert!(fs::read(path).unwrap() == before, "the file was changed");
    }

    #[test]
    fn a_folder_that_is_not_there_is_said() {
        let error = Store::open(Path::new("/nonexistent/semoir.db")).unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/semoir.db"),
            "{error}"
        );
    }
}
