//! Making a drive one for uploads: the one thing that ever writes to a drive by itself.
//!
//! What is formatted is what the owner saw in his list: the partition, or the whole disk where it has none. A table of
//! partitions is not written, nor looked into: what is beside it on the disk may be another drive that is shared from. For ext4
//! it makes no difference, and of a whole disk that was never divided nothing else has to be changed first.
//!
//! Everything that is refused without a word of the owner's is refused here, by what the helper sees itself, and not only on
//! the page: what is not plugged in (or approved), what the system uses, what is in use by the box, and what holds files. A
//! file system that is not known or damaged, or encrypted, counts as holding files; only a drive whose beginning is all
//! zeros does not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl};

use super::drive::{self, Drive};
use super::helper::Helper;
use super::point::internal;
use super::request::{FormatRequest, Formatted, MountId, Reason, Refusal};
use super::{ext, guard, table};
use crate::intake::drives::{Block, Properties, Verdict, is_plugged_in, judge, key, nameless};

/// Where `mkfs.ext4` is; none other is run.
const MKFS: [&str; 2] = ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"];

/// How long it may take: the tables of a large disk are written later, by the kernel; what is left takes seconds, and a
/// slow stick some more.
const MKFS_PATIENCE: Duration = Duration::from_secs(300);

/// How long whoever asks should wait for an answer.
pub const PATIENCE: Duration = Duration::from_secs(MKFS_PATIENCE.as_secs() + 60);

/// How long readers may take to let go of a drive that its owner wants emptied: a read of a slow disk ends within that.
const LET_GO: Duration = Duration::from_secs(10);

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// The longest label, in bytes: what ext4 has room for.
pub const MAX_LABEL: usize = 16;

/// Bytes at the beginning of a drive that are all zero when nothing was ever made of it. All file systems, tables of
/// partitions and encryptions that are known have a mark in them.
const BLANK: usize = 1 << 20;

/// Files that are counted, and folders; there are "more" then.
const MAX_COUNTED: usize = 10_000;

/// Bytes of the complaints of `mkfs` that are kept.
const MAX_COMPLAINT: u64 = 2048;

/// Empties a drive and makes it one for uploads.
///
/// # Errors
/// When it may not be, or `mkfs` fails: then it may be empty already, and is no drive for uploads.
pub fn format(helper: &Helper, wanted: &FormatRequest) -> Result<Formatted, Refusal> {
    check_label(&wanted.label)?;
    let (block, udev) = find(helper, &wanted.key)?;
    let node = helper.roots.dev.join(&block.node);
    // As long as it is open, no other drive gets its number and its name.
    let device = drive::open(&node, block.number)?;
    let mounted = {
        let table = helper.points.table()?;
        table::at(&table, &helper.points.path(&wanted.key)).is_some()
    };
    if mounted && !wanted.in_use {
        return Err(Refusal::new(Reason::Busy, "is in use by this box"));
    }
    if !wanted.with_files {
        refuse_files(helper, &block, &udev, &device, wanted, mounted)?;
    }
    release(helper, &wanted.key)?;
    drive::claim(&node)?;
    // udev, and with it whoever mounts, looks at what `mkfs` leaves only once it is written down as one for uploads.
    let kept_to_us = keep_to_us(helper, &block)?;
    make_writable(helper, &block, &device)?;
    tracing::warn!(drive = %wanted.key, device = %block.name, "a drive is formatted, as its owner wants");
    mkfs(helper, &node, &wanted.label)?;
    let fresh = drive::open(&node, block.number)?;
    let marks = ext::marks(&fresh)
        .map_err(|error| damaged(format!("does not keep what is written to it: {error}")))?;
    let udev = udev
        .with("ID_FS_TYPE", Some("ext4"))
        .with("ID_FS_USAGE", Some("filesystem"))
        .with("ID_FS_UUID", Some(&marks.uuid))
        .with("ID_FS_LABEL", Some(&wanted.label));
    let known = key(&block, &udev).ok_or_else(|| internal("has no name after all".to_owned()))?;
    let noted = helper.seals.note(&wanted.key, &known, &marks.seed);
    noted.map_err(|error| {
        internal(format!(
            "is formatted, but not for uploads: the list of such drives: {error}"
        ))
    })?;
    if !is_plugged_in(&block, &udev) {
        // One that is built in is still the one that its owner approved.
        let moved = helper.approvals.set(&known, true);
        moved
            .and_then(|()| helper.approvals.set(&wanted.key, false))
            .map_err(|error| {
                internal(format!(
                    "is formatted, but must be approved again: the list of approved drives: {error}"
                ))
            })?;
    }
    drop(kept_to_us);
    tell_udev(helper, &block);
    tracing::info!(before = %wanted.key, drive = %known, "a drive is one for uploads now");
    Ok(Formatted { key: known })
}

fn damaged(why: String) -> Refusal {
    Refusal::new(Reason::Damaged, why)
}

