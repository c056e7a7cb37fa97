//! What we write reads back, is in order, and is the same every time.

use super::*;
use crate::base::FileIdentity;
use proptest::prelude::*;
use std::ffi::OsStr;

fn file(path: &[u8], length: u64) -> ContentFile {
    let identity = Some(FileIdentity {
        size: length,
        mtime_ns: 0,
        inode: 0,
    });
    ContentFile {
        path: OsStr::from_bytes(path).into(),
        length,
        identity,
    }
}

fn content(root: &str, files: Vec<ContentFile>) -> Content {
    Content {
        root: root.into(),
        files,
    }
}

fn hashes(content: &Content, piece_length: u32) -> PieceHashes {
    let pieces = content.total().div_ceil(piece_length.into()) as usize;
    PieceHashes((0..pieces * 20).map(|i| i as u8).collect::<Vec<_>>().into())
}

fn made(content: &Content, options: &Options) -> Metainfo {
    Metainfo::create(content, 16384, hashes(content, 16384), options).unwrap()
}

#[test]
fn keys_are_sorted_and_a_single_file_has_no_list() {
    let options = Options {
        trackers: vec![vec!["http://a/".into()], vec![], vec!["udp://b:1".into()]],
        web_seeds: vec!["http://w/".into()],
        comment: Some("é".into()),
        creation_date: Some(Timestamp(5)),
        private: true,
        ..Options::default()
    };
    let metainfo = made(&content("/x/film.mkv", vec![file(b"", 5)]), &options);
    let hash = "\0\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{9}\u{a}\u{b}\u{c}\u{d}\u{e}\u{f}\u{10}\u{11}\u{12}\u{13}";
    let expected = format!(
        "d8:announce9:http://a/13:announce-listll9:http://a/el9:udp://b:1ee7:comment2:é10:created by12:Semoir/0.1.0\
         13:creation datei5e4:infod6:lengthi5e4:name8:film.mkv12:piece lengthi16384e6:pieces20:{hash}7:privatei1ee\
         8:url-listl9:http://w/ee"
    );
    assert_eq!(String::from_utf8(metainfo.to_torrent()).unwrap(), expected);
}

#[test]
fn a_folder_of_one_file_stays_a_folder_and_nothing_optional_is_written() {
    let options = Options {
        created_by: None,
        ..Options::default()
    };
    let metainfo = made(&content("/x/f", vec![file(b"a/b", 5)]), &options);
    assert!(!metainfo.single_file);
    let torrent = metainfo.to_torrent();
    assert!(
        torrent
            .starts_with(b"d4:infod5:filesld6:lengthi5e4:pathl1:a1:beee4:name1:f12:piece length")
    );
}

#[test]
fn names_are_readable_and_positions_kept() {
    let files = vec![file(b"\xfe.txt", 5), file(b"\xff.txt", 6)];
    let metainfo = made(&content("/x/\u{e9}\\", files), &Options::default());
    assert_eq!(metainfo.name, "é_");
    let lengths: Vec<_> = metainfo
        .files
        .iter()
        .map(|f| (f.path.to_str().unwrap(), f.length))
        .collect();
    assert_eq!(lengths, [("\u{fffd}.txt", 5), ("\u{fffd} (2).txt", 6)]);
}

#[test]
fn what_no_reader_would_take_is_not_written() {
    let one = content("/x", vec![file(b"", 5)]);
    let create = |content: &Content, hashes, options: &Options| {
        Metainfo::create(content, 16384, hashes, options).unwrap_err()
    };
    let none = PieceHashes(Bytes::new());
    assert!(matches!(
        create(&one, none, &Options::default()),
        MetainfoError::Invalid(_)
    ));
    let root = content("/", vec![file(b"a", 5)]);
    let error = create(&root, hashes(&root, 16384), &Options::default());
    assert!(matches!(error, MetainfoError::NoName(_)));
    for (urls, many) in [
        (vec!["a\nb".into()], false),
        (vec!["http://a/".into(); MAX_URLS + 1], true),
    ] {
        let options = Options {
            web_seeds: urls,
            ..Options::default()
        };
        let error = create(&one, hashes(&one, 16384), &options);
        assert_eq!(matches!(error, MetainfoError::TooManyUrls), many, "{error}");
    }
    let long = Options {
        comment: Some("x".repeat(MAX_TORRENT)),
        ..Options::default()
    };
    assert!(matches!(
        create(&one, hashes(&one, 16384), &long),
        MetainfoError::TooLong(_)
    ));
}

#[test]
fn the_magnet_carries_everything_and_is_one_word() {
    let options = Options {
        name: Some("a b&c=é".into()),
        trackers: vec![vec!["http://[::1]:6880/announce?x=1&y".into()]],
        web_seeds: vec!["http://w/".into()],
        ..Options::default()
    };
    let metainfo = made(&content("/x", vec![file(b"", 5)]), &options);
    assert_eq!(
        metainfo.magnet(),
        format!(
            "magnet:?xt=urn:btih:{}&dn=a%20b%26c%3D%C3%A9\
             &tr=http%3A%2F%2F%5B%3A%3A1%5D%3A6880%2Fannounce%3Fx%3D1%26y&ws=http%3A%2F%2Fw%2F",
            metainfo.info_hash
        )
    );
    let read = librqbit_core::magnet::Magnet::parse(&metainfo.magnet()).unwrap();
    assert_eq!(read.as_id20().unwrap().0, metainfo.info_hash.0);
    assert_eq!(read.name.as_deref(), Some("a b&c=é"));
    assert_eq!(read.trackers, metainfo.trackers[0]);
}

fn url() -> impl Strategy<Value = String> {
    "(http|udp)://[a-zé]{1,9}:[0-9]{1,5}/[ -~]{0,20}"
}

prop_compose! {
    fn options()(
        trackers in prop::collection::vec(prop::collection::vec(url(), 0..3), 0..4),
        web_seeds in prop::collection::vec(url(), 0..3),
        comment in prop::option::of(".{0,30}"),
        created_by in prop::option::of(".{0,10}"),
        creation_date in prop::option::of(any::<i64>().prop_map(Timestamp)),
        private in any::<bool>(),
    ) -> Options {
        Options { name: None, trackers, web_seeds, comment, created_by, creation_date, private }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(
        names in prop::collection::btree_set(prop::collection::vec(any::<u8>(), 1..260), 1..12),
        lengths in prop::collection::vec(0..100_000_u64, 12),
        pads in any::<u16>(),
        options in options(),
    ) {
        let awkward = |name: &[u8]| name.iter().any(|b| matches!(b, 0 | b'/')) || name == b"." || name == b"..";
        let mut files: Vec<_> = names
            .iter()
            .filter(|name| !awkward(name))
            .zip(&lengths)
            .map(|(name, length)| file(&[b"d/", &name[..]].concat(), *length))
            .collect();
        files.push(file(b"last", 1));
        let pads = files.iter().enumerate().filter(|(index, _)| pads & (1 << index) != 0 && *index > 0);
        let pads: Vec<_> = pads.map(|(index, _)| index).rev().collect();
        for index in pads {
            files.insert(index, ContentFile { path: ".pad/7".into(), length: 7, identity: None });
        }
        let content = content("/x/n", files);
        let metainfo = made(&content, &options);
        prop_assert_eq!(metainfo.files.len(), content.files.len());
        let torrent = metainfo.to_torrent();
        let read = Metainfo::parse(&torrent).unwrap();
        prop_assert_eq!(&read, &metainfo);
        prop_assert_eq!(read.to_torrent(), torrent);
    }
}
