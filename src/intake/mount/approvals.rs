//! The drives that are built in and that the owner wants used all the same: a file of keys, one a line.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::keep;
use super::request::MountId;
use crate::base::whole;

/// The most keys that are kept: more than a machine has drives.
const MAX_KEYS: usize = 256;

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
        let _locked = keep::lock(&self.path)?;
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
        let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
        whole::write(&self.path, lines.as_bytes(), keep::MODE)
    }

    fn read(&self) -> io::Result<BTreeSet<MountId>> {
        let text = keep::read(&self.path)?;
        Ok(text
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

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
