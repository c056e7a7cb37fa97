//! Files that the owner's browser sends: received aside, resumable over a restart, and put in their place whole.
//!
//! On disk, below the folder of uploads:
//!
//! ```text
//! <name>                       a finished upload: a release of the source "uploads"
//! .incoming/<id>/upload.json   what an unfinished one will consist of
//! .incoming/<id>/content       what was received of it: the file, or the folder
//! ```
//!
//! How much of a file was received is its length, so that the state on disk and the bytes cannot disagree. An upload
//! appears under its name by one rename, after everything in it is on the disk.

mod error;
mod manifest;
mod receiver;
mod upload;

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::statvfs::statvfs;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::base::Timestamp;
use upload::{CONTENT, Phase, Upload};

pub use error::UploadError;
pub use manifest::{MAX_DEPTH, MAX_FILES, MAX_NAME, MAX_PATH, Manifest, NewFile};

/// Space that uploads leave free, in bytes: for the database, the logs and an update beside them.
pub const RESERVE: u64 = 256 << 20;

/// Unfinished uploads at once; a person has a few.
pub const MAX_OPEN: usize = 16;

/// Files received at once, each of which holds a thread and some buffers.
pub const MAX_RECEIVING: usize = 8;

/// An unfinished upload nothing was sent to for this long is deleted: a week, in seconds.
pub const KEEP_UNFINISHED_SECONDS: i64 = 7 * 86_400;

/// The folder of unfinished uploads. Hidden, so that it is no release.
const INCOMING: &str = ".incoming";

/// The uploads of a box. Cheap to clone. Sync calls block on the disk.
#[derive(Debug, Clone)]
pub struct Uploads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    open: Mutex<HashMap<String, Arc<Upload>>>,
    receiving: Arc<Semaphore>,
}

/// How far an unfinished upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Its identifier: 32 hex digits.
    pub id: String,
    /// The name it will have.
    pub name: String,
    /// Its files, with the bytes received of each.
    pub files: Vec<(NewFile, u64)>,
}

