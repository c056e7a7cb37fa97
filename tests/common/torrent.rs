//! A .torrent as somebody else reads it: parsed by librqbit's crate, not by ours.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use librqbit_core::torrent_metainfo::torrent_from_bytes;

use super::content::Tree;

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorrentFile {
    /// Relative to the content's folder; empty for a single-file torrent.
    pub path: PathBuf,
    /// In bytes.
    pub length: u64,
    /// Whether it is BEP 47 padding, which is no content.
    pub pad: bool,
}

/// A torrent.
#[derive(Debug, Clone)]
pub struct Torrent {
    /// Hexadecimal, lower case.
    pub info_hash: String,
    /// As raw bytes.
    pub name: Vec<u8>,
    /// The info dictionary, exactly.
    pub info: Vec<u8>,
    /// In bytes.
    pub piece_length: u32,
    /// In the torrent's order.
    pub files: Vec<TorrentFile>,
    /// Every tracker.
    pub trackers: Vec<String>,
}

impl Torrent {
    /// Reads a .torrent; fails the test when it is none.
    pub fn parse(bytes: &[u8]) -> Torrent {
        let meta =
            torrent_from_bytes(bytes).unwrap_or_else(|error| panic!("not a torrent: {error}"));
        let raw = meta.info.raw_bytes.as_ref().to_vec();
        let info = meta
            .info
            .data
            .clone()
            .validate()
            .expect("the torrent is sound");
        let single = info.info().files.is_none();
        let files = info
            .iter_file_details()
            .map(|file| {
                let mut path = PathBuf::new();
                if !single {
                    path.extend(file.filename.iter_components_bytes().map(OsStr::from_bytes));
                }
                TorrentFile {
                    path,
                    length: file.len,
                    pad: file.attrs().padding,
                }
            })
            .collect();
        Torrent {
            info_hash: meta.info_hash.as_string(),
            name: info
                .info()
                .name
                .as_ref()
                .map(|name| name.as_ref().to_vec())
                .unwrap_or_default(),
            info: raw,
            piece_length: info.info().piece_length,
            files,
            trackers: meta
                .iter_announce()
                .map(|url| String::from_utf8_lossy(url.as_ref()).into_owned())
                .collect(),
        }
    }

    /// Bytes of content, padding included.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// Number of pieces.
    pub fn pieces(&self) -> u32 {
        self.size().div_ceil(u64::from(self.piece_length)) as u32
    }

    /// A .torrent of the same content that knows only `tracker`.
    pub fn with_tracker(&self, tracker: &str) -> Vec<u8> {
        let mut bytes = format!("d8:announce{}:{tracker}4:info", tracker.len()).into_bytes();
        bytes.extend_from_slice(&self.info);
        bytes.push(b'e');
        bytes
    }

    /// A magnet that knows only `tracker`, and nothing of the content but its hash.
    pub fn magnet_with(&self, tracker: &str) -> String {
        let tracker =
            percent_encoding::utf8_percent_encode(tracker, percent_encoding::NON_ALPHANUMERIC);
        format!("magnet:?xt=urn:btih:{}&tr={tracker}", self.info_hash)
    }

    /// Fails the test unless the torrent lists exactly the files of `tree`. Torrents are UTF-8 (BEP 3): what is not is
    /// listed as people would read it.
    pub fn assert_lists(&self, tree: &Tree) {
        let mut listed: Vec<(String, u64)> = self
            .files
            .iter()
            .filter(|file| !file.pad)
            .map(|file| (readable(&file.path), file.length))
            .collect();
        listed.sort();
        let held = tree.files();
        let mut held: Vec<(String, u64)> = held.iter().map(|(p, n)| (readable(p), *n)).collect();
        held.sort();
        assert_eq!(
            listed, held,
            "the torrent lists other files than the folder holds"
        );
        assert_eq!(self.name, tree.name().as_bytes());
    }

    /// Where a file of the torrent lies in `tree`.
    pub fn original(&self, tree: &Tree, file: &TorrentFile) -> PathBuf {
        if file.path == Path::new("") {
            return tree.root().to_owned();
        }
        let files = tree.files();
        let same = |(path, _): &&(PathBuf, u64)| readable(path) == readable(&file.path);
        let (path, _) = files
            .iter()
            .find(same)
            .expect("the torrent's file is in the folder");
        tree.root().join(path)
    }
}

fn readable(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
