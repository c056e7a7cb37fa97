//! The bytes of a release, front to back, as one stream; every file proved unchanged from before its first byte to
//! after its last.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};

use crate::base::identity::is_same;
use crate::base::{Content, ContentFile, FileIdentity, beneath};

/// Why a file's bytes cannot be vouched for.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system would not give us its bytes.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not the file that was listed, or it was written to while we read it.
    #[error("{} changed since it was listed", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a release strictly forwards.
#[derive(Debug)]
pub struct Reader<'a> {
    content: &'a Content,
    /// Index of the file the next byte lies in; files before it are done with.
    file: usize,
    /// Where in that file the next byte lies.
    offset: u64,
    /// That file, once its first byte was wanted.
    open: Option<File>,
}

impl<'a> Reader<'a> {
    /// A reader whose next byte is the one at `position` of `content`.
    pub fn at(content: &'a Content, position: u64) -> Self {
        let mut file = 0;
        let mut offset = position;
        while let Some(passed) = content.files.get(file).filter(|f| offset >= f.length) {
            offset -= passed.length;
            file += 1;
        }
        Self {
            content,
            file,
            offset,
            open: None,
        }
    }

    /// Fills `buffer` with the next bytes. The caller knows where the content ends and asks for no more than that.
    pub fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), ReadError> {
        while !buffer.is_empty() {
            let Some(file) = self.content.files.get(self.file) else {
                return Err(changed(self.content, self.content.files.last()));
            };
            let left = file.length - self.offset;
            let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let (now, rest) = buffer.split_at_mut(want);
            if file.identity.is_none() {
                now.fill(0);
            } else if want > 0 {
                self.fill_from_file(file, now)?;
            }
            buffer = rest;
            self.offset += want as u64;
            if self.offset == file.length {
                if let Some(done) = self.open.take() {
                    prove_open(self.content, file, &done)?;
                }
                self.file += 1;
                self.offset = 0;
            }
        }
        Ok(())
    }

    fn fill_from_file(
        &mut self,
        file: &ContentFile,
        mut buffer: &mut [u8],
    ) -> Result<(), ReadError> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(open(self.content, file)?),
        };
        let mut offset = self.offset;
        while !buffer.is_empty() {
            match open.read_at(buffer, offset) {
                Ok(0) => return Err(changed(self.content, Some(file))),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(failed(self.content, file, source)),
            }
        }
        Ok(())
    }
}

/// Proves by path that every file still is what was listed. Cheap beside reading them, and it covers what the open
/// file cannot: files read long ago, before a restart included, and empty files, which are never opened.
pub fn prove(content: &Content) -> Result<(), ReadError> {
    for file in content.files.iter().filter(|file| file.identity.is_some()) {
        let metadata = fs::symlink_metadata(content.absolute(file))
            .map_err(|source| failed(content, file, source))?;
        prove_metadata(content, file, &metadata)?;
    }
    Ok(())
}

/// Opens a file for one pass from front to back. Should a link or a pipe have taken its place, neither is followed
/// nor waited for.
fn open(content: &Content, file: &ContentFile) -> Result<File, ReadError> {
    let path = content.absolute(file);
    let open = beneath::open(&content.root, &path, OFlag::O_NONBLOCK)
        .map_err(|source| failed(content, file, source))?;
    prove_open(content, file, &open)?;
    // Advice only: a file system that takes none reads as well, with less read ahead.
    let _ = posix_fadvise(&open, 0, 0, PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL);
    Ok(open)
}

fn prove_open(content: &Content, file: &ContentFile, open: &File) -> Result<(), ReadError> {
    let metadata = open
        .metadata()
        .map_err(|source| failed(content, file, source))?;
    prove_metadata(content, file, &metadata)
}

fn prove_metadata(content: &Content, file: &ContentFile, now: &Metadata) -> Result<(), ReadError> {
    let same = now.is_file()
        && now.len() == file.length
        && file.identity.is_some_and(|listed| {
            is_same(&listed, &FileIdentity::of(now), &content.absolute(file))
        });
    if same {
        Ok(())
    } else {
        Err(changed(content, Some(file)))
    }
}

fn changed(content: &Content, file: Option<&ContentFile>) -> ReadError {
    ReadError::Changed {
        path: file.map_or_else(|| content.root.clone(), |file| content.absolute(file)),
    }
}

fn failed(content: &Content, file: &ContentFile, source: io::Error) -> ReadError {
    ReadError::Io {
        path: content.absolute(file),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::listing::list;
    use std::io::Write;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        dir
    }

    #[test]
    fn reads_on_across_files_from_anywhere() {
        let dir = folder(&[
            ("a", b""),
            ("b", b"hello "),
            ("c", b""),
            ("d", b"world"),
            ("e", b""),
        ]);
        let content = list(dir.path()).unwrap().content;
        for start in 0..=11 {
            let mut bytes = vec![0; 11 - start];
            let mut reader = Reader::at(&content, start as u64);
            for chunk in bytes.chunks_mut(4) {
                reader.fill(chunk).unwrap();
            }
            assert_eq!(bytes, &b"hello world"[start..]);
        }
    }

    #[test]
    fn padding_reads_as_zeros_without_a_file() {
        let dir = folder(&[("a", b"xy")]);
        let mut content = list(dir.path()).unwrap().content;
        let pad = ContentFile {
            path: ".pad/3".into(),
            length: 3,
            identity: None,
        };
        content.files.push(pad);
        let mut bytes = [1; 5];
        Reader::at(&content, 0).fill(&mut bytes).unwrap();
        assert_eq!(&bytes, b"xy\0\0\0");
        prove(&content).unwrap();
    }

    #[test]
    fn a_file_that_grows_shrinks_or_is_replaced_is_never_vouched_for() {
        let dir = folder(&[("a", b"0123456789")]);
        let path = dir.path().join("a");
        let content = list(dir.path()).unwrap().content;
        let mut bytes = [0; 5];

        let mut reader = Reader::at(&content, 0);
        reader.fill(&mut bytes).unwrap();
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"+")
            .unwrap();
        assert!(matches!(
            reader.fill(&mut bytes),
            Err(ReadError::Changed { .. })
        ));
        assert!(matches!(prove(&content), Err(ReadError::Changed { path: p }) if p == path));

        let content = list(dir.path()).unwrap().content;
        let mut reader = Reader::at(&content, 0);
        reader.fill(&mut bytes).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(6)
            .unwrap();
        assert!(matches!(
            reader.fill(&mut bytes),
            Err(ReadError::Changed { .. })
        ));

        let content = list(dir.path()).unwrap().content;
        let mtime = fs::metadata(&path).unwrap().modified().unwrap();
        let other = dir.path().join("other");
        fs::write(&other, b"543210").unwrap();
        let twin = File::options().write(true).open(&other).unwrap();
        twin.set_modified(mtime).unwrap();
        fs::rename(&other, &path).unwrap();
        let error = Reader::at(&content, 0).fill(&mut bytes).unwrap_err();
        assert!(matches!(error, ReadError::Changed { .. }), "{error}");

        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = Reader::at(&content, 0).fill(&mut bytes).unwrap_err();
        assert!(matches!(error, ReadError::Changed { .. }), "{error}");
        fs::remove_file(&path).unwrap();
        let error = Reader::at(&content, 0).fill(&mut bytes).unwrap_err();
        assert!(matches!(error, ReadError::Io { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()));
    }
}