/// Whether a drive can be called so when it is formatted: 1 to [`MAX_LABEL`] bytes in one line.
pub fn is_label(text: &str) -> bool {
    (1..=MAX_LABEL).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn check_label(label: &str) -> Result<(), Refusal> {
    if is_label(label) {
        return Ok(());
    }
    let why = format!("cannot be called so: a name has 1 to {MAX_LABEL} bytes in one line");
    Err(Refusal::new(Reason::Malformed, why))
}

/// The drive of that key, as the kernel and udev have it, if it may be written to at all.
fn find(helper: &Helper, wanted: &MountId) -> Result<(Block, Properties), Refusal> {
    let all = Block::all(&helper.roots)
        .map_err(|error| internal(format!("cannot be found: the list of disks: {error}")))?;
    let mut found = Vec::new();
    for block in all {
        let Ok(Some(udev)) = Properties::of_block(&helper.roots, block.number) else {
            continue;
        };
        let known = key(&block, &udev).or_else(|| nameless(&block));
        if known.as_ref() == Some(wanted) && judge(&block, &udev) != Verdict::Nothing {
            found.push((block, udev));
        }
    }
    let Some((block, udev)) = found.pop() else {
        return Err(Refusal::new(Reason::NotFound, "is not there any more"));
    };
    if !found.is_empty() {
        let why = "cannot be told from a copy of it that is plugged in as well";
        return Err(Refusal::new(Reason::Busy, why));
    }
    let ours = Some(helper.points.dir());
    guard::check(&helper.roots, &block, &helper.points.table()?, ours)?;
    if !is_plugged_in(&block, &udev) {
        let approved = helper.approvals.contains(wanted).map_err(|error| {
            internal(format!(
                "cannot be formatted: the list of approved drives: {error}"
            ))
        })?;
        if !approved {
            let why = "is built into this computer, and is used only when its owner says so";
            return Err(Refusal::new(Reason::NotApproved, why));
        }
    }
    Ok((block, udev))
}

/// Refuses a drive that holds files, or something that we do not understand.
fn refuse_files(
    helper: &Helper,
    block: &Block,
    udev: &Properties,
    device: &File,
    wanted: &FormatRequest,
    mounted: bool,
) -> Result<(), Refusal> {
    let holds = |why: String| Err(Refusal::new(Reason::HoldsFiles, why));
    match judge(block, udev) {
        Verdict::Unusable(_) if is_blank(device) => return Ok(()),
        Verdict::Unusable(why) => return holds(why),
        Verdict::Nothing => {
            let why = "holds no files of its owner's";
            return Err(Refusal::new(Reason::NotAllowed, why));
        }
        Verdict::Files(_) => {}
    }
    if !mounted && let Err(refusal) = Drive::find(helper, block.number)?.look_into(helper) {
        return match refusal.reason {
            Reason::Damaged | Reason::Unsupported => holds(refusal.why),
            _ => Err(refusal),
        };
    }
    let counted = count(&helper.points.path(&wanted.key), MAX_COUNTED);
    if !mounted {
        release(helper, &wanted.key)?;
    }
    match counted {
        Ok(0) => Ok(()),
        Ok(1) => holds("holds a file".to_owned()),
        Ok(MAX_COUNTED) => holds(format!("holds {MAX_COUNTED} files or more")),
        Ok(files) => holds(format!("holds {files} files")),
        Err(error) => holds(format!("cannot be read through: {error}")),
    }
}

/// Whether nothing was ever made of it.
fn is_blank(device: &File) -> bool {
    let mut start = vec![1; BLANK];
    device.read_exact_at(&mut start, 0).is_ok() && start.iter().all(|&byte| byte == 0)
}

/// Files below a folder; what the file system keeps for itself is none. Never more than `most`, and so many as well when there
/// are so many folders: two entries for one cluster, in each of a few folders, are more than anyone gets through.
fn count(root: &Path, most: usize) -> io::Result<usize> {
    let mut left = vec![root.to_owned()];
    let (mut files, mut folders) = (0, 0);
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let is_own = folder == root && entry.file_name() == "lost+found";
            if !entry.file_type()?.is_dir() {
                files += 1;
            } else if !is_own {
                folders += 1;
                left.push(entry.path());
            }
            if files.max(folders) >= most {
                return Ok(most);
            }
        }
    }
    Ok(files)
}

/// Unmounts it, once nobody reads it any more.
fn release(helper: &Helper, key: &MountId) -> Result<(), Refusal> {
    let until = Instant::now() + LET_GO;
    loop {
        match helper.points.unmount(key, false) {
            Ok(()) => return Ok(()),
            Err(Errno::EBUSY) if Instant::now() < until => thread::sleep(LOOK),
            Err(Errno::EBUSY) => return Err(Refusal::new(Reason::Busy, "is still being read")),
            Err(error) => return Err(internal(format!("cannot be unmounted: {error}"))),
        }
    }
}

