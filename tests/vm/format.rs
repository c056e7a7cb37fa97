//! A stick is emptied for uploads, as its owner asks for on the page; what is uploaded goes onto it, and is given away from it
//! again after the power was cut and the stick was plugged in elsewhere.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::http;
use crate::common::wait::wait_for;
use crate::guest::Guest;
use crate::lot::Lot;
use crate::stick::{Film, Stick};
use crate::sticks::{download, wait_listed, wait_source};

/// Time enough for a step on an emulated processor.
const BOUND: Duration = Duration::from_secs(240);

fn here(guest: &Guest, name: &str) -> Value {
    wait_for("the stick is a place for uploads", BOUND, || {
        let sources = guest.overview()["sources"].clone();
        let mut sources = sources.as_array().cloned().unwrap_or_default().into_iter();
        sources.find(|source| {
            source["name"] == name && source["present"] == true && source["free"].is_u64()
        })
    })
}

/// Uploads a film as the page does.
fn upload(guest: &Guest, film: &Film) {
    let wish = json!({ "name": film.name, "files": [{ "path": film.name, "size": Film::SIZE }] });
    let begun = guest.api("POST", "/uploads", Some(wish));
    assert!(begun.status < 300, "{}", begun.text());
    let id = begun.json()["id"].as_str().expect("a number").to_owned();
    let tree = film.tree();
    let bytes = std::fs::read(tree.root()).expect("a film");
    let url = format!("{}/api/v1/uploads/{id}/files/0?offset=0", guest.admin);
    let headers = [
        ("Cookie", guest.cookie()),
        ("Content-Type", "application/octet-stream"),
    ];
    let sent = http::request("PUT", &url, &headers, bytes).expect("the box answers");
    assert_eq!(sent.status, 200, "{}", sent.text());
    let done = guest.api("POST", &format!("/uploads/{id}/finish"), None);
    assert_eq!(done.status, 204, "{}", done.text());
}

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn a_stick_is_emptied_for_uploads_and_keeps_them() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut guest = Guest::start();
    let (stick, old) = (Stick::new("exfat", dir.path()), Film::of("exfat"));
    guest.machine().plug(&stick, 1);
    let source = wait_source(&guest);
    wait_listed(&mut guest, &old.name);

    // Its owner was not told yet what is on it.
    let path = format!("/sources/{}/format", source["id"]);
    let ask = |guest: &Guest, told: bool| {
        let wish = json!({ "name": source["name"], "label": "Shelf", "told": told });
        guest.api("POST", &path, Some(wish))
    };
    let refused = ask(&guest, false);
    assert_eq!(refused.status, 409, "{}", refused.text());
    println!("{}", refused.text());
    stick.assert_unchanged();
    let formatted = ask(&guest, true);
    if formatted.status != 204 {
        let state = guest.machine().run_any(
            "journalctl -b --no-pager -u semoir -u semoir-format -u semoir-mount | tail -n 60",
        );
        panic!("{}\n{}", formatted.text(), state.text);
    }
    let shelf = here(&guest, "Shelf");
    let settings = guest.api("GET", "/settings", None).json();
    assert_eq!(settings["uploads_to"], shelf["uploads_key"]);
    assert!(!guest.releases().iter().any(|r| r["name"] == old.name));

    let film = Film::of("uploads");
    upload(&guest, &film);
    let release = guest.wait_seeding(&film.name, BOUND).0;
    assert_eq!(release["source"], shelf["id"], "it lies on the stick");
    download(&mut guest, &film.name).complete(&film);

    guest.cut_power(&mut Lot::new(1));
    guest.power_returns();
    guest.machine().plug(&stick, 3);
    here(&guest, "Shelf");
    download(&mut guest, &film.name).complete(&film);
    // It takes the next one as well.
    let other = Film::of("more uploads");
    upload(&guest, &other);
    download(&mut guest, &other.name).complete(&other);
}
