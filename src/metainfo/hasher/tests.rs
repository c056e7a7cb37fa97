//! What the hasher promises: the right hashes whatever the shape, resumable, cancellable, never of changed files.

use std::fs;
use std::path::Path;

use super::*;
use crate::metainfo::listing::list;
use proptest::prelude::*;

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

fn sha1(bytes: &[u8]) -> [u8; HASH_LENGTH] {
    let mut digest = Sha1::new();
    digest.update(bytes);
    digest.finish()
}

/// Hashes by the book: everything in memory, one piece after the other.
fn by_the_book(all: &[u8], piece_length: u32) -> Vec<u8> {
    all.chunks(piece_length as usize).flat_map(sha1).collect()
}

fn folder(lengths: &[usize]) -> (tempfile::TempDir, Content, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let all = bytes(lengths.iter().sum());
    let mut rest = &all[..];
    for (index, length) in lengths.iter().enumerate() {
        let (now, later) = rest.split_at(*length);
        fs::write(dir.path().join(format!("{index:04}")), now).unwrap();
        rest = later;
    }
    let content = list(dir.path()).unwrap().content;
    (dir, content, all)
}

fn job(content: &Content, piece_length: u32) -> HashJob {
    HashJob {
        content: content.clone(),
        piece_length,
        done: Vec::new(),
    }
}

fn append(path: &Path) {
    use std::io::Write;
    fs::File::options()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(b"+")
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_shape_hashes_as_by_the_book(
        lengths in prop::collection::vec(prop_oneof![Just(0), Just(1024), 1..5000_usize], 1..9),
        piece_length in prop_oneof![Just(1024_u32), 1..4000_u32],
        buffers in prop_oneof![Just(BUFFERS), 1..8000_usize],
    ) {
        prop_assume!(lengths.iter().sum::<usize>() > 0);
        let (_dir, content, all) = folder(&lengths);
        let mut seen = Vec::new();
        let hashes = hash_within(
            &job(&content, piece_length),
            buffers,
            Pace::default(),
            |progress| {
                seen.extend_from_slice(progress.new_hashes);
                let pieces = (seen.len() / HASH_LENGTH) as u64;
                assert_eq!(progress.hashed, (pieces * u64::from(piece_length)).min(progress.total));
            },
            &Cancel::default(),
        ).unwrap();
        prop_assert_eq!(&hashes.0, &by_the_book(&all, piece_length));
        prop_assert_eq!(hashes.0, seen);
    }
}

#[test]
fn long_pieces_in_turns_and_alone_hash_alike() {
    let piece = 3 * READ_LENGTH as u32;
    let (_dir, content, all) = folder(&[5 * READ_LENGTH + 7, 0, 4 * READ_LENGTH - 7]);
    for buffers in [READ_LENGTH, BUFFERS] {
        let plan = Plan::new(&content, piece, buffers).unwrap();
        assert!(plan.workers * plan.buffer <= buffers);
        for gentle in [false, true] {
            let pace = Pace::default();
            pace.set_gentle(gentle);
            let job = job(&content, piece);
            let hashes = hash_within(&job, buffers, pace, |_| {}, &Cancel::default());
            assert_eq!(hashes.unwrap().0, by_the_book(&all, piece));
        }
    }
}

#[test]
fn buffers_stay_within_their_bound() {
    let (_dir, mut content, _) = folder(&[1]);
    content.files[0].length = 1 << 32;
    for shift in 12..29 {
        let plan = Plan::new(&content, 1 << shift, BUFFERS).unwrap();
        assert!(
            plan.workers >= 1 && plan.workers * plan.buffer <= BUFFERS,
            "{plan:?}"
        );
    }
}

#[test]
fn goes_on_from_every_piece_and_reads_no_more_than_the_rest() {
    let (_dir, content, all) = folder(&[3000, 0, 4096, 904, 0]);
    let whole = by_the_book(&all, 1000);
    for pieces in 0..=8 {
        let mut job = job(&content, 1000);
        job.done = whole[..pieces * HASH_LENGTH].to_vec();
        let mut fresh = Vec::new();
        let hashes = hash(
            &job,
            |p| fresh.extend_from_slice(p.new_hashes),
            &Cancel::default(),
        );
        assert_eq!(hashes.unwrap().0, whole);
        assert_eq!(fresh, whole[pieces * HASH_LENGTH..]);
    }
    for done in [19, 9 * HASH_LENGTH] {
        let job = HashJob {
            done: vec![0; done],
            ..job(&content, 1000)
        };
        let error = hash(&job, |_| {}, &Cancel::default()).unwrap_err();
        assert!(matches!(error, HashError::BadResume { .. }), "{error}");
    }
}

#[test]
fn a_change_at_any_time_fails_by_path() {
    // Before, though only a later file is left to read.
    let (dir, content, all) = folder(&[2000, 2000]);
    append(&dir.path().join("0000"));
    let job1 = HashJob {
        done: by_the_book(&all[..2000], 1000),
        ..job(&content, 1000)
    };
    let error = hash(&job1, |_| {}, &Cancel::default()).unwrap_err();
    assert!(error.to_string().contains("0000 changed"), "{error}");

    // While another file is being read, long after this one was.
    let piece = READ_LENGTH;
    let (dir, content, _) = folder(&[piece, 8 * piece]);
    let path = dir.path().join("0000");
    let mut touched = false;
    let error = hash(
        &job(&content, piece as u32),
        |_| {
            if !touched {
                touched = true;
                append(&path);
            }
        },
        &Cancel::default(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("0000 changed"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Conflict);

    // Gone.
    let (dir, content, _) = folder(&[10]);
    fs::remove_file(dir.path().join("0000")).unwrap();
    let error = hash(&job(&content, 1000), |_| {}, &Cancel::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("0000"), "{error}");
}

#[test]
fn cancel_ends_it_soon() {
    let piece = READ_LENGTH;
    let (_dir, content, _) = folder(&[64 * piece]);
    let cancel = Cancel::default();
    let mut calls = 0;
    let result = hash(
        &job(&content, piece as u32),
        |_| {
            calls += 1;
            cancel.cancel();
        },
        &cancel,
    );
    assert!(matches!(result, Err(HashError::Cancelled)));
    assert!(calls < 64, "{calls}");
}

#[test]
fn nothing_to_hash_is_an_error() {
    let (_dir, mut content, _) = folder(&[1]);
    assert!(matches!(
        hash(&job(&content, 0), |_| {}, &Cancel::default()),
        Err(HashError::NoPieceLength)
    ));
    content.files[0].length = 1 << 40;
    assert!(matches!(
        hash(&job(&content, 16384), |_| {}, &Cancel::default()),
        Err(HashError::TooManyPieces(67_108_864))
    ));
    content.files.clear();
    assert!(matches!(
        hash(&job(&content, 1), |_| {}, &Cancel::default()),
        Err(HashError::Empty)
    ));
}
