//! SQLite: every table commented, one upgrade per version, one file per aggregate.
//!
//! The database is the box's only state (design, decision 7), and the stage column of a release is the work queue:
//! each call below is one transaction, so that a power cut leaves a state from which the same step can be run again.

mod api_token;
mod backup;
mod connection;
mod content;
mod copies;
mod decision;
mod error;
mod facts;
mod flush;
mod hash_progress;
mod ledger;
mod owner;
mod relay;
mod release;
mod release_setting;
mod session;
mod setting;
mod share;
mod source;
#[cfg(test)]
mod testing;
mod torrent;
mod upgrade;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use api_token::{ApiToken, NewToken, Scope, TOKENS_AT_MOST};
pub use backup::{BACKUP_VERSION, Backup, BadBackup, ReleaseWish, Restored, SourceRule};
pub use copies::{SetAside, TakenUp};
pub use decision::{Decision, LoggedDecision};
pub use error::{FileFault, StoreError};
pub use facts::Facts;
use flush::Flusher;
pub use hash_progress::HashProgress;
pub use ledger::{Cost, Spend, SpendBeside, Spent, SpentSince};
pub use owner::Owner;
pub use relay::{RELAYS_AT_MOST, SeenRelay};
pub use release::Release;
pub use release_setting::{BadReleaseSetting, ReleaseSettings};
pub use session::{
    SESSION_IDLE_SECONDS, SESSION_MAX_AGE_SECONDS, SESSIONS_AT_MOST, Session, TokenHash,
};
pub use setting::{BadSetting, Settings};
pub use share::{SHARES_AT_MOST, Share};
pub use source::{NewSource, Source, SourceKind};
pub use torrent::NewTorrent;
use upgrade::PRESENT;

use crate::base::Timestamp;

/// The database. Cheap to clone; clones share one connection.
///
/// One connection behind a mutex is enough: SQLite has one writer at a time whatever we do, the calls are few (a page
/// view, a checkpoint every other second, a ledger batch) and take well under a millisecond, and with one connection
/// every read sees every write before it. Calls block on the disk, so that async code goes through [`Store::run`].
#[derive(Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    changes: Arc<AtomicU64>,
    /// None of a database in memory.
    flusher: Option<Flusher>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens the database at `path`, makes it when there is none, and upgrades an older one, of which a copy is kept
    /// beside it.
    ///
    /// The file is readable by its owner only: it holds the password's hash.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, is not ours or was written by a newer Semoir. It is then left as
    /// it is: never deleted, never begun anew.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = connection::open(path, &PRESENT, &mut |_, _| {})?;
        Self::at(path, connection)
    }

    /// As [`Store::open`], for the box itself: a database that a newer Semoir wrote is set aside when there is a copy of it
    /// from before, with which the box then goes on. `upgrading` is told the versions from and to which the database is
    /// about to be upgraded, before anything of it is done. Nobody else may have the data folder.
    ///
    /// # Errors
    /// As [`Store::open`]; a newer database is an error where no copy of it can be used.
    pub fn take_up(
        path: &Path,
        now: Timestamp,
        mut upgrading: impl FnMut(i64, i64),
    ) -> Result<TakenUp, StoreError> {
        let (connection, set_aside) = copies::take_up(path, now, &PRESENT, &mut upgrading)?;
        let store = Self::at(path, connection)?;
        Ok(TakenUp { store, set_aside })
    }

    fn at(path: &Path, connection: Connection) -> Result<Self, StoreError> {
        let flusher = Flusher::start(path);
        let flusher = flusher.map_err(|source| StoreError::File {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::new(connection, Some(flusher)))
    }

    /// A database that lives as long as this value, for tests and for commands without state.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn in_memory() -> Result<Self, StoreError> {
        let connection = connection::open_in_memory()?;
        Ok(Self::new(connection, None))
    }

    fn new(connection: Connection, flusher: Option<Flusher>) -> Self {
        Self {
            connection: Arc::new(Mutex::new(connection)),
            changes: Arc::new(AtomicU64::new(0)),
            flusher,
        }
    }

    /// How many times something was written through this value and its clones. While it stays the same, whatever was read
    /// is still so: nobody else writes to the box's database while it runs. Left out is what the ledger has of no release,
    /// which a box with nothing to do writes too, and that a session or token was used.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Runs `call` where blocking is allowed, and waits for its result. `call` runs to its end even when the caller
    /// is dropped, so that nothing is ever half written.
    ///
    /// # Errors
    /// Whatever `call` returns; [`StoreError::Stopped`] when the runtime is shutting down.
    pub async fn run<T, F>(&self, call: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || call(&store)).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Stopped),
            },
        }
    }

    /// Reads. `doing` completes the sentence "could not …".
    fn read<T>(
        &self,
        doing: impl FnOnce() -> String,
        call: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        call(&self.connection.lock()).map_err(|source| StoreError::sql(doing(), source))
    }

    /// Moves what is in the write-ahead log into the database itself: for the end, when clones may outlive us in tasks that
    /// nobody waits for, and SQLite is not told that this was the last connection.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn put_in_order(&self) -> Result<(), StoreError> {
        self.read(
            || "put the database in order".to_owned(),
            |db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())),
        )
    }

    /// Writes in one transaction, which is undone when `call` fails. It is on the disk within a second (see [`flush`]).
    /// `doing` completes the sentence "could not …".
    fn write<T>(
        &self,
        doing: impl Fn() -> String,
        call: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let value = self.write_quietly(doing, call)?;
        self.changes.fetch_add(1, Ordering::SeqCst);
        if let Some(flusher) = &self.flusher {
            flusher.changed();
        }
        Ok(value)
    }

    /// As [`Store::write`], and on the disk when this returns: what its owner changed, and was told is done, no power cut
    /// undoes. A disk that refuses is asked again soon, and the log says so.
    fn write_to_disk<T>(
        &self,
        doing: impl Fn() -> String,
        call: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let value = self.write(doing, call)?;
        if let Some(flusher) = &self.flusher {
            flusher.at_once();
        }
        Ok(value)
    }

    /// As [`Store::write`], what is written being no change to anybody, nor worth a write of its own to the disk.
    fn write_quietly<T>(
        &self,
        doing: impl Fn() -> String,
        call: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let sql = |source| StoreError::sql(doing(), source);
        let mut connection = self.connection.lock();
        // Immediate: a transaction that turned from reading to writing could fail half way with "busy".
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sql)?;
        let value = call(&transaction).map_err(|failure| match failure {
            Failure::Sql(source) => sql(source),
            Failure::Store(error) => error,
        })?;
        transaction.commit().map_err(sql)?;
        Ok(value)
    }
}

/// What can end a transaction: SQLite, or one of our own rules.
enum Failure {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}
