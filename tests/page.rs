//! What the owner's page asks a running box for: where the pieces are, what its swarms were like, what was decided, and
//! the rule of each source.

mod common;

use std::time::Duration;

use common::appliance::Appliance;
use common::content::{Tree, write};
use common::wait::{observe, wait_for};
use common::wire::{FakePeer, hash_bytes};
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(60);
/// A HAVE (BEP 3).
const HAVE: u8 = 4;

fn get(appliance: &Appliance, path: &str) -> Value {
    let answer = appliance.api("GET", path, None);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

#[test]
fn pieces_and_history_follow_a_peer_and_the_history_begins_anew_with_the_box() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("The Film.mkv", 4 << 20, 95);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.source()]);
    let (release, torrent, _) = appliance.wait_seeding(BOUND);
    let pieces = torrent.pieces();
    let (map, history) = (
        format!("/releases/{}/pieces", release["id"]),
        format!("/releases/{}/history", release["id"]),
    );
    let deserted = get(&appliance, &map);
    assert_eq!(deserted["cells"], ".".repeat(pieces as usize));
    assert_eq!(
        (&deserted["held"], &deserted["offered"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(get(&appliance, &history)["at"], json!([]));

    let hash = hash_bytes(release["info_hash"].as_str().expect("hashed"));
    let mut peer = FakePeer::handshake(appliance.peers, hash).expect("the box answers for it");
    for piece in [0_u32, pieces - 1] {
        peer.send(HAVE, &piece.to_be_bytes()).expect("it listens");
    }
    let held = wait_for("a map with what the peer has", BOUND, || {
        let map = get(&appliance, &map);
        (map["held"] == 2).then_some(map)
    });
    let cells = held["cells"].as_str().expect("a text");
    assert!(cells.starts_with('1') && cells.ends_with('1'), "{cells}");
    assert_eq!(
        (cells.len(), &held["per_cell"]),
        (pieces as usize, &json!(1))
    );

    let line = wait_for("a point with the peer in it", BOUND, || {
        let line = get(&appliance, &history);
        let full = |peers: &Value| peers.as_f64() == Some(1.0);
        line["peers"].as_array()?.iter().any(full).then_some(line)
    });
    let lengths = ["at", "rate", "peers", "relays", "copies"].map(|column| {
        let column = line[column].as_array();
        column.expect("a column").len()
    });
    assert!(
        lengths.iter().all(|length| *length == lengths[0]),
        "{lengths:?}"
    );
    let whole = get(&appliance, "/history");
    assert_eq!(whole["since"], line["since"]);
    assert!(
        whole["at"]
            .as_array()
            .is_some_and(|at| at.len() >= lengths[0])
    );

    appliance.restart();
    appliance.wait_seeding(BOUND);
    let anew = get(&appliance, &history);
    assert_eq!(anew["at"], json!([]), "nothing is kept over a start");
    assert!(anew["since"].as_i64() > line["since"].as_i64());
}

#[test]
fn a_source_that_is_not_shared_without_asking_waits_for_its_owner() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("First.mkv", 1 << 20, 96);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.source()]);
    appliance.wait_seeding(BOUND);
    let sources = appliance.overview()["sources"].clone();
    let sources = sources.as_array().expect("a list").iter();
    let folders: Vec<&Value> = sources
        .filter(|source| source["kind"] == "folder")
        .collect();
    assert_eq!(folders[0]["auto_share"], true);
    let rule = |wanted: bool| {
        let path = format!("/sources/{}", folders[0]["id"]);
        let answer = appliance.api("PATCH", &path, Some(json!({ "auto_share": wanted })));
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let is_second = |release: &Value| release["name"] == "Second.mkv";
    let stage = || {
        let second = appliance.releases().into_iter().find(is_second);
        second.map(|release| release["stage"].clone())
    };

    rule(false);
    write(&tree.source().join("Second.mkv"), 1 << 20, 97);
    appliance.rescan();
    wait_for("the second is found", BOUND, || {
        (stage()? == "found").then_some(())
    });
    // As long as one that is shared by itself is left alone first, and longer.
    observe(Duration::from_secs(12), Duration::from_secs(1), |_| {
        appliance.rescan();
        assert_eq!(stage(), Some(json!("found")));
    });
    rule(true);
    wait_for("the second is shared", BOUND, || {
        (stage()? == "spreading").then_some(())
    });

    // The log of all has it, latest first, and goes on page by page.
    let log = get(&appliance, "/decisions");
    let log = log.as_array().expect("a list");
    let of_second = log.iter().filter(|decision| is_second(decision));
    let stages: Vec<&Value> = of_second.map(|decision| &decision["stage"]).collect();
    assert_eq!(stages.first(), Some(&&json!("spreading")));
    assert_eq!(stages.last(), Some(&&json!("found")));
    let (first, rest) = (&log[0], &log[1..]);
    let next = get(&appliance, &format!("/decisions?before={}", first["id"]));
    assert_eq!(next.as_array().map(Vec::as_slice), Some(rest));
}
