use std::convert::Infallible;
use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use futures::stream;
use tokio::sync::mpsc as channel;

use super::upload::MANIFEST;
use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000);

fn room() -> (tempfile::TempDir, Uploads) {
    let dir = tempfile::tempdir().unwrap();
    let uploads = Uploads::open(&dir.path().join("uploads"), NOW).unwrap();
    (dir, uploads)
}

fn file(path: &str, size: u64) -> NewFile {
    NewFile {
        path: path.to_owned(),
        size,
    }
}

fn body(parts: &[&str]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin + use<> {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| Ok(Bytes::from(part.to_string())))
        .collect();
    stream::iter(parts)
}

/// A body whose parts come as they are sent.
fn arriving<E>(
    parts: channel::Receiver<Result<Bytes, E>>,
) -> impl Stream<Item = Result<Bytes, E>> + Unpin {
    Box::pin(stream::unfold(parts, |mut parts| async move {
        parts.recv().await.map(|part| (part, parts))
    }))
}

async fn send(
    uploads: &Uploads,
    id: &str,
    file: usize,
    offset: u64,
    text: &str,
) -> Result<u64, UploadError> {
    uploads.receive(id, file, offset, None, body(&[text])).await
}

fn left(uploads: &Uploads) -> usize {
    fs::read_dir(uploads.root().join(INCOMING)).unwrap().count()
}

#[tokio::test]
async fn a_folder_appears_whole_under_its_name() {
    let (_dir, uploads) = room();
    let files = vec![
        file("a.txt", 5),
        file("sub/b", 3),
        file("sub/empty", 0),
        file("z/last empty", 0),
    ];
    let id = uploads.begin("Talks", files, None, NOW).unwrap().id;
    let place = uploads.root().join("Talks");
    assert_eq!(
        uploads
            .receive(&id, 0, 0, None, body(&["he", "llo"]))
            .await
            .unwrap(),
        5
    );
    assert!(!place.exists());
    let early = uploads.finish(&id).unwrap_err();
    assert!(
        matches!(
            early,
            UploadError::Incomplete {
                received: 0,
                size: 3,
                ..
            }
        ),
        "{early}"
    );
    send(&uploads, &id, 1, 0, "abc").await.unwrap();
    assert_eq!(uploads.finish(&id).unwrap(), place);
    assert_eq!(fs::read(place.join("a.txt")).unwrap(), b"hello");
    assert_eq!(fs::read(place.join("sub/b")).unwrap(), b"abc");
    assert_eq!(fs::read(place.join("sub/empty")).unwrap(), b"");
    assert_eq!(fs::read(place.join("z/last empty")).unwrap(), b"");
    assert_eq!(left(&uploads), 0);
    assert!(matches!(
        uploads.progress(&id),
        Err(UploadError::NoSuchUpload(_))
    ));
}

#[tokio::test]
async fn one_file_of_the_uploads_name_is_that_file() {
    let (_dir, uploads) = room();
    let id = uploads
        .begin("film.mkv", vec![file("film.mkv", 2)], None, NOW)
        .unwrap()
        .id;
    send(&uploads, &id, 0, 0, "ab").await.unwrap();
    uploads.finish(&id).unwrap();
    assert_eq!(fs::read(uploads.root().join("film.mkv")).unwrap(), b"ab");
}

#[test]
fn what_becomes_no_release_is_refused() {
    let (_dir, uploads) = room();
    for (name, files) in [
        ("empty", vec![file("empty", 0)]),
        ("folder", vec![file("a", 0), file("b/c", 0)]),
        ("pagefile.sys", vec![file("pagefile.sys", 9)]),
        ("__MACOSX", vec![file("film.mkv", 9)]),
        (
            "folder",
            vec![file("a", 0), file("Thumbs.db", 9), file("@eaDir/b", 9)],
        ),
    ] {
        let refused = uploads.begin(name, files, None, NOW).unwrap_err();
        assert!(
            matches!(refused, UploadError::NothingToShare(_)),
            "{name}: {refused}"
        );
    }
    let files = vec![file("a", 0), file("b", 1)];
    uploads.begin("folder", files, None, NOW).unwrap();
}

