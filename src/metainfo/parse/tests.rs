//! What strangers may write, and what they may not.

use super::*;
use proptest::prelude::*;

const HASH: &str = "20:aaaaaaaaaaaaaaaaaaaa";

/// A torrent around an info dictionary.
fn torrent(info: &str) -> Result<Metainfo, ParseError> {
    Metainfo::parse(format!("d4:info{info}e").as_bytes())
}

/// A torrent of one piece of 16 KiB around what `files` and the like say.
fn folder(files: &str) -> Result<Metainfo, ParseError> {
    torrent(&format!(
        "d5:files{files}4:name1:n12:piece lengthi16384e6:pieces{HASH}e"
    ))
}

fn entry(length: &str, path: &[&str], attr: &str) -> String {
    let path: String = path
        .iter()
        .map(|part| format!("{}:{part}", part.len()))
        .collect();
    let attr = if attr.is_empty() {
        String::new()
    } else {
        format!("4:attr{}:{attr}", attr.len())
    };
    format!("d{attr}6:lengthi{length}e4:pathl{path}ee")
}

fn single(
    name: &str,
    length: &str,
    piece_length: &str,
    extra: &str,
) -> Result<Metainfo, ParseError> {
    let name = format!("{}:{name}", name.len());
    torrent(&format!(
        "d6:lengthi{length}e4:name{name}12:piece lengthi{piece_length}e6:pieces{HASH}{extra}e"
    ))
}

#[test]
fn a_plain_torrent_is_read() {
    let info = format!("d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces{HASH}7:privatei1ee");
    let file = format!(
        "d8:announce4:udp713:announce-listll1:a1:be4:flatleli7eee7:comment2:hi10:created by2:me13:creation datei-5e4:info{info}8:url-list3:urle"
    );
    let metainfo = Metainfo::parse(file.as_bytes()).unwrap();
    assert_eq!(metainfo.info, info);
    assert_eq!(metainfo.trackers, [vec!["a", "b"], vec!["flat"]]);
    assert_eq!(metainfo.web_seeds, ["url"]);
    assert_eq!(metainfo.comment.as_deref(), Some("hi"));
    assert_eq!(metainfo.creation_date, Some(Timestamp(-5)));
    assert!(metainfo.private && metainfo.single_file);
    assert_eq!((metainfo.total(), metainfo.pieces()), (5, 1));
    let alone = Metainfo::from_info(metainfo.info.clone()).unwrap();
    assert_eq!(alone.info_hash, metainfo.info_hash);
    assert!(alone.trackers.is_empty());
}

#[test]
fn the_info_hash_is_of_the_bytes_as_they_came() {
    let sorted = single("a", "5", "16384", "").unwrap();
    let unsorted = torrent(&format!(
        "d4:name1:a6:lengthi5e6:pieces{HASH}12:piece lengthi16384ee"
    ))
    .unwrap();
    assert_ne!(sorted.info_hash, unsorted.info_hash);
    assert_eq!(sorted.files, unsorted.files);
    assert_eq!(Metainfo::parse(&unsorted.to_torrent()).unwrap(), unsorted);
}

#[test]
fn names_that_lead_astray_are_refused() {
    for name in ["..", ".", "", "/etc", "a/b", "a\\b", "a\0b"] {
        let refused = single(name, "5", "16384", "");
        assert!(
            matches!(refused, Err(ParseError::Name(_))),
            "{name:?}: {refused:?}"
        );
        let below = folder(&format!("l{}e", entry("5", &["ok", name], "")));
        assert!(
            matches!(below, Err(ParseError::Name(_))),
            "{name:?}: {below:?}"
        );
    }
    let nameless = folder(&format!("l{}e", entry("5", &[], "")));
    assert!(matches!(nameless, Err(ParseError::Name(_))));
    let link = folder(&format!("l{}e", entry("0", &["a"], "l")));
    assert!(matches!(link, Err(ParseError::Symlink(_))));
}

