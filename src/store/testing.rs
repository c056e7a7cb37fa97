//! What the tests of this room have in common.

use std::path::Path;

use super::{NewSource, NewTorrent, SourceKind, Store};
use crate::base::{Content, ContentFile, FileIdentity, InfoHash, SourceId, Timestamp};

/// A database in memory with the folder `/media`, and releases of one byte each.
pub(super) fn box_with(releases: &[&str]) -> (Store, SourceId) {
    let store = Store::in_memory().unwrap();
    let source = fill(&store, releases);
    (store, source)
}

/// Puts the folder `/media` and releases of one byte each into a database.
pub(super) fn fill(store: &Store, releases: &[&str]) -> SourceId {
    let path = Path::new("/media");
    let source = store
        .take_up_source(
            &NewSource {
                kind: SourceKind::Folder,
                key: path.as_os_str(),
                name: "media",
                path,
                auto_share: true,
                facts: None,
            },
            Timestamp(1),
        )
        .unwrap()
        .id;
    for name in releases {
        store
            .found(source, name.as_ref(), &content(&[("", 1)]), Timestamp(1))
            .unwrap();
    }
    source
}

/// Files of those paths and sizes.
pub(super) fn content(files: &[(&str, u64)]) -> Content {
    let file = |&(path, size): &(&str, u64)| ContentFile {
        path: path.into(),
        length: size,
        identity: Some(FileIdentity {
            size,
            mtime_ns: 5,
            inode: 6,
        }),
    };
    Content {
        root: "/somewhere/else".into(),
        files: files.iter().map(file).collect(),
    }
}

/// A torrent; different seeds are different swarms.
pub(super) fn torrent(seed: u8) -> NewTorrent<'static> {
    NewTorrent {
        info: b"d4:name1:a12:piece lengthi16384e6:pieces0:e",
        info_hash: InfoHash([seed; 20]),
        piece_length: 16_384,
        private: false,
    }
}
