//! What an owner wrote on the boot partition before the first start, or later: read, kept, obeyed, and taken off it again.
//!
//! Each start does the same: what lies there is read and kept on the data partition, the files with secrets in them are
//! overwritten and deleted, and what is kept is applied. A power cut anywhere in between only makes the next start do it
//! again: files go last, the order to forget everything first among them, and then those that others win over. A file that is
//! not understood stays, with a sentence beside it that says why.

mod keep;
pub mod read;
pub mod wish;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind};
use crate::device::boot_partition::{self, Writable};
use crate::device::reset::{self, Uploaded};
pub use keep::{forget_wifi, keep_wifi, kept_network, started};
use read::ReadError;
use wish::Wishes;

/// The largest of these files that is read: Imager's script has a few kilobytes.
const MAX_FILE: u64 = 64 << 10;

/// Our own file.
const OWN: &str = "semoir.toml";
/// Orders that everything is forgotten; "delete uploads" in it, and they go too.
const RESET: &str = "FACTORY-RESET.txt";
/// Bytes of a file that are read as "overwritten" when all of them are zero: a sector, which is written whole or not at all.
const SECTOR: usize = 512;
/// Where the owner reads why a file was not understood.
const REFUSED: &str = "SEMOIR-ERROR.txt";
/// What Raspberry Pi Imager leaves for another system, which we do not read.
const NOT_OURS: &str = "network-config";

/// How a file is read.
type Reader = fn(&str) -> Result<Wishes, ReadError>;

/// What is looked for. Of two that wish for the same, the first is obeyed.
const FILES: [(&str, Reader); 4] = [
    (OWN, read::own),
    ("rpi-preseed.toml", read::imager_toml),
    ("custom.toml", read::imager_toml),
    ("firstrun.sh", read::first_run),
];

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Places {
    /// The boot partition: FAT, and read-only but while we write.
    pub boot: PathBuf,
    /// What is kept from one start to the next.
    pub kept: PathBuf,
    /// What is made of it at each start.
    pub run: PathBuf,
    /// The zone database.
    pub zones: PathBuf,
    /// The daemon's data folder.
    pub data: PathBuf,
}

/// Why the owner's wishes cannot be obeyed. A box without them runs all the same.
#[derive(Debug, thiserror::Error)]
pub enum FirstBootError {
    /// A file or folder.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// With which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The host name.
    #[error("the kernel does not take the host name {name}: {error}")]
    HostName {
        /// The name.
        name: String,
        /// What the system said.
        error: io::Error,
    },
}

impl FirstBootError {
    fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |error| FirstBootError::Io {
            what,
            path: path.to_owned(),
            error,
        }
    }
}

impl Kind for FirstBootError {
    fn kind(&self) -> ErrorKind {
        match self {
            FirstBootError::Io { error, .. } | FirstBootError::HostName { error, .. } => {
                io_kind(error)
            }
        }
    }
}

/// What was found on the boot partition.
#[derive(Debug, Default)]
pub struct Found {
    /// What is wished for.
    pub wishes: Wishes,
    /// Names of the files that said so.
    pub files: Vec<&'static str>,
    /// Names of files that are not obeyed, and why.
    pub refused: Vec<(&'static str, String)>,
    /// Whether everything is to be forgotten first, and what becomes of the uploads.
    pub reset: Option<Uploaded>,
    /// Names of files that were obeyed and overwritten already, when the power went.
    pub remains: Vec<&'static str>,
}

/// Reads what lies on the boot partition. One that cannot be read has no wishes on it.
pub fn look(places: &Places) -> Found {
    let mut found = Found::default();
    for (name, reader) in FILES {
        let wishes = match text(&places.boot.join(name)) {
            Ok(None) => continue,
            Ok(Some(text)) if is_overwritten(&text) => {
                found.remains.push(name);
                continue;
            }
            Ok(Some(text)) => reader(&text).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match wishes {
            Ok(wishes) => {
                found.wishes = std::mem::take(&mut found.wishes).or(wishes);
                found.files.push(name);
            }
            Err(why) => found.refused.push((name, why)),
        }
    }
    if matches!(text(&places.boot.join(NOT_OURS)), Ok(Some(text)) if !text.trim().is_empty()) {
        let why =
            "this is for another system (cloud-init), and is not read; write semoir.toml instead"
                .to_owned();
        found.refused.push((NOT_OURS, why));
    }
    found.reset = match text(&places.boot.join(RESET)) {
        Ok(Some(words)) if is_overwritten(&words) => {
            found.remains.push(RESET);
            None
        }
        Ok(Some(words)) if words.trim().eq_ignore_ascii_case("delete uploads") => {
            Some(Uploaded::Deleted)
        }
        Ok(Some(_)) => Some(Uploaded::Kept),
        _ => None,
    };
    found
}

/// Whether a file was being taken off the card when the power went ([`boot_partition::wipe`]).
fn is_overwritten(text: &str) -> bool {
    let mut first = text.bytes().take(SECTOR);
    !text.is_empty() && first.all(|byte| byte == 0)
}

/// The text of a file; nothing when there is none.
fn text(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is too large for what it should be"));
    }
    // Editors on Windows begin with a mark of their own.
    let text = String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))?;
    Ok(Some(text.trim_start_matches('\u{feff}').to_owned()))
}

