//! From files to torrents: the hashing queue is fed from the stage column, and what it finds is kept as it goes.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::App;
use super::sources::At;
use crate::base::{Content, Kind, ReleaseId, Stage, Timestamp};
use crate::metainfo::{
    HashError, HashEvent, HashJob, Metainfo, Options, PieceHashes, ReadError, SubmitError,
    piece_length,
};
use crate::store::{NewTorrent, Release, Store, StoreError};

/// Events of all jobs that wait for the conductor; each job's own channel is bounded too.
const EVENTS: usize = 64;
/// Bytes of a piece's hash.
const HASH: usize = 20;

#[derive(Debug)]
pub(super) struct Job {
    /// Which of all jobs it is: one that was cancelled may tell of its end when the next has begun.
    number: u64,
    pub content: Arc<Content>,
    pub piece_length: u32,
    /// Pieces whose hashes are in the database.
    kept: u32,
    /// Bytes hashed.
    pub hashed: u64,
}

/// The jobs under way.
#[derive(Debug)]
pub(super) struct Hashing {
    pub jobs: HashMap<ReleaseId, Job>,
    /// Jobs there have been.
    begun: u64,
    events: mpsc::Receiver<Told>,
    sender: mpsc::Sender<Told>,
}

/// What a job tells: whose it is, its number, the event.
pub(super) type Told = (ReleaseId, u64, HashEvent);

impl Default for Hashing {
    fn default() -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        Self {
            jobs: HashMap::new(),
            begun: 0,
            events,
            sender,
        }
    }
}

impl Hashing {
    pub async fn next(&mut self) -> Option<Told> {
        self.events.recv().await
    }

    /// Takes in what a new job tells; its number is returned.
    fn follow(&mut self, id: ReleaseId, mut events: mpsc::Receiver<HashEvent>) -> u64 {
        self.begun += 1;
        let (sender, number) = (self.sender.clone(), self.begun);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if sender.send((id, number, event)).await.is_err() {
                    return;
                }
            }
        });
        number
    }
}

impl App {
    /// Queues every release that waits to be hashed, from the piece after the last one known.
    /// False when some have to come again.
    pub(super) async fn hash_what_waits(
        &mut self,
        releases: &[Release],
    ) -> Result<bool, StoreError> {
        let mut all_taken = true;
        let waiting = releases.iter().filter(|r| r.stage == Stage::Hashing);
        for release in waiting {
            let id = release.id;
            let at = self.sources.get(&release.source);
            let at = at.filter(|at| !at.is_doubted(id));
            let device = at.and_then(At::device);
            // What is not here yet, or not any more, waits until it is.
            let (false, Some(device)) = (self.hashing.jobs.contains_key(&id), device) else {
                continue;
            };
            let read = move |store: &Store| Ok((store.content(id)?, store.progress(id)?));
            let (content, progress) = self.store.run(read).await?;
            let piece_length = piece_length::choose(content.total());
            let done = progress
                .filter(|progress| progress.piece_length == piece_length)
                .map_or_else(Vec::new, |progress| progress.hashes);
            let kept = (done.len() / HASH) as u32;
            let job = HashJob {
                content: content.clone(),
                piece_length,
                done,
            };
            match self.queue.submit(id, device, job) {
                Ok(events) => {
                    let number = self.hashing.follow(id, events);
                    let hashed = u64::from(kept) * u64::from(piece_length);
                    let job = Job {
                        number,
                        hashed: hashed.min(content.total()),
                        content: Arc::new(content),
                        piece_length,
                        kept,
                    };
                    self.hashing.jobs.insert(id, job);
                }
                // Its turn comes: it stays in its stage, and the next step tries again.
                Err(SubmitError::Full | SubmitError::Twice(_) | SubmitError::NoThread(_)) => {
                    all_taken = false;
                }
            }
        }
        Ok(all_taken)
    }

    /// Ends the job of a release, if it has one; it may have another at once.
    pub(super) fn stop_hashing(&mut self, id: ReleaseId) {
        self.queue.cancel(id);
        if self.hashing.jobs.remove(&id).is_some() {
            self.looked = None;
        }
    }

    /// Takes in what a job tells.
    pub(super) async fn hashed(&mut self, (id, number, event): Told) {
        let job = self.hashing.jobs.get(&id);
        if job.is_none_or(|job| job.number != number) {
            // It was cancelled.
            return;
        }
        let taken = match event {
            HashEvent::Started => self.set_stage(id, Stage::Hashing, "being read").await,
            HashEvent::Progress {
                hashed, new_hashes, ..
            } => self.keep_hashes(id, hashed, new_hashes).await,
            HashEvent::Finished(result) => {
                let job = self.hashing.jobs.remove(&id);
                self.looked = None;
                match (job, result) {
                    (Some(job), Ok(hashes)) => self.make_torrent(id, job, hashes).await,
                    (_, Err(HashError::Cancelled)) | (None, _) => Ok(()),
                    (_, Err(error)) => self.hashing_failed(id, &error).await,
                }
            }
        };
        if let Err(error) = taken {
            // It was removed or paused meanwhile, or the database refuses: the stage still says what to do.
            tracing::warn!(release = %id, %error, "hashing could not be written down");
        }
    }

    async fn keep_hashes(
        &mut self,
        id: ReleaseId,
        hashed: u64,
        new_hashes: Vec<u8>,
    ) -> Result<(), StoreError> {
        let Some(job) = self.hashing.jobs.get_mut(&id) else {
            return Ok(());
        };
        job.hashed = hashed;
        self.painted.is_outdated = true;
        let (first, piece_length) = (job.kept, job.piece_length);
        job.kept += (new_hashes.len() / HASH) as u32;
        if new_hashes.is_empty() {
            return Ok(());
        }
        self.store
            .run(move |store| store.save_progress(id, piece_length, first, &new_hashes))
            .await
    }

    async fn make_torrent(
        &mut self,
        id: ReleaseId,
        job: Job,
        hashes: PieceHashes,
    ) -> Result<(), StoreError> {
        let made = Metainfo::create(&job.content, job.piece_length, hashes, &Options::default());
        let metainfo = match made {
            Ok(metainfo) => metainfo,
            Err(error) => return self.set_stage(id, Stage::Failed, &error.to_string()).await,
        };
        tracing::info!(release = %id, info_hash = %metainfo.info_hash, "a torrent was made");
        self.store
            .run(move |store| {
                let torrent = NewTorrent {
                    info: &metainfo.info,
                    info_hash: metainfo.info_hash,
                    piece_length: metainfo.piece_length,
                    private: metainfo.private,
                };
                store.save_torrent(id, &torrent, "read; a torrent exists", Timestamp::now())
            })
            .await
    }

    /// A file that changed fails the release by its path, and hashes of content that is no longer trusted are forgotten.
    /// One that cannot be read is looked into: its drive may have been pulled out, and then nothing is wrong with it.
    async fn hashing_failed(&mut self, id: ReleaseId, error: &HashError) -> Result<(), StoreError> {
        tracing::warn!(release = %id, %error, kind = ?error.kind(), "a release could not be read");
        let why = error.to_string();
        if let HashError::Read(ReadError::Io { .. }) = error {
            let release = self.store.run(move |store| store.release(id)).await?;
            self.doubt(id, release.source, why);
            return Ok(());
        }
        self.store
            .run(move |store| store.clear_progress(id))
            .await?;
        self.set_stage(id, Stage::Failed, &why).await
    }
}
