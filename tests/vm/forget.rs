//! A factory reset, from the page and by a file on the card: all is forgotten, and the uploads go or stay.

use std::time::Duration;

use serde_json::{Value, json};

use crate::board::Board;
use crate::common::http;
use crate::common::wait::wait_for;

/// From the page's first answer to the code on the console.
const CODE_BOUND: Duration = Duration::from_secs(60);
const GIFT: &str = "a gift for everybody";

/// Uploads a file, and waits until it is on offer.
fn upload(board: &mut Board) {
    let files =
        json!({ "name": "gift.txt", "files": [{ "path": "gift.txt", "size": GIFT.len() }] });
    let begun = board.owner.api("POST", "/uploads", Some(files));
    assert_eq!(begun.status, 201, "{}", begun.text());
    let id = begun.json()["id"].as_str().expect("an id").to_owned();
    let url = format!("{}/api/v1/uploads/{id}/files/0?offset=0", board.owner.admin);
    let headers = [("Cookie", board.owner.cookie())];
    let put = http::request("PUT", &url, &headers, GIFT.into()).expect("it answers");
    assert_eq!(put.status, 200, "{}", put.text());
    let done = board
        .owner
        .api("POST", &format!("/uploads/{id}/finish"), Some(json!({})));
    assert!(done.status < 300, "{}", done.text());
    assert!(has_gift(board));
}

fn has_gift(board: &mut Board) -> bool {
    board
        .run_any("find /var/lib/semoir/uploads -name gift.txt | grep -q .")
        .status
        == 0
}

/// Fails the test unless all is forgotten, and claims the box again.
fn assert_new(board: &mut Board, old_code: &str) -> String {
    let state: Value = board.wait_page();
    assert_eq!(state["claimed"], false, "{state}");
    assert_eq!(state["name"], "Semoir", "{state}");
    let code = wait_for("another code is shown", CODE_BOUND, || {
        let code = board.code();
        (code != old_code).then_some(code)
    });
    board.wait_for(
        "the code is on the card",
        &format!("grep -q {code} /boot/SETUP-CODE.txt"),
    );
    board.owner.claim(&code);
    code
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn a_box_forgets_everything_when_its_owner_or_its_card_says_so() {
    let (mut board, _press, _dir) = Board::of_image();
    board.boot();
    let mut code = board.code();
    board.owner.claim(&code);
    let name = |board: &Board| {
        let named = board
            .owner
            .api("PATCH", "/settings", Some(json!({ "box_name": "Grange" })));
        assert!(named.status < 300, "{}", named.text());
    };
    // From the page: the daemon is started again, and what was the owner's is gone.
    for keep_uploads in [true, false] {
        name(&board);
        if !has_gift(&mut board) {
            upload(&mut board);
        }
        let pid = board.run("systemctl show -P MainPID semoir.service");
        let body = json!({ "name": "Grange", "keep_uploads": keep_uploads });
        let answer = board.owner.api("POST", "/box/reset", Some(body));
        assert_eq!(answer.status, 202, "{}", answer.text());
        board.wait_for(
            "the daemon starts again",
            &format!("now=$(systemctl show -P MainPID semoir.service); test $now != 0 && test $now != {pid} && systemctl is-active --quiet semoir.service"),
        );
        code = assert_new(&mut board, &code);
        assert_eq!(has_gift(&mut board), keep_uploads);
    }
    // By a file on the card, beside wishes of before that are kept no longer.
    for (words, keeps) in [("", true), ("Delete uploads\r\n", false)] {
        name(&board);
        if !has_gift(&mut board) {
            upload(&mut board);
        }
        board.shut_down();
        board.card.write("semoir.toml", "hostname = \"garage\"\n");
        board.boot();
        assert_eq!(board.run("uname -n"), "garage");
        board.shut_down();
        board.card.write("FACTORY-RESET.txt", words);
        board.power_on();
        board.wait_up();
        code = assert_new(&mut board, &code);
        assert_eq!(has_gift(&mut board), keeps, "{words:?}");
        assert_eq!(board.run("uname -n"), "semoir");
        board.assert_no_unit_failed();
    }
    board.shut_down();
    assert_eq!(board.card.read("FACTORY-RESET.txt"), None, "obeyed once");
    board.card.assert_whole();
    board.boot();
    board.owner.sign_in();
}
