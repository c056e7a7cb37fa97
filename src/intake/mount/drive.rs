//! Mounting a drive: what it is, whether it may be, and in what state it is.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::helper::{DaemonUser, Helper};
use super::point::internal;
use super::request::{MountId, Mounted, Reason, Refusal};
use super::table::{self, Entry};
use super::{condition, guard, options};
use crate::intake::drives::{
    Block, DeviceNumber, FileSystem, Properties, Verdict, is_plugged_in, judge, key,
};

/// One that was formatted for uploads, and cannot be written to.
const PROTECTED: &str = "cannot be written to: it is write-protected, or failing";

/// Entries of the top folder that are looked at for whether the daemon may read them.
const MAX_LOOKED_AT: usize = 1000;

/// `BLKROSET` of `linux/fs.h`.
const BLKROSET: u8 = 93;
nix::ioctl_write_ptr_bad!(
    /// Makes a block device read-only, or not.
    blkroset,
    nix::request_code_none!(0x12, BLKROSET),
    libc::c_int
);

/// A drive that was looked at, and may be mounted.
#[derive(Debug)]
pub struct Drive {
    /// What it is known by, and mounted as.
    pub key: MountId,
    block: Block,
    file_system: FileSystem,
}

impl Drive {
    /// Looks at the device of that number, as the kernel and udev tell, believing nobody else.
    ///
    /// # Errors
    /// When it may not be mounted.
    pub fn find(helper: &Helper, number: DeviceNumber) -> Result<Self, Refusal> {
        let gone = || Refusal::new(Reason::NotFound, "is not there any more");
        let block = Block::of(&helper.roots, number).ok_or_else(gone)?;
        let unknown = |why: String| Refusal::new(Reason::NotFound, why);
        let udev = Properties::of_block(&helper.roots, number)
            .map_err(|error| unknown(format!("is not known to udev: {error}")))?
            .ok_or_else(|| unknown("is not known to udev (yet)".to_owned()))?;
        let unsupported = |why: String| Refusal::new(Reason::Unsupported, why);
        let file_system = match judge(&block, &udev) {
            Verdict::Files(file_system) => file_system,
            Verdict::Unusable(why) => return Err(unsupported(why)),
            Verdict::Nothing => {
                return Err(Refusal::new(
                    Reason::NotAllowed,
                    "holds no files of its owner's",
                ));
            }
        };
        let key = key(&block, &udev).ok_or_else(|| {
            unsupported(
                "has no identifier, name or serial number to know it by when it comes back"
                    .to_owned(),
            )
        })?;
        guard::check(
            &helper.roots,
            &block,
            &helper.points.table()?,
            Some(helper.points.dir()),
        )?;
        let approved = || {
            let read = helper.approvals.contains(&key);
            read.map_err(|error| {
                internal(format!(
                    "cannot be used: the list of approved drives: {error}"
                ))
            })
        };
        if !is_plugged_in(&block, &udev) && !approved()? {
            let why = "is built into this computer, and is used only when its owner says so";
            return Err(Refusal::new(Reason::NotApproved, why));
        }
        Ok(Self {
            key,
            block,
            file_system,
        })
    }

    /// Mounts it read-only, unless it is mounted.
    ///
    /// # Errors
    /// When it cannot be, another one is mounted as its key, or it was formatted for uploads: that one the helper that writes
    /// mounts ([`Reason::ForUploads`]).
    pub fn mount(&self, helper: &Helper) -> Result<Mounted, Refusal> {
        let (node, device) = self.open(helper)?;
        if self.is_sealed(helper, &device) {
            let why = "is for uploads, and mounted by the helper that may write";
            return Err(Refusal::new(Reason::ForUploads, why));
        }
        self.mount_as(helper, &node, &device, false)
    }

    /// Mounts one that was formatted here so that it can be written to, unless it is mounted; no other.
    ///
    /// # Errors
    /// As [`Drive::mount`].
    pub fn mount_for_uploads(&self, helper: &Helper) -> Result<Mounted, Refusal> {
        let (node, device) = self.open(helper)?;
        if !self.is_sealed(helper, &device) {
            let why = "was not formatted for uploads by this box, which writes to no other drive";
            return Err(Refusal::new(Reason::NotAllowed, why));
        }
        self.mount_as(helper, &node, &device, true)
    }

