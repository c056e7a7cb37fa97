//! Reading content ahead of sending it, off the async threads.
//!
//! A piece is read once, whole, before its first block is handed to a connection, so that `sendfile(2)` finds it in
//! the page cache and never waits for a disk. Each device has its own few readers: a hung share or a dying drive
//! stalls its own releases and nobody else's.
//!
//! A network file system asks its server whether what it has cached is still true, and waits for the answer, also in
//! `sendfile(2)`. So a block from there is read once more by one of the readers, and sent from memory.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};
use nix::sys::sendfile::sendfile64;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::torrent::{Span, SpanFile, Torrent};
use super::wire::Block;
use crate::base::error::io_kind;
use crate::base::identity::{asks_elsewhere, is_same};
use crate::base::{ErrorKind, FileIdentity, Kind, beneath};

/// Pieces read at a time from one device: two keep a disk busy, more make it seek.
const READS_PER_DEVICE: u32 = 2;
/// Bytes read at a time. A call cannot be interrupted, and should end soon after nobody needs the piece any more.
const READ_CHUNK: usize = 4 << 20;

/// A run of bytes ready to be sent.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The open file; `None` is padding: zeros.
    pub file: Option<Arc<File>>,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// The readers of its device, where reading may wait for somebody although it was read before.
    readers: Option<Arc<Semaphore>>,
}

impl Segment {
    /// So many zeros.
    pub fn padding(length: u64) -> Self {
        Self {
            file: None,
            offset: 0,
            length,
            readers: None,
        }
    }

    /// Whether it must be [fetched](Self::fetch) rather than sent from its file.
    pub fn may_hang(&self) -> bool {
        self.readers.is_some()
    }

    /// Its bytes, read by one of its device's readers. May take for ever.
    ///
    /// # Errors
    /// When the file cannot be read, or was cut.
    pub async fn fetch(&self) -> io::Result<Vec<u8>> {
        let (Some(file), Some(readers)) = (self.file.clone(), self.readers.clone()) else {
            return Ok(vec![0; self.length as usize]);
        };
        let (offset, length) = (self.offset, self.length as usize);
        // Never closed.
        let turn = readers.acquire_owned().await.map_err(io::Error::other)?;
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length];
            let result = file.read_exact_at(&mut bytes, offset);
            drop(turn);
            result.map(|()| bytes)
        });
        read.await.map_err(io::Error::other)?
    }
}

/// Why a piece cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not what was hashed.
    #[error("{} changed since it was hashed", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened or read.
    #[error("{} cannot be read: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl Kind for ReadError {
    fn kind(&self) -> ErrorKind {
        match self {
            ReadError::Changed { .. } => ErrorKind::Conflict,
            ReadError::Io { error, .. } => io_kind(error),
        }
    }
}

/// A piece that was read, its files open.
#[derive(Debug, Clone)]
pub struct WarmPiece {
    segments: Vec<Segment>,
}

impl WarmPiece {
    /// What to send for a block of this piece.
    pub fn block(&self, block: Block) -> Vec<Segment> {
        let (start, end) = (
            u64::from(block.begin),
            u64::from(block.begin) + u64::from(block.length),
        );
        let mut at = 0;
        let mut parts = Vec::with_capacity(1);
        for segment in &self.segments {
            let (from, to) = (at.max(start), (at + segment.length).min(end));
            if from < to {
                parts.push(Segment {
                    file: segment.file.clone(),
                    offset: segment.offset + (from - at),
                    length: to - from,
                    readers: segment.readers.clone(),
                });
            }
            at += segment.length;
        }
        parts
    }
}

/// The readers of every device.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    gentle: Arc<AtomicBool>,
    devices: Arc<Mutex<HashMap<u64, Arc<Semaphore>>>>,
}

impl Reader {
    /// Reads one piece at a time from each device from now on, or as many as usual: for a board that is strained.
    pub fn set_gentle(&self, gentle: bool) {
        self.gentle.store(gentle, Ordering::Relaxed);
    }

    /// Reads piece `index` into the page cache. `device` tells which readers are used; see [`Reader::device`].
    ///
    /// # Errors
    /// When a file is gone, cannot be read, or is not what was hashed.
    pub async fn warm(
        &self,
        torrent: Arc<Torrent>,
        device: u64,
        index: u32,
    ) -> Result<WarmPiece, ReadError> {
        let readers = self.readers_of(device);
        self.on_device(device, move || warm(&torrent, index, &readers))
            .await
    }

    fn readers_of(&self, device: u64) -> Arc<Semaphore> {
        let mut devices = self.devices.lock();
        if !devices.contains_key(&device) {
            // Drives come and go: those that nobody reads from are forgotten.
            devices.retain(|_, readers| Arc::strong_count(readers) > 1);
        }
        let readers = devices
            .entry(device)
            .or_insert_with(|| Arc::new(Semaphore::new(READS_PER_DEVICE as usize)));
        Arc::clone(readers)
    }

