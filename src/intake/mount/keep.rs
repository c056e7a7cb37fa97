//! The helpers' own small files: root's alone to write, and believed only then.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

/// Rights of such a file: root's alone.
pub const MODE: u32 = 0o600;

/// The longest file that is read, in bytes: a few hundred lines.
const MAX_FILE: u64 = 64 << 10;

/// What the file holds; nothing when there is none.
///
/// # Errors
/// When it cannot be read, or others than root could have written it.
pub fn read(path: &Path) -> io::Result<String> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let about = file.metadata()?;
    if about.uid() != 0 || about.mode() & 0o022 != 0 {
        return Err(io::Error::other("it is not root's alone to write"));
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Keeps the other helper from changing the files of a folder, until it is dropped. The folder is root's alone.
///
/// # Errors
/// What the system says.
pub fn lock(path: &Path) -> io::Result<Flock<File>> {
    let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
    Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, error)| error.into())
}
