//! One job per device, in order; every job ends with an event, whatever becomes of it.

use super::*;
use crate::metainfo::{hash, list};
use std::fs;
use std::time::Duration;

/// Far longer than any of this takes on a busy machine.
const BOUND: Duration = Duration::from_secs(60);
/// Two devices.
const DISK: u64 = 1;
const STICK: u64 = 2;

fn job(dir: &tempfile::TempDir, length: usize) -> HashJob {
    fs::write(dir.path().join("a"), vec![3; length]).unwrap();
    HashJob {
        content: list(dir.path()).unwrap().content,
        piece_length: 1 << 20,
        done: Vec::new(),
    }
}

async fn next(events: &mut mpsc::Receiver<HashEvent>) -> HashEvent {
    let event = tokio::time::timeout(BOUND, events.recv()).await;
    event
        .expect("an event in time")
        .expect("no end before Finished")
}

async fn finish(events: &mut mpsc::Receiver<HashEvent>) -> Result<PieceHashes, HashError> {
    loop {
        if let HashEvent::Finished(result) = next(events).await {
            return result;
        }
    }
}

#[tokio::test]
async fn progress_comes_in_order_and_adds_up_to_the_result() {
    let dir = tempfile::tempdir().unwrap();
    let job = job(&dir, 7 << 20);
    let queue = HashQueue::new();
    let mut events = queue.submit(ReleaseId(1), DISK, job.clone()).unwrap();
    assert!(matches!(next(&mut events).await, HashEvent::Started));
    let mut all = Vec::new();
    let result = loop {
        match next(&mut events).await {
            HashEvent::Progress {
                hashed,
                total,
                new_hashes,
            } => {
                all.extend(new_hashes);
                assert_eq!((hashed, total), ((all.len() as u64 / 20) << 20, 7 << 20));
            }
            HashEvent::Finished(result) => break result.unwrap(),
            HashEvent::Started => panic!("started twice"),
        }
    };
    assert_eq!(result.0, all);
    assert_eq!(result, hash(&job, |_| {}, &Cancel::default()).unwrap());
    // The release can come again once it has finished.
    let mut events = queue.submit(ReleaseId(1), DISK, job).unwrap();
    finish(&mut events).await.unwrap();
}

/// A job longer than the events may be ahead stands still until its events are read: the way to hold a device busy.
#[tokio::test]
async fn jobs_of_one_device_wait_for_one_another_and_can_be_cancelled_while_they_do() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let queue = HashQueue::new();
    let long = job(&dirs[0], (EVENTS_AHEAD + 8) << 20);
    let mut first = queue.submit(ReleaseId(1), DISK, long.clone()).unwrap();
    let mut second = queue.submit(ReleaseId(2), DISK, job(&dirs[1], 10)).unwrap();
    let mut third = queue.submit(ReleaseId(3), DISK, job(&dirs[2], 10)).unwrap();
    assert!(matches!(next(&mut first).await, HashEvent::Started));
    let twice = queue.submit(ReleaseId(1), DISK, long);
    assert!(matches!(twice, Err(SubmitError::Twice(ReleaseId(1)))));
    assert!(second.try_recv().is_err() && third.try_recv().is_err());
    queue.cancel(ReleaseId(2));
    assert!(second.try_recv().is_err());

    finish(&mut first).await.unwrap();
    assert!(matches!(
        next(&mut second).await,
        HashEvent::Finished(Err(HashError::Cancelled))
    ));
    finish(&mut third).await.unwrap();
}

#[tokio::test]
async fn a_job_nobody_listens_to_makes_room_for_the_next() {
    let dirs: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let queue = HashQueue::new();
    let mut first = queue
        .submit(ReleaseId(1), DISK, job(&dirs[0], (EVENTS_AHEAD + 8) << 20))
        .unwrap();
    assert!(matches!(next(&mut first).await, HashEvent::Started));
    drop(first);
    let mut second = queue.submit(ReleaseId(2), DISK, job(&dirs[1], 10)).unwrap();
    finish(&mut second).await.unwrap();
}

