//! Finding a torrent's files on a disk.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Metainfo;
use super::listing::{ListingError, list};
use super::names::readable_paths;
use crate::base::error::io_kind;
use crate::base::{Content, ContentFile, ErrorKind, FileIdentity, Kind};

/// Why a torrent's files are not there.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// One of them is missing or cannot be looked at.
    #[error("cannot look at {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One of them is a folder, link or device.
    #[error("{} is not a file, as the torrent says it is", .0.display())]
    NotFile(PathBuf),
    /// One of them is shorter or longer.
    #[error("{} is {found} bytes long, the torrent says {expected}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length. Bytes.
        found: u64,
        /// The torrent's. Bytes.
        expected: u64,
    },
}

impl Kind for ContentError {
    fn kind(&self) -> ErrorKind {
        match self {
            ContentError::Io { source, .. } => io_kind(source),
            ContentError::NotFile(_) | ContentError::Length { .. } => ErrorKind::Conflict,
        }
    }
}

impl Metainfo {
    /// The torrent's files at `root` (the file itself, or the folder that holds the files), by position, each with the
    /// identity it has now. Files whose names the torrent writes readably are found by their names on disk.
    ///
    /// # Errors
    /// A file that is missing, not a file or not as long as the torrent says. What the bytes are is for
    /// [`verify`](super::verify()) to say.
    pub fn content(&self, root: &Path) -> Result<Content, ContentError> {
        let mut on_disk = None;
        let mut files = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let (path, length) = (file.path.clone(), file.length);
            if file.pad {
                files.push(ContentFile {
                    path,
                    length,
                    identity: None,
                });
                continue;
            }
            let found = match look(root, path) {
                Err(ContentError::Io { path, source })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    let on_disk = on_disk.get_or_insert_with(|| raw_paths(root));
                    match on_disk.get(&file.path) {
                        Some(raw) => look(root, raw.clone())?,
                        None => return Err(ContentError::Io { path, source }),
                    }
                }
                other => other?,
            };
            if found.length != length {
                let path = root.join(&found.path);
                return Err(ContentError::Length {
                    path,
                    found: found.length,
                    expected: length,
                });
            }
            files.push(found);
        }
        Ok(Content {
            root: root.to_owned(),
            files,
        })
    }
}

fn look(root: &Path, path: PathBuf) -> Result<ContentFile, ContentError> {
    let content = Content {
        root: root.to_owned(),
        files: Vec::new(),
    };
    let mut file = ContentFile {
        path,
        length: 0,
        identity: None,
    };
    let absolute = content.absolute(&file);
    match fs::symlink_metadata(&absolute) {
        Ok(metadata) if metadata.is_file() => {
            file.length = metadata.len();
            file.identity = Some(FileIdentity::of(&metadata));
            Ok(file)
        }
        Ok(_) => Err(ContentError::NotFile(absolute)),
        Err(source) => Err(ContentError::Io {
            path: absolute,
            source,
        }),
    }
}

/// Paths on disk by the paths a torrent made here would carry. Nothing where there is no listing: the missing file is then
/// what the owner should hear of.
fn raw_paths(root: &Path) -> HashMap<PathBuf, PathBuf> {
    let files = list(root).map(|listing| listing.content.files);
    let files = files.unwrap_or_else(|_: ListingError| Vec::new());
    let readable = readable_paths(&files);
    readable
        .into_iter()
        .zip(files.into_iter().map(|file| file.path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::{Cancel, HashJob, Options, hash, verify};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    fn made(root: &Path) -> (Content, Metainfo) {
        let content = list(root).unwrap().content;
        let job = HashJob {
            content: content.clone(),
            piece_length: 16384,
            done: Vec::new(),
        };
        let hashes = hash(&job, |_| {}, &Cancel::default()).unwrap();
        let metainfo = Metainfo::create(&content, 16384, hashes, &Options::default()).unwrap();
        (content, metainfo)
    }

    #[test]
    fn files_are_found_under_the_names_they_have() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("release");
        let sub = root.join(OsStr::from_bytes(b"caf\xe9"));
        fs::create_dir_all(&sub).unwrap();
        for (index, name) in [&b"\xfe.txt"[..], b"\xff.txt", b"a\\b", b"good"]
            .iter()
            .enumerate()
        {
            fs::write(sub.join(OsStr::from_bytes(name)), vec![b'x'; index + 1]).unwrap();
        }
        let (content, metainfo) = made(&root);
        assert!(
            metainfo
                .files
                .iter()
                .all(|file| file.path.to_str().is_some())
        );
        assert_eq!(metainfo.content(&root).unwrap(), content);
        verify(&metainfo, &content, |_, _| {}, &Cancel::default()).unwrap();
    }

    #[test]
    fn missing_files_other_lengths_and_links_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("release");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a"), b"123").unwrap();
        fs::write(root.join("b"), b"456").unwrap();
        let (_, metainfo) = made(&root);
        let path = root.join("b");

        fs::write(&path, b"45").unwrap();
        let error = metainfo.content(&root).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{} is 2 bytes long, the torrent says 3", path.display())
        );
        fs::remove_file(&path).unwrap();
        let error = metainfo.content(&root).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(path.to_str().unwrap()));
        std::os::unix::fs::symlink("a", &path).unwrap();
        assert!(matches!(metainfo.content(&root), Err(ContentError::NotFile(p)) if p == path));
    }
}
