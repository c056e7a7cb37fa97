//! One unfinished upload, in memory and in its folder.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::unchecked::Unchecked;
use super::{
    KEEP_EMPTY_SECONDS, KEEP_UNFINISHED_SECONDS, Manifest, NewFile, Progress, UploadError, receiver,
};
use crate::base::Timestamp;

/// What an unfinished upload is in its folder.
pub(super) const MANIFEST: &str = "upload.json";
pub(super) const CONTENT: &str = "content";

/// One unfinished upload.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
    /// What whoever began it called the request; none when that was before this process.
    key: Option<String>,
    pub(super) state: Mutex<State>,
    /// Held while its folder is made, and while it is put in its place.
    pub(super) moving: Mutex<()>,
}

#[derive(Debug)]
pub(super) struct State {
    /// Bytes received, by file; of a chunk that comes with its digest, when that was compared.
    pub(super) received: Vec<u64>,
    /// Files that are being received.
    pub(super) busy: HashSet<usize>,
    /// Whether more is received.
    pub(super) phase: Phase,
    /// When something was last received.
    pub(super) touched: Timestamp,
    /// The same by the clock that nobody sets; none when that was before this process.
    pub(super) touched_here: Option<Instant>,
}

impl State {
    /// Something was received.
    pub(super) fn touch(&mut self) {
        self.touched = Timestamp::now();
        self.touched_here = Some(Instant::now());
    }

    /// Whether nothing was received for too long, or ever. A box without a clock of its own begins in the past, and is set
    /// right when it hears from the network: what jumps then is the time of day, and not how long anybody was idle.
    pub(super) fn is_stale(&self, now: Timestamp, instant: Instant) -> bool {
        let nothing_came = self.received.iter().all(|&received| received == 0);
        let seconds = if nothing_came {
            KEEP_EMPTY_SECONDS
        } else {
            KEEP_UNFINISHED_SECONDS
        };
        let keep = Duration::from_secs(seconds.unsigned_abs());
        let just_now = |touched| instant.saturating_duration_since(touched) <= keep;
        self.busy.is_empty()
            && now.0 - self.touched.0 > seconds
            && !self.touched_here.is_some_and(just_now)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its folder is being made.
    Beginning,
    /// Files are received.
    Open,
    /// On its way to its place.
    Finishing,
    /// In its place.
    Finished,
    /// Its drive went away; another is made of it when that is back.
    Away,
    /// Given up; its folder is deleted as soon as nothing is written to it any more.
    Cancelled,
}

impl Upload {
    /// A new one, which is nowhere on the disk yet.
    pub(super) fn begun(
        folder: PathBuf,
        manifest: Manifest,
        key: Option<String>,
        now: Timestamp,
    ) -> Self {
        let received = vec![0; manifest.files.len()];
        let mut begun = Self::new(folder, manifest, received, now, Phase::Beginning);
        begun.key = key;
        begun.state.lock().touched_here = Some(Instant::now());
        begun
    }

    /// Makes the folder of a new one; from then on, files are received and a restart finds it.
    pub(super) fn write_down(&self) -> Result<(), UploadError> {
        let make = || {
            fs::create_dir(&self.folder)?;
            let text = serde_json::to_vec(&self.manifest)?;
            // Renamed into place, so that a manifest is whole or not there.
            let aside = self.folder.join("upload.json.new");
            fs::write(&aside, text)?;
            File::open(&aside)?.sync_all()?;
            fs::rename(&aside, self.folder.join(MANIFEST))
        };
        make().map_err(|error| UploadError::io(&self.folder, error))?;
        self.state.lock().phase = Phase::Open;
        Ok(())
    }

    /// Takes an unfinished upload up again; none when it was finished, and only its remains are here.
    pub(super) fn load(root: &Path, folder: PathBuf) -> io::Result<Option<Self>> {
        let read: Manifest = serde_json::from_slice(&fs::read(folder.join(MANIFEST))?)?;
        // The file is ours, and checked all the same: what it names is written to and renamed.
        let manifest = Manifest::new(&read.name, read.files).map_err(io::Error::other)?;
        let content = folder.join(CONTENT);
        if !content.exists() && root.join(&manifest.name).exists() {
            return Ok(None);
        }
        let mut touched = fs::metadata(folder.join(MANIFEST))?.modified()?;
        let mut received = Vec::with_capacity(manifest.files.len());
        for (index, file) in manifest.files.iter().enumerate() {
            let path = manifest.path_of(&content, file);
            let length = match fs::symlink_metadata(&path) {
                Ok(metadata) => {
                    touched = touched.max(metadata.modified()?);
                    metadata.len()
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(error),
            };
            if length > file.size {
                return Err(io::Error::other(format!(
                    "{} is longer than it was said to be",
                    file.path
                )));
            }
            received.push(Unchecked::cut_off(&folder, index, &path, length)?);
        }
        let since = touched
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let touched = Timestamp(since.as_secs() as i64);
        Ok(Some(Self::new(
            folder,
            manifest,
            received,
            touched,
            Phase::Open,
        )))
    }

    fn new(
        folder: PathBuf,
        manifest: Manifest,
        received: Vec<u64>,
        touched: Timestamp,
        phase: Phase,
    ) -> Self {
        let state = State {
            received,
            busy: HashSet::new(),
            phase,
            touched,
            touched_here: None,
        };
        Self {
            folder,
            manifest,
            key: None,
            state: Mutex::new(state),
            moving: Mutex::new(()),
        }
    }

    /// Whether a request of that key began it.
    pub(super) fn was_begun_by(&self, key: Option<&str>) -> bool {
        key.is_some() && self.key.as_deref() == key
    }

    /// Where one of its files is received.
    pub(super) fn path_of(&self, file: &NewFile) -> PathBuf {
        self.manifest.path_of(&self.folder.join(CONTENT), file)
    }

    /// Bytes still to come.
    pub(super) fn missing(&self) -> u64 {
        self.manifest.total() - self.state.lock().received.iter().sum::<u64>()
    }

    pub(super) fn progress(&self, id: &str) -> Progress {
        let state = self.state.lock();
        let files = self
            .manifest
            .files
            .iter()
            .cloned()
            .zip(state.received.iter().copied());
        Progress {
            id: id.to_owned(),
            name: self.manifest.name.clone(),
            files: files.collect(),
            waits_for: None,
        }
    }

    /// Lets nothing more in, if everything is here.
    pub(super) fn close(&self) -> Result<(), UploadError> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open || !state.busy.is_empty() {
            return Err(UploadError::Busy { received: None });
        }
        let files = self.manifest.files.iter().zip(&state.received);
        if let Some((file, &received)) = files
            .clone()
            .find(|(file, received)| **received < file.size)
        {
            return Err(UploadError::Incomplete {
                path: file.path.clone(),
                size: file.size,
                received,
            });
        }
        state.phase = Phase::Finishing;
        Ok(())
    }

    /// Files without bytes are never sent.
    pub(super) fn add_empty_files(&self) -> Result<(), UploadError> {
        for file in self.manifest.files.iter().filter(|file| file.size == 0) {
            receiver::create(&self.path_of(file))?;
        }
        Ok(())
    }
}
