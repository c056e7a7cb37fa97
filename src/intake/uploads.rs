//! Files that the owner's browser sends: received aside, resumable over a restart, and put in their place whole.
//!
//! On disk, below the folder of uploads:
//!
//! ```text
//! <name>                       a finished upload: a release of the source "uploads"
//! .incoming/<id>/upload.json   what an unfinished one will consist of
//! .incoming/<id>/content       what was received of it: the file, or the folder
//! .incoming/<id>/unchecked.N   up to where its file number N is checked, while more of that is written
//! ```
//!
//! There is such a folder on the data partition, and one on each drive that was formatted for uploads, its top folder. An
//! unfinished upload stays where it began; while its drive is away, it waits.
//!
//! How much of a file was received is its length, so that the state on disk and the bytes cannot disagree; only a chunk
//! that comes with its digest counts when it was compared, and is cut off again when the box stops before that. An upload
//! appears under its name by one rename, after everything in it is on the disk.

mod error;
mod home;
mod homes;
mod manifest;
mod receiver;
mod unchecked;
mod upload;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;

use crate::base::{ErrorKind, Kind, Timestamp};
use home::Home;
use homes::Homes;
use upload::{Phase, Upload};

pub use error::UploadError;
pub use home::HomeId;
pub use manifest::{MAX_DEPTH, MAX_FILES, MAX_NAME, MAX_PATH, Manifest, NewFile};

/// Space that uploads leave free, in bytes: for the database, the logs and an update beside them.
pub const RESERVE: u64 = 256 << 20;

/// Unfinished uploads at once; a person has a few.
pub const MAX_OPEN: usize = 16;

/// Files received at once in one place, each of which holds a thread and some buffers.
pub const MAX_RECEIVING: usize = 8;

/// An unfinished upload nothing was sent to for this long is deleted: a week, in seconds.
pub const KEEP_UNFINISHED_SECONDS: i64 = 7 * 86_400;

/// The same for one of which nothing ever came, in seconds: whoever began it is gone, and loses nothing by beginning again.
pub const KEEP_EMPTY_SECONDS: i64 = 3_600;

/// The folder of unfinished uploads. Hidden, so that it is no release.
const INCOMING: &str = ".incoming";

/// The uploads of a box, in all the places they go to. Cheap to clone. Sync calls block on the disk.
#[derive(Debug, Clone)]
pub struct Uploads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The box's own folder.
    root: PathBuf,
    homes: Mutex<Homes>,
}

/// A drive that came, and is being looked at.
#[derive(Debug)]
pub struct Arrival {
    key: String,
    time: u32,
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
    /// The drive it is on, while that is away.
    pub waits_for: Option<String>,
}

