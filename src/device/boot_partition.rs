//! The card's boot partition: FAT, which an owner's computer reads and writes as well, and which is mounted read-only but
//! for the moments when something is written to it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::base::whole;

/// A boot partition that may be written to, until this goes.
#[derive(Debug)]
pub struct Writable {
    /// The mount that has to be made read-only again.
    again: Option<PathBuf>,
}

impl Writable {
    /// Makes it writable, unless it is.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn make(boot: &Path) -> io::Result<Self> {
        if !statvfs(boot)?.flags().contains(FsFlags::ST_RDONLY) {
            return Ok(Self { again: None });
        }
        remount(boot, MsFlags::empty())?;
        Ok(Self {
            again: Some(boot.to_owned()),
        })
    }
}

impl Drop for Writable {
    fn drop(&mut self) {
        let Some(boot) = &self.again else { return };
        if let Err(error) = remount(boot, MsFlags::MS_RDONLY) {
            tracing::warn!(%error, boot = %boot.display(), "the boot partition stays writable");
        }
    }
}

/// What fstab says of it stays so.
fn remount(boot: &Path, more: MsFlags) -> io::Result<()> {
    let flags = MsFlags::MS_REMOUNT
        | MsFlags::MS_NOATIME
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NOEXEC
        | more;
    Ok(mount(
        None::<&str>,
        boot,
        None::<&str>,
        flags,
        None::<&str>,
    )?)
}

/// Writes a file for an owner's computer, whole or not at all.
///
/// # Errors
/// When the file system refuses.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    // FAT has no rights of its own.
    whole::write(path, content, 0o644)
}

/// Overwrites a file that held a secret, and deletes it. What a card's own electronics keep of it nobody can reach from
/// here.
///
/// # Errors
/// When the file system refuses.
pub fn wipe(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    io::copy(&mut io::Read::take(io::repeat(0), length), &mut file)?;
    file.flush()?;
    file.sync_all()?;
    remove(path)
}

/// Deletes a file for good, if it is there.
///
/// # Errors
/// When the file system refuses.
pub fn remove(path: &Path) -> io::Result<()> {
    whole::remove(path)?;
    whole::sync_folder(path)
}
