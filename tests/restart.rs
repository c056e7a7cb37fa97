//! Power cuts: `kill -9` at awkward moments, a restart on the same state, and every release goes on where it was.

mod common;

use std::path::Path;
use std::time::Duration;

use common::appliance::Appliance;
use common::clients::{Kind, Limits, Link, verify, wait_complete, wait_until};
use common::content::Tree;
use common::origin::create;
use common::proc;

/// Large enough that hashing takes seconds on two cores; sparse, so that making it takes none.
const LARGE: u64 = 6 << 30;

/// Hashing `LARGE`, unoptimised, on a busy machine.
const HASH_BOUND: Duration = Duration::from_secs(240);

/// A few MiB over loopback, with a peer that has to dial again.
const DOWNLOAD_BOUND: Duration = Duration::from_secs(120);

fn number(release: &serde_json::Value, key: &str) -> u64 {
    release[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {key} in {release}"))
}

fn hashing_beyond(bytes: u64) -> impl Fn(&serde_json::Value) -> bool {
    move |release| {
        assert_ne!(release["stage"], "failed", "{release}");
        release["hashed"].as_u64() >= Some(bytes)
    }
}

#[test]
fn hashing_goes_on_where_it_was() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::sparse("Large.mkv", LARGE);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.source()]);
    let mut before = 0;
    for share in [4, 2] {
        let release = appliance.wait_release(
            "is hashed in part",
            HASH_BOUND,
            hashing_beyond(LARGE / share),
        );
        assert_eq!(
            release["stage"], "hashing",
            "hashing was over before the power was cut: {release}"
        );
        before = number(&release, "hashed");
        appliance.restart();
        let release = appliance.wait_release("is known", HASH_BOUND, |_| true);
        let after = number(&release, "hashed");
        assert!(
            after >= before / 2,
            "{before} bytes were hashed, {after} after the power cut"
        );
    }
    let (release, torrent, _) = appliance.wait_seeding(HASH_BOUND);
    assert_eq!(number(&release, "hashed"), LARGE);
    let read = proc::read_bytes(appliance.pid()).expect("it runs");
    assert!(
        read < LARGE - before / 2 + (64 << 20),
        "{read} bytes were read after {before} had been hashed"
    );
    let fresh = create(tree.root(), &dir.path().join("fresh.torrent"), &[]);
    assert_eq!(
        torrent.info_hash, fresh.info_hash,
        "a resumed torrent is the torrent"
    );
}

#[test]
fn a_half_way_client_completes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::awkward(21);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.source()]);
    let (_, torrent, bytes) = appliance.wait_seeding(HASH_BOUND);
    let path = dir.path().join("public.torrent");
    std::fs::write(&path, bytes).expect("a file can be written");
    let limits = Limits {
        down: Some(1_000_000),
        up: None,
    };
    let mut client = Kind::Libtorrent.start(&Link::Torrent(path), limits);
    let half = torrent.size() / 2;
    let progress = wait_until(&mut *client, DOWNLOAD_BOUND, "be half-way", |progress| {
        progress.have >= half
    });
    assert!(
        !progress.complete,
        "the client was done before the power was cut"
    );

    appliance.restart();
    let release = appliance.wait_release("is known", DOWNLOAD_BOUND, |_| true);
    assert_ne!(release["stage"], "hashing", "{release}");
    assert_eq!(number(&release, "hashed"), tree.size());
    let (release, again, _) = appliance.wait_seeding(DOWNLOAD_BOUND);
    assert_eq!(again.info_hash, torrent.info_hash, "{release}");
    wait_complete(&mut *client, DOWNLOAD_BOUND);
    verify(&mut *client, &torrent, &tree);
}

