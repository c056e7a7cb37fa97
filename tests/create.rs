//! Torrents made by `semoir create` from the awkward trees that drives hold. Every one of them is loaded by libtorrent, which
//! then checks every piece of the files on disk.

mod common;
#[path = "create/tree.rs"]
mod tree;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use semoir::base::{ErrorKind, Kind, Size};
use semoir::cli::create::Args;
use semoir::metainfo::Metainfo;
use serde_json::json;
use tree::{Tree, libtorrent};

const KIB: usize = 1024;

#[test]
fn a_single_file() {
    let tree = Tree::new("film.mkv").file("", 300 * KIB + 1);
    let (made, accepted) = tree.make(&tree.sized(16 << 10));
    assert!(made.metainfo.single_file);
    assert_eq!(accepted.files, [("film.mkv".to_owned(), 300 * 1024 + 1)]);
    assert_eq!(accepted.pieces, 19);
    let written = fs::read(&made.output).unwrap();
    assert_eq!(Metainfo::parse(&written).unwrap(), made.metainfo);
}

#[test]
fn exact_multiples_of_the_piece_length() {
    let tree = Tree::new("exact").file("", 64 * KIB);
    assert_eq!(tree.make(&tree.sized(16 << 10)).1.pieces, 4);
    let tree = Tree::new("exact").file("a", 16 * KIB).file("b", 48 * KIB);
    assert_eq!(tree.make(&tree.sized(16 << 10)).1.pieces, 4);
    let tree = Tree::new("less").file("", 1);
    assert_eq!(tree.make(&tree.args()).1.pieces, 1);
}

#[test]
fn empty_files_first_last_and_between() {
    let tree = Tree::new("empties")
        .file("a", 0)
        .file("b", 20 * KIB)
        .file("c", 0)
        .file("d", 12 * KIB)
        .file("e", 0);
    let (_, accepted) = tree.make(&tree.sized(16 << 10));
    assert_eq!(accepted.pieces, 2);
    assert_eq!(accepted.files.len(), 5);
}

#[test]
fn nothing_but_empty_files_is_refused_in_so_many_words() {
    let tree = Tree::new("empty").file("a", 0).file("b/c", 0);
    let error = tree.try_make(&tree.args()).0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadInput);
    assert!(
        error
            .to_string()
            .contains("nothing to share: it holds 2 files of 0 bytes"),
        "{error}"
    );
    assert!(!tree.output().exists());
}

#[test]
fn awkward_names_that_are_text() {
    // The longest name that libtorrent keeps as it is; longer ones are in the next test.
    let long = ["x".repeat(236), ".mkv".to_owned()].concat();
    let wide = ["é".repeat(118), ".mkv".to_owned()].concat();
    let mut tree = Tree::new("Été à la mer (1/2)".replace('/', "⁄"));
    let names = [
        "-rf",
        "a b",
        "a#b?c=%20&d",
        "emoji 🌾.txt",
        "quote\"'`$(x)",
        "日本語/字幕.srt",
        "comma,semi;colon:",
        "a.",
        "*",
        "~",
        "d/e/f/g/h/i",
        &long,
        &wide,
        "a/b",
        "a.b",
        "a-b",
        "a b.",
    ];
    for (index, name) in names.iter().enumerate() {
        // `a` is a folder here, so this also pins that `a-b`, `a.b` and `a/b` sort by their bytes.
        tree = tree.file(name, 1000 + 5000 * index);
    }
    let (made, _) = tree.make(&tree.args());
    let paths: Vec<_> = made
        .metainfo
        .files
        .iter()
        .map(|file| file.path.to_str().unwrap())
        .collect();
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(paths, sorted);
}