/// Locks the disk as udev asks of those who write to one (systemd's BLOCK_DEVICE_LOCKING): it looks at it afterwards.
fn keep_to_us(helper: &Helper, block: &Block) -> Result<Flock<File>, Refusal> {
    let gone = || Refusal::new(Reason::NotFound, "is not there any more");
    let disk = Block::named(&helper.roots, &block.disk).ok_or_else(gone)?;
    let mut file = drive::open(&helper.roots.dev.join(&disk.node), disk.number)?;
    let until = Instant::now() + LET_GO;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            // udev is looking at it.
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < until => {
                file = back;
                thread::sleep(LOOK);
            }
            Err((_, Errno::EWOULDBLOCK)) => {
                let why = "is being worked on by another program";
                return Err(Refusal::new(Reason::Busy, why));
            }
            Err((_, error)) => return Err(internal(format!("cannot be locked: {error}"))),
        }
    }
}

/// It was made read-only when it was mounted, and its disk with it.
fn make_writable(helper: &Helper, block: &Block, device: &File) -> Result<(), Refusal> {
    let failed = |error: Errno| internal(format!("cannot be made writable: {error}"));
    drive::set_protection(device, false).map_err(failed)?;
    if let Some(disk) = Block::named(&helper.roots, &block.disk)
        && disk.number != block.number
    {
        let disk = drive::open(&helper.roots.dev.join(&disk.node), disk.number)?;
        drive::set_protection(&disk, false).map_err(failed)?;
    }
    // One that is protected by a switch says so now, and not in the middle.
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(helper.roots.dev.join(&block.node));
    match opened {
        Ok(_) => Ok(()),
        Err(error) => Err(damaged(format!("cannot be written to: {error}"))),
    }
}

/// Runs `mkfs.ext4` on it. No shell, nothing of our environment, and nothing but what is named here.
fn mkfs(helper: &Helper, node: &Path, label: &str) -> Result<(), Refusal> {
    let program = MKFS.iter().map(PathBuf::from).find(|path| path.is_file());
    let Some(program) = program else {
        let why = "cannot be formatted: this system has no mkfs.ext4";
        return Err(Refusal::new(Reason::Unsupported, why));
    };
    let (uid, gid) = (helper.user.uid, helper.user.gid);
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        // Quiet; also a whole disk; nothing kept back for root; the daemon's top folder; no trimming, which takes minutes.
        .args(["-q", "-F", "-m", "0", "-E"])
        .arg(format!("root_owner={uid}:{gid},nodiscard"))
        .args(["-L", label])
        .arg(node)
        .current_dir("/");
    let ended = carry_out(&mut command, MKFS_PATIENCE)
        .map_err(|error| internal(format!("cannot be formatted: mkfs.ext4: {error}")))?;
    match ended {
        Some((status, _)) if status.success() => Ok(()),
        Some((status, complaint)) => {
            tracing::error!(%status, complaint, "mkfs.ext4 failed");
            let line = complaint.lines().rev().find(|line| !line.trim().is_empty());
            let line = line.unwrap_or("mkfs.ext4").trim();
            Err(damaged(format!("cannot be formatted: {line}")))
        }
        None => {
            let minutes = MKFS_PATIENCE.as_secs() / 60;
            Err(damaged(format!(
                "cannot be formatted within {minutes} minutes"
            )))
        }
    }
}

/// Runs a program to its end; returns how it ended, and what it complained of. None when it took too long and was ended.
fn carry_out(
    command: &mut Command,
    patience: Duration,
) -> io::Result<Option<(ExitStatus, String)>> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take();
    let Some(status) = wait(&mut child, patience)? else {
        return Ok(None);
    };
    // What cannot be read is not said.
    Ok(Some((status, stderr.map(said).unwrap_or_default())))
}

/// Waits for a program; none when it took too long and was ended. Its few words fit the pipe, so that it never waits for us.
fn wait(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill()?;
            // One that hangs in the drive ends with it; nobody waits for that, nor for its last words.
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

/// What a program that ended has said: what is in the pipe. Whoever it left behind may hold the other end for ever.
fn said(stderr: ChildStderr) -> String {
    let mut words = Vec::new();
    if fcntl(&stderr, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).is_ok() {
        // What was read before there was no more is kept.
        let _ = stderr.take(MAX_COMPLAINT).read_to_end(&mut words);
    }
    String::from_utf8_lossy(&words).into_owned()
}

/// Has udev look at it anew, if it has not noticed by itself.
fn tell_udev(helper: &Helper, block: &Block) {
    let path = helper.roots.sys.join("class/block").join(&block.name);
    if let Err(error) = fs::write(path.join("uevent"), "change") {
        tracing::warn!(device = block.name, %error, "udev was not told of a formatted drive");
    }
}

#[cfg(test)]
mod tests;
