//! Copies of the database as it was before each upgrade, and the way back to one of them.
//!
//! An update that fails, and an owner who installs an older Semoir again, leave a database that the older program cannot
//! read. It takes the copy then that was made before the upgrade. What the newer one wrote is set aside and stays: it holds
//! what was changed since the copy was made.
//!
//! # Files
//! Beside `semoir.db`, and with names that begin with its own, so that a factory reset forgets them:
//! - `semoir.db.copy-5`: the database as it was at version 5, before it became a later one. It is whole: it gets this name
//!   when it is on the disk.
//! - `semoir.db.copy.part`: a copy that is being made, or that a power cut left.
//! - `semoir.db.set-aside-6-1764315000-1764000000`: a database of version 6 that was set aside at the first time, for a copy
//!   that had been made at the second (seconds since 1970).
//!
//! # Power cuts
//! A copy is made before the upgrade's only transaction begins; until that is on the disk the next start does both again.
//! Going back has three steps. The newer database takes up its write-ahead log, so that it is one file and no log is left
//! for the copy to be mistaken for its own; it gets a second name; the copy is moved over the first. At no moment is
//! there no database, and from each the next start of either program goes on: the older finishes what it began, and the
//! newer finds its database where it was, and takes the second name away again.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};

use super::Store;
use super::connection::{self, BUSY_TIMEOUT, Telling};
use super::error::{FileFault, StoreError};
use super::upgrade::{self, Known};
use crate::base::{ErrorKind, Kind, Timestamp, whole};

/// Copies that are kept: with two, an update can be taken back, and the one before it too.
const COPIES_AT_MOST: usize = 2;
/// Databases that stay set aside. An update that fails each time it is tried leaves one each time, and each may be as
/// large as the database itself.
const SET_ASIDE_AT_MOST: usize = 3;

/// What follows on the database's name in that of a copy.
const COPY: &str = ".copy-";
/// The same of a copy that is being made.
const DRAFT: &str = ".copy.part";
/// The same of a database that was set aside.
const ASIDE: &str = ".set-aside-";

/// A database that is open, and what became of another one.
#[derive(Debug)]
pub struct TakenUp {
    /// The database.
    pub store: Store,
    /// The last one of a version that this program does not know that was set aside, by this start or an earlier one.
    pub set_aside: Option<SetAside>,
}

/// A newer Semoir's database, in whose place a copy from before was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now.
    pub path: PathBuf,
    /// Its version.
    pub version: i64,
    /// When it was set aside.
    pub at: Timestamp,
    /// When the copy was made: what was changed from then to `at` is in this file only.
    pub since: Timestamp,
}

/// Opens the database; goes back to a copy when it is newer than what is `known` and there is one that can be used.
pub(super) fn take_up(
    path: &Path,
    now: Timestamp,
    known: &Known<'_>,
    upgrading: Telling<'_>,
) -> Result<(Connection, Option<SetAside>), StoreError> {
    let connection = match connection::open(path, known, upgrading) {
        Err(newer @ StoreError::Newer { found, .. }) => {
            let back = go_back(path, found, known.latest(), now);
            let back = back.map_err(|source| StoreError::NotSetAside {
                path: path.to_owned(),
                source,
            })?;
            if !back {
                return Err(newer);
            }
            connection::open(path, known, upgrading)?
        }
        opened => opened?,
    };
    let kept = tidy(path).unwrap_or_else(|error| {
        tracing::warn!(%error, "what was set aside of the database cannot be looked at");
        Vec::new()
    });
    let unknown = |aside: &SetAside| aside.version > known.latest();
    Ok((connection, kept.into_iter().find(unknown)))
}

/// Keeps a copy of a database of version `version`, which is about to be upgraded.
///
/// # Errors
/// When there is no room, or the disk refuses; the database and older copies are as they were.
pub(super) fn keep(connection: &Connection, path: &Path, version: i64) -> Result<(), StoreError> {
    let draft = beside(path, DRAFT);
    let kept = useless_copies_go(path, version)
        .and_then(|()| write_out(connection, &draft, version))
        .and_then(|()| name_it(path, &draft, version));
    let Err(source) = kept else {
        return Ok(());
    };
    if let Err(error) = remove_draft(&draft) {
        tracing::warn!(%error, path = %draft.display(), "half a copy of the database is left");
    }
    let path = path.to_owned();
    Err(match source.kind() {
        ErrorKind::NoSpace => StoreError::NoRoomForCopy {
            path,
            bytes: size(connection),
        },
        _ => StoreError::NotCopied { path, source },
    })
}

