//! Bytes of one file, from a request's body to the disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::UploadError;
use super::unchecked::Unchecked;
use super::upload::{Phase, Upload};

/// How long a sender may be silent before its place is given to another.
const STALL: Duration = Duration::from_secs(60);

/// Parts of a body between network and disk. A part is what one read of the socket gave: some hundred KiB at most.
const QUEUE: usize = 4;

/// The right to write one file of an upload; given back when dropped.
struct Claim {
    upload: Arc<Upload>,
    file: usize,
}

impl Claim {
    fn take(upload: Arc<Upload>, file: usize, offset: u64) -> Result<Self, UploadError> {
        let mut state = upload.state.lock();
        let Some(&received) = state.received.get(file) else {
            return Err(UploadError::NoSuchFile(file));
        };
        let received = Some(received);
        if state.phase != Phase::Open || !state.busy.insert(file) {
            return Err(UploadError::Busy { received });
        }
        drop(state);
        // From here on, dropping it gives the file free.
        let claim = Self { upload, file };
        match received {
            Some(received) if received != offset => {
                Err(UploadError::WrongOffset { offset, received })
            }
            _ => Ok(claim),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.upload.state.lock();
        state.busy.remove(&self.file);
        let abandoned = state.phase == Phase::Cancelled && state.busy.is_empty();
        drop(state);
        if abandoned {
            super::remove(&self.upload.folder);
        }
    }
}

/// Writes `body` at `offset`, and returns how many bytes of the file are here then. With a `crc32c` of all of it, it counts
/// only when it is that.
pub(super) async fn receive<S, E>(
    upload: Arc<Upload>,
    file: usize,
    offset: u64,
    crc32c: Option<u32>,
    mut body: S,
    permit: OwnedSemaphorePermit,
) -> Result<u64, UploadError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let claim = Claim::take(upload, file, offset)?;
    let (parts, taken) = mpsc::channel(QUEUE);
    // A thread of its own holds the claim until the last byte is written: when the request goes away, a new one must
    // not begin beside a write that is still under way.
    let writer = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        match crc32c {
            None => write(&claim, offset, taken),
            Some(crc32c) => write_checked(&claim, offset, crc32c, taken),
        }
    });
    let mut broken = None;
    loop {
        let next = tokio::select! {
            // The writer met an error, which it returns below: no need to wait for the sender.
            () = parts.closed() => break,
            next = tokio::time::timeout(STALL, body.next()) => next,
        };
        match next {
            Err(_) => broken = Some(UploadError::Stalled),
            Ok(Some(Err(error))) => broken = Some(UploadError::Broken(error.to_string())),
            Ok(Some(Ok(part))) => {
                if parts.send(part).await.is_ok() {
                    continue;
                }
            }
            Ok(None) => {}
        }
        break;
    }
    drop(parts);
    let written = match writer.await {
        Ok(written) => written,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => return Err(UploadError::Broken("the box is shutting down".to_owned())),
        },
    };
    match (written, broken) {
        // What broke off is not what its digest says: that it broke off says more.
        (Ok(_) | Err(UploadError::Damaged { .. }), Some(error)) => Err(error),
        (written, _) => written,
    }
}

/// Writes what comes; each part counts as soon as it is written.
fn write(claim: &Claim, offset: u64, parts: mpsc::Receiver<Bytes>) -> Result<u64, UploadError> {
    write_parts(claim, offset, parts, |_, at| {
        claim.upload.state.lock().received[claim.file] = at;
    })
}

/// Writes what comes; it counts when all of it is there, and is what its digest says.
fn write_checked(
    claim: &Claim,
    offset: u64,
    crc32c: u32,
    parts: mpsc::Receiver<Bytes>,
) -> Result<u64, UploadError> {
    let mark = Unchecked::begin(&claim.upload, claim.file, offset)?;
    let mut crc = 0;
    let at = write_parts(claim, offset, parts, |part, _| {
        crc = crc32c::crc32c_append(crc, part);
    })?;
    if crc != crc32c {
        return Err(UploadError::Damaged { received: offset });
    }
    mark.end()?;
    claim.upload.state.lock().received[claim.file] = at;
    Ok(at)
}

fn write_parts(
    claim: &Claim,
    offset: u64,
    mut parts: mpsc::Receiver<Bytes>,
    mut written: impl FnMut(&[u8], u64),
) -> Result<u64, UploadError> {
    let upload = &claim.upload;
    let spec = &upload.manifest.files[claim.file];
    let path = upload.path_of(spec);
    let file = create(&path)?;
    let mut at = offset;
    while let Some(part) = parts.blocking_recv() {
        if part.len() as u64 > spec.size - at {
            return Err(UploadError::TooMuch {
                path: spec.path.clone(),
                size: spec.size,
            });
        }
        if let Err(error) = file.write_all_at(&part, at) {
            // The length is the state: what was written of this part must not count.
            let _ = file.set_len(at);
            return Err(UploadError::io(&path, error));
        }
        at += part.len() as u64;
        written(&part, at);
        let mut state = upload.state.lock();
        state.touch();
        match state.phase {
            Phase::Cancelled => return Err(UploadError::Cancelled),
            Phase::Away => {
                let gone = io::Error::from(io::ErrorKind::NotFound);
                return Err(UploadError::io(&path, gone));
            }
            _ => {}
        }
    }
    Ok(at)
}

/// Opens a file for writing, with its folders. Never follows a link and never empties a file.
pub(super) fn create(path: &Path) -> Result<File, UploadError> {
    let open = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)
    };
    let opened = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            fs::create_dir_all(folder).and_then(|()| open())
        }
        opened => opened,
    };
    opened.map_err(|error| UploadError::io(path, error))
}
