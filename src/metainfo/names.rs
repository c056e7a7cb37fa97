//! What files are called in a torrent: UTF-8 that every client takes, whatever the drive's bytes are.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::base::ContentFile;

/// The longest name file systems take. Bytes.
const LONGEST: usize = 255;

/// What counts as an extension and survives shortening, its dot included: `.mkv`, `.torrent`, not half a sentence. Bytes.
const LONGEST_EXTENSION: usize = 17;

/// A name as a torrent carries it: itself where it is UTF-8 without a backslash (a separator to half of the clients) and
/// no longer than [`LONGEST`]; else the nearest such name, its extension kept.
pub fn readable(raw: &[u8]) -> String {
    shorten(&replace(raw), "")
}

/// The paths a torrent carries for `files`, by position. Two files are never given the same path; those whose names need
/// no change keep them.
pub fn readable_paths(files: &[ContentFile]) -> Vec<PathBuf> {
    let mut names = Names::default();
    let dirty = |file: &&ContentFile| !components(file).all(is_clean);
    if files.iter().any(|file| dirty(&file)) {
        for file in files {
            names.reserve(file);
        }
        return files.iter().map(|file| names.path(file)).collect();
    }
    files.iter().map(|file| file.path.clone()).collect()
}

fn components(file: &ContentFile) -> impl Iterator<Item = &[u8]> {
    file.path.iter().map(OsStrExt::as_bytes)
}

fn is_clean(raw: &[u8]) -> bool {
    raw.len() <= LONGEST && std::str::from_utf8(raw).is_ok() && !raw.contains(&b'\\')
}

fn replace(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).replace('\\', "_")
}

/// `name` with `suffix` before its extension, in [`LONGEST`] bytes.
fn shorten(name: &str, suffix: &str) -> String {
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= LONGEST_EXTENSION => name.split_at(dot),
        _ => (name, ""),
    };
    let room = LONGEST - suffix.len() - extension.len();
    let stem = &stem[..stem.floor_char_boundary(room)];
    format!("{stem}{suffix}{extension}")
}

/// The names given so far. A raw prefix is a path's raw components joined by `/`, which no component contains.
#[derive(Default)]
struct Names {
    /// Name given to the last component of a raw prefix.
    given: HashMap<Vec<u8>, String>,
    /// Names taken below a raw prefix, each with the number its next namesake tries first: counting from 2 each time would
    /// take a drive of 100,000 namesakes hours.
    taken: HashMap<Vec<u8>, HashMap<String, u64>>,
}

impl Names {
    /// Gives the clean components of a path their own names.
    fn reserve(&mut self, file: &ContentFile) {
        let mut parent = Vec::new();
        for raw in components(file) {
            let prefix = below(&parent, raw);
            if let Some(name) = std::str::from_utf8(raw).ok().filter(|_| is_clean(raw))
                && !self.given.contains_key(&prefix)
            {
                self.taken
                    .entry(parent)
                    .or_default()
                    .insert(name.to_owned(), 2);
                self.given.insert(prefix.clone(), name.to_owned());
            }
            parent = prefix;
        }
    }

    fn path(&mut self, file: &ContentFile) -> PathBuf {
        let mut parent = Vec::new();
        let mut path = PathBuf::new();
        for raw in components(file) {
            let prefix = below(&parent, raw);
            let name = self
                .given
                .entry(prefix.clone())
                .or_insert_with(|| free(&replace(raw), self.taken.entry(parent).or_default()));
            path.push(name);
            parent = prefix;
        }
        path
    }
}

fn below(parent: &[u8], raw: &[u8]) -> Vec<u8> {
    [parent, raw].join(&b'/')
}

/// Takes `name`, or the first of `name (2)`, `name (3)`, … that is not taken.
fn free(name: &str, taken: &mut HashMap<String, u64>) -> String {
    let plain = shorten(name, "");
    let mut number = taken.get(&plain).copied().unwrap_or(1);
    let mut candidate = plain.clone();
    while taken.contains_key(&candidate) {
        candidate = shorten(name, &format!(" ({number})"));
        number += 1;
    }
    taken.insert(plain, number.max(2));
    taken.entry(candidate.clone()).or_insert(2);
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    fn file(path: &[u8]) -> ContentFile {
        ContentFile {
            path: OsStr::from_bytes(path).into(),
            length: 1,
            identity: None,
        }
    }

    fn named(paths: &[&[u8]]) -> Vec<String> {
        let files: Vec<_> = paths.iter().map(|path| file(path)).collect();
        let readable = readable_paths(&files).into_iter();
        readable
            .map(|path| path.into_os_string().into_string().unwrap())
            .collect()
    }

    #[test]
    fn good_names_stay_and_bad_ones_become_readable() {
        assert_eq!(named(&["a/é.mkv".as_bytes(), b"b c"]), ["a/é.mkv", "b c"]);
        assert_eq!(
            named(&[b"caf\xe9/r\xe9sum\xe9.txt"]),
            ["caf\u{fffd}/r\u{fffd}sum\u{fffd}.txt"]
        );
        assert_eq!(named(&[b"a\\b.txt"]), ["a_b.txt"]);
        assert_eq!(readable(b"..\xff"), "..\u{fffd}");
    }

    #[test]
    fn collisions_get_a_suffix_and_never_take_a_good_name() {
        assert_eq!(
            named(&[
                b"\xfe.txt",
                b"\xff.txt",
                "\u{fffd}.txt".as_bytes(),
                b"a\\",
                b"a_"
            ]),
            [
                "\u{fffd} (2).txt",
                "\u{fffd} (3).txt",
                "\u{fffd}.txt",
                "a_ (2)",
                "a_"
            ]
        );
        // Folders are told apart as files are, and their files stay together.
        assert_eq!(
            named(&[b"\xfe/x", b"\xfe/y", b"\xff/x"]),
            ["\u{fffd}/x", "\u{fffd}/y", "\u{fffd} (2)/x"]
        );
    }

    #[test]
    fn long_names_are_kept_and_those_that_grow_are_cut_before_the_extension() {
        let long = [vec![b'x'; 251], b".mkv".to_vec()].concat();
        assert_eq!(readable(&long).len(), 255);
        let grown = [vec![0xff; 251], b".mkv".to_vec()].concat();
        let name = readable(&grown);
        assert!(
            name.len() <= 255 && name.ends_with("\u{fffd}.mkv"),
            "{name}"
        );
        let other = [vec![0xfe; 251], b".mkv".to_vec()].concat();
        let both = named(&[&grown, &other]);
        assert_ne!(both[0], both[1]);
        assert!(
            both.iter()
                .all(|name| name.len() <= 255 && name.ends_with(".mkv"))
        );
    }
}
