//! What was written is on the disk a moment later, and not when the kernel gets to it.
//!
//! With `synchronous = NORMAL`, SQLite leaves new transactions in the kernel's memory until it moves them from its
//! write-ahead log to the database, and Linux keeps them there for half a minute: a power cut undid a claim that was ten
//! seconds old. `FULL` would wait for the disk at each transaction, and a look at a drive makes thousands of them, of which
//! an SD card takes a few dozen per second. So a thread of its own has the log written out, for all at once that were
//! made meanwhile; what an owner changes, which is seldom, waits for the disk before he is told that it is done. SQLite takes
//! up whatever is whole in the log.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// From a transaction to when it is being written out: the transactions made meanwhile cost no write of their own.
const GATHER: Duration = Duration::from_millis(500);

/// Has the write-ahead log of a database written out after changes.
#[derive(Debug, Clone)]
pub(super) struct Flusher {
    changed: SyncSender<()>,
    log: Arc<Path>,
}

impl Flusher {
    /// For the database at `path`. Its thread ends when the last clone is dropped.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(path: &Path) -> io::Result<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let log: Arc<Path> = PathBuf::from(log).into();
        let written = log.clone();
        // Room for one: whoever finds it taken is served by the write that is due.
        let (changed, due) = sync_channel(1);
        thread::Builder::new()
            .name("database to disk".to_owned())
            .spawn(move || flush_when_due(&written, &due))?;
        Ok(Self { changed, log })
    }

    /// Writes it out now, and returns when it is on the disk, or the disk refused: then the thread tries again.
    pub(super) fn at_once(&self) {
        if let Err(error) = flush(&self.log) {
            tracing::warn!(%error, "a change is not on the disk yet; a power cut would undo it");
            self.changed();
        }
    }

    /// Something was written.
    pub(super) fn changed(&self) {
        match self.changed.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => {}
            Err(TrySendError::Disconnected(())) => {
                tracing::error!("nothing writes the database out any more");
            }
        }
    }
}

fn flush_when_due(log: &Path, due: &Receiver<()>) {
    let mut failing = false;
    while due.recv().is_ok() {
        thread::sleep(GATHER);
        // Taken before the disk is asked: what is written from here on is due again.
        while due.try_recv().is_ok() {}
        match flush(log) {
            Ok(()) => failing = false,
            Err(_) if failing => {}
            Err(error) => {
                failing = true;
                tracing::warn!(%error, "the database cannot be written out; a power cut would undo the last changes");
            }
        }
    }
}

/// Through a descriptor of our own: what is written out is the file, whoever wrote to it. Without a log there is nothing that
/// SQLite has not written out itself.
fn flush(log: &Path) -> io::Result<()> {
    match File::open(log) {
        Ok(file) => file.sync_data(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn changes_in_a_row_are_written_out_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let flusher = Flusher::start(&dir.path().join("semoir.db")).unwrap();
        let start = Instant::now();
        for _ in 0..100_000 {
            flusher.changed();
        }
        assert!(start.elapsed() < GATHER, "nobody waits for the disk");
    }

    #[test]
    fn a_log_that_is_not_there_is_no_failure_and_one_that_cannot_be_read_is() {
        let dir = tempfile::tempdir().unwrap();
        assert!(flush(&dir.path().join("missing-wal")).is_ok());
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(flush(&file).is_ok());
        assert!(flush(&file.join("not-a-folder")).is_err());
    }
}
