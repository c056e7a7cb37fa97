//! What is written of a chunk before its digest was compared: it does not count, also when the box stops meanwhile.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::UploadError;
use super::receiver;
use super::upload::Upload;

/// A file whose bytes from `offset` on are not checked yet. A mark beside it says so; dropped without [`Unchecked::end`],
/// the file is cut off there.
pub(super) struct Unchecked {
    mark: PathBuf,
    path: PathBuf,
    offset: u64,
}

impl Unchecked {
    pub(super) fn begin(upload: &Upload, file: usize, offset: u64) -> Result<Self, UploadError> {
        let mark = mark(&upload.folder, file);
        fs::write(&mark, offset.to_string()).map_err(|error| UploadError::io(&mark, error))?;
        let path = upload.path_of(&upload.manifest.files[file]);
        Ok(Self { mark, path, offset })
    }

    /// The bytes are what they were said to be.
    pub(super) fn end(self) -> Result<(), UploadError> {
        fs::remove_file(&self.mark).map_err(|error| UploadError::io(&self.mark, error))
    }

    /// Cuts a file off where a box that stopped had checked it; `length` is what it has now. Returns what is left.
    pub(super) fn cut_off(folder: &Path, file: usize, path: &Path, length: u64) -> io::Result<u64> {
        let mark = mark(folder, file);
        let text = match fs::read_to_string(&mark) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(length),
            Err(error) => return Err(error),
        };
        // A mark that the power cut short says no number: nothing of the file is sure then.
        let checked = text.parse().unwrap_or(0).min(length);
        if checked < length {
            let file = receiver::create(path).map_err(io::Error::other)?;
            file.set_len(checked)?;
        }
        fs::remove_file(&mark)?;
        Ok(checked)
    }
}

impl Drop for Unchecked {
    fn drop(&mut self) {
        // After `end` there is no mark. What cannot be cut off now is cut off when the upload is next taken up.
        if self.mark.exists() {
            let file = receiver::create(&self.path);
            if file.is_ok_and(|file| file.set_len(self.offset).is_ok()) {
                let _ = fs::remove_file(&self.mark);
            }
        }
    }
}

fn mark(folder: &Path, file: usize) -> PathBuf {
    folder.join(format!("unchecked.{file}"))
}
