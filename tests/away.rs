//! The files of a release go away while it is spread, and come back: its swarm keeps its tracker and its metadata
//! meanwhile, and whoever was in the middle of it completes.

mod common;

use std::path::Path;
use std::time::Duration;

use common::appliance::Appliance;
use common::clients::{Client, Kind, Limits, Link, verify, wait_complete, wait_until};
use common::content::Tree;
use common::torrent::Torrent;
use common::wire::{FakePeer, hash_bytes};
use serde_json::{Value, json};

const SIZE: u64 = 24 << 20;
/// What is sent before the files go: enough that the download is under way, little enough that it is not over.
const CAP: u64 = 2 << 20;
/// A few MiB over loopback, on a busy machine.
const BOUND: Duration = Duration::from_secs(120);

fn payload(release: &Value) -> u64 {
    release["payload_bytes"].as_u64().expect("a number")
}

/// A box that is giving `tree`, what it says of it, its torrent, and a leecher who has a part.
fn given_in_part(dir: &Path, tree: &Tree) -> (Appliance, Value, Torrent, Box<dyn Client>) {
    let mut appliance = Appliance::start(&dir.join("state"), &[tree.source()]);
    appliance.set_cap(CAP);
    let (release, torrent, bytes) = appliance.wait_seeding(BOUND);
    let path = dir.join("film.torrent");
    std::fs::write(&path, bytes).expect("a file can be written");
    let leecher = Kind::Libtorrent.start(&Link::Torrent(path), Limits::default());
    appliance.wait_release("is given in part", BOUND, |r| payload(r) > SIZE / 8);
    (appliance, release, torrent, leecher)
}

#[test]
fn who_is_in_the_middle_of_it_completes_when_the_files_are_back() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("The Film.mkv", SIZE, 91);
    let (mut appliance, release, torrent, mut leecher) = given_in_part(dir.path(), &tree);

    let aside = dir.path().join("aside.mkv");
    std::fs::rename(tree.root(), &aside).expect("it can be moved");
    appliance.rescan();
    let gone = appliance.wait_release("is away", BOUND, |r| r["stage"] == "absent");
    let path = format!("/releases/{}/share", gone["id"]);
    let refused = appliance.api("POST", &path, None);
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("it is not here"),
        "{}",
        refused.text()
    );
    assert_eq!(gone["reason"], "it is not in its folder any more");

    // Whoever comes now with a magnet gets its metadata.
    let to = appliance.peers;
    let hash = hash_bytes(release["info_hash"].as_str().expect("hashed"));
    let mut curious = FakePeer::handshake(to, hash).expect("the box answers for it");
    let id = curious.extend().expect("it has metadata");
    let metadata = curious.fetch_metadata(id).expect("and gives it");
    let text = String::from_utf8_lossy(&metadata);
    assert!(text.contains("8:msg_typei1e"), "{text:.80}");
    appliance.wait_release("has its leechers", BOUND, |r| {
        r["peers"].as_u64() >= Some(1)
    });
    let waits = wait_until(&mut *leecher, BOUND, "have a part", |p| p.have > 0);
    assert!(!waits.complete, "it was over before the files went");

    std::fs::rename(&aside, tree.root()).expect("it can be moved back");
    appliance.api("PATCH", "/settings", Some(json!({ "upstream_cap": null })));
    appliance.rescan();
    wait_complete(&mut *leecher, BOUND);
    verify(&mut *leecher, &torrent, &tree);
    let back = appliance.wait_release("is here again", BOUND, |r| r["stage"] != "absent");
    assert_ne!(back["stage"], "failed", "{back}");
    // Nothing was hashed again, and nothing was sent twice but what was under way.
    let total = payload(&back);
    assert!(total < SIZE + SIZE / 8, "{total} bytes for {SIZE}");
}

#[test]
fn the_same_content_from_another_place_takes_over() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("The Film.mkv", 1 << 20, 92);
    let other = dir.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    let state = dir.path().join("state");
    let mut appliance = Appliance::start(&state, &[tree.source(), &other]);
    let (first, _, _) = appliance.wait_seeding(BOUND);
    let aside = dir.path().join("aside.mkv");
    std::fs::rename(tree.root(), &aside).expect("it can be moved");
    appliance.rescan();
    let is_first = |r: &Value| r["id"] == first["id"];
    appliance.wait_release("is away", BOUND, |r| is_first(r) && r["stage"] == "absent");

    std::fs::copy(&aside, other.join("The Film.mkv")).expect("a copy");
    appliance.rescan();
    let second = appliance.wait_release("is given from elsewhere", BOUND, |r| {
        !is_first(r) && r["stage"] == "spreading"
    });
    assert_eq!(second["info_hash"], first["info_hash"]);

    std::fs::rename(&aside, tree.root()).expect("it can be moved back");
    appliance.rescan();
    let back = appliance.wait_release("steps aside", BOUND, |r| {
        is_first(r) && r["stage"] == "paused"
    });
    assert_eq!(
        back["reason"],
        "the same content is shared from another place already"
    );
    let stays = |r: &Value| !is_first(r) && r["stage"] == "spreading";
    assert!(appliance.releases().iter().any(stays));
}

#[test]
fn another_name_is_the_same_swarm() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("The Film.mkv", SIZE, 93);
    let (mut appliance, release, torrent, mut leecher) = given_in_part(dir.path(), &tree);

    let renamed = tree.source().join("The Film (1921).mkv");
    std::fs::rename(tree.root(), &renamed).expect("it can be renamed");
    appliance.rescan();
    let known = appliance.wait_release("has its new name", BOUND, |r| {
        r["name"] == "The Film (1921).mkv"
    });
    assert_eq!(known["id"], release["id"]);
    assert_eq!(known["info_hash"], release["info_hash"]);
    assert_eq!(appliance.releases().len(), 1, "it is one release");
    appliance.api("PATCH", "/settings", Some(json!({ "upstream_cap": null })));
    wait_complete(&mut *leecher, BOUND);
    std::fs::rename(&renamed, tree.root()).expect("it can be renamed back");
    verify(&mut *leecher, &torrent, &tree);
}

/// A drive restored from an old copy, or cells that lost their charge: nothing but the bytes tells.
#[test]
fn what_comes_back_with_other_bytes_is_read_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("The Film.mkv", 1 << 20, 94);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.source()]);
    let (release, _, _) = appliance.wait_seeding(BOUND);
    let aside = dir.path().join("aside.mkv");
    std::fs::rename(tree.root(), &aside).expect("it can be moved");
    appliance.rescan();
    appliance.wait_release("is away", BOUND, |r| r["stage"] == "absent");

    let before = std::fs::metadata(&aside).expect("it is there");
    let file = std::fs::File::options().write(true).open(&aside);
    let file = file.expect("it can be written to");
    let other = vec![7; 1 << 20];
    std::os::unix::fs::FileExt::write_all_at(&file, &other, 0).expect("written");
    let then = before.modified().expect("a time");
    file.set_modified(then)
        .expect("the clock can be turned back");
    drop(file);
    std::fs::rename(&aside, tree.root()).expect("it can be moved back");
    appliance.rescan();
    let again = appliance.wait_release("is another torrent", BOUND, |r| {
        r["stage"] == "spreading" && r["info_hash"] != release["info_hash"]
    });
    assert_eq!(again["id"], release["id"]);
}
