//! Forgetting everything: a factory reset.
//!
//! A running box cannot delete the database it stands on. It leaves a marker in its data folder instead, and ends; the
//! next start obeys the marker before it opens anything. The marker goes last, so that a reset that a power cut broke
//! off is finished by the start after it, and each step can be done twice.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::base::whole;

/// The marker, in the data folder.
const MARKER: &str = "factory-reset";

/// What the marker says when uploads are to go. Anything else keeps them: in doubt nothing of the owner's is deleted.
const DELETE_UPLOADS: &str = "delete uploads\n";

/// What it says otherwise.
const KEEP_UPLOADS: &str = "keep uploads\n";

/// What becomes of what was uploaded to the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// It stays, and is found again.
    Kept,
    /// It is deleted.
    Deleted,
}

/// Orders the next start with this data folder to forget everything. Whoever orders it, with whatever mask, everybody may
/// read the order: the daemon, who obeys, is another user than the one who reads the card.
///
/// # Errors
/// When the marker cannot be written; then nothing is ordered.
pub fn order(data: &Path, uploaded: Uploaded) -> io::Result<()> {
    let words = match uploaded {
        Uploaded::Kept => KEEP_UPLOADS,
        Uploaded::Deleted => DELETE_UPLOADS,
    };
    let marker = data.join(MARKER);
    whole::write(&marker, words.as_bytes(), 0o644)?;
    fs::set_permissions(&marker, Permissions::from_mode(0o644))
}

/// Does what was ordered, if anything was, and returns what became of the uploads. `forgotten` are the beginnings of the
/// names of files in the data folder, `folder` is the name of one in it that goes whole, and `uploads` of the one that the
/// order says it of. Nothing else is touched. Call it before any of them is open.
///
/// # Errors
/// When something cannot be deleted. The order stands then.
pub fn obey(
    data: &Path,
    forgotten: &[&str],
    folder: &str,
    uploads: &str,
) -> io::Result<Option<Uploaded>> {
    let marker = data.join(MARKER);
    let words = match fs::read(&marker) {
        Ok(words) => words,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A box that ended here would never start again: in doubt the uploads are kept.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Vec::new(),
        Err(error) => return Err(error),
    };
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let named = forgotten.iter().any(|start| name.starts_with(start));
        if named && !entry.file_type()?.is_dir() {
            whole::remove(&entry.path())?;
        }
    }
    remove_whole(&data.join(folder))?;
    let uploaded = if words == DELETE_UPLOADS.as_bytes() {
        remove_whole(&data.join(uploads))?;
        Uploaded::Deleted
    } else {
        Uploaded::Kept
    };
    // What is gone stays gone before the order does.
    whole::sync_folder(&marker)?;
    whole::remove(&marker)?;
    whole::sync_folder(&marker)?;
    Ok(Some(uploaded))
}

/// Deletes a folder with all that is in it. Follows no link, in its place or within: what it points to is not the box's.
fn remove_whole(folder: &Path) -> io::Result<()> {
    match fs::symlink_metadata(folder).is_ok_and(|about| about.is_dir()) {
        true => fs::remove_dir_all(folder),
        false => whole::remove(folder),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Where the marker is written before it counts.
    const DRAFT: &str = "factory-reset.part";

    const FORGOTTEN: [&str; 2] = ["box.db", "dht.json"];

    /// A data folder, and a source beside it that a link in the uploads leads to.
    fn furnished() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let source = dir.path().join("source");
        fs::create_dir_all(data.join("uploads/film")).unwrap();
        fs::create_dir(data.join("update")).unwrap();
        fs::write(data.join("update/bundle.raucb"), "x").unwrap();
        fs::create_dir(&source).unwrap();
        fs::write(source.join("mine"), "x").unwrap();
        symlink(&source, data.join("uploads/film/link")).unwrap();
        for name in [
            "box.db",
            "box.db-wal",
            "box.db-shm",
            "dht.json",
            "box.lock",
            "other",
        ] {
            fs::write(data.join(name), "x").unwrap();
        }
        dir
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn obeyed(data: &Path) -> Option<Uploaded> {
        obey(data, &FORGOTTEN, "update", "uploads").unwrap()
    }

    #[test]
    fn nothing_is_touched_without_an_order() {
        let dir = furnished();
        let data = dir.path().join("data");
        let before = names(&data);
        assert_eq!(obeyed(&data), None);
        // A power cut while the order was written: it was not given.
        fs::write(data.join(DRAFT), DELETE_UPLOADS).unwrap();
        assert_eq!(obeyed(&data), None);
        fs::remove_file(data.join(DRAFT)).unwrap();
        assert_eq!(names(&data), before);
    }

    #[test]
    fn everything_is_forgotten_once_and_the_owners_files_stay() {
        for (uploaded, left) in [
            (Uploaded::Kept, &["box.lock", "other", "uploads"][..]),
            (Uploaded::Deleted, &["box.lock", "other"][..]),
        ] {
            let dir = furnished();
            let data = dir.path().join("data");
            order(&data, uploaded).unwrap();
            assert_eq!(obeyed(&data), Some(uploaded));
            assert_eq!(names(&data), left);
            assert_eq!(names(&dir.path().join("source")), ["mine"]);
            fs::write(data.join("box.db"), "new").unwrap();
            assert_eq!(obeyed(&data), None, "twice");
            assert!(data.join("box.db").exists());
        }
    }

    #[test]
    fn one_that_was_broken_off_is_finished() {
        let dir = furnished();
        let data = dir.path().join("data");
        order(&data, Uploaded::Deleted).unwrap();
        fs::remove_file(data.join("box.db")).unwrap();
        fs::remove_dir_all(data.join("uploads/film")).unwrap();
        assert_eq!(obeyed(&data), Some(Uploaded::Deleted));
        assert_eq!(names(&data), ["box.lock", "other"]);
    }

    #[test]
    fn an_order_that_cannot_be_read_deletes_no_uploads() {
        let dir = furnished();
        let data = dir.path().join("data");
        fs::write(data.join(MARKER), "delete upl").unwrap();
        assert_eq!(obeyed(&data), Some(Uploaded::Kept));
        assert!(data.join("uploads/film").exists() && !data.join("box.db").exists());
    }

    #[test]
    fn a_link_in_place_of_the_uploads_is_not_followed() {
        let dir = furnished();
        let data = dir.path().join("data");
        fs::remove_dir_all(data.join("uploads")).unwrap();
        symlink(dir.path().join("source"), data.join("uploads")).unwrap();
        order(&data, Uploaded::Deleted).unwrap();
        assert_eq!(obeyed(&data), Some(Uploaded::Deleted));
        assert_eq!(names(&dir.path().join("source")), ["mine"]);
    }
}