#[tokio::test]
async fn every_job_hears_of_its_end_when_all_are_cancelled() {
    let dirs: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let queue = HashQueue::new();
    let mut first = queue
        .submit(ReleaseId(1), DISK, job(&dirs[0], (EVENTS_AHEAD + 8) << 20))
        .unwrap();
    let mut second = queue.submit(ReleaseId(2), DISK, job(&dirs[1], 10)).unwrap();
    assert!(matches!(next(&mut first).await, HashEvent::Started));
    queue.cancel_all();
    for events in [&mut first, &mut second] {
        assert!(matches!(finish(events).await, Err(HashError::Cancelled)));
    }
}

#[tokio::test]
async fn a_gentle_queue_finds_the_same_and_its_jobs_end_at_once_when_cancelled() {
    let dirs: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let queue = HashQueue::new();
    queue.set_gentle(true);
    let short = job(&dirs[0], 5 << 20);
    let expected = hash(&short, |_| {}, &Cancel::default()).unwrap();
    let mut first = queue.submit(ReleaseId(1), DISK, short).unwrap();
    assert_eq!(finish(&mut first).await.unwrap(), expected);
    let long = job(&dirs[1], (EVENTS_AHEAD + 8) << 20);
    let mut second = queue.submit(ReleaseId(2), DISK, long).unwrap();
    assert!(matches!(next(&mut second).await, HashEvent::Started));
    queue.cancel_all();
    let ended = finish(&mut second).await;
    assert!(matches!(ended, Err(HashError::Cancelled)));
}

#[tokio::test]
async fn what_is_not_there_fails_when_its_turn_comes() {
    let dir = tempfile::tempdir().unwrap();
    let job = job(&dir, 10);
    drop(dir);
    let mut events = HashQueue::new().submit(ReleaseId(1), DISK, job).unwrap();
    let error = finish(&mut events).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_release_comes_again_on_another_device_while_its_cancelled_job_hangs() {
    let dirs: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let queue = HashQueue::new();
    let id = ReleaseId(1);
    let hung = job(&dirs[0], (EVENTS_AHEAD + 8) << 20);
    let mut hung = queue.submit(id, DISK, hung).unwrap();
    assert!(matches!(next(&mut hung).await, HashEvent::Started));
    queue.cancel(id);
    // It stands still, its events unread.
    let mut again = queue.submit(id, STICK, job(&dirs[1], 10)).unwrap();
    finish(&mut again).await.unwrap();
    let long = job(&dirs[1], (EVENTS_AHEAD + 8) << 20);
    let mut long = queue.submit(id, STICK, long).unwrap();
    assert!(finish(&mut hung).await.is_err());
    // The end of the first is not the end of the last.
    queue.cancel(id);
    assert!(finish(&mut long).await.is_err());
    assert!(queue.state.lock().jobs.is_empty());
}

#[tokio::test]
async fn devices_do_not_wait_for_one_another_and_share_the_buffers() {
    let one = tempfile::tempdir().unwrap();
    let two = tempfile::tempdir().unwrap();
    let queue = HashQueue::new();
    let mut first = queue
        .submit(ReleaseId(1), DISK, job(&one, (EVENTS_AHEAD + 8) << 20))
        .unwrap();
    assert!(matches!(next(&mut first).await, HashEvent::Started));
    // The first stands still, its events unread; the second is done meanwhile.
    let mut second = queue
        .submit(ReleaseId(2), STICK, job(&two, 5 << 20))
        .unwrap();
    finish(&mut second).await.unwrap();
    assert!(queue.state.lock().buffers <= BUFFERS);
    finish(&mut first).await.unwrap();
    let state = queue.state.lock();
    assert_eq!((state.buffers, state.jobs.len()), (0, 0));
}
