//! Updates as an owner makes them: sent to the page, checked, installed, started; and what the page says of them afterwards.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::board::Board;
use crate::common::http::{Answer, request_within};
use crate::common::wait::wait_for;
use crate::press::{BOARD, FIRST};
use crate::updates::{assert_runs, end_at_once, upgrade_database};

/// Sending a hundred megabytes to an emulated processor, and having them checked.
const SEND_BOUND: Duration = Duration::from_secs(300);
/// Installing them.
const INSTALL_BOUND: Duration = Duration::from_secs(300);
/// A start, and the trial's time.
const START_BOUND: Duration = Duration::from_secs(400);

fn system(board: &Board) -> Value {
    let answer = board.owner.api("GET", "/box/system", None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// What an earlier start logged, as the page gives it away.
fn journal(board: &Board, start: &str) -> String {
    let path = format!("/box/journals/{start}");
    let answer = board.owner.api("GET", &path, None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut text = String::new();
    let read = GzDecoder::new(&answer.body[..]).read_to_string(&mut text);
    read.unwrap_or_else(|error| panic!("{error} in {:?}", answer.text()));
    text
}

fn send(board: &Board, bundle: &Path) -> Answer {
    let url = format!("{}/api/v1/box/update", board.owner.admin);
    let headers = [
        ("Cookie", board.owner.cookie()),
        ("Content-Type", "application/octet-stream"),
    ];
    let body = std::fs::read(bundle).expect("a bundle");
    request_within(SEND_BOUND, "PUT", &url, &headers, body).expect("it answers")
}

/// Sends it, installs it and has the board started again; the firmware is asked to try.
fn update(board: &mut Board, bundle: &Path, release: &str) {
    let start = Instant::now();
    let answer = send(board, bundle);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let received = answer.json();
    assert_eq!(received["state"], "ready", "{received}");
    assert_eq!(received["bundle"]["version"], release, "{received}");
    assert_eq!(received["bundle"]["board"], BOARD, "{received}");
    let length = std::fs::metadata(bundle).expect("a bundle").len();
    assert_eq!(received["bundle"]["bytes"], length, "{received}");
    let sent = start.elapsed();
    let order = board.owner.api("POST", "/box/update/install", None);
    assert_eq!(order.status, 202, "{}", order.text());
    let mut percents = Vec::new();
    wait_for("it is installed", INSTALL_BOUND, || {
        let now = system(board)["update"].clone();
        assert_eq!(now["problem"], Value::Null, "{now}");
        percents.extend(now["percent"].as_u64());
        (now["state"] == "installed").then_some(())
    });
    assert!(percents.is_sorted(), "{percents:?}");
    percents.dedup();
    println!(
        "{release}: sent and checked in {:.1} s, installed after {:.1} s; {percents:?} %",
        sent.as_secs_f64(),
        start.elapsed().as_secs_f64()
    );
    power(board, "restart");
    let reset = board.wait_reset(START_BOUND);
    assert!(reset.asks_for_try, "{reset:?}");
}

fn power(board: &Board, action: &str) {
    let order = json!({ "action": action });
    let answer = board.owner.api("POST", "/box/power", Some(order));
    assert_eq!(answer.status, 202, "{}", answer.text());
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn an_owner_updates_the_box_and_is_told_what_became_of_it() {
    let (mut board, press, _dir) = Board::of_image();
    let good = press.update("2.0.0", |_| {});
    // The one that does not serve has upgraded the database before.
    let ends = press.update("3.0.0", |root| {
        end_at_once(root);
        upgrade_database(root);
    });
    let stranger = press.of_a_stranger();
    board.boot();
    board.claim();
    let now = system(&board);
    assert_eq!(now["available"], true, "{now}");
    assert_eq!(
        [&now["version"], &now["board"], &now["slot"]],
        [FIRST, BOARD, "A"],
        "{now}"
    );
    assert_eq!([&now["last"], &now["wifi"]], [&Value::Null; 2], "{now}");

    let answer = send(&board, &stranger);
    let said = system(&board)["update"].clone();
    assert_ne!(said["state"], "ready", "{said}");
    println!(
        "signed by another: {} {}; {said}",
        answer.status,
        answer.text()
    );
    assert!(
        answer.status >= 400 || said["problem"].is_string(),
        "{said}"
    );

    update(&mut board, &good, "2.0.0");
    board.boot();
    assert_runs(&mut board, "2.0.0", 'B');
    let last = wait_for("it is kept", START_BOUND, || {
        let last = system(&board)["last"].clone();
        (last["outcome"] == "kept").then_some(last)
    });
    assert_eq!(
        [&last["version"], &last["from"]],
        ["2.0.0", FIRST],
        "{last}"
    );
    assert_eq!(system(&board)["slot"], "B");
    println!("{last}");

    let name = json!({ "box_name": "Grange" });
    let named = board.owner.api("PATCH", "/settings", Some(name));
    assert!(named.status < 300, "{}", named.text());
    assert_eq!(system(&board)["database"], Value::Null);
    update(&mut board, &ends, "3.0.0");
    board.power_on();
    assert_eq!(board.slot(), 'A', "the update is tried");
    let reset = board.wait_reset(START_BOUND);
    assert!(!reset.asks_for_try, "{reset:?}");
    board.boot();
    assert_runs(&mut board, "2.0.0", 'B');
    let last = system(&board)["last"].clone();
    assert_eq!(
        [&last["version"], &last["from"], &last["outcome"]],
        ["3.0.0", "2.0.0", "went_back"],
        "{last}"
    );
    assert!(last["reason"].is_string(), "{last}");
    println!("{last}");
    // What it did itself, and what was done before it.
    let tried = journal(&board, "last");
    assert!(tried.contains("this one does not serve"), "{tried}");
    let before = journal(&board, "before");
    assert!(before.contains("an update is being installed"), "{before}");
    // The older program serves with the database as it was before, and says where the newer one's is.
    let database = system(&board)["database"].clone();
    let aside = database["set_aside"].as_str();
    let aside = aside.unwrap_or_else(|| panic!("nothing was set aside: {database}"));
    println!("{database}; {}", board.run("ls /var/lib/semoir"));
    board.run(&format!("test -s /var/lib/semoir/{aside}"));
    let info = board.owner.api("GET", "/box", None).json();
    assert_eq!(info["name"], "Grange", "{info}");
    board.assert_no_unit_failed();

    power(&board, "shut_down");
    let reset = board.wait_reset(START_BOUND);
    assert!(!reset.asks_for_try && !reset.by_watchdog, "{reset:?}");
    board.card.assert_whole();
}