/// Copies of this version and later ones: the database itself is as it was then, or it is a copy that was gone back to.
fn useless_copies_go(path: &Path, version: i64) -> Result<(), FileFault> {
    let useless = |copy: &&Copy| copy.version >= version;
    for copy in copies(path)?.iter().filter(useless) {
        whole::remove(&copy.path)?;
    }
    Ok(())
}

/// Writes the whole database out: it is read to its last row, and lies on the disk when this returns.
fn write_out(connection: &Connection, draft: &Path, version: i64) -> Result<(), FileFault> {
    remove_draft(draft)?;
    // SQLite would make it with the process's umask; an empty file it takes.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    // As bytes: a path need not be UTF-8, and SQLite hands it on as it is.
    let name = ToSqlOutput::Borrowed(ValueRef::Text(draft.as_os_str().as_bytes()));
    connection.execute("VACUUM INTO ?1", [name])?;
    file.sync_all()?;
    usable(draft, version).map_err(|why| FileFault::File(io::Error::other(why)))
}

/// Gives a finished copy its name, and lets those go that are one too many.
fn name_it(path: &Path, draft: &Path, version: i64) -> Result<(), FileFault> {
    fs::rename(draft, beside(path, &format!("{COPY}{version}")))?;
    whole::sync_folder(path)?;
    for copy in copies(path)?.iter().skip(COPIES_AT_MOST) {
        whole::remove(&copy.path)?;
    }
    Ok(())
}

/// Its journal first: one that lay beside no draft would be taken for the next draft's.
fn remove_draft(draft: &Path) -> io::Result<()> {
    whole::remove(&beside(draft, "-journal"))?;
    whole::remove(draft)
}

/// What a copy takes at most, bytes.
fn size(connection: &Connection) -> u64 {
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let bytes = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    bytes.map_or(0, |bytes| bytes.unsigned_abs())
}

/// Puts the newest copy that can be used in the place of a database of version `found`. False when there is none; then
/// nothing was touched.
fn go_back(path: &Path, found: i64, known: i64, now: Timestamp) -> Result<bool, FileFault> {
    let Some(copy) = newest_usable(path, known)? else {
        return Ok(false);
    };
    // A copy has no log, unless somebody has looked into it with a program of his own.
    fold_log(&copy.path)?;
    fold_log(path)?;
    let aside = name_aside(path, found, &copy, now)?;
    put_in_place(path, &copy)?;
    tracing::warn!(
        found,
        known,
        set_aside = %aside.display(),
        copy = copy.version,
        made = copy.made.0,
        "the database was written by a newer Semoir; it was set aside, and the copy from before it was upgraded was taken in \
         its place"
    );
    Ok(true)
}

/// The newest copy that a program can use which knows version `known`.
fn newest_usable(path: &Path, known: i64) -> Result<Option<Copy>, FileFault> {
    for copy in copies(path)? {
        if copy.version > known {
            continue;
        }
        match usable(&copy.path, copy.version) {
            Ok(()) => return Ok(Some(copy)),
            Err(why) => {
                tracing::warn!(%why, path = %copy.path.display(), "a copy of the database cannot be used");
            }
        }
    }
    Ok(None)
}

