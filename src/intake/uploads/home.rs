//! A place that uploads go to: the box's own folder, or a drive that was formatted for it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::statvfs::statvfs;
use tokio::sync::Semaphore;

use super::upload::{CONTENT, Upload};
use super::{INCOMING, MAX_RECEIVING, RESERVE, UploadError, remove};

/// Bytes kept free on a drive for uploads, which holds nothing but them: for the file system's own needs.
const DRIVE_RESERVE: u64 = 16 << 20;

/// Which place: none is the box's own, otherwise the drive's key.
pub type HomeId = Option<String>;

/// One place that uploads go to.
#[derive(Debug)]
pub(super) struct Home {
    /// What the owner calls it.
    pub name: String,
    pub root: PathBuf,
    /// Whether it is here.
    pub here: bool,
    /// Which of its times here this is.
    pub time: u32,
    /// Files that may be received at once. Of each place its own: writes that hang on a dying drive hold up no other.
    pub receiving: Arc<Semaphore>,
    /// Bytes that stay free.
    reserve: u64,
    /// Bytes that were free when it was asked last; none before, and while it is away.
    pub room: Option<u64>,
    /// The unfinished ones, as they were when it was here last.
    pub open: HashMap<String, Arc<Upload>>,
}

impl Home {
    /// The box's own folder; made when there is none.
    pub fn own(root: &Path) -> Result<Self, UploadError> {
        Self::open("Uploads", root, RESERVE)
    }

    /// A drive that is here.
    pub fn drive(name: &str, root: &Path) -> Result<Self, UploadError> {
        Self::open(name, root, DRIVE_RESERVE)
    }

    /// Takes up what was unfinished there. What cannot be read is deleted.
    fn open(name: &str, root: &Path, reserve: u64) -> Result<Self, UploadError> {
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
        let mut home = Self {
            name: name.to_owned(),
            root: root.to_owned(),
            here: true,
            time: 0,
            receiving: Arc::new(Semaphore::new(MAX_RECEIVING)),
            reserve,
            room: None,
            open,
        };
        home.room = Some(home.left_of(free(root)?));
        Ok(home)
    }

    /// What was known of it when it was here before, and is not on it.
    pub fn remember(&self, before: &Self) {
        for (id, upload) in &self.open {
            let known = before.open.get(id);
            let touched_here = known.and_then(|known| known.state.lock().touched_here);
            upload.state.lock().touched_here = touched_here;
        }
    }

    /// What of so many free bytes is promised to nobody.
    pub fn left_of(&self, free: u64) -> u64 {
        let promised: u64 = self.open.values().map(|upload| upload.missing()).sum();
        free.saturating_sub(self.reserve).saturating_sub(promised)
    }

    /// Where a finished upload of that name is.
    pub fn place_of(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// Bytes that are free on the file system of a folder. Blocks on the disk: not to be asked while others wait for a lock.
pub(super) fn free(root: &Path) -> Result<u64, UploadError> {
    let stat = statvfs(root).map_err(|error| UploadError::io(root, error.into()))?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Puts what was received of an upload in its place: everything on the disk first, then one rename.
pub(super) fn put_in_place(upload: &Upload, root: &Path, place: &Path) -> Result<(), UploadError> {
    upload.add_empty_files()?;
    let content = upload.folder.join(CONTENT);
    let io = |error| UploadError::io(place, error);
    let root = File::open(root).map_err(io)?;
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
