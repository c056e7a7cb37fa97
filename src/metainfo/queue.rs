//! The queue in front of the hasher: one job per device at a time, devices beside one another, so that a hung share or a
//! dying drive keeps nobody else waiting.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::hasher::{
    BUFFERS, Cancel, HashError, HashJob, PieceHashes, READ_LENGTH, hash_within, wanted_buffers,
};
use super::pace::Pace;
use crate::base::{ErrorKind, Kind, ReleaseId};

/// Jobs that wait or run, at most. The database is the real queue; this bounds the listings held beside it.
pub const MAX_JOBS: usize = 1024;

/// Events a job may be ahead of whoever reads them. Then hashing waits: hashes that nobody stored would be lost anyway.
const EVENTS_AHEAD: usize = 64;

/// What a job tells. [`HashEvent::Finished`] is the last, and always comes.
#[derive(Debug)]
pub enum HashEvent {
    /// The device is free and reading begins.
    Started,
    /// More pieces are hashed.
    Progress {
        /// Bytes whose hashes are known.
        hashed: u64,
        /// Bytes in all.
        total: u64,
        /// The hashes found since the last event, in order: append them to what is stored.
        new_hashes: Vec<u8>,
    },
    /// The end.
    Finished(Result<PieceHashes, HashError>),
}

/// Why a job was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// [`MAX_JOBS`] are waiting.
    #[error("{MAX_JOBS} releases wait to be hashed already")]
    Full,
    /// The release has a job.
    #[error("release {0} is being hashed already")]
    Twice(ReleaseId),
    /// The system gives no thread for its device.
    #[error("no thread to hash with: {0}")]
    NoThread(io::Error),
}

impl Kind for SubmitError {
    fn kind(&self) -> ErrorKind {
        match self {
            SubmitError::Full => ErrorKind::TooMany,
            SubmitError::NoThread(_) => ErrorKind::Unavailable,
            SubmitError::Twice(_) => ErrorKind::Conflict,
        }
    }
}

/// The queue; clones are the same queue. Each device that has jobs has one thread, which ends with them.
#[derive(Debug, Clone, Default)]
pub struct HashQueue {
    state: Arc<Mutex<State>>,
    pace: Pace,
}

#[derive(Debug, Default)]
struct State {
    /// Every job that waits or runs and was not cancelled.
    jobs: HashMap<ReleaseId, Cancel>,
    /// Jobs that wait, by device. A device that is here has a thread.
    devices: HashMap<u64, VecDeque<Waiting>>,
    /// Bytes of buffers that running jobs hold.
    buffers: usize,
}

#[derive(Debug)]
struct Waiting {
    id: ReleaseId,
    job: HashJob,
    cancel: Cancel,
    events: mpsc::Sender<HashEvent>,
}

impl HashQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues a job behind those of the same device. When the receiver is dropped the job is cancelled. `device` is
    /// whatever number tells the caller's devices apart.
    ///
    /// # Errors
    /// See [`SubmitError`]; the job is then not queued.
    pub fn submit(
        &self,
        id: ReleaseId,
        device: u64,
        job: HashJob,
    ) -> Result<mpsc::Receiver<HashEvent>, SubmitError> {
        let (events, receiver) = mpsc::channel(EVENTS_AHEAD);
        let cancel = Cancel::default();
        let mut state = self.state.lock();
        if state.jobs.contains_key(&id) {
            return Err(SubmitError::Twice(id));
        }
        if state.jobs.len() >= MAX_JOBS {
            return Err(SubmitError::Full);
        }
        let waiting = Waiting {
            id,
            job,
            cancel: cancel.clone(),
            events,
        };
        if let Some(queue) = state.devices.get_mut(&device) {
            queue.push_back(waiting);
        } else {
            // The thread looks for its jobs under the lock we hold.
            let queue = self.clone();
            thread::Builder::new()
                .name("hash-queue".into())
                .spawn(move || queue.serve(device))
                .map_err(SubmitError::NoThread)?;
            state.devices.insert(device, VecDeque::from([waiting]));
        }
        state.jobs.insert(id, cancel);
        Ok(receiver)
    }

    /// Cancels a job, waiting or running; its last event says [`HashError::Cancelled`]. The release may come again at
    /// once, also while the job still hangs in a read. Nothing happens when there is none.
    pub fn cancel(&self, id: ReleaseId) {
        if let Some(cancel) = self.state.lock().jobs.remove(&id) {
            cancel.cancel();
        }
    }

    /// Cancels all jobs, as the daemon does when it stops.
    pub fn cancel_all(&self) {
        self.state.lock().jobs.values().for_each(Cancel::cancel);
    }

    /// Reads and hashes gently from now on, the jobs under way too, or as fast as it can: for a board that is strained.
    pub fn set_gentle(&self, gentle: bool) {
        self.pace.set_gentle(gentle);
    }

    /// Does the jobs of one device, one after the other, until there are none.
    fn serve(&self, device: u64) {
        while let Some((waiting, granted)) = self.next(device) {
            let Waiting {
                id,
                job,
                cancel,
                events,
            } = waiting;
            let result = run(&job, granted, &self.pace, &cancel, &events);
            drop(job);
            let mut state = self.state.lock();
            if state.jobs.get(&id).is_some_and(|job| job.is_same(&cancel)) {
                state.jobs.remove(&id);
            }
            state.buffers -= granted;
            drop(state);
            // Whoever asked may have gone; then nobody wants to know.
            let _ = events.blocking_send(HashEvent::Finished(result));
        }
    }

    /// The device's next job and the buffers it may have: what it wants of what is left, and enough for one worker always.
    fn next(&self, device: u64) -> Option<(Waiting, usize)> {
        let mut state = self.state.lock();
        let Some(waiting) = state.devices.get_mut(&device).and_then(VecDeque::pop_front) else {
            state.devices.remove(&device);
            return None;
        };
        let left = BUFFERS.saturating_sub(state.buffers);
        let granted = wanted_buffers(&waiting.job).min(left).max(READ_LENGTH);
        state.buffers += granted;
        Some((waiting, granted))
    }
}

fn run(
    job: &HashJob,
    buffers: usize,
    pace: &Pace,
    cancel: &Cancel,
    events: &mpsc::Sender<HashEvent>,
) -> Result<PieceHashes, HashError> {
    let tell = |event| {
        if events.blocking_send(event).is_err() {
            cancel.cancel();
        }
    };
    if cancel.is_cancelled() {
        return Err(HashError::Cancelled);
    }
    tell(HashEvent::Started);
    let on_progress = |progress: super::Progress<'_>| {
        tell(HashEvent::Progress {
            hashed: progress.hashed,
            total: progress.total,
            new_hashes: progress.new_hashes.to_vec(),
        });
    };
    hash_within(job, buffers, pace.clone(), on_progress, cancel)
}

#[cfg(test)]
#[path = "queue/tests.rs"]
mod tests;
