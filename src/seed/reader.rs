//! Reading content ahead of sending it, off the async threads.
//!
//! A piece is read once, whole, before its first block is handed to a connection, so that `sendfile(2)` finds it in
//! the page cache and never waits for a disk. Each device has its own few readers: a hung share or a dying drive
//! stalls its own releases and nobody else's.
//!
//! A network file system asks its server whether what it has cached is still true, and waits for the answer, also in
//! `sendfile(2)`. So a block from there is read once more by one of the readers, and sent from memory. So is one from a
//! device that lets us wait, a disk that has to spin up or that is about to die: of what was read, the system may have
//! dropped some meanwhile.

mod device;

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

use self::device::Device;
use super::torrent::{Span, SpanFile, Torrent};
use super::wire::Block;
use crate::base::error::io_kind;
use crate::base::identity::{asks_elsewhere, is_same};
use crate::base::{ErrorKind, FileIdentity, Kind, beneath};

/// Bytes read at a time. A call cannot be interrupted, and should end soon after nobody needs the piece any more.
const READ_CHUNK: usize = 4 << 20;

/// Files that one piece may keep open while it is warm. A piece of more, in a folder of very many small ones, has them opened
/// anew for each block: descriptors are for peers, and one release must not take those of all.
const MAX_OPEN: usize = 64;

/// A run of bytes ready to be sent.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The open file; `None` is padding, zeros, unless it [may hang](Self::may_hang).
    pub file: Option<Arc<File>>,
    /// A file that is not kept open.
    closed: Option<Arc<SpanFile>>,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Where the file is.
    device: Option<Arc<Device>>,
    /// Whether the system asks another computer before it gives what it has of the file.
    elsewhere: bool,
}

impl Segment {
    /// So many zeros.
    pub fn padding(length: u64) -> Self {
        Self {
            file: None,
            closed: None,
            offset: 0,
            length,
            device: None,
            elsewhere: false,
        }
    }

    /// The same, with its file closed again.
    fn closing(self, file: SpanFile) -> Self {
        Self {
            file: None,
            closed: Some(Arc::new(file)),
            ..self
        }
    }

    /// Whether it must be [fetched](Self::fetch) rather than sent from its file.
    pub fn may_hang(&self) -> bool {
        let late = |device: &Arc<Device>| device.is_late();
        self.elsewhere || self.closed.is_some() || self.device.as_ref().is_some_and(late)
    }

    /// Its bytes, read by one of its device's readers. May take for ever.
    ///
    /// # Errors
    /// When the file cannot be read, or was cut.
    pub async fn fetch(&self) -> io::Result<Vec<u8>> {
        let Some(device) = self.device.clone() else {
            return Ok(vec![0; self.length as usize]);
        };
        let (open, closed) = (self.file.clone(), self.closed.clone());
        let (offset, length) = (self.offset, self.length as usize);
        let timed = Arc::clone(&device);
        let read = move || {
            let mut bytes = vec![0; length];
            let read = timed.call(|| match (open, closed) {
                (Some(file), _) => file.read_exact_at(&mut bytes, offset),
                (None, Some(file)) => open_checked(&file)
                    .map_err(io::Error::other)?
                    .read_exact_at(&mut bytes, offset),
                (None, None) => Ok(()),
            });
            read.map(|()| bytes)
        };
        device.run(false, read).await?
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
                    closed: segment.closed.clone(),
                    offset: segment.offset + (from - at),
                    length: to - from,
                    device: segment.device.clone(),
                    elsewhere: segment.elsewhere,
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
    devices: Arc<Mutex<HashMap<u64, Arc<Device>>>>,
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
        self.read(device, move |device| warm(&torrent, index, device))
            .await
    }

    fn device_of(&self, number: u64) -> Arc<Device> {
        let mut devices = self.devices.lock();
        if !devices.contains_key(&number) {
            // Drives come and go: those that nobody reads from are forgotten.
            devices.retain(|_, device| Arc::strong_count(device) > 1);
        }
        Arc::clone(devices.entry(number).or_default())
    }

    /// Runs `read` where blocking is allowed, once one of the device's readers is free.
    async fn read<T: Send + 'static>(
        &self,
        device: u64,
        read: impl FnOnce(&Arc<Device>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let device = self.device_of(device);
        let alone = self.gentle.load(Ordering::Relaxed);
        let given = Arc::clone(&device);
        let read = device.run(alone, move || read(&given)).await;
        read.unwrap_or_else(|error| {
            let path = PathBuf::new();
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
        let same = move |device: &Arc<Device>| is_same_block(&torrent, block, &bytes, device);
        self.read(device, same).await
    }

    /// The number of the device that content with this root is on; 0 when that cannot be told.
    pub async fn device(root: &Path) -> u64 {
        let metadata = tokio::fs::metadata(root).await;
        metadata.map_or(0, |metadata| metadata.dev())
    }
}

fn warm(torrent: &Torrent, index: u32, device: &Arc<Device>) -> Result<WarmPiece, ReadError> {
    let whole = Block {
        index,
        begin: 0,
        length: torrent.length_of(index),
    };
    let mut nowhere = None;
    let spans = torrent.spans(whole);
    let stays_open = spans.len() <= MAX_OPEN;
    let segments = spans.into_iter().map(|span| {
        let closing = span.file.clone().filter(|_| !stays_open);
        let segment = warm_span(span, &mut nowhere, device)?;
        Ok(match closing {
            Some(file) => segment.closing(file),
            None => segment,
        })
    });
    Ok(WarmPiece {
        segments: segments.collect::<Result<_, _>>()?,
    })
}

fn is_same_block(
    torrent: &Torrent,
    block: Block,
    bytes: &[u8],
    device: &Device,
) -> Result<bool, ReadError> {
    let (mut rest, mut ours) = (bytes, Vec::new());
    for span in torrent.spans(block) {
        let Some((theirs, after)) = rest.split_at_checked(span.length as usize) else {
            return Ok(false);
        };
        rest = after;
        ours.clear();
        ours.resize(theirs.len(), 0);
        if let Some(file) = span.file {
            let opened = device.call(|| open_checked(&file))?;
            let read = device.call(|| opened.read_exact_at(&mut ours, span.offset));
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
    device: &Arc<Device>,
) -> Result<Segment, ReadError> {
    let Span {
        file,
        offset,
        length,
    } = span;
    let Some(file) = file else {
        return Ok(Segment::padding(length));
    };
    let opened = device.call(|| open_checked(&file))?;
    let path = file.path;
    let failed = |error| ReadError::Io {
        path: path.clone(),
        error,
    };
    let sink = match nowhere {
        Some(sink) => sink,
        None => nowhere.insert(File::create("/dev/null").map_err(failed)?),
    };
    device.call(|| will_need(&opened, offset, length));
    let out_of_range = |_| failed(io::ErrorKind::InvalidInput.into());
    let mut at = i64::try_from(offset).map_err(out_of_range)?;
    let mut left = length;
    while left > 0 {
        let want = READ_CHUNK.min(usize::try_from(left).unwrap_or(READ_CHUNK));
        match device.call(|| sendfile64(&*sink, &opened, Some(&mut at), want)) {
            Ok(0) => return Err(ReadError::Changed { path }),
            Ok(read) => left -= read as u64,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    let elsewhere = asks_elsewhere(&opened);
    Ok(Segment {
        file: Some(Arc::new(opened)),
        closed: None,
        offset,
        length,
        device: Some(Arc::clone(device)),
        elsewhere,
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
mod tests;
