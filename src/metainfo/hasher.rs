//! The pieces' hashes: read by one, hashed by all.
//!
//! Workers take turns at the `Reader`: whoever holds it reads the next piece into its own buffer, hands the reader
//! on and hashes what it read, still in that core's cache, while the next one reads. So the drive sees one sequential
//! reader, every core hashes, and memory is what the workers' buffers hold.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use librqbit_sha1_wrapper::{ISha1, Sha1};
use parking_lot::Mutex;

use super::pace::Pace;
use super::reader::{ReadError, Reader, prove};
use super::torrent::MAX_TORRENT;
use crate::base::error::io_kind;
use crate::base::{Content, ErrorKind, Kind};

/// Bytes of a SHA-1.
pub const HASH_LENGTH: usize = 20;

/// What one job's buffers may hold together: enough for 16 workers at the 2 MiB pieces of a film, and for two at the
/// longest pieces we choose. Bytes.
pub const BUFFERS: usize = 32 << 20;

/// Shorter pieces are read this much at a time, so that taking turns and calling the system cost little per byte; and a
/// worker alone, with nobody to take turns with, reads this much of a piece at a time. Bytes.
pub const READ_LENGTH: usize = 1 << 20;

/// Pieces whose hashes fit a torrent; more would be hashed for nothing.
const MAX_PIECES: u64 = (MAX_TORRENT / HASH_LENGTH) as u64;

/// What to hash.
#[derive(Debug, Clone)]
pub struct HashJob {
    /// The files.
    pub content: Content,
    /// Bytes per piece, more than 0.
    pub piece_length: u32,
    /// Hashes already known, [`HASH_LENGTH`] bytes per piece from the front: hashing goes on after them.
    pub done: Vec<u8>,
}

/// How far a job is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Bytes whose hashes are known, those of an earlier run included.
    pub hashed: u64,
    /// Bytes in all.
    pub total: u64,
    /// The hashes found since the last call, in piece order, [`HASH_LENGTH`] bytes each: append them to what was
    /// stored, and [`HashJob::done`] can go on from there.
    pub new_hashes: &'a [u8],
}

/// The hashes of all pieces, [`HASH_LENGTH`] bytes each, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceHashes(pub Bytes);

/// Ends a job early, from any thread; clones end the same job.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the job at the next piece.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether this cancels the very same job.
    pub(super) fn is_same(&self, other: &Cancel) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why there are no hashes.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// A file cannot be read, or is not what it was.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// [`Cancel::cancel`] was called.
    #[error("hashing was cancelled")]
    Cancelled,
    /// No bytes, so no pieces.
    #[error("there is nothing to hash: all files are empty")]
    Empty,
    /// A piece length of zero.
    #[error("pieces of 0 bytes cannot be hashed")]
    NoPieceLength,
    /// Their hashes would not fit a torrent.
    #[error(
        "{0} pieces are more than a torrent can hold ({MAX_PIECES}): longer pieces make fewer of them"
    )]
    TooManyPieces(u64),
    /// The stored hashes are not from this content.
    #[error("{found} bytes of stored hashes do not fit a release of {pieces} pieces")]
    BadResume {
        /// Bytes of hashes that were stored.
        found: usize,
        /// Pieces the release has.
        pieces: u64,
    },
}

impl Kind for HashError {
    fn kind(&self) -> ErrorKind {
        match self {
            HashError::Read(error) => error.kind(),
            HashError::Cancelled => ErrorKind::Conflict,
            HashError::Empty | HashError::NoPieceLength | HashError::TooManyPieces(_) => {
                ErrorKind::BadInput
            }
            HashError::BadResume { .. } => ErrorKind::Internal,
        }
    }
}

impl Kind for ReadError {
    fn kind(&self) -> ErrorKind {
        match self {
            ReadError::Io { source, .. } => io_kind(source),
            ReadError::Changed { .. } => ErrorKind::Conflict,
        }
    }
}

