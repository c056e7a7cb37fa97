//! A drive that is dying, or a share that hangs, is a matter of its own releases: whatever else the box shares is
//! looked at, read, and given as if it were not there.

mod common;

use std::time::{Duration, Instant};

use common::appliance::Appliance;
use common::clients::{Kind, Limits, Link, verify, wait_complete, wait_until};
use common::content::Tree;
use common::sick::{Health, SickDrive};
use serde_json::Value;

/// A few MiB over loopback, on a busy machine; and the half minute after which a source is said not to answer.
const BOUND: Duration = Duration::from_secs(120);
/// Looks at other sources are not held up: they come at once when asked for.
const PROMPT: Duration = Duration::from_secs(20);
const SIZE: u64 = 24 << 20;
/// Slow enough that the drive falls ill in the middle of it.
const CAP: u64 = 2 << 20;

fn is_called<'a>(name: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |release| release["name"] == name
}

#[test]
fn a_drive_that_hangs_holds_up_nobody_else_and_is_taken_up_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let ill = Tree::file("Ill.mkv", SIZE, 31);
    let well = Tree::file("Well.mkv", 4 << 20, 32);
    let Some(drive) = SickDrive::with(ill.root()) else {
        return;
    };
    let state = dir.path().join("state");
    let mut appliance = Appliance::start(&state, &[drive.mount(), well.source()]);
    appliance.set_cap(CAP);
    let seeded = |name| move |r: &Value| is_called(name)(r) && r["stage"] == "spreading";
    let release = appliance.wait_release("is seeded", BOUND, seeded("Ill.mkv"));
    let (torrent, bytes) = appliance.torrent(&release);
    let path = dir.path().join("ill.torrent");
    std::fs::write(&path, bytes).expect("a file can be written");
    let mut leecher = Kind::Libtorrent.start(&Link::Torrent(path), Limits::default());
    wait_until(&mut *leecher, BOUND, "have a part", |p| p.have > 0);

    drive.set(Health::Hangs);
    appliance.rescan();
    let asked = Instant::now();
    // What is new elsewhere is found, read and given.
    let other = well.source().join("Other.mkv");
    common::content::write(&other, 4 << 20, 33);
    appliance.rescan();
    let new = appliance.wait_release("is found", PROMPT, is_called("Other.mkv"));
    assert_ne!(new["stage"], "failed");
    appliance.api(
        "PATCH",
        "/settings",
        Some(serde_json::json!({ "upstream_cap": null })),
    );
    let second = appliance.wait_release("is seeded", BOUND, seeded("Well.mkv"));
    let (second, bytes_of_second) = appliance.torrent(&second);
    let path = dir.path().join("well.torrent");
    std::fs::write(&path, bytes_of_second).expect("a file can be written");
    let mut other = Kind::Libtorrent.start(&Link::Torrent(path), Limits::default());
    wait_complete(&mut *other, BOUND);
    verify(&mut *other, &second, &well);
    let gone = appliance.wait_release("is away", BOUND, |r| {
        is_called("Ill.mkv")(r) && r["stage"] == "absent"
    });
    assert_eq!(gone["reason"], "it does not answer");
    let waited = asked.elapsed();
    assert!(
        waited >= Duration::from_secs(25),
        "given up after {waited:?}"
    );
    let overview = appliance.overview();
    let sources = overview["sources"].as_array().expect("a list");
    let problem = |source: &Value| source["problem"] == "it does not answer";
    assert_eq!(
        sources.iter().filter(|s| problem(s)).count(),
        1,
        "{overview}"
    );

    drive.set(Health::Well);
    wait_complete(&mut *leecher, BOUND);
    verify(&mut *leecher, &torrent, &ill);
}

#[test]
fn a_drive_that_fails_is_said_to_and_can_be_tried_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let ill = Tree::file("Ill.mkv", 4 << 20, 34);
    let Some(drive) = SickDrive::with(ill.root()) else {
        return;
    };
    drive.set(Health::Fails);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[drive.mount()]);
    let failed = appliance.wait_release("has failed", BOUND, |r| r["stage"] == "failed");
    let reason = failed["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("Ill.mkv") && reason.contains("nput/output error"),
        "{reason}"
    );

    drive.set(Health::Well);
    let share = format!("/releases/{}/share", failed["id"]);
    let answer = appliance.api("POST", &share, None);
    assert!(answer.status < 300, "{}", answer.text());
    appliance.wait_release("is seeded", BOUND, |r| r["stage"] == "spreading");
}
