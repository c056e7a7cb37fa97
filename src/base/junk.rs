//! Which names on a drive are not media: hidden ones, and what systems leave lying about.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Why an entry is left out of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// Its name begins with a dot.
    Hidden,
    /// A system's litter, such as `Thumbs.db`.
    Junk,
}

/// What systems write beside their owners' files, in lower case: they are matched without regard to case, as the
/// systems that write them do. Anything that begins with a dot is hidden already and needs no line here.
const JUNK: [&str; 23] = [
    // Windows
    "$recycle.bin",
    "desktop.ini",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "hiberfil.sys",
    "pagefile.sys",
    "recycled",
    "recycler",
    "swapfile.sys",
    "system volume information",
    "thumbs.db",
    "thumbs.db:encryptable",
    // macOS
    "__macosx",
    "icon\r",
    "network trash folder",
    "temporary items",
    // Linux file systems
    "lost+found",
    // Synology and QNAP
    "#recycle",
    "#snapshot",
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "@__thumb",
];

/// Why an entry of this name is left out of a release, if it is.
pub fn left_out(name: &OsStr) -> Option<LeftOut> {
    let bytes = name.as_bytes();
    if bytes.starts_with(b".") {
        return Some(LeftOut::Hidden);
    }
    let is_junk = JUNK
        .iter()
        .any(|known| bytes.eq_ignore_ascii_case(known.as_bytes()));
    is_junk.then_some(LeftOut::Junk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_known_in_any_case_and_media_is_not_junk() {
        for name in [".DS_Store", ".Trash-1000", "._film.mkv", ".hidden"] {
            assert_eq!(left_out(OsStr::new(name)), Some(LeftOut::Hidden), "{name}");
        }
        for name in [
            "Thumbs.db",
            "THUMBS.DB",
            "desktop.ini",
            "lost+found",
            "@eaDir",
            "System Volume Information",
            "$RECYCLE.BIN",
        ] {
            assert_eq!(left_out(OsStr::new(name)), Some(LeftOut::Junk), "{name}");
        }
        for name in ["film.mkv", "Thumbs.db.mkv", "lost", "a.b", "…", "recycle"] {
            assert_eq!(left_out(OsStr::new(name)), None, "{name}");
        }
        assert!(
            JUNK.iter()
                .all(|known| !known.bytes().any(|b| b.is_ascii_uppercase()))
        );
    }
}