#[tokio::test]
async fn goes_on_after_a_restart_where_it_was() {
    let (dir, uploads) = room();
    let id = uploads
        .begin("x", vec![file("a", 6), file("b", 1)], None, NOW)
        .unwrap()
        .id;
    send(&uploads, &id, 0, 0, "abc").await.unwrap();
    drop(uploads);
    let uploads = Uploads::open(&dir.path().join("uploads"), Timestamp::now()).unwrap();
    let progress = uploads.progress(&id).unwrap();
    assert_eq!(progress.name, "x");
    assert_eq!(progress.files, [(file("a", 6), 3), (file("b", 1), 0)]);
    let wrong = send(&uploads, &id, 0, 0, "abc").await.unwrap_err();
    assert_eq!(wrong.received(), Some(3), "{wrong}");
    assert_eq!(send(&uploads, &id, 0, 3, "def").await.unwrap(), 6);
    send(&uploads, &id, 1, 0, "g").await.unwrap();
    uploads.finish(&id).unwrap();
    assert_eq!(fs::read(uploads.root().join("x/a")).unwrap(), b"abcdef");
}

#[tokio::test]
async fn sizes_are_held_to() {
    let (_dir, uploads) = room();
    let id = uploads
        .begin("x", vec![file("a", 4)], None, NOW)
        .unwrap()
        .id;
    let much = uploads
        .receive(&id, 0, 0, None, body(&["abc", "de"]))
        .await
        .unwrap_err();
    assert!(
        matches!(much, UploadError::TooMuch { size: 4, .. }),
        "{much}"
    );
    assert_eq!(
        uploads.progress(&id).unwrap().files[0].1,
        3,
        "what came before counts"
    );
    assert!(matches!(
        send(&uploads, &id, 9, 0, "").await,
        Err(UploadError::NoSuchFile(9))
    ));
    let beyond = send(&uploads, &id, 0, u64::MAX, "x").await.unwrap_err();
    assert_eq!(beyond.received(), Some(3));
    assert_eq!(send(&uploads, &id, 0, 3, "d").await.unwrap(), 4);
    assert!(matches!(
        send(&uploads, &id, 0, 4, "e").await,
        Err(UploadError::TooMuch { .. })
    ));
}

#[tokio::test]
async fn a_file_is_received_once_at_a_time_and_what_came_before_a_break_stays() {
    let (_dir, uploads) = room();
    let id = uploads
        .begin("x", vec![file("a", 4), file("b", 1)], None, NOW)
        .unwrap()
        .id;
    let (sender, receiver) = channel::channel::<Result<Bytes, &str>>(4);
    let first = tokio::spawn({
        let (uploads, id) = (uploads.clone(), id.clone());
        let body = arriving(receiver);
        async move { uploads.receive(&id, 0, 0, None, body).await }
    });
    sender.send(Ok(Bytes::from_static(b"ab"))).await.unwrap();
    while uploads.progress(&id).unwrap().files[0].1 < 2 {
        tokio::task::yield_now().await;
    }
    let second = send(&uploads, &id, 0, 2, "cd").await.unwrap_err();
    assert!(
        matches!(second, UploadError::Busy { received: Some(2) }),
        "{second}"
    );
    assert!(matches!(uploads.finish(&id), Err(UploadError::Busy { .. })));
    send(&uploads, &id, 1, 0, "z").await.unwrap();

    sender.send(Err("reset by peer")).await.unwrap();
    let broken = first.await.unwrap().unwrap_err();
    assert!(matches!(broken, UploadError::Broken(_)), "{broken}");
    assert_eq!(send(&uploads, &id, 0, 2, "cd").await.unwrap(), 4);
    let place = uploads.finish(&id).unwrap();
    assert_eq!(fs::read(place.join("a")).unwrap(), b"abcd");
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let (_dir, uploads) = room();
    let begin = |name: &str| uploads.begin(name, vec![file("a", 1)], None, NOW);
    let id = begin("x").unwrap().id;
    assert!(matches!(begin("x"), Err(UploadError::NameTaken(_))));
    send(&uploads, &id, 0, 0, "1").await.unwrap();
    // Put there by someone else meanwhile: not overwritten, and the upload is still there.
    fs::write(uploads.root().join("x"), "mine").unwrap();
    assert!(matches!(
        uploads.finish(&id),
        Err(UploadError::NameTaken(_))
    ));
    assert_eq!(fs::read(uploads.root().join("x")).unwrap(), b"mine");
    assert!(matches!(begin("x"), Err(UploadError::NameTaken(_))));
    fs::remove_file(uploads.root().join("x")).unwrap();
    uploads.finish(&id).unwrap();
    assert!(matches!(begin("x"), Err(UploadError::NameTaken(_))));
}

