//! Power cuts: in the first start, and while the box runs.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::board::Board;
use crate::lot::Lot;
use crate::parts::run;

/// Cuts of each kind.
const CUTS: u64 = 5;
/// How long the box is used before a cut, at the longest.
const USE: u64 = 8000;

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn ten_power_cuts_leave_the_card_whole() {
    let (mut board, _press, dir) = Board::of_image();
    let image = dir.path().join("new.img");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        run(Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .args([from, to]));
    };
    copy(&board.card.image, &image);
    board.boot();
    // A first start is that long here and now; cuts come anywhere in it.
    let start = board.page_time.as_millis() as u64;
    board.cut_power(&mut Lot::new(1));
    let mut lot = Lot::new(10);
    for number in 1..=CUTS {
        copy(&image, &board.card.image);
        let moment = start / 5 + lot.below(start);
        board.power_on();
        std::thread::sleep(Duration::from_millis(moment));
        let lost = board.cut_power(&mut lot);
        let state = board.boot();
        assert_eq!(state["claimed"], false, "{state}");
        board.assert_no_unit_failed();
        board.claim();
        board.run("fsck.vfat -n /dev/disk/by-partuuid/5e301a7e-01");
        println!(
            "{number}: cut {:.1} s into the first start: {lost:?}; page after {:.1} s",
            moment as f64 / 1e3,
            board.page_time.as_secs_f64()
        );
        if number < CUTS {
            board.cut_power(&mut Lot::new(1));
        }
    }
    for number in 1..=CUTS {
        let names = use_it(&board, lot.below(USE));
        let lost = board.cut_power(&mut lot);
        board.boot();
        board.owner.sign_in();
        board.assert_no_unit_failed();
        let found = board.run("journalctl -b -o cat -u semoir --no-pager | grep ^integrity:");
        assert_eq!(found, "integrity:ok");
        board.run("fsck.vfat -n /dev/disk/by-partuuid/5e301a7e-01");
        println!(
            "{number}: cut after {names} changes: {lost:?}; page after {:.1} s",
            board.page_time.as_secs_f64()
        );
    }
    board.shut_down();
    board.card.assert_whole();
}

/// Changes the box for that many milliseconds; how often.
fn use_it(board: &Board, millis: u64) -> u32 {
    let until = std::time::Instant::now() + Duration::from_millis(millis);
    let mut changes = 0;
    while std::time::Instant::now() < until {
        let name = json!({ "box_name": format!("Box {changes}") });
        let answer = board.owner.api("PATCH", "/settings", Some(name));
        assert!(answer.status < 300, "{}", answer.text());
        changes += 1;
    }
    changes
}
