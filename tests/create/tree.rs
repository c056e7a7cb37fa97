//! A described tree of files, the torrent made of it, and what libtorrent says of that.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use semoir::base::Size;
use semoir::cli::create::{Args, CreateError, Made, create};
use semoir::metainfo::{Cancel, verify};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::common::clients::libtorrent::python;

/// What libtorrent says of a torrent.
#[derive(Debug, Deserialize)]
pub struct Accepted {
    pub info_hash: String,
    pub name: String,
    pub piece_length: u32,
    pub pieces: u32,
    pub total: u64,
    pub private: bool,
    pub trackers: Vec<String>,
    pub web_seeds: Vec<String>,
    pub files: Vec<(String, u64)>,
    pub pieces_held: Option<u32>,
    pub progress: Option<f64>,
    #[serde(default)]
    pub errors: Vec<String>,
}

/// Runs the script that asks libtorrent. A machine without python3 or libtorrent fails the test: without them nothing here
/// would be proved.
pub fn libtorrent<T: DeserializeOwned>(arguments: &[&OsStr]) -> T {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/accept_torrent.py");
    let output = Command::new(python()).arg(script).args(arguments).output();
    let output =
        output.expect("these tests need python3 with libtorrent (`pip install libtorrent`)");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !stderr.contains("No module named"),
        "these tests need libtorrent for python3 (`pip install libtorrent`):\n{stderr}"
    );
    assert!(output.status.success(), "libtorrent refused it:\n{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A tree of files in a folder of its own, and room for torrents beside it.
pub struct Tree {
    dir: TempDir,
    name: OsString,
}

impl Tree {
    /// An empty tree called `name`.
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        let name = OsStr::from_bytes(name.as_ref()).to_owned();
        let tree = Self {
            dir: tempfile::tempdir().unwrap(),
            name,
        };
        fs::create_dir(tree.beside()).unwrap();
        tree
    }

    /// The folder that holds the tree and nothing else.
    pub fn beside(&self) -> PathBuf {
        self.dir.path().join("content")
    }

    /// The tree itself: a folder, or a file when [`file`](Self::file) was given an empty path.
    pub fn root(&self) -> PathBuf {
        self.beside().join(&self.name)
    }

    /// Where [`make`](Self::make) writes.
    pub fn output(&self) -> PathBuf {
        self.dir.path().join("out.torrent")
    }

    pub fn path(&self, path: impl AsRef<[u8]>) -> PathBuf {
        match path.as_ref() {
            b"" => self.root(),
            path => self.root().join(OsStr::from_bytes(path)),
        }
    }

    /// Adds a file whose bytes follow from its path.
    pub fn file(self, path: impl AsRef<[u8]>, length: usize) -> Self {
        let salt = path
            .as_ref()
            .iter()
            .fold(length, |salt, byte| salt * 31 % 65_521 + usize::from(*byte));
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes: Vec<u8> = (0..length).map(|i| ((i * 7 + salt) % 253) as u8).collect();
        fs::write(path, bytes).unwrap();
        self
    }

    /// What the command line would be, with an output outside the tree.
    pub fn args(&self) -> Args {
        Args {
            path: self.root(),
            output: Some(self.output()),
            force: false,
            piece_length: None,
            trackers: Vec::new(),
            private: false,
            comment: None,
            web_seeds: Vec::new(),
        }
    }

    pub fn sized(&self, piece_length: u64) -> Args {
        Args {
            piece_length: Some(Size(piece_length)),
            ..self.args()
        }
    }

    /// Makes the torrent, has our own verification and libtorrent's check every byte of it, and returns what libtorrent says.
    pub fn make(&self, args: &Args) -> (Made, Accepted) {
        let made = self.make_unchecked(args);
        let accepted: Accepted = libtorrent(&[made.output.as_os_str(), self.beside().as_os_str()]);
        assert_same(&made, &accepted);
        assert_eq!(accepted.errors, [""; 0]);
        assert_eq!(accepted.progress, Some(1.0), "{accepted:?}");
        assert_eq!(accepted.pieces_held, Some(accepted.pieces));
        (made, accepted)
    }

    /// As [`make`](Self::make), for names libtorrent cannot find on disk as the torrent writes them: it loads the torrent, and
    /// only our own verification checks the bytes.
    pub fn make_unfindable(&self, args: &Args) -> (Made, Accepted) {
        let made = self.make_unchecked(args);
        let accepted: Accepted = libtorrent(&[made.output.as_os_str()]);
        assert_same(&made, &accepted);
        (made, accepted)
    }

    fn make_unchecked(&self, args: &Args) -> Made {
        let (made, _) = self.try_make(args);
        let made = made.unwrap();
        let content = made.metainfo.content(&self.root()).unwrap();
        verify(&made.metainfo, &content, |_, _| {}, &Cancel::default()).unwrap();
        made
    }

    /// Makes the torrent and returns what was noted beside it.
    pub fn try_make(&self, args: &Args) -> (Result<Made, CreateError>, String) {
        let mut notes = Vec::new();
        let made = create(args, &mut notes);
        (made, String::from_utf8(notes).unwrap())
    }
}

/// Whether libtorrent read what we wrote.
fn assert_same(made: &Made, accepted: &Accepted) {
    let ours = &made.metainfo;
    assert_eq!(accepted.info_hash, ours.info_hash.to_string());
    assert_eq!(accepted.name, ours.name);
    assert_eq!(accepted.piece_length, ours.piece_length);
    assert_eq!(accepted.pieces, ours.pieces());
    assert_eq!(accepted.total, ours.total());
    assert_eq!(accepted.private, ours.private);
    assert_eq!(accepted.files.len(), ours.files.len());
    let lengths = accepted.files.iter().map(|(_, length)| *length);
    assert!(lengths.eq(ours.files.iter().map(|file| file.length)));
}
