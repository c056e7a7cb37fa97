//! What an upload will consist of, with names that are safe to write.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::UploadError;
use crate::base::junk::left_out;

/// Bytes in a name; what Linux file systems take.
pub const MAX_NAME: usize = 255;

/// Bytes in a path below the upload. Torrents with longer ones are refused by some clients' file systems.
pub const MAX_PATH: usize = 1024;

/// Names in a path, the file's own included.
pub const MAX_DEPTH: usize = 32;

/// Files in an upload.
pub const MAX_FILES: usize = 10_000;

/// A file that will be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFile {
    /// Path below the upload's folder, with `/` between names. The only file of an upload that has the upload's own
    /// name makes the upload that file, without a folder around it.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// What an upload will consist of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name it will have.
    pub(super) name: String,
    /// Its files.
    pub(super) files: Vec<NewFile>,
    /// Bytes of all of them.
    #[serde(skip)]
    pub(super) size: u64,
}

impl Manifest {
    /// Checks names and sizes.
    ///
    /// # Errors
    /// The first thing that is not acceptable.
    pub fn new(name: &str, files: Vec<NewFile>) -> Result<Self, UploadError> {
        if !is_name(name) {
            return Err(UploadError::BadName(shortened(name)));
        }
        if files.is_empty() {
            return Err(UploadError::Empty);
        }
        if files.len() > MAX_FILES {
            return Err(UploadError::TooManyFiles(files.len()));
        }
        let mut paths = HashSet::with_capacity(files.len());
        for file in &files {
            if file.path.len() > MAX_PATH || file.path.split('/').count() > MAX_DEPTH {
                return Err(UploadError::BadPath(shortened(&file.path)));
            }
            if let Some(bad) = file.path.split('/').find(|part| !is_name(part)) {
                return Err(UploadError::BadName(shortened(bad)));
            }
            if !paths.insert(file.path.as_str()) {
                return Err(UploadError::Duplicate(file.path.clone()));
            }
        }
        for file in &files {
            let mut slashes = file.path.match_indices('/');
            if let Some((at, _)) = slashes.find(|&(at, _)| paths.contains(&file.path[..at])) {
                return Err(UploadError::Duplicate(file.path[..at].to_owned()));
            }
        }
        let size = files
            .iter()
            .try_fold(0_u64, |sum, file| sum.checked_add(file.size))
            .filter(|&sum| i64::try_from(sum).is_ok())
            .ok_or(UploadError::TooLarge)?;
        // It would be in its place, shown nowhere, and keep its name from whatever comes after it.
        let is_shared = |path: &str| {
            path.split('/')
                .all(|part| left_out(part.as_ref()).is_none())
        };
        let mut shared = files.iter().filter(|file| is_shared(&file.path));
        if !is_shared(name) || shared.all(|file| file.size == 0) {
            return Err(UploadError::NothingToShare(shortened(name)));
        }
        Ok(Self {
            name: name.to_owned(),
            files,
            size,
        })
    }

    /// Bytes of all files.
    pub fn total(&self) -> u64 {
        self.size
    }

    /// Where a file is received, below or at `content`.
    pub(super) fn path_of(&self, content: &Path, file: &NewFile) -> PathBuf {
        match self.files.as_slice() {
            [only] if only.path == self.name => content.to_owned(),
            _ => content.join(&file.path),
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with('.')
        && !name.contains(|c: char| c == '/' || c.is_control())
}

/// Enough of a name to know it again, in an error that may be about its length.
fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<NewFile> {
        let file = |&path: &&str| NewFile {
            path: path.to_owned(),
            size: 1,
        };
        paths.iter().map(file).collect()
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(256);
        let bad = [
            "",
            ".",
            "..",
            ".hidden",
            "/",
            "/etc/passwd",
            "a/../b",
            "../a",
            "a//b",
            "a/",
            "a/./b",
            "a/.b",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "a\u{85}",
            &long,
        ];
        for path in bad {
            let refused = Manifest::new("ok", files(&[path]));
            assert!(matches!(refused, Err(UploadError::BadName(_))), "{path:?}");
        }
        for name in bad.into_iter().chain(["a/b"]) {
            assert!(Manifest::new(name, files(&["a"])).is_err(), "{name:?}");
        }
        for name in [
            "a",
            "Fête – 2024 (été).mkv",
            "a b",
            "-rf",
            "a\\b",
            "~",
            &long[1..],
        ] {
            assert!(Manifest::new(name, files(&[name])).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn depth_length_and_number_are_bounded() {
        let deep = vec!["a"; MAX_DEPTH].join("/");
        assert!(Manifest::new("x", files(&[&deep])).is_ok());
        let deeper = format!("{deep}/a");
        assert!(matches!(
            Manifest::new("x", files(&[&deeper])),
            Err(UploadError::BadPath(_))
        ));
        let long = vec!["a".repeat(200); 6].join("/");
        assert!(matches!(
            Manifest::new("x", files(&[&long])),
            Err(UploadError::BadPath(_))
        ));
        assert!(matches!(
            Manifest::new("x", Vec::new()),
            Err(UploadError::Empty)
        ));
        let many: Vec<String> = (0..=MAX_FILES).map(|i| i.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(matches!(
            Manifest::new("x", files(&many)),
            Err(UploadError::TooManyFiles(_))
        ));
        assert!(Manifest::new("x", files(&many[1..])).is_ok());
        let mut large = files(&["a", "b"]);
        large[0].size = u64::MAX;
        assert!(matches!(
            Manifest::new("x", large),
            Err(UploadError::TooLarge)
        ));
    }

    #[test]
    fn no_two_files_in_one_place() {
        for paths in [["a", "a"], ["a/b", "a"], ["a", "a/b/c"]] {
            let refused = Manifest::new("x", files(&paths));
            assert!(
                matches!(refused, Err(UploadError::Duplicate(at)) if at == "a"),
                "{paths:?}"
            );
        }
        assert!(Manifest::new("x", files(&["a.b", "a/b", "ab"])).is_ok());
    }
}