#[test]
fn what_was_spent_is_not_forgotten() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("film.mkv", 4 << 20, 22);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.source()]);
    let (_, torrent, _) = appliance.wait_seeding(HASH_BOUND);
    let link = Link::Magnet(torrent.magnet_with(&appliance.http_tracker()));
    let mut client = Kind::Aria2.start(&link, Limits::default());
    wait_complete(&mut *client, DOWNLOAD_BOUND);
    let size = tree.size();
    let spent = appliance.wait_release("was uploaded once", DOWNLOAD_BOUND, |release| {
        release["payload_bytes"].as_u64() >= Some(size)
    });
    // The ledger may be written down late, but not later than this.
    std::thread::sleep(LEDGER_DELAY);
    appliance.restart();
    let release = appliance.wait_release("is known", DOWNLOAD_BOUND, |_| true);
    assert!(
        number(&release, "payload_bytes") >= number(&spent, "payload_bytes"),
        "{spent} became {release}"
    );
    assert!(
        number(&release, "wire_bytes") >= number(&spent, "payload_bytes"),
        "{release}"
    );
}

/// What a power cut may cost of the ledger.
const LEDGER_DELAY: Duration = Duration::from_secs(15);

#[test]
fn many_power_cuts_leave_one_sound_state() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = source_of(&dir.path().join("source"), 12);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.root()]);
    for pause in [0, 50, 120, 300, 700] {
        std::thread::sleep(Duration::from_millis(pause));
        appliance.restart();
    }
    let mut hashes = std::collections::BTreeSet::new();
    common::wait::wait_for("every release is being seeded", HASH_BOUND, || {
        appliance.assert_alive();
        let releases = appliance.releases();
        hashes = releases
            .iter()
            .filter(|release| matches!(release["stage"].as_str(), Some("spreading" | "supporting")))
            .filter_map(|release| release["info_hash"].as_str().map(str::to_owned))
            .collect();
        (hashes.len() == 12 && releases.len() == 12).then_some(())
    });
    for (name, _) in tree.files() {
        let made = create(
            &tree.root().join(&name),
            &dir.path().join("fresh.torrent"),
            &["--force"],
        );
        assert!(
            hashes.contains(&made.info_hash),
            "{name:?} became another torrent"
        );
    }
}

/// A source of `count` single-file releases.
fn source_of(root: &Path, count: u64) -> Tree {
    std::fs::create_dir_all(root).expect("folders can be made");
    for n in 0..count {
        common::content::write(&root.join(format!("release {n:02}.mkv")), (8 << 20) + n, n);
    }
    Tree::existing(root)
}

#[test]
fn what_the_owner_said_holds() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = source_of(&dir.path().join("source"), 2);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.root()]);
    common::wait::wait_for("both releases are being seeded", HASH_BOUND, || {
        let seeding = appliance
            .releases()
            .into_iter()
            .filter(|release| release["stage"] == "spreading")
            .count();
        (seeding == 2).then_some(())
    });
    let releases = appliance.releases();
    let (paused, removed) = (number(&releases[0], "id"), number(&releases[1], "id"));
    assert_eq!(
        appliance
            .api("POST", &format!("/releases/{paused}/pause"), None)
            .status,
        204
    );
    assert_eq!(
        appliance
            .api("DELETE", &format!("/releases/{removed}"), None)
            .status,
        204
    );
    appliance.set_cap(123_456);
    appliance.restart();
    let releases = appliance.releases();
    assert_eq!(releases.len(), 1, "{releases:?}");
    assert_eq!(
        (number(&releases[0], "id"), releases[0]["stage"].as_str()),
        (paused, Some("paused"))
    );
    assert_eq!(
        appliance.api("GET", "/settings", None).json()["upstream_cap"],
        123_456
    );
    appliance.rescan();
    assert_eq!(
        appliance
            .api("POST", &format!("/releases/{paused}/resume"), None)
            .status,
        204
    );
    appliance.wait_seeding(HASH_BOUND);
    assert_eq!(
        appliance.releases().len(),
        1,
        "a removed release stays removed"
    );
}
