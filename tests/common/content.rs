//! Trees of files with known bytes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Bytes repeated, with a mark of their place, through a file: distinct in every block, quick to make unoptimised.
const BLOCK: usize = 1 << 16;

/// Something to share: a file or a folder inside a temporary directory of its own.
pub struct Tree {
    dir: Option<TempDir>,
    root: PathBuf,
}

impl Tree {
    /// The file or folder that is shared.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder it lies in, and nothing else in it: a source for the box.
    pub fn source(&self) -> &Path {
        self.root.parent().expect("a tree lies in a folder")
    }

    /// Its file name.
    pub fn name(&self) -> &OsStr {
        self.root.file_name().expect("a tree has a name")
    }

    /// Every regular file: path relative to the root (empty when the root is a file) and length, sorted by bytes.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let mut found = Vec::new();
        walk(&self.root, Path::new(""), &mut found);
        found.sort_by(|a, b| a.0.as_os_str().cmp(b.0.as_os_str()));
        found
    }

    /// Bytes in all files.
    pub fn size(&self) -> u64 {
        self.files().iter().map(|(_, length)| length).sum()
    }

    /// One file.
    pub fn file(name: &str, length: u64, seed: u64) -> Tree {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().join(name);
        write(&root, length, seed);
        Tree {
            dir: Some(dir),
            root,
        }
    }

    /// A file of `length` zeros that takes no room on the disk.
    pub fn sparse(name: &str, length: u64) -> Tree {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().join(name);
        File::create(&root)
            .and_then(|file| file.set_len(length))
            .expect("a sparse file can be made");
        Tree {
            dir: Some(dir),
            root,
        }
    }

    /// A folder of the given files (relative path as bytes, length).
    pub fn folder(name: &str, files: &[(&[u8], u64)], seed: u64) -> Tree {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().join(name);
        for (index, (path, length)) in files.iter().enumerate() {
            let path = root.join(OsStr::from_bytes(path));
            fs::create_dir_all(path.parent().expect("a file lies in a folder"))
                .expect("folders can be made");
            write(&path, *length, seed.wrapping_add(index as u64));
        }
        Tree {
            dir: Some(dir),
            root,
        }
    }

    /// A folder that is there already and stays.
    pub fn existing(root: &Path) -> Tree {
        Tree {
            dir: None,
            root: root.to_owned(),
        }
    }

    /// A folder with the names and lengths that break things: bytes that are no UTF-8, 255-byte names, quotes,
    /// spaces at the ends, other scripts, deep nesting, empty files in the middle and last, lengths that are exact
    /// multiples of every likely piece length, and one byte to each side of them. No backslash: librqbit refuses it.
    pub fn awkward(seed: u64) -> Tree {
        let long_ascii = "n".repeat(251) + ".ogg";
        // librqbit guesses one encoding for a whole torrent, so the name that is no UTF-8 doubles the bytes of this one.
        let long_japanese = "語".repeat(41) + ".mkv";
        let deep = "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/leaf";
        let files: Vec<(&[u8], u64)> = vec![
            (b"0 empty first", 0),
            (b"caf\xe9 latin1 \xff\xfe.bin", 300_001),
            (" leading and trailing ".as_bytes(), 65_536),
            (
                "it's \"quoted\" & <tagged> 100%25 #1 ?.txt".as_bytes(),
                16_384,
            ),
            ("semi; $(echo no) `no` * | <.sh".as_bytes(), 16_385),
            ("Ünï/ко́т/語/🎬 film.mkv".as_bytes(), 2_097_152),
            (deep.as_bytes(), 16_383),
            (long_ascii.as_bytes(), 100_000),
            (long_japanese.as_bytes(), 1),
            (b"middle empty", 0),
            (b"multiple.bin", 4_194_304),
            (b"tail/one byte", 1),
            (b"zz/z empty last", 0),
        ];
        Tree::folder("Bob's \"best\" – söngs & films (vol. 1)", &files, seed)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // A panicking test leaves nothing behind either: TempDir does the work, this only says so.
        drop(self.dir.take());
    }
}

fn walk(root: &Path, relative: &Path, found: &mut Vec<(PathBuf, u64)>) {
    let here = if relative.as_os_str().is_empty() {
        root.to_owned()
    } else {
        root.join(relative)
    };
    let meta = fs::symlink_metadata(&here).expect("a tree can be read");
    if meta.is_file() {
        found.push((relative.to_owned(), meta.len()));
    } else if meta.is_dir() {
        for entry in fs::read_dir(&here).expect("a folder can be read") {
            walk(
                root,
                &relative.join(entry.expect("an entry can be read").file_name()),
                found,
            );
        }
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Writes `length` bytes that depend on `seed` only.
pub fn write(path: &Path, length: u64, seed: u64) {
    let mut state = seed;
    let mut block: Vec<u8> = (0..BLOCK / 8)
        .flat_map(|_| splitmix(&mut state).to_le_bytes())
        .collect();
    let mut file = File::create(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut left = length;
    while left > 0 {
        block[..8].copy_from_slice(&splitmix(&mut state).to_le_bytes());
        let now = left.min(BLOCK as u64) as usize;
        file.write_all(&block[..now]).expect("the disk has room");
        left -= now as u64;
    }
}

/// Whether two files hold the same bytes; a missing one does not.
pub fn same(a: &Path, b: &Path) -> bool {
    let (Ok(mut a), Ok(mut b)) = (File::open(a), File::open(b)) else {
        return false;
    };
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let (m, n) = (fill(&mut a, &mut left), fill(&mut b, &mut right));
        if left[..m] != right[..n] {
            return false;
        }
        if m == 0 {
            return true;
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match file
            .read(&mut buffer[filled..])
            .expect("a file can be read")
        {
            0 => break,
            n => filled += n,
        }
    }
    filled
}
