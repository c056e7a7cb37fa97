//! The drives that were formatted here, for uploads: the only ones that are mounted writable.
//!
//! # How such a drive is known when it comes back
//!
//! Whatever is on a drive, its maker can have written: a label, a file or an identifier that said "write to me" would be
//! one that any stick can say, and a writable mount is worth having for an attacker: the kernel then replays the
//! journal he made and writes through the structures he made. So nothing on a drive makes it writable by itself. The helper
//! keeps a file of its own, root's alone, with one line for each drive that it formatted itself: the drive's key (file
//! system, its identifier of 128 random bits, the hardware's serial number) and a *seal*, the seed of the file
//! system's hashes. `mkfs` draws the seed anew; udev does not report it, the daemon cannot read it, and it is in no answer
//! of the helper's. A drive is mounted writable only when both are as they were noted.
//!
//! - A stranger's stick with the right label, or even the right identifier and serial number (both are on show): has not the
//!   seal, and is mounted as any other drive, read-only.
//! - A clone of the owner's drive on other hardware: has another serial number, thus another key.
//! - A daemon that was taken over: cannot note a drive without having it emptied, since only formatting writes to the file.
//! - Somebody who had the drive in hands and a computer of his own: can read the seal and make a twin of it, serial number
//!   included. He could as well have written to the drive itself, which is read as a stranger's either way: every mount has
//!   `nosuid,nodev,noexec`, and symbolic links on it are not followed.
//! - The file is lost (a factory reset): the drives are read-only again, nothing is lost, and one can be formatted anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::request::MountId;
use super::{ext, keep};
use crate::base::whole;

/// The most drives that are kept; the owner has a few.
const MAX_SEALS: usize = 64;

/// The drives that were formatted for uploads, as the file has them now.
#[derive(Debug)]
pub struct Seals {
    path: PathBuf,
}

impl Seals {
    /// Those in the file at `path`, which need not be there yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Whether this is the drive of that key that was formatted here. When it cannot be told, it is not.
    pub fn holds(&self, key: &MountId, device: &File) -> bool {
        let noted = match self.read() {
            Ok(mut seals) => seals.remove(key),
            Err(error) => {
                tracing::error!(path = %self.path.display(), %error, "the list of drives for uploads cannot be read");
                None
            }
        };
        let marks = noted.as_ref().and_then(|_| ext::marks(device).ok());
        noted
            .zip(marks)
            .is_some_and(|(seal, marks)| seal == marks.seed)
    }

    /// Notes that a drive was formatted, in place of what it was before.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds too many.
    pub fn note(&self, before: &MountId, key: &MountId, seal: &str) -> io::Result<()> {
        let _locked = keep::lock(&self.path)?;
        let mut seals = self.read()?;
        seals.remove(before);
        seals.insert(key.clone(), seal.to_owned());
        if seals.len() > MAX_SEALS {
            let why = format!("more than {MAX_SEALS} drives were formatted for uploads");
            return Err(io::Error::other(why));
        }
        let lines: String = seals
            .iter()
            .map(|(key, seal)| format!("{key} {seal}\n"))
            .collect();
        whole::write(&self.path, lines.as_bytes(), keep::MODE)
    }

    fn read(&self) -> io::Result<BTreeMap<MountId, String>> {
        let text = keep::read(&self.path)?;
        let line = |line: &str| {
            let (key, seal) = line.split_once(' ')?;
            Some((key.parse().ok()?, seal.to_owned()))
        };
        Ok(text.lines().filter_map(line).collect())
    }
}
