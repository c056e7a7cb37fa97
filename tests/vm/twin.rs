//! A second card of ours, plugged in beside the one that the system runs from: an owner moves to a larger one. Its partitions
//! have the same identifiers, and must be mistaken for nothing.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::board::{Board, CARD};
use crate::card::Card;
use crate::parts::run;

/// Time enough for a step on an emulated processor.
const BOUND: Duration = Duration::from_secs(120);
/// Where the data partition begins, for the tools of its file system.
const DATA: u64 = 644 << 20;

/// What the page says of drives.
fn drives(board: &Board) -> Vec<Value> {
    let sources = board.owner.overview()["sources"].clone();
    let mut sources = sources.as_array().cloned().unwrap_or_default();
    sources.retain(|source| source["kind"] == "drive");
    sources
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn a_second_card_is_a_drive_and_the_first_is_none() {
    let (mut board, press, dir) = Board::of_image();
    let twin = Card::flash(&press.image(), dir.path().join("twin.img"), CARD);
    // Something that an owner would find there.
    let film = dir.path().join("film");
    std::fs::write(&film, "a film").expect("a file can be written");
    run(Command::new("/usr/sbin/debugfs")
        .args(["-w", "-R"])
        .arg(format!("write {} film.txt", film.display()))
        .arg(format!("{}?offset={DATA}", twin.image.display())));
    board.boot();
    board.claim();
    assert_eq!(
        drives(&board),
        Vec::<Value>::new(),
        "the card itself is no drive"
    );
    let links = "for n in 1 2 3 4; do readlink /dev/disk/by-partuuid/5e301a7e-0$n; done";
    let before = board.run(links);
    assert!(
        before.lines().all(|link| link.starts_with("../../vda")),
        "{before}"
    );

    board.plug(&twin.image);
    board.wait_for("the stick is there", "test -b /dev/sda4 && udevadm settle");
    assert_eq!(board.run(links), before);
    let deadline = Instant::now() + BOUND;
    loop {
        let drives = drives(&board);
        let here = |drive: &Value| {
            drive["name"] == "semoir-data" && drive["present"] == true && drive["problem"] == ""
        };
        if drives.iter().any(here) {
            println!("{drives:?}");
            break;
        }
        assert!(
            Instant::now() < deadline,
            "the twin's data are no drive: {drives:?}\n{}",
            board.run(
                "lsblk; journalctl -b -o cat --no-pager -u semoir -u semoir-mount | tail -n 30"
            )
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    // And when both are there from the start.
    board.restart();
    board.owner.sign_in();
    assert_eq!(board.run(links), before);
    board.assert_no_unit_failed();
}