/// Hashes `job`. `on_progress` is called by one worker at a time, in piece order; while it runs the others soon wait for
/// it, so a slow one (a database) slows hashing down.
///
/// # Errors
/// A file that cannot be read or that changed, before, during or after its reading, fails the job by its path.
pub fn hash(
    job: &HashJob,
    on_progress: impl FnMut(Progress<'_>) + Send,
    cancel: &Cancel,
) -> Result<PieceHashes, HashError> {
    hash_within(job, BUFFERS, Pace::default(), on_progress, cancel)
}

/// As [`hash`], with `buffers` bytes for the workers' buffers instead of [`BUFFERS`], and at a pace of its own.
pub(super) fn hash_within(
    job: &HashJob,
    buffers: usize,
    pace: Pace,
    mut on_progress: impl FnMut(Progress<'_>) + Send,
    cancel: &Cancel,
) -> Result<PieceHashes, HashError> {
    let plan = Plan {
        pace,
        ..Plan::new(&job.content, job.piece_length, buffers)?
    };
    let done = (job.done.len() / HASH_LENGTH) as u64;
    if !job.done.len().is_multiple_of(HASH_LENGTH) || done > plan.pieces {
        return Err(HashError::BadResume {
            found: job.done.len(),
            pieces: plan.pieces,
        });
    }
    prove(&job.content)?;
    let mut hashes = Vec::with_capacity(plan.pieces as usize * HASH_LENGTH);
    hashes.extend_from_slice(&job.done);
    plan.run(done, cancel, &mut |first, new| {
        hashes.extend_from_slice(new);
        on_progress(Progress {
            hashed: plan.position(first + (new.len() / HASH_LENGTH) as u64),
            total: plan.total,
            new_hashes: new,
        });
        ControlFlow::Continue(())
    })?;
    prove(&job.content)?;
    Ok(PieceHashes(hashes.into()))
}

/// What a job's workers may hold in buffers, at most, if they can have it. Bytes.
pub(super) fn wanted_buffers(job: &HashJob) -> usize {
    Plan::new(&job.content, job.piece_length, BUFFERS)
        .map_or(READ_LENGTH, |plan| plan.workers * plan.buffer)
}

/// Takes the hashes of the next pieces, in order, with the index of the first; breaks to end the run.
type Sink<'a> = &'a mut (dyn FnMut(u64, &[u8]) -> ControlFlow<()> + Send);

/// How a content is divided among workers.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    content: &'a Content,
    piece_length: u64,
    total: u64,
    pieces: u64,
    /// Pieces read in one turn.
    batch: u64,
    workers: usize,
    /// Bytes of each worker's buffer.
    buffer: usize,
    pace: Pace,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        content: &'a Content,
        piece_length: u32,
        buffers: usize,
    ) -> Result<Self, HashError> {
        let piece_length = u64::from(piece_length);
        let total = content.total();
        if piece_length == 0 {
            return Err(HashError::NoPieceLength);
        }
        if total == 0 {
            return Err(HashError::Empty);
        }
        let pieces = total.div_ceil(piece_length);
        if pieces > MAX_PIECES {
            return Err(HashError::TooManyPieces(pieces));
        }
        let batch = (READ_LENGTH as u64 / piece_length).clamp(1, pieces);
        let turn = (batch * piece_length).min(total);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let affordable = usize::try_from(buffers as u64 / turn).unwrap_or(usize::MAX);
        let useful = usize::try_from(pieces.div_ceil(batch)).unwrap_or(usize::MAX);
        let workers = cores.min(affordable).min(useful).max(1);
        let buffer = if workers == 1 {
            turn.min(READ_LENGTH as u64)
        } else {
            turn
        };
        Ok(Self {
            content,
            piece_length,
            total,
            pieces,
            batch,
            workers,
            buffer: buffer as usize,
            pace: Pace::default(),
        })
    }

    /// Where `piece` begins, or the content ends. Bytes.
    pub(super) fn position(&self, piece: u64) -> u64 {
        (piece * self.piece_length).min(self.total)
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Hashes the pieces from `first` on.
    pub(super) fn run(&self, first: u64, cancel: &Cancel, sink: Sink<'_>) -> Result<(), HashError> {
        let run = Run {
            plan: self,
            cancel,
            stop: AtomicBool::new(false),
            hashing_ns: AtomicU64::new(0),
            turn: Mutex::new(Turn {
                reader: Reader::at(self.content, self.position(first)),
                next: first,
            }),
            found: Mutex::new(Found {
                next: first,
                waiting: BTreeMap::new(),
                sink,
                error: None,
            }),
        };
        thread::scope(|scope| {
            for _ in 1..self.workers {
                // A machine that has no more threads to give hashes with those it gave.
                let worker = thread::Builder::new().name("hasher".into());
                if worker.spawn_scoped(scope, || run.work()).is_err() {
                    break;
                }
            }
            run.work();
        });
        run.found.into_inner().error.map_or(Ok(()), Err)
    }
}

/// One run's state: `turn` is held while reading, `found` while handing hashes out; nobody holds both.
struct Run<'a> {
    plan: &'a Plan<'a>,
    cancel: &'a Cancel,
    stop: AtomicBool,
    /// How long it took to hash what was read last, while the pace is gentle.
    hashing_ns: AtomicU64,
    turn: Mutex<Turn<'a>>,
    found: Mutex<Found<'a>>,
}

