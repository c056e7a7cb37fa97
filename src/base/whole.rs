//! Small files that are there whole, or as they were before, whenever the power goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Puts a file in its place, with these rights (octal, before the process's mask). When this returns it is on the disk. A
/// draft lies beside it meanwhile, with the extension `part`; one that a power cut left is no hindrance.
///
/// # Errors
/// What the system says; what was there before stays then.
pub fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let draft = path.with_extension("part");
    remove(&draft)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_folder(path)
}

/// Deletes a file, or a link, if it is there.
///
/// # Errors
/// What the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Has it on the disk what files there are beside this one, and this one if it is.
///
/// # Errors
/// What the system says.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_takes_anothers_place_whatever_a_power_cut_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "untouched").unwrap();
        write(&path, b"first", 0o644).unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.path().join("kept.part")).unwrap();
        write(&path, b"second", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read(&elsewhere).unwrap(), b"untouched");
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 2, "no draft is left");
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
    }
}