impl Uploads {
    /// Opens the folder of uploads, makes it when there is none, takes up what was unfinished, and deletes what was
    /// left for too long.
    ///
    /// # Errors
    /// When the folder cannot be made or read. An unfinished upload that cannot be read is deleted.
    pub fn open(root: &Path, now: Timestamp) -> Result<Self, UploadError> {
        let own = Home::own(root)?;
        let uploads = Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                homes: Mutex::new(Homes::new(own)),
            }),
        };
        uploads.sweep(now);
        Ok(uploads)
    }

    /// The box's own folder of finished uploads.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// A drive that was formatted for uploads came; [`Uploads::drive_here`] is to follow. Does not block.
    pub fn drive_comes(&self, key: &str) -> Arrival {
        let time = self.inner.homes.lock().another_time(key);
        let key = key.to_owned();
        Arrival { key, time }
    }

    /// A drive that came is mounted at `root`: those that began on it can go on. If it was pulled out meanwhile
    /// ([`Uploads::drive_away`]), or came again, nothing is changed.
    ///
    /// # Errors
    /// When it cannot be read or written; it is no place for uploads then.
    pub fn drive_here(
        &self,
        arrival: Arrival,
        name: &str,
        root: &Path,
        now: Timestamp,
    ) -> Result<(), UploadError> {
        let mut home = Home::drive(name, root)?;
        let mut homes = self.inner.homes.lock();
        let id = Some(arrival.key);
        if homes.times.get(&id) != Some(&arrival.time) {
            return Ok(());
        }
        home.time = arrival.time;
        if let Some(before) = homes.all.get(&id) {
            home.remember(before);
        }
        homes.all.insert(id, home);
        drop(homes);
        self.sweep(now);
        Ok(())
    }

    /// A drive is not here any more: its unfinished uploads wait for it.
    pub fn drive_away(&self, key: &str) {
        let mut homes = self.inner.homes.lock();
        homes.another_time(key);
        let id = Some(key.to_owned());
        // Whoever still asks it hangs with it.
        homes.asking.remove(&id);
        if let Some(home) = homes.all.get_mut(&id) {
            (home.here, home.room) = (false, None);
            // When it is back, what is on it is read anew, and nobody may still be writing to it by what was known before.
            let open = home.open.values();
            open.for_each(|upload| upload.state.lock().phase = Phase::Away);
        }
    }

    /// A drive is no source any more, or another file system is on it: what was known to be unfinished there is forgotten, and
    /// takes nobody's place. What is on it is found when it comes again.
    pub fn drive_forgotten(&self, key: &str) {
        self.drive_away(key);
        self.inner.homes.lock().all.remove(&Some(key.to_owned()));
    }

    /// Where new uploads begin from now on: on the drive of that key, or, with none, in the box's own folder. Those that
    /// began elsewhere stay there.
    pub fn choose(&self, home: HomeId) {
        self.inner.homes.lock().chosen = home;
    }

    /// Bytes that can still be promised to new uploads in a place, as of the last time it was asked; none when that is not
    /// known, or it is away. Does not block.
    pub fn room(&self, home: &HomeId) -> Option<u64> {
        let homes = self.inner.homes.lock();
        let home = homes.all.get(home)?;
        home.room
    }

    /// Asks the file systems for their room, off the async threads, each of which is not being asked yet: one that hangs holds
    /// up itself. Must be called within a tokio runtime.
    pub fn ask_for_room(&self) {
        let mut homes = self.inner.homes.lock();
        let Homes { all, asking, .. } = &mut *homes;
        for (id, home) in all.iter().filter(|(_, home)| home.here) {
            if !asking.insert(id.clone()) {
                continue;
            }
            let (inner, id, root, time) =
                (self.inner.clone(), id.clone(), home.root.clone(), home.time);
            tokio::task::spawn_blocking(move || {
                let free = home::free(&root);
                let mut homes = inner.homes.lock();
                let home = homes.all.get_mut(&id);
                if let Some(home) = home.filter(|home| home.here && home.time == time) {
                    home.room = free.ok().map(|free| home.left_of(free));
                    homes.asking.remove(&id);
                }
            });
        }
    }

    /// Bytes that can still be promised to new uploads, where they begin now.
    ///
    /// # Errors
    /// When the file system cannot be asked, or the drive is away.
    pub fn free(&self) -> Result<u64, UploadError> {
        let root = self.inner.homes.lock().chosen()?.1.root.clone();
        let free = home::free(&root)?;
        Ok(self.inner.homes.lock().chosen()?.1.left_of(free))
    }

    /// Begins an upload, or finds the one that a request of the same `key` began: whoever was not answered asks again.
    ///
    /// # Errors
    /// When a name is not acceptable or taken, it will not fit, or too many are open.
    pub fn begin(
        &self,
        name: &str,
        files: Vec<NewFile>,
        key: Option<String>,
        now: Timestamp,
    ) -> Result<Progress, UploadError> {
        self.sweep(now);
        let manifest = Manifest::new(name, files)?;
        let (time, root, place) = {
            let homes = self.inner.homes.lock();
            let home = homes.chosen()?.1;
            (home.time, home.root.clone(), home.place_of(&manifest.name))
        };
        // A drive that hangs holds up whoever begins something on it, and no lock.
        let (is_there, free) = (place.symlink_metadata().is_ok(), home::free(&root)?);
        let mut homes = self.inner.homes.lock();
        let here = homes.all.values().filter(|home| home.here);
        let open: usize = here.map(|home| home.open.len()).sum();
        let (home_id, home) = homes.chosen()?;
        if (home.time, &home.root) != (time, &root) {
            return Err(UploadError::Away(home.name.clone()));
        }
        let mut begun = home.open.iter();
        let again = begun.find(|(_, upload)| upload.was_begun_by(key.as_deref()));
        if let Some((id, upload)) = again.map(|(id, upload)| (id.clone(), upload.clone())) {
            let drive = home.name.clone();
            drop(homes);
            let _made = upload.moving.lock();
            if upload.state.lock().phase != Phase::Open {
                // That request failed, or this one comes too late.
                return Err(UploadError::Away(drive));
            }
            return Ok(upload.progress(&id));
        }
        let taken = home
            .open
            .values()
            .any(|upload| upload.manifest.name == manifest.name);
        if taken || is_there {
            return Err(UploadError::NameTaken(manifest.name));
        }
        if open >= MAX_OPEN {
            return Err(UploadError::TooManyOpen);
        }
        let free = home.left_of(free);
        if manifest.total() > free {
            return Err(UploadError::NoSpace {
                name: manifest.name,
                size: manifest.size,
                free,
            });
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let folder = home.root.join(INCOMING).join(&id);
        let upload = Arc::new(Upload::begun(folder, manifest, key, now));
        if let Some(home) = homes.all.get_mut(&home_id) {
            home.open.insert(id.clone(), Arc::clone(&upload));
        }
        let making = upload.moving.lock();
        // The place is taken; others need not wait for the disk.
        drop(homes);
        if let Err(error) = upload.write_down() {
            self.forget(&id);
            remove(&upload.folder);
            return Err(error);
        }
        drop(making);
        Ok(upload.progress(&id))
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// When there is none of that identifier.
    pub fn progress(&self, id: &str) -> Result<Progress, UploadError> {
        let homes = self.inner.homes.lock();
        let (home, upload) = homes.find(id)?;
        let waits_for = (!home.here).then(|| home.name.clone());
        Ok(Progress {
            waits_for,
            ..upload.progress(id)
        })
    }

    /// Receives bytes of a file, from `offset` on, and returns how many of the file are here now. What arrived is kept
    /// also when `body` breaks off or the caller goes away. With `crc32c`, the CRC-32C of all of `body`, none of it is kept
    /// unless all came, and is that.
    ///
    /// # Errors
    /// When there is no such upload or file, `offset` is not what was received, the file is being received already,
    /// more arrives than it was said to have, `body` fails, stalls or is not what `crc32c` says, or the disk fails.
    pub async fn receive<S, E>(
        &self,
        id: &str,
        file: usize,
        offset: u64,
        crc32c: Option<u32>,
        body: S,
    ) -> Result<u64, UploadError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let upload = self.get(id)?;
        let receiving = {
            let homes = self.inner.homes.lock();
            homes.find(id)?.0.receiving.clone()
        };
        let permit = receiving
            .try_acquire_owned()
            .map_err(|_| UploadError::TooManyReceiving)?;
        let received = receiver::receive(upload, file, offset, crc32c, body, permit).await;
        received.map_err(|error| self.perhaps_away(id, error))
    }

    /// Puts an upload in its place: everything on the disk first, then one rename. Returns where it is. A card takes its time
    /// with gigabytes: who asks again meanwhile is told when it is done.
    ///
    /// # Errors
    /// When there is none of that identifier, something is missing or still being received, the name was taken
    /// meanwhile, or the disk fails. The upload then stays open.
    pub fn finish(&self, id: &str) -> Result<PathBuf, UploadError> {
        let upload = self.get(id)?;
        let (root, place) = {
            let homes = self.inner.homes.lock();
            let home = homes.find(id)?.0;
            (home.root.clone(), home.place_of(&upload.manifest.name))
        };
        let finishing = upload.moving.lock();
        if upload.state.lock().phase == Phase::Finished {
            return Ok(place);
        }
        upload.close()?;
        match home::put_in_place(&upload, &root, &place) {
            Ok(()) => {
                upload.state.lock().phase = Phase::Finished;
                drop(finishing);
                self.forget(id);
                remove(&upload.folder);
                Ok(place)
            }
            Err(error) => {
                upload.state.lock().phase = Phase::Open;
                Err(self.perhaps_away(id, error))
            }
        }
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
        self.forget(id);
        // Otherwise the last receiver deletes it.
        if idle {
            remove(&upload.folder);
        }
        Ok(())
    }

    /// Deletes unfinished uploads that nothing was sent to for [`KEEP_UNFINISHED_SECONDS`].
    pub fn sweep(&self, now: Timestamp) {
        self.sweep_at(now, Instant::now());
    }

    fn sweep_at(&self, now: Timestamp, instant: Instant) {
        let stale: Vec<String> = {
            let homes = self.inner.homes.lock();
            // What is on a drive that is away is deleted when it is back.
            let here = homes.all.values().filter(|home| home.here);
            let open = here.flat_map(|home| &home.open);
            let ids = open.filter(|(_, upload)| upload.state.lock().is_stale(now, instant));
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

    /// An upload that can be worked on now.
    fn get(&self, id: &str) -> Result<Arc<Upload>, UploadError> {
        let homes = self.inner.homes.lock();
        let (home, upload) = homes.find(id)?;
        if home.here {
            Ok(Arc::clone(upload))
        } else {
            Err(UploadError::Away(home.name.clone()))
        }
    }

    fn forget(&self, id: &str) {
        let mut homes = self.inner.homes.lock();
        for home in homes.all.values_mut() {
            home.open.remove(id);
        }
    }

    /// A drive that is pulled out fails writes a moment before we are told; what failed on one waits for it to be back.
    fn perhaps_away(&self, id: &str, error: UploadError) -> UploadError {
        let is_full = error.kind() == ErrorKind::NoSpace;
        if is_full || !matches!(error, UploadError::Io { .. }) {
            return error;
        }
        let homes = self.inner.homes.lock();
        match homes.find(id) {
            Ok((home, _)) if home.root != self.inner.root => {
                tracing::warn!(drive = home.name, %error, "an upload cannot be written to its drive");
                UploadError::Away(home.name.clone())
            }
            _ => error,
        }
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