#[tokio::test]
async fn what_will_not_fit_is_said_before_it_begins() {
    let (_dir, uploads) = room();
    let free = uploads.free().unwrap();
    let refused = uploads
        .begin("x", vec![file("a", free + (1 << 40))], None, NOW)
        .unwrap_err();
    assert!(matches!(refused, UploadError::NoSpace { .. }), "{refused}");
    assert_eq!(left(&uploads), 0);
    // What one upload was promised is not promised to another.
    uploads
        .begin("y", vec![file("a", free / 10 * 9)], None, NOW)
        .unwrap();
    let second = uploads
        .begin("z", vec![file("a", free / 10 * 9)], None, NOW)
        .unwrap_err();
    assert!(matches!(second, UploadError::NoSpace { .. }), "{second}");
}

#[tokio::test]
async fn unfinished_uploads_are_bounded_swept_and_cancelled() {
    let (dir, uploads) = room();
    let begin = |name: &str, now| uploads.begin(name, vec![file("a", 9)], None, now);
    let first = begin("0", NOW).unwrap().id;
    send(&uploads, &first, 0, 0, "abc").await.unwrap();
    uploads.cancel(&first).unwrap();
    assert_eq!(left(&uploads), 0);
    assert!(uploads.cancel(&first).is_err());

    for number in 0..MAX_OPEN {
        begin(&number.to_string(), NOW).unwrap();
    }
    assert!(matches!(
        begin("one more", NOW),
        Err(UploadError::TooManyOpen)
    ));
    let later = Timestamp(NOW.0 + KEEP_UNFINISHED_SECONDS);
    assert!(matches!(
        begin("one more", later),
        Err(UploadError::TooManyOpen)
    ));
    let week_here = Duration::from_secs(KEEP_UNFINISHED_SECONDS.unsigned_abs() + 1);
    uploads.sweep_at(Timestamp(later.0 + 1), Instant::now() + week_here);
    assert_eq!(left(&uploads), 0);
    begin("one more", Timestamp(later.0 + 1)).unwrap();

    // Rubbish in the folder is cleared, what is whole is kept.
    let incoming = uploads.root().join(INCOMING);
    fs::create_dir(incoming.join("without a manifest")).unwrap();
    fs::create_dir(incoming.join("broken")).unwrap();
    fs::write(incoming.join("broken").join(MANIFEST), "{").unwrap();
    fs::create_dir(incoming.join("hostile")).unwrap();
    let hostile = r#"{"name": "..", "files": [{"path": "../../x", "size": 1}]}"#;
    fs::write(incoming.join("hostile").join(MANIFEST), hostile).unwrap();
    let uploads = Uploads::open(&dir.path().join("uploads"), Timestamp::now()).unwrap();
    assert_eq!(left(&uploads), 1);
    let (much_later, week) = (Timestamp::now(), KEEP_UNFINISHED_SECONDS);
    uploads.sweep(Timestamp(much_later.0 + week + 2));
    assert_eq!(left(&uploads), 0);
}