#[test]
fn two_files_cannot_be_in_one_place_but_padding_may() {
    let files = |entries: &[String]| folder(&format!("l{}e", entries.concat()));
    let (a, ab) = (entry("1", &["a"], ""), entry("1", &["a", "b"], ""));
    assert!(matches!(
        files(&[a.clone(), a.clone()]),
        Err(ParseError::Twice(_))
    ));
    assert!(matches!(
        files(&[ab.clone(), entry("1", &["a!"], ""), a.clone()]),
        Err(ParseError::Twice(_))
    ));
    let pad = entry("9", &[".pad", "9"], "p");
    let metainfo = files(&[a, pad.clone(), entry("1", &["c"], ""), pad.clone()]).unwrap();
    assert_eq!(
        metainfo.files.iter().map(|f| f.pad).collect::<Vec<_>>(),
        [false, true, false, true]
    );
    assert!(matches!(files(&[pad]), Err(ParseError::Empty)));
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    assert!(matches!(
        single("a", "5", "0", ""),
        Err(ParseError::PieceLength(0))
    ));
    assert!(matches!(
        single("a", "5", "-1", ""),
        Err(ParseError::PieceLength(-1))
    ));
    assert!(matches!(
        single("a", "5", "4294967297", ""),
        Err(ParseError::PieceLength(_))
    ));
    assert!(matches!(
        single("a", "-5", "16384", ""),
        Err(ParseError::Length)
    ));
    assert!(matches!(
        single("a", "0", "16384", ""),
        Err(ParseError::Empty)
    ));
    assert!(matches!(
        single("a", "16385", "16384", ""),
        Err(ParseError::Pieces {
            found: 20,
            needed: 40
        })
    ));
    assert!(matches!(
        single("a", "9223372036854775807", "1", ""),
        Err(ParseError::Pieces { .. })
    ));
    assert!(matches!(
        single("a", "9223372036854775808", "1", ""),
        Err(ParseError::Malformed(_))
    ));
    assert!(matches!(
        single("a", "5", "16384", "7:privatei256e"),
        Err(ParseError::Private(256))
    ));
    let huge = entry("9223372036854775807", &["a"], "");
    let overflow = folder(&format!(
        "l{huge}{}e",
        entry("9223372036854775807", &["b"], "")
    ));
    assert!(matches!(overflow, Err(ParseError::Length)));
    assert!(matches!(
        single("a", "5", "16384", "5:filesle"),
        Err(ParseError::Layout)
    ));
    assert!(matches!(
        Metainfo::parse(&vec![b'l'; MAX_TORRENT + 1]),
        Err(ParseError::TooLong(_))
    ));
}

#[test]
fn of_v2_only_the_hybrids_are_taken() {
    let tree = "9:file treed1:ad0:d6:lengthi5eeee";
    let hybrid = format!(
        "d{tree}6:lengthi5e12:meta versioni2e4:name1:a12:piece lengthi16384e6:pieces{HASH}e"
    );
    assert_eq!(torrent(&hybrid).unwrap().total(), 5);
    let pure = format!("d{tree}12:meta versioni2e4:name1:a12:piece lengthi16384ee");
    let refused = torrent(&pure).unwrap_err();
    assert!(matches!(refused, ParseError::OnlyV2));
    assert!(refused.to_string().contains("v2 only"));
}

#[test]
fn trackers_are_bounded() {
    let many = "l1:ae".repeat(MAX_URLS + 1);
    let file = format!(
        "d13:announce-listl{many}e4:infod6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces{HASH}ee"
    );
    let metainfo = Metainfo::parse(file.as_bytes()).unwrap();
    assert_eq!(metainfo.trackers.len(), MAX_URLS);
    assert_eq!(Metainfo::parse(&metainfo.to_torrent()).unwrap(), metainfo);
}

proptest! {
    #[test]
    fn noise_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Metainfo::parse(&bytes).is_err());
    }

    #[test]
    fn noise_made_of_bencode_is_refused_without_a_panic(
        text in "(d|l|e|i-?[0-9]{1,25}e|[0-9]{1,21}:|4:info|5:files|4:path|6:length|6:pieces|12:piece length|[a-z]){0,40}"
    ) {
        let _ = Metainfo::parse(text.as_bytes());
        let _ = Metainfo::parse(format!("d4:info{text}e").as_bytes());
    }

    #[test]
    fn a_spoilt_torrent_is_refused_or_read_whole(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let files = [entry("5", &["a", "b"], ""), entry("9", &[".pad", "9"], "p"), entry("7", &["c"], "")];
        let mut bytes = folder(&format!("l{}e", files.concat())).unwrap().to_torrent();
        for (index, byte, how) in changes {
            let at = index.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        if let Ok(metainfo) = Metainfo::parse(&bytes) {
            prop_assert_eq!(Metainfo::parse(&metainfo.to_torrent()).unwrap(), metainfo);
        }
    }
}