struct Turn<'a> {
    reader: Reader<'a>,
    /// The piece the reader stands at.
    next: u64,
}

struct Found<'a> {
    /// The piece whose hash the sink wants next.
    next: u64,
    /// Hashes of later pieces, by first piece.
    waiting: BTreeMap<u64, Vec<u8>>,
    sink: Sink<'a>,
    error: Option<HashError>,
}

impl Run<'_> {
    fn work(&self) {
        let mut buffer = vec![0; self.plan.buffer];
        let mut hashes = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            if self.cancel.is_cancelled() {
                return self.fail(HashError::Cancelled);
            }
            hashes.clear();
            match self.take_turn(&mut buffer, &mut hashes) {
                Ok(Some(first)) => self.hand_out(first, &hashes),
                Ok(None) => return,
                Err(error) => return self.fail(error.into()),
            }
        }
    }

    /// Reads and hashes the next batch; `None` when there is none left.
    fn take_turn(&self, buffer: &mut [u8], hashes: &mut Vec<u8>) -> Result<Option<u64>, ReadError> {
        let plan = self.plan;
        let mut turn = self.turn.lock();
        let first = turn.next;
        if first >= plan.pieces {
            return Ok(None);
        }
        turn.next = (first + plan.batch).min(plan.pieces);
        let length = plan.position(turn.next) - plan.position(first);
        let began = Instant::now();
        if length > buffer.len() as u64 {
            hashes.extend_from_slice(&hash_through(&mut turn.reader, length, buffer)?);
            plan.pace.rest(began.elapsed(), self.cancel);
            return Ok(Some(first));
        }
        let bytes = &mut buffer[..length as usize];
        turn.reader.fill(bytes)?;
        // Whoever holds the turn rests with it: the others wait, so that a gentle pace is that of one worker, however many
        // there are.
        let hashing = Duration::from_nanos(self.hashing_ns.load(Ordering::Relaxed));
        plan.pace.rest(began.elapsed() + hashing, self.cancel);
        drop(turn);
        let began = Instant::now();
        for piece in bytes.chunks(plan.piece_length as usize) {
            let mut digest = Sha1::new();
            digest.update(piece);
            hashes.extend_from_slice(&digest.finish());
        }
        if plan.pace.is_gentle() {
            let took = began.elapsed().as_nanos() as u64;
            self.hashing_ns.store(took, Ordering::Relaxed);
        }
        Ok(Some(first))
    }

    /// Passes hashes on in order; those that come early wait.
    fn hand_out(&self, first: u64, hashes: &[u8]) {
        let mut found = self.found.lock();
        let Found {
            next,
            waiting,
            sink,
            ..
        } = &mut *found;
        if first != *next {
            waiting.insert(first, hashes.to_vec());
            return;
        }
        let mut ready = Some(hashes.to_vec());
        while let Some(hashes) = ready {
            if self.stop.load(Ordering::Relaxed) || sink(*next, &hashes).is_break() {
                self.stop.store(true, Ordering::Relaxed);
                return;
            }
            *next += (hashes.len() / HASH_LENGTH) as u64;
            ready = waiting.remove(next);
        }
    }

    /// Ends the run; the first error is the one that counts.
    fn fail(&self, error: HashError) {
        self.stop.store(true, Ordering::Relaxed);
        self.found.lock().error.get_or_insert(error);
    }
}

/// Hashes one piece that is longer than the buffer, a buffer at a time.
fn hash_through(
    reader: &mut Reader<'_>,
    mut length: u64,
    buffer: &mut [u8],
) -> Result<[u8; HASH_LENGTH], ReadError> {
    let mut digest = Sha1::new();
    while length > 0 {
        let now = usize::try_from(length).map_or(buffer.len(), |left| left.min(buffer.len()));
        reader.fill(&mut buffer[..now])?;
        digest.update(&buffer[..now]);
        length -= now as u64;
    }
    Ok(digest.finish())
}

#[cfg(test)]
#[path = "hasher/tests.rs"]
mod tests;
