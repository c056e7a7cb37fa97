//! The control experiment: each client driver downloads and verifies from a seeder and a tracker that are not ours.
//! When a test here fails, the clients or their drivers are at fault, and `interop` proves nothing.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::clients::libtorrent::Libtorrent;
use common::clients::{Kind, Limits, Link, verify, wait_complete};
use common::content::Tree;
use common::torrent::Torrent;
use common::tracker::Tracker;

/// A few MiB over loopback, with the clients' own start-up delays.
const DOWNLOAD_BOUND: Duration = Duration::from_secs(90);

/// A .torrent of `tree` by mktorrent.
fn mktorrent(tree: &Tree, dir: &Path, tracker: &str) -> (PathBuf, Torrent) {
    let path = dir.join("control.torrent");
    let made = Command::new("mktorrent")
        .args(["-l", "16", "-a", tracker, "-o"])
        .arg(&path)
        .arg(tree.root())
        .output()
        .unwrap_or_else(|error| {
            panic!("mktorrent does not start ({error}); `make test` installs it")
        });
    assert!(made.status.success(), "{made:?}");
    let torrent = Torrent::parse(&std::fs::read(&path).expect("mktorrent wrote a torrent"));
    (path, torrent)
}

/// Starts libtorrent as the seeder of `tree`, and waits until it has checked everything.
fn seeder(path: &Path, torrent: &Torrent, tree: &Tree) -> Libtorrent {
    let mut seeder = Libtorrent::start(&Link::Torrent(path.to_owned()), Limits::default());
    seeder.provide(|index| torrent.original(tree, &torrent.files[index]));
    wait_complete(&mut seeder, DOWNLOAD_BOUND);
    seeder
}

fn downloads(kind: Kind, tree: &Tree, magnet: bool, limits: Limits) -> Duration {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Tracker::start();
    let (path, torrent) = mktorrent(tree, dir.path(), &tracker.url());
    let _seeder = seeder(&path, &torrent, tree);
    let link = if magnet {
        Link::Magnet(torrent.magnet_with(&tracker.url()))
    } else {
        Link::Torrent(path)
    };
    let start = std::time::Instant::now();
    let mut client = kind.start(&link, limits);
    wait_complete(&mut *client, DOWNLOAD_BOUND);
    let took = start.elapsed();
    verify(&mut *client, &torrent, tree);
    took
}

macro_rules! control {
    ($($client:ident => $kind:expr),* $(,)?) => {
        $(mod $client {
            use super::*;

            #[test]
            fn torrent() {
                downloads($kind, &Tree::awkward(1), false, Limits::default());
            }

            #[test]
            fn magnet() {
                downloads($kind, &Tree::file("film.mkv", (5 << 20) + 1, 2), true, Limits::default());
            }

            /// Swarm tests rest on this: a client's own cap holds, even on loopback.
            #[test]
            fn cap() {
                let size = 4_000_000;
                let limits = Limits { down: Some(800_000), up: None };
                let took = downloads($kind, &Tree::file("film.mkv", size, 3), false, limits);
                // 5 s at the cap; some clients let through a second's worth at once when they start.
                assert!(took >= Duration::from_millis(3500), "took {took:?}: the cap did not hold");
            }
        })*
    };
}

control! {
    transmission => Kind::Transmission,
    aria2 => Kind::Aria2,
    libtorrent => Kind::Libtorrent,
    librqbit => Kind::Librqbit,
}
