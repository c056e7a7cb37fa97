//! The folder below which everything is mounted, and the calls that mount and unmount.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::request::{MountId, Reason, Refusal};
use super::table::{self, Entry};
use crate::intake::drives::Roots;

/// The folder below which everything is mounted, each in a folder of its identifier's name.
#[derive(Debug)]
pub struct Points {
    dir: PathBuf,
    roots: Roots,
}

impl Points {
    /// Uses `dir`, and makes it when there is none.
    ///
    /// # Errors
    /// When it cannot be made, or others than root could put something in its place: what is mounted would be mounted
    /// wherever they like.
    pub fn open(dir: &Path, roots: Roots) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o755).create(dir)?;
        let dir = fs::canonicalize(dir)?;
        for folder in dir.ancestors().take(2) {
            let about = fs::metadata(folder)?;
            let sticky = about.mode() & 0o1000 != 0;
            if about.uid() != 0 || (about.mode() & 0o022 != 0 && !sticky) {
                let why = format!("{} is not root's alone to write", folder.display());
                return Err(io::Error::other(why));
            }
        }
        Ok(Self { dir, roots })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where something is mounted when it is.
    pub fn path(&self, id: &MountId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    /// The kernel's table of all that is mounted.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn table(&self) -> Result<Vec<Entry>, Refusal> {
        table::read(&self.roots).map_err(|error| {
            internal(format!(
                "cannot be mounted: what is mounted is not known: {error}"
            ))
        })
    }

    /// Mounts `source` by the kernel's `driver` as `id`, with `flags` and the driver's own options in `data`, and answers
    /// with the place.
    ///
    /// # Errors
    /// What the kernel says; the folder is then removed again.
    pub fn mount(
        &self,
        id: &MountId,
        source: &OsStr,
        driver: &str,
        flags: MsFlags,
        data: &OsStr,
    ) -> Result<PathBuf, Errno> {
        let point = self.path(id);
        match fs::create_dir(&point) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
        }
        let mounted = mount(
            Some(source),
            &point,
            Some(OsStr::new(driver)),
            flags,
            Some(data),
        );
        if mounted.is_err() {
            // Kept by nothing but an older mount, which then keeps it.
            let _ = fs::remove_dir(&point);
        }
        mounted.map(|()| point)
    }

    /// Unmounts `id`, however often it is mounted; when `lazily`, also while files in it are open: whoever has them keeps
    /// them, and nobody new finds them. Nothing to unmount is no error.
    ///
    /// # Errors
    /// What the kernel says; `EBUSY` when files are open.
    pub fn unmount(&self, id: &MountId, lazily: bool) -> Result<(), Errno> {
        let point = self.path(id);
        let flags = if lazily {
            MntFlags::MNT_DETACH
        } else {
            MntFlags::empty()
        };
        loop {
            match umount2(&point, flags | MntFlags::UMOUNT_NOFOLLOW) {
                Ok(()) => {}
                // Not there, or nothing mounted there (any more).
                Err(Errno::ENOENT | Errno::EINVAL) => break,
                Err(error) => return Err(error),
            }
        }
        let _ = fs::remove_dir(&point);
        Ok(())
    }

    /// What of the table is mounted below the folder.
    pub fn ours<'a>(&'a self, table: &'a [Entry]) -> impl Iterator<Item = &'a Entry> {
        table
            .iter()
            .filter(|entry| entry.point.starts_with(&self.dir))
    }
}

/// A refusal for something that is our own fault.
pub(super) fn internal(why: String) -> Refusal {
    Refusal::new(Reason::Internal, why)
}