/// Keeps what was found, with `owner`, the hash of the owner's password that `user`'s daemon will take up; then takes it off
/// the boot partition, and says there what was refused.
///
/// # Errors
/// When something cannot be written; what was found is still there then.
pub fn take(
    places: &Places,
    found: &Found,
    owner: Option<&str>,
    user: &str,
) -> Result<(), FirstBootError> {
    if let Some(uploaded) = found.reset {
        keep::forget(&places.kept)?;
        // A box that never ran has nothing to forget.
        if places.data.is_dir() {
            reset::order(&places.data, uploaded)
                .map_err(FirstBootError::io("order the reset in", &places.data))?;
        }
    }
    keep::keep(&places.kept, &found.wishes, owner, user)?;
    let sentences = sentences(&found.refused);
    let refused = places.boot.join(REFUSED);
    let said = text(&refused).ok().flatten().unwrap_or_default();
    // A cut between two of them leaves what is obeyed in the same way once more.
    let mut obeyed: Vec<&str> = found.reset.iter().map(|_| RESET).collect();
    obeyed.extend(&found.remains);
    obeyed.extend(found.files.iter().rev());
    if obeyed.is_empty() && said == sentences {
        return Ok(());
    }
    let failed = FirstBootError::io("write to", &places.boot);
    let _writable = Writable::make(&places.boot).map_err(failed)?;
    for name in obeyed {
        let path = places.boot.join(name);
        boot_partition::wipe(&path).map_err(FirstBootError::io("delete", &path))?;
    }
    let written = match sentences.as_str() {
        "" => boot_partition::remove(&refused),
        text => boot_partition::write(&refused, text.as_bytes()),
    };
    written.map_err(FirstBootError::io("write", &refused))
}

/// What the owner reads about files that were not obeyed, on a computer of any kind.
fn sentences(refused: &[(&'static str, String)]) -> String {
    let lines = refused
        .iter()
        .map(|(name, why)| format!("{name} was not obeyed: {why}\r\n"));
    lines.collect()
}

/// Applies what is kept of the time zone, and returns the host name that is kept, if one is.
///
/// # Errors
/// When the file system refuses.
pub fn apply(places: &Places) -> Result<Option<String>, FirstBootError> {
    let kept = keep::kept(&places.kept)?;
    fs::create_dir_all(&places.run).map_err(FirstBootError::io("make", &places.run))?;
    if let Some(zone) = kept.time_zone {
        let file = places.zones.join(zone);
        if file.is_file() {
            let link = places.run.join("localtime");
            keep::link(&file, &link).map_err(FirstBootError::io("make", &link))?;
        }
    }
    Ok(kept.host_name)
}

/// Gives the machine its name.
///
/// # Errors
/// When the kernel refuses.
pub fn set_host_name(name: &str) -> Result<(), FirstBootError> {
    nix::unistd::sethostname(name).map_err(|error| FirstBootError::HostName {
        name: name.to_owned(),
        error: error.into(),
    })
}

#[cfg(test)]
mod tests;