    /// Runs `call` where blocking is allowed, once one of the device's readers is free.
    async fn on_device<T: Send + 'static>(
        &self,
        device: u64,
        call: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        // A gentle read takes every turn, and is alone.
        let turns = match self.gentle.load(Ordering::Relaxed) {
            true => READS_PER_DEVICE,
            false => 1,
        };
        let turn = self.readers_of(device).acquire_many_owned(turns).await;
        let read = tokio::task::spawn_blocking(move || {
            let result = call();
            drop(turn);
            result
        });
        read.await.unwrap_or_else(|error| {
            let path = PathBuf::new();
            let error = io::Error::other(error);
            Err(ReadError::Io { path, error })
        })
    }

    /// Whether the bytes of a block are these. `device` as in [`Reader::warm`].
    ///
    /// # Errors
    /// When a file is gone, cannot be read, or is not what was hashed: then nothing is known.
    pub async fn compare(
        &self,
        torrent: Arc<Torrent>,
        device: u64,
        block: Block,
        bytes: Box<[u8]>,
    ) -> Result<bool, ReadError> {
        self.on_device(device, move || is_same_block(&torrent, block, &bytes))
            .await
    }

    /// The number of the device that content with this root is on; 0 when that cannot be told.
    pub async fn device(root: &Path) -> u64 {
        let metadata = tokio::fs::metadata(root).await;
        metadata.map_or(0, |metadata| metadata.dev())
    }
}

fn warm(torrent: &Torrent, index: u32, readers: &Arc<Semaphore>) -> Result<WarmPiece, ReadError> {
    let whole = Block {
        index,
        begin: 0,
        length: torrent.length_of(index),
    };
    let mut nowhere = None;
    let segments = torrent.spans(whole).into_iter();
    let segments = segments.map(|span| warm_span(span, &mut nowhere, readers));
    Ok(WarmPiece {
        segments: segments.collect::<Result<_, _>>()?,
    })
}

fn is_same_block(torrent: &Torrent, block: Block, bytes: &[u8]) -> Result<bool, ReadError> {
    let (mut rest, mut ours) = (bytes, Vec::new());
    for span in torrent.spans(block) {
        let Some((theirs, after)) = rest.split_at_checked(span.length as usize) else {
            return Ok(false);
        };
        rest = after;
        ours.clear();
        ours.resize(theirs.len(), 0);
        if let Some(file) = span.file {
            let read = open_checked(&file)?.read_exact_at(&mut ours, span.offset);
            let path = file.path;
            read.map_err(|error| ReadError::Io { path, error })?;
        }
        if ours != theirs {
            return Ok(false);
        }
    }
    Ok(rest.is_empty())
}

