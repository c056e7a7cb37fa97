//! Clients that we did not write download, complete and verify from the box: client × content × link × tracker.

mod common;

use std::time::Duration;

use common::appliance::Appliance;
use common::clients::{Kind, Limits, Link, verify, wait_complete};
use common::content::Tree;

/// Hashing a small content on a busy machine.
const HASH_BOUND: Duration = Duration::from_secs(60);

/// A few MiB over loopback, with the clients' own start-up delays.
const DOWNLOAD_BOUND: Duration = Duration::from_secs(120);

/// What is shared.
#[derive(Debug, Clone, Copy)]
enum Content {
    Single,
    Awkward,
}

/// How a client learns of it.
#[derive(Debug, Clone, Copy)]
enum From {
    Torrent,
    Magnet,
}

/// Which face of the embedded tracker it is given.
#[derive(Debug, Clone, Copy)]
enum Over {
    Http,
    Udp,
}

fn downloads(kind: Kind, content: Content, from: From, over: Over) {
    let tree = match content {
        // One byte more than whole blocks.
        Content::Single => Tree::file("The Film (2024) – 1080p.mkv", (6 << 20) + 1, 7),
        Content::Awkward => Tree::awkward(7),
    };
    downloads_tree(kind, &tree, from, over);
}

fn downloads_tree(kind: Kind, tree: &Tree, from: From, over: Over) {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut appliance = Appliance::start(&data.path().join("state"), &[tree.source()]);
    let (release, torrent, bytes) = appliance.wait_seeding(HASH_BOUND);
    torrent.assert_lists(tree);
    assert_eq!(release["size"].as_u64(), Some(tree.size()));
    let link = match (from, over) {
        // As the public page gives them.
        (From::Torrent, Over::Http) => {
            assert_eq!(torrent.trackers.first(), Some(&appliance.http_tracker()));
            let path = data.path().join("public.torrent");
            std::fs::write(&path, bytes).expect("a file can be written");
            Link::Torrent(path)
        }
        (From::Torrent, Over::Udp) => {
            let path = data.path().join("udp.torrent");
            std::fs::write(&path, torrent.with_tracker(&appliance.udp_tracker()))
                .expect("a file can be written");
            Link::Torrent(path)
        }
        (From::Magnet, Over::Http) => Link::Magnet(torrent.magnet_with(&appliance.http_tracker())),
        (From::Magnet, Over::Udp) => Link::Magnet(torrent.magnet_with(&appliance.udp_tracker())),
    };
    let mut client = kind.start(&link, Limits::default());
    wait_complete(&mut *client, DOWNLOAD_BOUND);
    verify(&mut *client, &torrent, tree);
    appliance.assert_alive();
}

macro_rules! table {
    ($($client:ident => $kind:expr),* $(,)?) => {
        $(mod $client {
            use super::*;

            table!(@case single_torrent_http, $kind, Single, Torrent, Http);
            table!(@case single_torrent_udp, $kind, Single, Torrent, Udp);
            table!(@case single_magnet_http, $kind, Single, Magnet, Http);
            table!(@case single_magnet_udp, $kind, Single, Magnet, Udp);
            table!(@case awkward_torrent_http, $kind, Awkward, Torrent, Http);
            table!(@case awkward_torrent_udp, $kind, Awkward, Torrent, Udp);
            table!(@case awkward_magnet_http, $kind, Awkward, Magnet, Http);
            table!(@case awkward_magnet_udp, $kind, Awkward, Magnet, Udp);

            /// Films, music and pictures of Debian packages, fetched by `make test`'s set-up.
            #[test]
            fn real_media() {
                let media = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("testdata/source/media");
                assert!(media.is_dir(), "{media:?} is not there: `make test` fetches it (tests/setup.sh media)");
                downloads_tree($kind, &Tree::existing(&media), From::Torrent, Over::Http);
            }
        })*
    };
    (@case $name:ident, $kind:expr, $content:ident, $from:ident, $over:ident) => {
        #[test]
        fn $name() {
            downloads($kind, Content::$content, From::$from, Over::$over);
        }
    };
}

table! {
    transmission => Kind::Transmission,
    aria2 => Kind::Aria2,
    libtorrent => Kind::Libtorrent,
    librqbit => Kind::Librqbit,
}