/// Makes one file of the database and its write-ahead log, which is gone then.
fn fold_log(path: &Path) -> Result<(), FileFault> {
    let connection = open_existing(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let sql = "PRAGMA journal_mode = DELETE";
    let mode: String = connection.query_row(sql, [], |row| row.get(0))?;
    drop(connection);
    let log = beside(path, "-wal");
    if mode != "delete" || log.try_exists()? {
        let why = format!("{} cannot be taken up into it", log.display());
        return Err(io::Error::other(why).into());
    }
    Ok(())
}

/// Gives the database a second name, or finds the one that it got before a power cut.
fn name_aside(path: &Path, found: i64, copy: &Copy, now: Timestamp) -> Result<PathBuf, FileFault> {
    let others = set_aside(path)?;
    for other in &others {
        if same_file(path, &other.path)? {
            return Ok(other.path.clone());
        }
    }
    // Always the newest by its name, whatever became of the board's clock.
    let at = others
        .first()
        .map_or(now, |last| now.max(Timestamp(last.at.0 + 1)));
    let aside = beside(path, &format!("{ASIDE}{found}-{}-{}", at.0, copy.made.0));
    fs::hard_link(path, &aside)?;
    whole::sync_folder(path)?;
    Ok(aside)
}

fn put_in_place(path: &Path, copy: &Copy) -> Result<(), FileFault> {
    fs::rename(&copy.path, path)?;
    whole::sync_folder(path)?;
    Ok(())
}

/// After the database was opened: takes away second names of it that going back left when a power cut broke it off, and
/// what is set aside beyond what is kept. Returns the rest, the last first.
fn tidy(path: &Path) -> io::Result<Vec<SetAside>> {
    let mut kept = Vec::new();
    for aside in set_aside(path)? {
        if same_file(path, &aside.path)? {
            whole::remove(&aside.path)?;
        } else if kept.len() == SET_ASIDE_AT_MOST {
            tracing::warn!(path = %aside.path.display(), "an old database that was set aside is deleted");
            whole::remove(&aside.path)?;
        } else {
            kept.push(aside);
        }
    }
    Ok(kept)
}

fn same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let [one, other] = [fs::symlink_metadata(one)?, fs::symlink_metadata(other)?];
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Says why a file is no whole database of ours of this version.
fn usable(path: &Path, version: i64) -> Result<(), String> {
    let look = || -> Result<i64, StoreError> {
        let failed = |error| connection::failed(path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = open_existing(path, flags).map_err(failed)?;
        let found = upgrade::any_version(&connection, path)?;
        connection::check(&connection, path)?;
        Ok(found)
    };
    match look() {
        Ok(found) if found == version => Ok(()),
        Ok(found) => Err(format!("its version is {found}")),
        Err(error) => Err(error.to_string()),
    }
}

fn open_existing(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// A copy of the database.
#[derive(Debug)]
struct Copy {
    path: PathBuf,
    version: i64,
    made: Timestamp,
}

/// All copies there are, the newest version first.
fn copies(path: &Path) -> io::Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for (ending, path) in files_beside(path, COPY)? {
        let Some(version) = number(&ending) else {
            continue;
        };
        let made = Timestamp(fs::symlink_metadata(&path)?.mtime());
        copies.push(Copy {
            path,
            version,
            made,
        });
    }
    copies.sort_by_key(|copy| std::cmp::Reverse(copy.version));
    Ok(copies)
}

/// All that was set aside, the last first.
fn set_aside(path: &Path) -> io::Result<Vec<SetAside>> {
    let mut found = Vec::new();
    for (ending, path) in files_beside(path, ASIDE)? {
        let numbers: Option<Vec<i64>> = ending.split('-').map(number).collect();
        if let Some([version, at, since]) = numbers.as_deref() {
            found.push(SetAside {
                path,
                version: *version,
                at: Timestamp(*at),
                since: Timestamp(*since),
            });
        }
    }
    found.sort_by_key(|aside| std::cmp::Reverse(aside.at));
    Ok(found)
}

/// A number as these names have it: digits, and nothing else.
fn number(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The files whose names are the database's and `start`, each with what follows in its name.
fn files_beside(path: &Path, start: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let start = beside(path, start);
    let start = start.file_name().unwrap_or_default().as_bytes();
    let mut files = Vec::new();
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        let name = entry.file_name();
        let ending = name.as_bytes().strip_prefix(start);
        let ending = ending.and_then(|ending| std::str::from_utf8(ending).ok());
        if let Some(ending) = ending
            && entry.file_type()?.is_file()
        {
            files.push((ending.to_owned(), entry.path()));
        }
    }
    Ok(files)
}

/// The path with this after its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests;
