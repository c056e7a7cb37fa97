use super::*;
use crate::base::{Content, ContentFile, InfoHash};

fn on_disk(dir: &std::path::Path, files: &[(&str, &[u8])]) -> Arc<Torrent> {
    let listed = |(name, bytes): &(&str, &[u8])| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        ContentFile {
            path: name.into(),
            length: bytes.len() as u64,
            identity: Some(FileIdentity::of(&path.metadata().unwrap())),
        }
    };
    let content = Content {
        root: dir.into(),
        files: files.iter().map(listed).collect(),
    };
    let info = bytes::Bytes::new();
    Arc::new(Torrent::new(
        InfoHash([0; 20]),
        info,
        16 << 10,
        content,
        false,
    ))
}

fn bytes_of(segments: &[Segment]) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in segments {
        let mut part = vec![0; segment.length as usize];
        if let Some(file) = &segment.file {
            file.read_exact_at(&mut part, segment.offset).unwrap();
        }
        out.extend(part);
    }
    out
}

#[tokio::test]
async fn a_block_across_files_is_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let torrent = on_disk(
        dir.path(),
        &[("a", b"hello "), ("b", b""), ("c", b"world, and more")],
    );
    let piece = Reader::default().warm(torrent, 0, 0).await.unwrap();
    let block = Block {
        index: 0,
        begin: 3,
        length: 9,
    };
    assert_eq!(bytes_of(&piece.block(block)), b"lo world,");
}

#[tokio::test]
async fn a_changed_or_missing_file_is_said_by_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let torrent = on_disk(dir.path(), &[("a", b"hello")]);
    std::fs::write(dir.path().join("a"), b"HELLO, longer").unwrap();
    let error = Reader::default()
        .warm(torrent.clone(), 0, 0)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("/a changed since it was hashed"),
        "{error}"
    );
    std::fs::remove_file(dir.path().join("a")).unwrap();
    let error = Reader::default().warm(torrent, 0, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// A hung read holds one of a device's turns; a gentle one holds all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gentle_read_is_the_only_one_of_its_device() {
    for gentle in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let torrent = |name: &str| on_disk(dir.path(), &[(name, b"hello")]);
        let (hung, other) = (torrent("hung"), torrent("other"));
        let pipe = dir.path().join("hung");
        std::fs::remove_file(&pipe).unwrap();
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let reader = Reader::default();
        reader.set_gentle(gentle);
        // Polled once, a read has its turn.
        let mut first = Box::pin(reader.warm(hung, 1, 0));
        assert!(futures::poll!(&mut first).is_pending());
        let elsewhere = reader.warm(other.clone(), 2, 0).await;
        elsewhere.expect("another device");
        let mut second = Box::pin(reader.warm(other, 1, 0));
        if gentle {
            assert!(futures::poll!(&mut second).is_pending());
        } else {
            (&mut second).await.expect("the other turn");
        }
        let open = move || std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        let writer = tokio::task::spawn_blocking(open).await.unwrap();
        assert_eq!(first.await.unwrap_err().kind(), ErrorKind::Conflict);
        drop(writer);
        if gentle {
            second.await.expect("its turn came");
        }
    }
}

/// Opening a pipe that nobody writes to hangs as a dead disk does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_device_stalls_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let [dead, alive] = ["dead", "alive"].map(|name| {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        on_disk(&folder, &[("a", b"hello")])
    });
    let pipe = dir.path().join("dead/a");
    std::fs::remove_file(&pipe).unwrap();
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = Reader::default();
    let hung: Vec<_> = (0..100)
        .map(|_| {
            let (reader, dead) = (reader.clone(), dead.clone());
            tokio::spawn(async move { reader.warm(dead, 1, 0).await })
        })
        .collect();
    for _ in 0..3 {
        let read = reader.warm(alive.clone(), 2, 0);
        let read = tokio::time::timeout(std::time::Duration::from_secs(30), read).await;
        assert_eq!(read.expect("not stalled").unwrap().segments.len(), 1);
    }
    assert!(hung.iter().all(|read| !read.is_finished()));
    // Let them go: with somebody to write, opening ends, and finds something else than was hashed.
    let open = move || std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let writer = tokio::task::spawn_blocking(open).await.unwrap();
    for read in hung {
        assert_eq!(read.await.unwrap().unwrap_err().kind(), ErrorKind::Conflict);
    }
    drop(writer);
}

/// What was read of it may have been dropped, and is not read again on a thread that sends to others.
#[tokio::test]
async fn what_is_on_a_late_device_is_sent_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let torrent = on_disk(dir.path(), &[("a", b"hello")]);
    let reader = Reader::default();
    let piece = reader.warm(torrent, 1, 0).await.unwrap();
    let whole = Block {
        index: 0,
        begin: 0,
        length: 5,
    };
    let [segment] = &piece.block(whole)[..] else {
        panic!("one file is one segment");
    };
    assert!(!segment.may_hang());
    reader.device_of(2).be_late();
    assert!(!segment.may_hang(), "another one is");
    reader.device_of(1).be_late();
    assert!(segment.may_hang());
    assert_eq!(segment.fetch().await.unwrap(), b"hello");
}

/// A film with twenty thousand small files beside it has pieces of thousands of them.
#[tokio::test]
async fn a_piece_of_very_many_files_keeps_no_descriptors() {
    const FILES: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<(String, [u8; 2])> = (0..FILES)
        .map(|number| (format!("{number:03}"), (number as u16).to_be_bytes()))
        .collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|(name, two)| (&**name, &two[..]))
        .collect();
    let torrent = on_disk(dir.path(), &files);
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let piece = Reader::default().warm(torrent, 0, 0).await.unwrap();
    // The runtime of this test has some of its own.
    assert!(descriptors() < before + MAX_OPEN, "{} open", descriptors());
    let block = Block {
        index: 0,
        begin: 101,
        length: 600,
    };
    let mut sent = Vec::new();
    for segment in piece.block(block) {
        assert!(segment.may_hang());
        sent.extend(segment.fetch().await.unwrap());
    }
    let all: Vec<u8> = names.iter().flat_map(|(_, two)| *two).collect();
    assert_eq!(sent, all[101..701]);
    std::fs::write(dir.path().join("050"), "other").unwrap();
    let [changed] = &piece.block(Block {
        begin: 100,
        length: 2,
        ..block
    })[..] else {
        panic!("one file is one segment");
    };
    assert!(changed.fetch().await.is_err(), "it is not what was hashed");
}
