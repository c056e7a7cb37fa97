//! Reading content ahead of sending it, off the async threads.
//!
//! A piece is read once, whole, before its first block is handed to a connection, so that `sendfile(2)` finds it in
//! the page cache and never waits for a disk. Each device has its own few readers: a hung share or a dying drive
//! stalls its own releases and nobody else's.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::torrent::{Span, Torrent};
use super::wire::Block;
use crate::base::error::io_kind;
use crate::base::identity::is_same;
use crate::base::{ErrorKind, FileIdentity, Kind};

/// Pieces read at a time from one device: two keep a disk busy, more make it seek.
const READS_PER_DEVICE: usize = 2;
/// Bytes read at a time; the data is read for its effect on the page cache, so the buffer stays in the CPU's.
const READ_CHUNK: usize = 256 << 10;

/// A run of bytes ready to be sent.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The open file; `None` is padding: zeros.
    pub file: Option<Arc<File>>,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
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
    devices: Arc<Mutex<HashMap<u64, Arc<Semaphore>>>>,
}

impl Reader {
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
        let turn = {
            let mut devices = self.devices.lock();
            let readers = devices
                .entry(device)
                .or_insert_with(|| Arc::new(Semaphore::new(READS_PER_DEVICE)));
            Arc::clone(readers).acquire_owned()
        };
        let turn = turn.await;
        let read = tokio::task::spawn_blocking(move || {
            let piece = warm(&torrent, index);
            drop(turn);
            piece
        });
        read.await.unwrap_or_else(|error| {
            let path = PathBuf::new();
            let error = io::Error::other(error);
            Err(ReadError::Io { path, error })
        })
    }

    /// The device that content with this root is on; 0 when that cannot be told.
    pub async fn device(root: &Path) -> u64 {
        let metadata = tokio::fs::metadata(root).await;
        metadata.map_or(0, |metadata| metadata.dev())
    }
}

fn warm(torrent: &Torrent, index: u32) -> Result<WarmPiece, ReadError> {
    let whole = Block {
        index,
        begin: 0,
        length: torrent.length_of(index),
    };
    let mut buffer = vec![0; READ_CHUNK];
    let segments = torrent.spans(whole).into_iter();
    let segments = segments.map(|span| warm_span(span, &mut buffer));
    Ok(WarmPiece {
        segments: segments.collect::<Result<_, _>>()?,
    })
}

fn warm_span(span: Span, buffer: &mut [u8]) -> Result<Segment, ReadError> {
    let Span {
        file,
        offset,
        length,
    } = span;
    let Some((path, identity)) = file else {
        return Ok(Segment {
            file: None,
            offset,
            length,
        });
    };
    let opened = open_checked(&path, identity)?;
    let (mut at, end) = (offset, offset + length);
    while at < end {
        let want = buffer.len().min((end - at) as usize);
        match opened.read_at(&mut buffer[..want], at) {
            Ok(0) => return Err(ReadError::Changed { path }),
            Ok(read) => at += read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::Io { path, error }),
        }
    }
    Ok(Segment {
        file: Some(Arc::new(opened)),
        offset,
        length,
    })
}

/// Opens a file that must be what was hashed.
fn open_checked(path: &Path, hashed: FileIdentity) -> Result<File, ReadError> {
    let failed = |error| ReadError::Io {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(failed)?;
    let now = FileIdentity::of(&file.metadata().map_err(failed)?);
    if !is_same(&hashed, &now, path) {
        return Err(ReadError::Changed {
            path: path.to_owned(),
        });
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
}