/// As on a box without a clock of its own, which was off for a month.
#[tokio::test]
async fn a_clock_that_is_set_right_makes_no_upload_an_old_one() {
    const LATER: Timestamp = Timestamp(NOW.0 + 30 * 86_400);
    let (dir, uploads) = room();
    let drive = dir.path().join("drive");
    fs::create_dir(&drive).unwrap();
    let begin = |name: &str, now| uploads.begin(name, vec![file("a", 9)], None, now).unwrap();
    arrives(&uploads, "k", &drive, NOW);
    let old = begin("a", NOW);
    uploads.choose(Some("k".to_owned()));
    let on_drive = begin("b", NOW);
    // What is on the disk says the same.
    let manifest = drive.join(INCOMING).join(&on_drive.id).join(MANIFEST);
    let then = UNIX_EPOCH + Duration::from_secs(NOW.0.unsigned_abs());
    let written = File::options().write(true).open(manifest).unwrap();
    written.set_modified(then).unwrap();

    begin("c", LATER);
    uploads.drive_away("k");
    arrives(&uploads, "k", &drive, LATER);
    for upload in [&old, &on_drive] {
        assert_eq!(&uploads.progress(&upload.id).unwrap(), upload);
    }
    // Whoever begins anew knows no more than what is on the disk.
    let others = Uploads::open(&dir.path().join("other"), LATER).unwrap();
    arrives(&others, "k", &drive, LATER);
    assert!(others.progress(&on_drive.id).is_err(), "a month is a month");
}

#[tokio::test]
async fn cancelled_while_it_is_received() {
    let (_dir, uploads) = room();
    let id = uploads
        .begin("x", vec![file("a", 4)], None, NOW)
        .unwrap()
        .id;
    let (sender, receiver) = channel::channel::<Result<Bytes, &str>>(4);
    let sending = tokio::spawn({
        let (uploads, id) = (uploads.clone(), id.clone());
        let body = arriving(receiver);
        async move { uploads.receive(&id, 0, 0, None, body).await }
    });
    sender.send(Ok(Bytes::from_static(b"a"))).await.unwrap();
    while uploads.progress(&id).unwrap().files[0].1 < 1 {
        tokio::task::yield_now().await;
    }
    uploads.cancel(&id).unwrap();
    sender.send(Ok(Bytes::from_static(b"b"))).await.unwrap();
    let cancelled = sending.await.unwrap().unwrap_err();
    assert!(matches!(cancelled, UploadError::Cancelled), "{cancelled}");
    assert_eq!(left(&uploads), 0, "its bytes are still here");
}

/// The drive "Shelf" is plugged in, and mounted.
fn arrives(uploads: &Uploads, key: &str, root: &Path, now: Timestamp) {
    let arrival = uploads.drive_comes(key);
    uploads.drive_here(arrival, "Shelf", root, now).unwrap();
}

#[tokio::test]
async fn uploads_stay_where_they_began_and_wait_for_their_drive() {
    let (dir, uploads) = room();
    let drive = dir.path().join("drive");
    fs::create_dir(&drive).unwrap();
    let own = uploads
        .begin("own", vec![file("own", 2)], None, NOW)
        .unwrap()
        .id;
    uploads.choose(Some("ext4-1".to_owned()));
    let early = uploads.begin("early", vec![file("early", 1)], None, NOW);
    assert_eq!(early.unwrap_err().kind(), ErrorKind::Unavailable);
    arrives(&uploads, "ext4-1", &drive, NOW);
    assert!(uploads.room(&Some("ext4-1".to_owned())).is_some());
    // The same name in another place is another release.
    let id = uploads
        .begin("own", vec![file("own", 6)], None, NOW)
        .unwrap()
        .id;
    send(&uploads, &id, 0, 0, "abc").await.unwrap();
    send(&uploads, &own, 0, 0, "xy").await.unwrap();
    assert_eq!(uploads.finish(&own).unwrap(), uploads.root().join("own"));

    uploads.drive_away("ext4-1");
    let waiting = uploads.progress(&id).unwrap();
    assert_eq!(waiting.waits_for.as_deref(), Some("Shelf"));
    assert_eq!(waiting.files[0].1, 3);
    let away = |error: UploadError| matches!(error, UploadError::Away(name) if name == "Shelf");
    assert!(away(send(&uploads, &id, 0, 3, "def").await.unwrap_err()));
    assert!(away(uploads.finish(&id).unwrap_err()));
    assert!(away(uploads.cancel(&id).unwrap_err()));
    assert!(away(uploads.free().unwrap_err()));
    assert_eq!(uploads.room(&Some("ext4-1".to_owned())), None);
    uploads.sweep(Timestamp(i64::MAX / 2));
    assert_eq!(uploads.progress(&id).unwrap(), waiting, "not swept unseen");

    // Mounted elsewhere when it is back, and some of what was written last was lost with the power.
    let moved = dir.path().join("moved");
    fs::rename(&drive, &moved).unwrap();
    let content = moved.join(INCOMING).join(&id).join("content");
    File::options()
        .write(true)
        .open(content)
        .unwrap()
        .set_len(1)
        .unwrap();
    let now = Timestamp::now();
    arrives(&uploads, "ext4-1", &moved, now);
    let wrong = send(&uploads, &id, 0, 3, "def").await.unwrap_err();
    assert_eq!(wrong.received(), Some(1));
    send(&uploads, &id, 0, 1, "bcdef").await.unwrap();
    uploads.choose(None);
    assert_eq!(uploads.finish(&id).unwrap(), moved.join("own"));
    assert_eq!(fs::read(moved.join("own")).unwrap(), b"abcdef");
    assert_eq!(left(&uploads), 0);
}

