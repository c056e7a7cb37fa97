//! Opening a file of a release without being led elsewhere.
//!
//! Listing takes up no links. But a drive or a network share may put one in the place of a folder later, and what it leads
//! to is not the owner's to give away. The source's own path may hold links: its owner named it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// Opens `path`, a file of the release whose file or folder is `root`, for reading, with `flags` besides. No link below the
/// folder that `root` is in is followed.
///
/// # Errors
/// What the system says; `ELOOP` when there is a link on the way.
pub fn open(root: &Path, path: &Path, flags: OFlag) -> io::Result<File> {
    let flags = flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let folder = match root.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return without(path, flags),
    };
    let below = path.strip_prefix(folder).unwrap_or(path);
    let held = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_PATH | OFlag::O_DIRECTORY).bits())
        .open(folder)?;
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(&held, below, how) {
        Ok(open) => Ok(File::from(open)),
        // Before Linux 5.6, and in sandboxes that know no newer call.
        Err(Errno::ENOSYS | Errno::EPERM) => without(path, flags),
        Err(error) => Err(error.into()),
    }
}

/// As far as it goes without the call for it: a link in the file's own place is not followed.
fn without(path: &Path, flags: OFlag) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(root: &Path, path: &str) -> io::Result<String> {
        let mut text = String::new();
        open(root, &root.join(path), OFlag::empty())?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn a_link_leads_nowhere_wherever_it_is_below_the_source() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        fs::create_dir_all(secret.join("sub")).unwrap();
        fs::write(secret.join("sub/file"), "secret").unwrap();
        let source = dir.path().join("source");
        let root = source.join("film");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/file"), "ours").unwrap();
        assert_eq!(read(&root, "sub/file").unwrap(), "ours");

        let refused = |root: &Path, path| {
            let error = read(root, path).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::ELOOP as i32), "{error}");
        };
        // In the file's place, in a folder's, and in the release's.
        symlink(secret.join("sub/file"), root.join("sub/link")).unwrap();
        refused(&root, "sub/link");
        symlink(secret.join("sub"), root.join("other")).unwrap();
        refused(&root, "other/file");
        let linked = source.join("linked");
        symlink(&secret, &linked).unwrap();
        refused(&linked, "sub/file");
        let single = source.join("single");
        symlink(secret.join("sub/file"), &single).unwrap();
        let error = open(&single, &single, OFlag::empty()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::ELOOP as i32));
    }

    #[test]
    fn the_sources_own_path_may_be_one() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real");
        fs::create_dir_all(real.join("film")).unwrap();
        fs::write(real.join("film/file"), "ours").unwrap();
        let named = dir.path().join("named");
        symlink(&real, &named).unwrap();
        assert_eq!(read(&named.join("film"), "file").unwrap(), "ours");
        let here = Path::new("Cargo.toml");
        open(here, here, OFlag::empty()).unwrap();
    }
}