/// Reads a span by sending it to `/dev/null`: the file's pages are looked up or read, and not copied to anywhere, so
/// that what is in the page cache already costs next to nothing. (`mincore(2)` and `cachestat(2)` would cost even less,
/// but say nothing about files that are not ours to write.)
fn warm_span(
    span: Span,
    nowhere: &mut Option<File>,
    readers: &Arc<Semaphore>,
) -> Result<Segment, ReadError> {
    let Span {
        file,
        offset,
        length,
    } = span;
    let Some(file) = file else {
        return Ok(Segment::padding(length));
    };
    let opened = open_checked(&file)?;
    let path = file.path;
    let failed = |error| ReadError::Io {
        path: path.clone(),
        error,
    };
    let sink = match nowhere {
        Some(sink) => sink,
        None => nowhere.insert(File::create("/dev/null").map_err(failed)?),
    };
    will_need(&opened, offset, length);
    let out_of_range = |_| failed(io::ErrorKind::InvalidInput.into());
    let mut at = i64::try_from(offset).map_err(out_of_range)?;
    let mut left = length;
    while left > 0 {
        let want = READ_CHUNK.min(usize::try_from(left).unwrap_or(READ_CHUNK));
        match sendfile64(&*sink, &opened, Some(&mut at), want) {
            Ok(0) => return Err(ReadError::Changed { path }),
            Ok(read) => left -= read as u64,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    let may_hang = asks_elsewhere(&opened);
    Ok(Segment {
        file: Some(Arc::new(opened)),
        offset,
        length,
        readers: may_hang.then(|| readers.clone()),
    })
}

/// Has the kernel read all of it at once rather than by its small steps.
fn will_need(file: &File, offset: u64, length: u64) {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else {
        return;
    };
    // Advice that is not taken changes nothing.
    let _ = posix_fadvise(
        file,
        offset,
        length,
        PosixFadviseAdvice::POSIX_FADV_WILLNEED,
    );
}

/// Opens a file that must be what was hashed, and no link to it.
fn open_checked(file: &SpanFile) -> Result<File, ReadError> {
    let SpanFile { root, path, hashed } = file;
    let failed = |error| ReadError::Io {
        path: path.clone(),
        error,
    };
    let file = beneath::open(root, path, OFlag::empty()).map_err(failed)?;
    let now = FileIdentity::of(&file.metadata().map_err(failed)?);
    if !is_same(hashed, &now, path) {
        return Err(ReadError::Changed { path: path.clone() });
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Content, ContentFile, InfoHash};

    fn on_disk(dir: &std::path::Path, files: &[(&str, &[u8])]) -> Arc<Torrent> {
        let listed = |(name, bytes): &(&str, &[u8])| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).unwrap();
            ContentFile {
                path: name.into(),
                length: bytes.len() as u64,
                identity: Some(FileIdentity::of(&path.metadata().unwrap())),
            }
        };
        let content = Content {
            root: dir.into(),
            files: files.iter().map(listed).collect(),
        };
        let info = bytes::Bytes::new();
        Arc::new(Torrent::new(
            InfoHash([0; 20]),
            info,
            16 << 10,
            content,
            false,
        ))
    }

    fn bytes_of(segments: &[Segment]) -> Vec<u8> {
        let mut out = Vec::new();
        for segment in segments {
            let mut part = vec![0; segment.length as usize];
            if let Some(file) = &segment.file {
                file.read_exact_at(&mut part, segment.offset).unwrap();
            }
            out.extend(part);
        }
        out
    }

    #[tokio::test]
    async fn a_block_across_files_is_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let torrent = on_disk(
            dir.path(),
            &[("a", b"hello "), ("b", b""), ("c", b"world, and more")],
        );
        let piece = Reader::default().warm(torrent, 0, 0).await.unwrap();
        let block = Block {
            index: 0,
            begin: 3,
            length: 9,
        };
        assert_eq!(bytes_of(&piece.block(block)), b"lo world,");
    }

    #[tokio::test]
    async fn a_changed_or_missing_file_is_said_by_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let torrent = on_disk(dir.path(), &[("a", b"hello")]);
        std::fs::write(dir.path().join("a"), b"HELLO, longer").unwrap();
        let error = Reader::default()
            .warm(torrent.clone(), 0, 0)
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("/a changed since it was hashed"),
            "{error}"
        );
        std::fs::remove_file(dir.path().join("a")).unwrap();
        let error = Reader::default().warm(torrent, 0, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    /// A hung read holds one of a device's turns; a gentle one holds all of them.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_gentle_read_is_the_only_one_of_its_device() {
        for gentle in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let torrent = |name: &str| on_disk(dir.path(), &[(name, b"hello")]);
            let (hung, other) = (torrent("hung"), torrent("other"));
            let pipe = dir.path().join("hung");
            std::fs::remove_file(&pipe).unwrap();
            nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
            let reader = Reader::default();
            reader.set_gentle(gentle);
            // Polled once, a read has its turn.
            let mut first = Box::pin(reader.warm(hung, 1, 0));
            assert!(futures::poll!(&mut first).is_pending());
            let elsewhere = reader.warm(other.clone(), 2, 0).await;
            elsewhere.expect("another device");
            let mut second = Box::pin(reader.warm(other, 1, 0));
            if gentle {
                assert!(futures::poll!(&mut second).is_pending());
            } else {
                (&mut second).await.expect("the other turn");
            }
            let open = move || std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
            let writer = tokio::task::spawn_blocking(open).await.unwrap();
            assert_eq!(first.await.unwrap_err().kind(), ErrorKind::Conflict);
            drop(writer);
            if gentle {
                second.await.expect("its turn came");
            }
        }
    }

    /// Opening a pipe that nobody writes to hangs as a dead disk does.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_hung_device_stalls_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let [dead, alive] = ["dead", "alive"].map(|name| {
            let folder = dir.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            on_disk(&folder, &[("a", b"hello")])
        });
        let pipe = dir.path().join("dead/a");
        std::fs::remove_file(&pipe).unwrap();
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let reader = Reader::default();
        let hung: Vec<_> = (0..100)
            .map(|_| {
                let (reader, dead) = (reader.clone(), dead.clone());
                tokio::spawn(async move { reader.warm(dead, 1, 0).await })
            })
            .collect();
        for _ in 0..3 {
            let read = reader.warm(alive.clone(), 2, 0);
            let read = tokio::time::timeout(std::time::Duration::from_secs(30), read).await;
            assert_eq!(read.expect("not stalled").unwrap().segments.len(), 1);
        }
        assert!(hung.iter().all(|read| !read.is_finished()));
        // Let them go: with somebody to write, opening ends, and finds something else than was hashed.
        let open = move || std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        let writer = tokio::task::spawn_blocking(open).await.unwrap();
        for read in hung {
            assert_eq!(read.await.unwrap().unwrap_err().kind(), ErrorKind::Conflict);
        }
        drop(writer);
    }
}
