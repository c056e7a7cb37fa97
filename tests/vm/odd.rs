//! Sticks that are not what they seem: encrypted ones, copies of others, and ones that were pulled out of a computer that
//! wrote to them.

use std::time::Duration;

use serde_json::Value;

use crate::common::wait::wait_for;
use crate::guest::Guest;
use crate::recipe::{DIRTY, LUKS};
use crate::stick::{Film, Stick};
use crate::sticks::{download, share, wait_listed, wait_source};

/// Time enough for a step on an emulated processor.
const BOUND: Duration = Duration::from_secs(240);

fn drives(guest: &Guest) -> Vec<Value> {
    let sources = guest.overview()["sources"].clone();
    let mut sources = sources.as_array().cloned().unwrap_or_default();
    sources.retain(|source| source["kind"] == "drive");
    sources
}

#[test]
#[ignore = "needs the guest that `make vm-test` makes"]
fn odd_sticks_are_told_apart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut guest = Guest::start();

    let locked = Stick::new(LUKS.name, dir.path());
    guest.machine().plug(&locked, 1);
    let problem = wait_for("the page says what is wrong", BOUND, || {
        let problem = drives(&guest).first()?["problem"].as_str()?.to_owned();
        (!problem.is_empty()).then_some(problem)
    });
    assert!(problem.contains("encrypted (LUKS)"), "{problem}");
    guest.machine().pull(&locked);
    locked.assert_unchanged();

    // A copy has the same file system with the same number, on a stick of another.
    let (original, film) = (Stick::new("ext4", dir.path()), Film::of("ext4"));
    let copy = original.clone_as("copy");
    guest.machine().plug(&original, 2);
    let found = wait_listed(&mut guest, &film.name);
    share(&guest, &found);
    download(&mut guest, &film.name).complete(&film);
    guest.machine().pull(&original);
    let is_first = |release: &Value| release["id"] == found["id"];
    guest.wait_release("is away", BOUND, |release| {
        is_first(release) && release["stage"] == "absent"
    });
    guest.machine().plug(&copy, 2);
    let other = guest.wait_release("is found on the copy", BOUND, |release| {
        !is_first(release) && release["name"] == film.name
    });
    assert_ne!(
        other["source"], found["source"],
        "the copy is a source of its own"
    );
    guest.wait_release("is still away", BOUND, |release| {
        is_first(release) && release["stage"] == "absent"
    });
    guest.machine().pull(&copy);
    copy.assert_unchanged();
    original.assert_unchanged();

    for recipe in DIRTY {
        let (stick, film) = (Stick::new(recipe.name, dir.path()), Film::of(recipe.name));
        guest.machine().plug(&stick, 3);
        let source = wait_source(&guest);
        println!("{}: {}", recipe.name, source["note"]);
        let note = source["note"].as_str().unwrap_or_default();
        // XFS keeps no mark of it outside of its log.
        let is_said = !note.is_empty();
        assert_eq!(is_said, recipe.name != "xfs-cut", "{}", recipe.name);
        let found = wait_listed(&mut guest, &film.name);
        share(&guest, &found);
        download(&mut guest, &film.name).complete(&film);
        guest.machine().pull(&stick);
        guest.wait_release("is away", BOUND, |release| {
            release["id"] == found["id"] && release["stage"] == "absent"
        });
        stick.assert_unchanged();
    }
}