#[tokio::test]
async fn a_drive_that_fails_while_it_is_written_to_is_waited_for() {
    let (dir, uploads) = room();
    let drive = dir.path().join("drive");
    fs::create_dir(&drive).unwrap();
    arrives(&uploads, "k", &drive, NOW);
    uploads.choose(Some("k".to_owned()));
    let id = uploads
        .begin("a", vec![file("a", 1)], None, NOW)
        .unwrap()
        .id;
    // As if it had been pulled: nobody has told us yet.
    fs::remove_dir_all(&drive).unwrap();
    fs::write(&drive, "").unwrap();
    let error = send(&uploads, &id, 0, 0, "a").await.unwrap_err();
    assert!(matches!(error, UploadError::Away(_)), "{error}");
    assert!(error.to_string().contains("Shelf"), "{error}");
}

#[tokio::test]
async fn the_room_of_each_place_is_its_own() {
    let (_dir, uploads) = room();
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    arrives(&uploads, "k", other.path(), NOW);
    let key = Some("k".to_owned());
    let before = uploads.room(&key).unwrap();
    uploads.choose(key.clone());
    let size = before / 2;
    let id = uploads
        .begin("a", vec![file("a", size)], None, NOW)
        .unwrap()
        .id;
    let too_large = uploads.begin("b", vec![file("b", before)], None, NOW);
    assert!(matches!(too_large, Err(UploadError::NoSpace { .. })));
    uploads.ask_for_room();
    let promised = || {
        uploads
            .room(&key)
            .is_some_and(|room| room < before - size / 2)
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !promised() {
        assert!(Instant::now() < deadline, "{:?}", uploads.room(&key));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    uploads.cancel(&id).unwrap();
}

#[tokio::test]
async fn a_drive_that_was_pulled_while_it_was_looked_at_is_not_here() {
    let (dir, uploads) = room();
    let root = dir.path().join("drive");
    fs::create_dir(&root).unwrap();
    let key = Some("k".to_owned());
    uploads.choose(key.clone());
    let arrival = uploads.drive_comes("k");
    uploads.drive_away("k");
    uploads.drive_here(arrival, "Shelf", &root, NOW).unwrap();
    assert_eq!(uploads.room(&key), None);
    let refused = uploads
        .begin("a", vec![file("a", 1)], None, NOW)
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    arrives(&uploads, "k", &root, NOW);
    uploads.begin("a", vec![file("a", 1)], None, NOW).unwrap();
}

#[tokio::test]
async fn nobody_writes_on_by_what_was_known_before_the_drive_went() {
    let (dir, uploads) = room();
    let root = dir.path().join("drive");
    fs::create_dir(&root).unwrap();
    arrives(&uploads, "k", &root, NOW);
    uploads.choose(Some("k".to_owned()));
    let id = uploads
        .begin("a", vec![file("a", 6)], None, NOW)
        .unwrap()
        .id;
    let (parts, taken) = channel::channel::<Result<Bytes, Infallible>>(1);
    let receiving = {
        let (uploads, id) = (uploads.clone(), id.clone());
        let body = arriving(taken);
        tokio::spawn(async move { uploads.receive(&id, 0, 0, None, body).await })
    };
    parts.send(Ok(Bytes::from("ab"))).await.unwrap();
    while uploads.progress(&id).unwrap().files[0].1 < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It never left, to the kernel; the box let go of it, and took it back.
    uploads.drive_away("k");
    arrives(&uploads, "k", &root, NOW);
    let _ = parts.send(Ok(Bytes::from("xy"))).await;
    let ended = receiving.await.unwrap().unwrap_err();
    assert!(matches!(ended, UploadError::Away(_)), "{ended}");
}

/// The CRC-32C of "abc", by RFC 3720's polynomial.
const OF_ABC: u32 = 0x364b_3fb7;

#[tokio::test]
async fn bytes_with_a_digest_count_when_they_are_what_it_says() {
    let (_dir, uploads) = room();
    let id = uploads
        .begin("x", vec![file("a", 6)], None, NOW)
        .unwrap()
        .id;
    let content = uploads.root().join(INCOMING).join(&id).join("content/a");
    let with = |offset, text| uploads.receive(&id, 0, offset, Some(OF_ABC), body(text));
    for damaged in [&["ab", "d"][..], &["ab"], &[]] {
        let refused = with(0, damaged).await.unwrap_err();
        assert!(
            matches!(refused, UploadError::Damaged { received: 0 }),
            "{refused}"
        );
        assert_eq!(fs::metadata(&content).unwrap().len(), 0);
        assert_eq!(uploads.progress(&id).unwrap().files[0].1, 0);
    }
    assert_eq!(with(0, &["a", "bc"]).await.unwrap(), 3);
    let much = with(3, &["abc", "d"]).await.unwrap_err();
    assert!(matches!(much, UploadError::TooMuch { .. }), "{much}");
    assert_eq!(fs::metadata(&content).unwrap().len(), 3);
    let cut = stream::iter([Ok(Bytes::from("ab")), Err("reset by peer")]);
    let cut = uploads
        .receive(&id, 0, 3, Some(OF_ABC), cut)
        .await
        .unwrap_err();
    assert!(matches!(cut, UploadError::Broken(_)), "{cut}");
    assert_eq!(with(3, &["abc"]).await.unwrap(), 6);
    let place = uploads.finish(&id).unwrap();
    assert_eq!(fs::read(place.join("a")).unwrap(), b"abcabc");
}

#[tokio::test]
async fn what_was_not_compared_when_the_box_stopped_is_sent_again() {
    let (dir, uploads) = room();
    let files = vec![file("a", 6), file("b", 6)];
    let id = uploads.begin("x", files, None, NOW).unwrap().id;
    let (parts, taken) = channel::channel::<Result<Bytes, Infallible>>(1);
    let stopped = {
        let (uploads, id) = (uploads.clone(), id.clone());
        let body = arriving(taken);
        send(&uploads, &id, 0, 0, "abc").await.unwrap();
        send(&uploads, &id, 1, 0, "abc").await.unwrap();
        tokio::spawn(async move { uploads.receive(&id, 0, 3, Some(OF_ABC), body).await })
    };
    parts.send(Ok(Bytes::from("xy"))).await.unwrap();
    let content = uploads.root().join(INCOMING).join(&id).join("content");
    while fs::metadata(content.join("a")).unwrap().len() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // As a box finds it that starts again after it was killed here.
    let again = dir.path().join("again");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&uploads.root().to_owned(), &again])
        .status()
        .unwrap();
    assert!(copied.success());
    let again = Uploads::open(&again, Timestamp::now()).unwrap();
    let received = again.progress(&id).unwrap().files.into_iter();
    assert_eq!(received.map(|(_, bytes)| bytes).collect::<Vec<_>>(), [3, 3]);
    assert_eq!(
        again
            .receive(&id, 0, 3, Some(OF_ABC), body(&["abc"]))
            .await
            .unwrap(),
        6
    );
    send(&again, &id, 1, 3, "def").await.unwrap();
    let place = again.finish(&id).unwrap();
    assert_eq!(fs::read(place.join("a")).unwrap(), b"abcabc");
    drop(parts);
    stopped.await.unwrap().unwrap_err();
}

