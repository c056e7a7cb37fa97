//! A drive that can be told to be sick: one file on a FUSE file system whose answers fail, or do not come.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory,
    ReplyEntry, ReplyOpen, Request, Session,
};
use parking_lot::{Condvar, Mutex};

const FILE: INodeNo = INodeNo(2);
/// The kernel is to ask every time: what it remembers does not fail.
const FORGOTTEN: Duration = Duration::ZERO;

/// How the drive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// It answers nothing until it is well again.
    Hangs,
    /// It has its table of contents, and gives no bytes: EIO.
    Fails,
}

/// The drive, mounted. Unmounted when dropped.
pub struct SickDrive {
    state: Arc<State>,
    mount: PathBuf,
    session: Option<BackgroundSession>,
    _dir: tempfile::TempDir,
}

struct State {
    health: Mutex<Health>,
    changed: Condvar,
}

impl SickDrive {
    /// A drive with the bytes of `file` under its name. None where FUSE cannot be used.
    pub fn with(file: &Path) -> Option<SickDrive> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mount = dir.path().join("drive");
        std::fs::create_dir(&mount).expect("a folder");
        let state = Arc::new(State {
            health: Mutex::new(Health::Well),
            changed: Condvar::new(),
        });
        let drive = Drive {
            state: state.clone(),
            name: file.file_name().expect("a file").to_owned(),
            file: File::open(file).expect("it can be opened"),
        };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("sick".into())];
        let session = match Session::new(drive, &mount, &config) {
            Ok(session) => session.spawn().expect("a thread"),
            Err(error) => {
                println!("skipped: FUSE cannot be used here: {error}");
                return None;
            }
        };
        Some(SickDrive {
            state,
            mount,
            session: Some(session),
            _dir: dir,
        })
    }

    /// Where it is mounted.
    pub fn mount(&self) -> &Path {
        &self.mount
    }

    /// Makes it sick or well.
    pub fn set(&self, health: Health) {
        *self.state.health.lock() = health;
        self.state.changed.notify_all();
    }
}

impl Drop for SickDrive {
    fn drop(&mut self) {
        self.set(Health::Well);
        drop(self.session.take());
    }
}

struct Drive {
    state: Arc<State>,
    name: std::ffi::OsString,
    file: File,
}

impl Drive {
    /// Waits while it hangs; then how it is.
    fn answers(&self) -> Health {
        let mut health = self.state.health.lock();
        while *health == Health::Hangs {
            self.state.changed.wait(&mut health);
        }
        *health
    }

    fn attributes(&self, node: INodeNo) -> FileAttr {
        let metadata = self.file.metadata().expect("an open file has metadata");
        let is_file = node == FILE;
        FileAttr {
            ino: node,
            size: if is_file { metadata.len() } else { 0 },
            blocks: metadata.blocks(),
            atime: UNIX_EPOCH,
            mtime: metadata.modified().expect("a time"),
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_file {
                FileType::RegularFile
            } else {
                FileType::Directory
            },
            perm: 0o755,
            nlink: 1,
            uid: metadata.uid(),
            gid: metadata.gid(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Drive {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.answers();
        if name == self.name {
            reply.entry(&FORGOTTEN, &self.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.answers();
        reply.attr(&FORGOTTEN, &self.attributes(node));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.answers();
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        if self.answers() == Health::Fails {
            reply.error(Errno::EIO);
            return;
        }
        let mut bytes = vec![0; size as usize];
        match self.file.read_at(&mut bytes, offset) {
            Ok(length) => reply.data(&bytes[..length]),
            Err(error) => reply.error(error.into()),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.answers();
        if offset == 0 {
            let _ = reply.add(FILE, 1, FileType::RegularFile, &self.name);
        }
        reply.ok();
    }
}