    /// Mounts it read-only to see what is on it, whatever it is.
    ///
    /// # Errors
    /// As [`Drive::mount`].
    pub(super) fn look_into(&self, helper: &Helper) -> Result<Mounted, Refusal> {
        let (node, device) = self.open(helper)?;
        self.mount_as(helper, &node, &device, false)
    }

    fn open(&self, helper: &Helper) -> Result<(PathBuf, File), Refusal> {
        let node = helper.roots.dev.join(&self.block.node);
        let device = open(&node, self.block.number)?;
        Ok((node, device))
    }

    /// Whether it was formatted here, for uploads.
    fn is_sealed(&self, helper: &Helper, device: &File) -> bool {
        self.file_system == FileSystem::Ext && helper.seals.holds(&self.key, device)
    }

    fn mount_as(
        &self,
        helper: &Helper,
        node: &Path,
        device: &File,
        for_uploads: bool,
    ) -> Result<Mounted, Refusal> {
        let table = helper.points.table()?;
        let point = helper.points.path(&self.key);
        let mut state = condition::of(self.file_system, device)?;
        match table::at(&table, &point) {
            Some(entry) if self.is(entry, node) => {}
            Some(entry) if is_there(helper, entry) => {
                let why = "is a copy of a drive that is plugged in as well";
                return Err(Refusal::new(Reason::Busy, why));
            }
            before => {
                if before.is_some() {
                    let cleared = helper.points.unmount(&self.key, true);
                    cleared.map_err(|error| failed(self.file_system, error))?;
                }
                if for_uploads {
                    self.mount_writable(helper, device, node)?;
                } else {
                    self.mount_anew(helper, device, node, &table)?;
                }
            }
        }
        let table = helper.points.table()?;
        let writable = table::at(&table, &point).is_some_and(|entry| !entry.read_only);
        if writable {
            state = condition::after_replay(state);
        }
        let protected = (for_uploads && !writable).then_some(PROTECTED);
        let unreadable = match self.file_system.has_owners() {
            true => unreadable(&point, helper.user),
            false => None,
        };
        let notes: Vec<String> = state
            .into_iter()
            .chain(protected)
            .map(str::to_owned)
            .chain(unreadable)
            .collect();
        Ok(Mounted {
            id: self.key.clone(),
            path: point,
            note: (!notes.is_empty()).then(|| notes.join("; it ")),
            writable,
        })
    }

    /// Mounts one that was formatted here, so that it can be written to; read-only when the drive itself does not let us.
    fn mount_writable(&self, helper: &Helper, device: &File, node: &Path) -> Result<(), Refusal> {
        claim(node)?;
        self.unprotect(helper, device);
        let mount = |flags, data: &str| {
            let (source, data) = (node.as_os_str(), OsStr::new(data));
            let driver = self.file_system.driver();
            helper.points.mount(&self.key, source, driver, flags, data)
        };
        let mounted = match mount(options::writable_flags(), options::WRITABLE_DATA) {
            // A switch on its side, or a drive that fails.
            Err(Errno::EROFS | Errno::EACCES) => mount(
                options::flags(),
                &options::data(self.file_system, helper.user),
            ),
            mounted => mounted,
        };
        mounted.map_err(|error| failed(self.file_system, error))?;
        tracing::info!(drive = %self.key, device = %self.block.name, "mounted for uploads");
        Ok(())
    }

    /// Lets a partition be written to, which needs its disk to be writable too. Neighbours that are mounted stay read-only by
    /// their own mark.
    fn unprotect(&self, helper: &Helper, device: &File) {
        let made = set_protection(device, false);
        let disk = Block::named(&helper.roots, &self.block.disk);
        let disk = disk.filter(|disk| disk.number != self.block.number);
        let opened =
            disk.and_then(|disk| open(&helper.roots.dev.join(&disk.node), disk.number).ok());
        let made = made.and(opened.map_or(Ok(()), |disk| set_protection(&disk, false)));
        if let Err(error) = made {
            tracing::warn!(drive = %self.key, %error, "the drive cannot be made writable");
        }
    }