#[test]
fn who_was_not_answered_begins_it_again_and_gets_the_same() {
    let (_dir, uploads) = room();
    let begin = |key: Option<&str>| {
        let key = key.map(str::to_owned);
        uploads.begin("x", vec![file("a", 4)], key, NOW)
    };
    let first = begin(Some("one")).unwrap();
    assert_eq!(begin(Some("one")).unwrap(), first);
    for other in [Some("two"), None] {
        let refused = begin(other).unwrap_err();
        assert!(matches!(refused, UploadError::NameTaken(_)), "{refused}");
    }
    assert_eq!(left(&uploads), 1);
    uploads.cancel(&first.id).unwrap();
    assert_ne!(begin(Some("one")).unwrap().id, first.id);
}

#[tokio::test]
async fn an_upload_of_which_nothing_came_is_kept_for_an_hour_alone() {
    let (_dir, uploads) = room();
    let begin = |name| uploads.begin(name, vec![file("a", 9)], None, NOW).unwrap();
    let (empty, begun) = (begin("empty").id, begin("begun").id);
    send(&uploads, &begun, 0, 0, "abc").await.unwrap();
    let hour = |seconds: i64| {
        let after = KEEP_EMPTY_SECONDS + seconds;
        uploads.sweep_at(
            Timestamp(Timestamp::now().0 + after),
            Instant::now() + Duration::from_secs(after.unsigned_abs()),
        );
    };
    hour(-60);
    assert!(uploads.progress(&empty).is_ok());
    hour(60);
    assert!(uploads.progress(&empty).is_err());
    assert!(uploads.progress(&begun).is_ok());
}