impl Uploads {
    /// Opens the folder of uploads, makes it when there is none, takes up what was unfinished, and deletes what was
    /// left for too long.
    ///
    /// # Errors
    /// When the folder cannot be made or read. An unfinished upload that cannot be read is deleted.
    pub fn open(root: &Path, now: Timestamp) -> Result<Self, UploadError> {
        let incoming = root.join(INCOMING);
        let io = |error| UploadError::io(&incoming, error);
        fs::create_dir_all(&incoming).map_err(io)?;
        let mut open = HashMap::new();
        for entry in fs::read_dir(&incoming).map_err(io)? {
            let entry = entry.map_err(io)?;
            match Upload::load(root, entry.path()) {
                Ok(Some(upload)) => {
                    let id = entry.file_name().to_string_lossy().into_owned();
                    open.insert(id, Arc::new(upload));
                }
                Ok(None) => remove(&entry.path()),
                Err(error) => {
                    tracing::warn!(path = %entry.path().display(), %error, "deleting an unfinished upload that cannot be read");
                    remove(&entry.path());
                }
            }
        }
        let uploads = Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                open: Mutex::new(open),
                receiving: Arc::new(Semaphore::new(MAX_RECEIVING)),
            }),
        };
        uploads.sweep(now);
        Ok(uploads)
    }

    /// The folder finished uploads are in.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Bytes that can still be promised to new uploads.
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub fn free(&self) -> Result<u64, UploadError> {
        self.free_beside(&self.inner.open.lock())
    }

    fn free_beside(&self, open: &HashMap<String, Arc<Upload>>) -> Result<u64, UploadError> {
        let stat = statvfs(self.root()).map_err(|e| UploadError::io(self.root(), e.into()))?;
        let free = stat.blocks_available().saturating_mul(stat.fragment_size());
        let promised: u64 = open.values().map(|upload| upload.missing()).sum();
        Ok(free.saturating_sub(RESERVE).saturating_sub(promised))
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// When a name is not acceptable or taken, it will not fit, or too many are open.
    pub fn begin(
        &self,
        name: &str,
        files: Vec<NewFile>,
        now: Timestamp,
    ) -> Result<Progress, UploadError> {
        self.sweep(now);
        let manifest = Manifest::new(name, files)?;
        let mut open = self.inner.open.lock();
        let taken = open
            .values()
            .any(|upload| upload.manifest.name == manifest.name);
        if taken || self.place_of(&manifest.name).symlink_metadata().is_ok() {
            return Err(UploadError::NameTaken(manifest.name));
        }
        if open.len() >= MAX_OPEN {
            return Err(UploadError::TooManyOpen);
        }
        let free = self.free_beside(&open)?;
        if manifest.total() > free {
            return Err(UploadError::NoSpace {
                name: manifest.name,
                size: manifest.size,
                free,
            });
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let folder = self.root().join(INCOMING).join(&id);
        let upload = Arc::new(Upload::begun(folder, manifest, now));
        open.insert(id.clone(), Arc::clone(&upload));
        // The place is taken; others need not wait for the disk.
        drop(open);
        if let Err(error) = upload.write_down() {
            self.inner.open.lock().remove(&id);
            remove(&upload.folder);
            return Err(error);
        }
        Ok(upload.progress(&id))
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// When there is none of that identifier.
    pub fn progress(&self, id: &str) -> Result<Progress, UploadError> {
        Ok(self.get(id)?.progress(id))
    }

    /// Receives bytes of a file, from `offset` on, and returns how many of the file are here now. What arrived is kept
    /// also when `body` breaks off or the caller goes away.
    ///
    /// # Errors
    /// When there is no such upload or file, `offset` is not what was received, the file is being received already,
    /// more arrives than it was said to have, `body` fails or stalls, or the disk does.
    pub async fn receive<S, E>(
        &self,
        id: &str,
        file: usize,
        offset: u64,
        body: S,
    ) -> Result<u64, UploadError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let upload = self.get(id)?;
        let permit = Arc::clone(&self.inner.receiving)
            .try_acquire_owned()
            .map_err(|_| UploadError::TooManyReceiving)?;
        receiver::receive(upload, file, offset, body, permit).await
    }

    /// Puts an upload in its place: everything on the disk first, then one rename. Returns where it is.
    ///
    /// # Errors
    /// When there is none of that identifier, something is missing or still being received, the name was taken
    /// meanwhile, or the disk fails. The upload then stays open.
    pub fn finish(&self, id: &str) -> Result<PathBuf, UploadError> {
        let upload = self.get(id)?;
        upload.close()?;
        let place = self.place_of(&upload.manifest.name);
        match self.put_in_place(&upload, &place) {
            Ok(()) => {
                self.inner.open.lock().remove(id);
                remove(&upload.folder);
                Ok(place)
            }
            Err(error) => {
                upload.state.lock().phase = Phase::Open;
                Err(error)
            }
        }
    }

    fn put_in_place(&self, upload: &Upload, place: &Path) -> Result<(), UploadError> {
        upload.add_empty_files()?;
        let content = upload.folder.join(CONTENT);
        let io = |error| UploadError::io(place, error);
        let root = File::open(self.root()).map_err(io)?;
        // One call for the whole file system: thousands of small files would cost a disk flush each.
        nix::unistd::syncfs(&root).map_err(|e| io(e.into()))?;
        let taken = || UploadError::NameTaken(upload.manifest.name.clone());
        match renameat2(
            AT_FDCWD,
            &content,
            AT_FDCWD,
            place,
            RenameFlags::RENAME_NOREPLACE,
        ) {
            Ok(()) => {}
            Err(nix::Error::EEXIST) => return Err(taken()),
            // Some file systems know no such flag; nobody but us puts things here.
            Err(nix::Error::EINVAL) if place.symlink_metadata().is_ok() => return Err(taken()),
            Err(nix::Error::EINVAL) => fs::rename(&content, place).map_err(io)?,
            Err(error) => return Err(io(error.into())),
        }
        root.sync_all().map_err(io)
    }

    /// Gives an upload up, and deletes what was received of it.
    ///
    /// # Errors
    /// When there is none of that identifier, or it is being finished.
    pub fn cancel(&self, id: &str) -> Result<(), UploadError> {
        let upload = self.get(id)?;
        let idle = {
            let mut state = upload.state.lock();
            if state.phase != Phase::Open {
                return Err(UploadError::Busy { received: None });
            }
            state.phase = Phase::Cancelled;
            state.busy.is_empty()
        };
        self.inner.open.lock().remove(id);
        // Otherwise the last receiver deletes it.
        if idle {
            remove(&upload.folder);
        }
        Ok(())
    }

    /// Deletes unfinished uploads that nothing was sent to for [`KEEP_UNFINISHED_SECONDS`].
    pub fn sweep(&self, now: Timestamp) {
        let stale: Vec<String> = {
            let open = self.inner.open.lock();
            let stale = |upload: &Upload| {
                let state = upload.state.lock();
                state.busy.is_empty() && now.0 - state.touched.0 > KEEP_UNFINISHED_SECONDS
            };
            let ids = open.iter().filter(|(_, upload)| stale(upload));
            ids.map(|(id, _)| id.clone()).collect()
        };
        for id in stale {
            tracing::info!(
                upload = id,
                "deleting an upload that was not finished in time"
            );
            // Another call may have finished or cancelled it meanwhile.
            let _ = self.cancel(&id);
        }
    }

    fn get(&self, id: &str) -> Result<Arc<Upload>, UploadError> {
        let open = self.inner.open.lock();
        open.get(id)
            .cloned()
            .ok_or_else(|| UploadError::NoSuchUpload(id.chars().take(40).collect()))
    }

    fn place_of(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }
}

/// Deletes a folder of `.incoming`. What cannot be deleted is tried again when the box next starts.
fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(path = %folder.display(), %error, "cannot delete the remains of an upload");
    }
}

#[cfg(test)]
mod tests;