#[test]
fn names_that_are_not_text_are_readable_to_others_and_findable_for_us() {
    let tree = Tree::new(b"caf\xe9")
        .file(b"\xfe.txt", 30 * KIB)
        .file(b"\xff.txt", 20 * KIB)
        .file("\u{fffd}.txt", 10 * KIB)
        .file(b"d\xe9/plain", KIB)
        .file("back\\slash", KIB)
        .file([&[0xe9; 251][..], b".mkv"].concat(), KIB)
        .file("two\nlines", KIB)
        // libtorrent cuts names to 240 bytes for its own disk; the torrent says them whole.
        .file("x".repeat(255), KIB)
        // libtorrent calls one of these `case.1`, for systems that cannot tell them apart.
        .file("case", KIB)
        .file("CASE", KIB);
    let (made, accepted) = tree.make_unfindable(&tree.args());
    assert_eq!(accepted.name, "caf\u{fffd}");
    let paths: Vec<_> = made
        .metainfo
        .files
        .iter()
        .map(|file| file.path.to_str().unwrap())
        .collect();
    assert!(
        paths.contains(&"\u{fffd}.txt")
            && paths.contains(&"\u{fffd} (2).txt")
            && paths.contains(&"\u{fffd} (3).txt")
    );
    assert!(paths.contains(&"d\u{fffd}/plain") && paths.contains(&"back_slash"));
    assert!(
        paths
            .iter()
            .all(|path| path.split('/').all(|name| name.len() <= 255))
    );
    assert!(paths.iter().any(|path| path.ends_with("\u{fffd}.mkv")));
    assert!(paths.contains(&"x".repeat(255).as_str()));
}