    fn mount_anew(
        &self,
        helper: &Helper,
        device: &File,
        node: &Path,
        table: &[Entry],
    ) -> Result<(), Refusal> {
        claim(node)?;
        set_read_only(device).map_err(|error| failed(self.file_system, error))?;
        self.protect_disk(helper, table);
        let data = options::data(self.file_system, helper.user);
        let driver = self.file_system.driver();
        let mounted = helper.points.mount(
            &self.key,
            node.as_os_str(),
            driver,
            options::flags(),
            data.as_ref(),
        );
        mounted.map_err(|error| failed(self.file_system, error))?;
        tracing::info!(drive = %self.key, device = %self.block.name, driver, "mounted");
        Ok(())
    }

    /// Makes the whole disk read-only as well, unless something of it is meant to be written to.
    fn protect_disk(&self, helper: &Helper, table: &[Entry]) {
        let all = Block::all(&helper.roots).unwrap_or_default();
        let of_disk: Vec<&Block> = all
            .iter()
            .filter(|other| other.disk == self.block.disk)
            .collect();
        let written = table.iter().any(|entry| {
            !entry.read_only && of_disk.iter().any(|block| block.number == entry.device)
        });
        let Some(disk) = of_disk.into_iter().find(|block| block.partition.is_none()) else {
            return;
        };
        if written || disk.number == self.block.number {
            return;
        }
        let node = helper.roots.dev.join(&disk.node);
        let protected = open(&node, disk.number).and_then(|device| {
            set_read_only(&device).map_err(|error| failed(self.file_system, error))
        });
        if let Err(error) = protected {
            tracing::warn!(disk = disk.name, %error, "the disk could not be made read-only; its partition was");
        }
    }

    /// Whether this is what is mounted there. btrfs has a number of its own there.
    fn is(&self, entry: &Entry, node: &Path) -> bool {
        entry.source == node.as_os_str()
            && (entry.device == self.block.number || self.file_system == FileSystem::Btrfs)
    }
}

/// Unmounts; also while files are open when the device is gone.
///
/// # Errors
/// When files are open, or the kernel does not let us.
pub fn unmount(helper: &Helper, id: &MountId) -> Result<(), Refusal> {
    let table = helper.points.table()?;
    let entry = table::at(&table, &helper.points.path(id));
    let lazily = entry.is_some_and(|entry| !is_there(helper, entry));
    helper
        .points
        .unmount(id, lazily)
        .map_err(|error| match error {
            Errno::EBUSY => Refusal::new(Reason::Busy, "is still being read"),
            error => internal(format!("cannot be unmounted: {error}")),
        })?;
    tracing::info!(%id, lazily, "unmounted");
    Ok(())
}

/// Whether the device that an entry of ours was mounted from is there.
pub fn is_there(helper: &Helper, entry: &Entry) -> bool {
    let node = Path::new(&entry.source)
        .strip_prefix(&helper.roots.dev)
        .ok();
    let name = node
        .and_then(|node| node.to_str())
        .map(|node| node.replace('/', "!"));
    name.is_some_and(|name| Block::named(&helper.roots, &name).is_some())
}

/// Opens a block device, for reading, and makes sure that it is the one of that number: as long as it is open, no other
/// gets the number.
pub(super) fn open(node: &Path, number: DeviceNumber) -> Result<File, Refusal> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
        .open(node);
    let file = opened.map_err(|error| unreadable_device(&error))?;
    let about = file.metadata().map_err(|error| unreadable_device(&error))?;
    if about.file_type().is_block_device() && DeviceNumber::of(about.rdev()) == number {
        Ok(file)
    } else {
        Err(Refusal::new(Reason::NotFound, "is not there any more"))
    }
}

fn unreadable_device(error: &io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENXIO | libc::ENODEV | libc::ENOMEDIUM) => {
            Refusal::new(Reason::NotFound, "is not there any more")
        }
        _ => Refusal::new(Reason::Damaged, format!("cannot be read: {error}")),
    }
}

/// Makes sure that nobody else has the device to himself: no file system, no swap, in whatever name space, nothing made of it.
pub(super) fn claim(node: &Path) -> Result<(), Refusal> {
    let claimed = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_EXCL | libc::O_NOFOLLOW)
        .open(node);
    match claimed {
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Err(Refusal::new(
            Reason::Busy,
            "is in use by this computer already",
        )),
        Err(error) => Err(unreadable_device(&error)),
    }
}