/// Flushing gigabytes to a card takes longer than a browser waits.
#[tokio::test]
async fn who_asks_twice_for_the_end_is_told_of_it_twice() {
    let (_dir, uploads) = room();
    let id = uploads
        .begin("x", vec![file("x", 1)], None, NOW)
        .unwrap()
        .id;
    send(&uploads, &id, 0, 0, "a").await.unwrap();
    let upload = uploads.get(&id).unwrap();
    let disk = upload.moving.lock();
    let ask = || {
        let (uploads, id) = (uploads.clone(), id.clone());
        std::thread::spawn(move || uploads.finish(&id))
    };
    let asked = [ask(), ask()];
    // Both know the upload, and wait for the disk: the upload itself, the table of them and we hold one each.
    while Arc::strong_count(&upload) < 4 {
        std::thread::yield_now();
    }
    drop(disk);
    for one in asked {
        assert_eq!(one.join().unwrap().unwrap(), uploads.root().join("x"));
    }
    assert_eq!(left(&uploads), 0);
}

#[tokio::test]
async fn a_drive_that_is_forgotten_or_away_takes_nobodys_place() {
    let (dir, uploads) = room();
    let drive = dir.path().join("drive");
    fs::create_dir(&drive).unwrap();
    arrives(&uploads, "k", &drive, NOW);
    uploads.choose(Some("k".to_owned()));
    let begin = |name: &str| uploads.begin(name, vec![file("a", 9)], None, NOW);
    let first = begin("0").unwrap().id;
    for number in 1..MAX_OPEN {
        begin(&number.to_string()).unwrap();
    }
    assert!(matches!(begin("more"), Err(UploadError::TooManyOpen)));
    uploads.drive_away("k");
    uploads.choose(None);
    begin("more").unwrap();
    let waits = uploads.progress(&first).unwrap().waits_for;
    assert_eq!(waits.as_deref(), Some("Shelf"));
    uploads.drive_forgotten("k");
    let gone = uploads.progress(&first).unwrap_err();
    assert!(matches!(gone, UploadError::NoSuchUpload(_)), "{gone}");
}