#[test]
fn junk_links_and_devices_are_left_out_and_reported() {
    let clean = Tree::new("media").file("a/film.mkv", 50 * KIB).file("b", 3);
    let tree = Tree::new("media").file("b", 3).file("a/film.mkv", 50 * KIB);
    let (before, _) = clean.make(&clean.args());
    let tree = tree
        .file(".DS_Store", 10)
        .file("a/Thumbs.db", 10)
        .file("a/desktop.ini", 10)
        .file("lost+found/x", 10)
        .file("a/@eaDir/film.mkv/thumb.jpg", 10)
        .file("System Volume Information/x", 10)
        .file("$RECYCLE.BIN/x", 10)
        .file(".Trash-1000/files/x", 10)
        .file("._film.mkv", 10);
    symlink("film.mkv", tree.path("a/link.mkv")).unwrap();
    symlink("/", tree.path("everything")).unwrap();
    nix::unistd::mkfifo(&tree.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(tree.path("socket")).unwrap();

    let (made, notes) = tree.try_make(&tree.args());
    assert_eq!(made.unwrap().metainfo, before.metainfo);
    for name in [
        ".DS_Store",
        "a/Thumbs.db",
        "a/desktop.ini",
        "lost+found",
        "a/@eaDir",
        "System Volume Information",
        "$RECYCLE.BIN",
        ".Trash-1000",
        "._film.mkv",
        "a/link.mkv",
        "everything",
        "pipe",
        "socket",
    ] {
        let reported = notes
            .lines()
            .any(|line| line.starts_with(&format!("left out: {name:?}: ")));
        assert!(reported, "{name} is not in:\n{notes}");
    }
    assert_eq!(notes.lines().count(), 13, "{notes}");
}

#[test]
fn ten_thousand_files() {
    let mut tree = Tree::new("many");
    for index in 0..10_000 {
        tree = tree.file(format!("{:02}/{index:05}.jpg", index % 100), index % 700);
    }
    let (_, accepted) = tree.make(&tree.args());
    assert_eq!(accepted.files.len(), 10_000);
}

#[test]
fn the_same_files_make_the_same_torrent_as_libtorrent_makes() {
    let single = Tree::new("film.mkv").file("", 500 * KIB);
    let folder = Tree::new("été")
        .file("z", 7)
        .file("a/b c", 70 * KIB)
        .file("a.b", 0)
        .file("ü/ö", 100_000);
    for (tree, private) in [(&single, false), (&folder, false), (&folder, true)] {
        let args = Args {
            private,
            force: true,
            ..tree.sized(32 << 10)
        };
        let (made, accepted) = tree.make(&args);
        let file = |file: &semoir::metainfo::MetainfoFile| {
            json!([file.path.to_str().unwrap(), file.length])
        };
        let spec = json!({
            "root": tree.beside(),
            "name": made.metainfo.name,
            "files": made.metainfo.files.iter().map(file).collect::<Vec<_>>(),
            "piece_length": 32 << 10,
            "private": private,
        });
        let path = tree.beside().with_extension("json");
        fs::write(&path, spec.to_string()).unwrap();
        let theirs: serde_json::Value = libtorrent(&["--create".as_ref(), path.as_os_str()]);
        assert_eq!(theirs["info_hash"], json!(accepted.info_hash));
    }
}

#[test]
fn the_same_files_make_the_same_bytes_anywhere_at_any_time() {
    let one = Tree::new("same").file("a/x", 5000).file("b", 6000);
    let two = Tree::new("same").file("b", 6000).file("a/x", 5000);
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1_000_000);
    fs::File::open(two.path("b"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    let written = |tree: &Tree| fs::read(tree.make(&tree.args()).0.output).unwrap();
    assert_eq!(written(&one), written(&two));
}

#[test]
fn what_the_owner_asks_for_is_in_it() {
    let tree = Tree::new("film.mkv").file("", 300 * KIB);
    let args = Args {
        trackers: vec![
            "http://127.0.0.1:1/announce".into(),
            "udp://127.0.0.1:2/announce".into(),
        ],
        web_seeds: vec!["http://127.0.0.1:3/film.mkv".into()],
        comment: Some("from our summer".into()),
        private: true,
        ..tree.sized(64 << 20)
    };
    let (made, accepted) = tree.make(&args);
    assert_eq!(accepted.trackers, args.trackers);
    assert_eq!(accepted.web_seeds, args.web_seeds);
    assert!(accepted.private);
    assert_eq!(accepted.piece_length, 64 << 20);
    assert_eq!(made.metainfo.comment, args.comment);
    assert_eq!(made.metainfo.creation_date, None);
    let magnet = made.metainfo.magnet();
    for part in [
        "&dn=film.mkv",
        "&tr=http%3A%2F%2F127.0.0.1%3A1%2Fannounce",
        "&tr=udp%3A",
        "&ws=http%3A",
    ] {
        assert!(magnet.contains(part), "{magnet}");
    }
}

#[test]
fn bad_requests_are_refused_before_anything_is_read_or_written() {
    let tree = Tree::new("x").file("", 5);
    let refused = |args: Args| {
        let error = tree.try_make(&args).0.unwrap_err();
        assert!(!tree.output().exists());
        error
    };
    for (size, says) in [
        (10_000_000, "power of two"),
        (1 << 27, "between 16 KiB and 64 MiB"),
        (1, "between"),
    ] {
        let error = refused(Args {
            piece_length: Some(Size(size)),
            ..tree.args()
        });
        assert!(error.to_string().contains(says), "{error}");
    }
    let error = refused(Args {
        trackers: vec!["udp://tracker.example".into()],
        ..tree.args()
    });
    assert!(error.to_string().contains("needs a port"), "{error}");
    let error = refused(Args {
        web_seeds: vec!["ftp://a/b".into()],
        ..tree.args()
    });
    assert!(
        error.to_string().contains("not with one of http, https"),
        "{error}"
    );
    let error = refused(Args {
        path: tree.path("gone"),
        ..tree.args()
    });
    assert!(error.to_string().contains("gone"), "{error}");
    let error = refused(Args {
        output: Some(tree.path("no/such/folder.torrent")),
        ..tree.args()
    });
    assert!(error.to_string().starts_with("cannot write"), "{error}");
}

#[test]
fn a_torrent_that_is_there_is_overwritten_by_force_only() {
    let tree = Tree::new("x").file("", 5);
    fs::write(tree.output(), "precious").unwrap();
    let error = tree.try_make(&tree.args()).0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(fs::read(tree.output()).unwrap(), b"precious");
    tree.make(&Args {
        force: true,
        ..tree.args()
    });
}

#[test]
fn an_output_within_the_release_is_pointed_out() {
    let tree = Tree::new("x").file("a", 5);
    let args = Args {
        output: Some(tree.path("x.torrent")),
        ..tree.args()
    };
    let (made, notes) = tree.try_make(&args);
    assert_eq!(made.unwrap().metainfo.files.len(), 1);
    assert!(notes.contains("lies within what it describes"), "{notes}");
}