/// Makes a block device read-only until it is plugged in anew. File systems see it and write nothing; programs cannot open it
/// for writing. (The kernel itself only warns when one of its file systems writes all the same.)
fn set_read_only(device: &File) -> Result<(), Errno> {
    set_protection(device, true)
}

/// Makes a block device read-only, or writable again.
pub(super) fn set_protection(device: &File, read_only: bool) -> Result<(), Errno> {
    let read_only = libc::c_int::from(read_only);
    // SAFETY: the descriptor is open, and the kernel reads one int.
    unsafe { blkroset(device.as_raw_fd(), &read_only) }.map(|_| ())
}

/// A failed mount in words.
fn failed(file_system: FileSystem, error: Errno) -> Refusal {
    let driver = file_system.driver();
    let damaged = |why: &str| Refusal::new(Reason::Damaged, why);
    match error {
        Errno::EUCLEAN
        | Errno::EINVAL
        | Errno::EBADMSG
        | Errno::EFBIG
        | Errno::EOVERFLOW
        | Errno::ESTALE
        | Errno::ENOENT
        | Errno::ELOOP
        | Errno::EFAULT => damaged("has a damaged file system"),
        Errno::EIO | Errno::ENODATA | Errno::EREMOTEIO | Errno::ETIMEDOUT => {
            damaged("cannot be read: the drive answers with errors")
        }
        Errno::ENXIO | Errno::ENOMEDIUM => Refusal::new(Reason::NotFound, "is not there any more"),
        Errno::ENODEV => {
            let why =
                format!("has a file system that this computer's kernel cannot read ({driver})");
            Refusal::new(Reason::Unsupported, why)
        }
        Errno::EOPNOTSUPP => {
            let why = format!("has a newer kind of {driver} than this computer's kernel can read");
            Refusal::new(Reason::Unsupported, why)
        }
        Errno::EBUSY => Refusal::new(Reason::Busy, "is in use by this computer already"),
        Errno::EEXIST => Refusal::new(
            Reason::Busy,
            "is a copy of a drive that is plugged in as well",
        ),
        other => internal(format!("cannot be mounted ({driver}): {}", other.desc())),
    }
}

/// What of the top folder the daemon may not read by the owners and modes on the drive, in words; none when all of it may be.
fn unreadable(point: &Path, user: DaemonUser) -> Option<String> {
    if !fs::metadata(point).is_ok_and(|about| user.may_read(&about)) {
        return Some("can be read by nobody but its owner: its top folder is private".to_owned());
    }
    let entries = fs::read_dir(point).ok()?.take(MAX_LOOKED_AT);
    let private = |entry: &fs::DirEntry| {
        let about = entry.metadata().ok();
        // Kept by every ext file system, and by nobody missed.
        entry.file_name() != "lost+found"
            && about.is_some_and(|about| !about.is_symlink() && !user.may_read(&about))
    };
    match entries.filter_map(Result::ok).filter(private).count() {
        0 => None,
        1 => Some(
            "holds one file or folder that only its owner may read, and that is left out"
                .to_owned(),
        ),
        more => Some(format!(
            "holds {more} files and folders that only their owner may read, and that are left out"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_said_in_words_that_follow_the_drives_name() {
        for (error, reason, words) in [
            (Errno::EUCLEAN, Reason::Damaged, "damaged file system"),
            (Errno::EINVAL, Reason::Damaged, "damaged file system"),
            (Errno::EIO, Reason::Damaged, "answers with errors"),
            (Errno::ENODEV, Reason::Unsupported, "(ntfs3)"),
            (Errno::ENOMEDIUM, Reason::NotFound, "not there"),
            (Errno::EEXIST, Reason::Busy, "copy"),
            (Errno::EPERM, Reason::Internal, "Operation not permitted"),
        ] {
            let refusal = failed(FileSystem::Ntfs, error);
            assert_eq!(refusal.reason, reason, "{error}");
            assert!(refusal.why.contains(words), "{refusal}");
        }
    }
}
