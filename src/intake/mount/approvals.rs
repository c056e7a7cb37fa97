//! The drives that are built in and that the owner wants used all the same: a file of keys, one a line.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::request::MountId;

/// The most keys that are kept: more than a machine has drives.
const MAX_KEYS: usize = 256;

/// The longest file that is read, in bytes: [`MAX_KEYS`] of the longest keys.
const MAX_FILE: u64 = 64 << 10;

/// The approved drives, as the file has them now.
#[derive(Debug)]
pub struct Approvals {
    path: PathBuf,
}

impl Approvals {
    /// Those in the file at `path`, which need not be there yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Whether the drive of this key is approved.
    ///
    /// # Errors
    /// When the file cannot be read, or is not root's alone to write.
    pub fn contains(&self, key: &MountId) -> io::Result<bool> {
        Ok(self.read()?.contains(key))
    }

    /// Approves a drive, or takes that back. The file is replaced as a whole, so that a power cut leaves one or the other.
    ///
    /// # Errors
    /// When there are too many, or the file cannot be read or written.
    pub fn set(&self, key: &MountId, approved: bool) -> io::Result<()> {
        let mut keys = self.read()?;
        let changed = if approved {
            keys.insert(key.clone())
        } else {
            keys.remove(key)
        };
        if !changed {
            return Ok(());
        }
        if keys.len() > MAX_KEYS {
            return Err(io::Error::other(format!(
                "more than {MAX_KEYS} drives are approved"
            )));
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let aside = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&aside)?;
        for key in &keys {
            writeln!(file, "{key}")?;
        }
        file.sync_all()?;
        fs::rename(&aside, &self.path)?;
        File::open(folder)?.sync_all()
    }

    fn read(&self) -> io::Result<BTreeSet<MountId>> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&self.path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        if about.uid() != 0 || about.mode() & 0o022 != 0 {
            return Err(io::Error::other("it is not root's alone to write"));
        }
        let mut text = String::new();
        file.take(MAX_FILE).read_to_string(&mut text)?;
        Ok(text
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn approvals_are_kept_and_only_roots_count() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: only root can own the file of approvals");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("approved");
        let approvals = Approvals::at(path.clone());
        let key: MountId = "ext4-0-1".parse().unwrap();
        assert!(!approvals.contains(&key).unwrap());
        approvals.set(&key, false).unwrap();
        assert!(!path.exists());
        approvals.set(&key, true).unwrap();
        assert!(approvals.contains(&key).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!approvals.contains(&"ext4-0".parse().unwrap()).unwrap());
        approvals.set(&key, false).unwrap();
        assert!(!approvals.contains(&key).unwrap());

        approvals.set(&key, true).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(
            approvals.contains(&key).is_err(),
            "anybody could have written it"
        );
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(approvals.contains(&key).is_err());
    }
}
