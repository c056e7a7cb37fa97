//! A new card in a new board: its first start, with and without the owner's wishes on it.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::board::{Board, CARD};
use crate::card::DATA_SIZE;
use crate::common::wait::wait_for;
use crate::emulator::Acceleration;
use crate::lot::Lot;
use crate::parts::run;

/// Of a file system, what its own tables may take, and what is reserved: in hundredths.
const TABLES: u64 = 6;
/// How long a start may take until the data partition is grown.
const GROWN_BOUND: Duration = Duration::from_secs(300);
/// Of this password: "owner of a garage".
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$eoCQNtnffUDw7T7LXEKdSg$+haa29r6qz8DUMGsm6hA7S65S/RfzmGKlOw5FdVx8JQ";
const PASSWORD: &str = "owner of a garage";
const WIFI: &str = "battery staple of the house";

/// What the card has behind the slots.
fn behind() -> u64 {
    CARD - (644 << 20)
}

/// Fails the test when the data are not as large as the card.
fn assert_grown(board: &mut Board) -> u64 {
    let size = board.run("df -B1 --output=size /var | tail -n 1");
    let size: u64 = size.trim().parse().expect("a number");
    assert!(
        size > behind() / 100 * (100 - TABLES),
        "{size} of {}",
        behind()
    );
    assert_eq!(board.card.data_length(), behind());
    size
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn a_new_card_is_grown_and_claimed_with_the_code_that_it_shows() {
    let (mut board, _press, _dir) = Board::of_image();
    assert_eq!(board.card.data_length(), DATA_SIZE);
    let state = board.boot();
    assert_eq!(state["claimed"], false, "{state}");
    let first = board.page_time;
    let size = assert_grown(&mut board);
    board.assert_no_unit_failed();
    let code = board.code();
    board.wait_for("the code is on the card", "test -e /boot/SETUP-CODE.txt");
    // Or else a card that is put into a reader is never seen.
    let poll = board.run("cat /sys/module/block/parameters/events_dfl_poll_msecs");
    assert_eq!(poll.trim(), "2000");
    let card = board.run("cat /boot/SETUP-CODE.txt");
    assert!(card.starts_with(&code), "{card}");
    assert!(card.contains("http://semoir.local"), "{card}");
    // What is written to is the data alone, and what is on it starts nothing.
    for (place, option) in [
        ("/", "ro"),
        ("/boot", "ro"),
        ("/var", "nosuid"),
        ("/var", "noexec"),
    ] {
        let options = board.run(&format!("findmnt -no OPTIONS {place}"));
        assert!(
            options.split(',').any(|it| it == option),
            "{place}: {options}"
        );
    }

    board.owner.claim(&code);
    board.wait_for(
        "a claimed box has no code",
        "! test -e /boot/SETUP-CODE.txt",
    );
    println!(
        "{:?}: page {:.1} s after power-on the first time; data {:.2} GiB of a card of {:.2}",
        Acceleration::here(),
        first.as_secs_f64(),
        size as f64 / f64::from(1 << 30),
        CARD as f64 / f64::from(1 << 30),
    );
    let reset = board.restart();
    assert!(!reset.asks_for_try && !reset.by_watchdog, "{reset:?}");
    board.owner.sign_in();
    assert!(
        !board.console().contains("Setup code"),
        "{}",
        board.console()
    );
    board.assert_no_unit_failed();
    println!("page {:.1} s after the next", board.page_time.as_secs_f64());
    println!(
        "{}",
        board.run("systemd-analyze; systemd-analyze blame | head -n 12; grep -e MemTotal -e MemAvailable /proc/meminfo")
    );
    board.shut_down();
    assert_eq!(board.card.read("SETUP-CODE.txt"), None);
    board.card.assert_whole();
}

/// The moments that hurt most: the table says that the partition is larger, and the file system is not; and the file system is
/// being made larger.
#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn a_power_cut_while_the_card_is_grown_costs_nothing() {
    let (mut board, _press, dir) = Board::of_image();
    let image = dir.path().join("new.img");
    run(Command::new("cp")
        .args(["--sparse=always", "--reflink=auto"])
        .arg(&board.card.image)
        .arg(&image));
    let mut lot = Lot::new(3);
    for after in [0, 300, 1500] {
        run(Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .arg(&image)
            .arg(&board.card.image));
        board.power_on();
        wait_for("the table is written", GROWN_BOUND, || {
            (board.card.data_length() != DATA_SIZE).then_some(())
        });
        std::thread::sleep(Duration::from_millis(after));
        let lost = board.cut_power(&mut lot);
        let state = board.boot();
        assert_eq!(state["claimed"], false, "{state}");
        let size = assert_grown(&mut board);
        board.assert_no_unit_failed();
        board.claim();
        board.shut_down();
        board.card.assert_whole();
        println!("cut {after} ms after the table was written: {lost:?}, then {size} bytes");
    }
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn what_the_owner_wrote_on_the_card_is_obeyed_and_gone() {
    let (mut board, _press, _dir) = Board::of_image();
    board.card.write(
        "semoir.toml",
        &format!(
            "hostname = \"garage\"\r\ntime-zone = \"Asia/Tokyo\"\r\npassword-hash = \"{HASH}\"\r\n\
             [wifi]\r\nssid = \"House\"\r\npassword = \"{WIFI}\"\r\ncountry = \"FR\"\r\n"
        ),
    );
    assert!(board.card.has(HASH) && board.card.has(WIFI));
    let state = board.boot();
    assert_eq!(state["claimed"], true, "{state}");
    assert!(board.takes(PASSWORD));
    assert!(!board.takes("owner of a garden"));
    obeyed(&mut board);
    assert!(
        !board.console().contains("Setup code"),
        "{}",
        board.console()
    );
    let wifi = board.run(
        "stat -c '%a %U' /var/lib/semoir-system/wifi.conf; cat /var/lib/semoir-system/wifi.conf",
    );
    assert!(wifi.starts_with("600 root\ncountry=FR\n"), "{wifi}");
    assert!(wifi.contains(&format!("psk=\"{WIFI}\"")), "{wifi}");
    // The hash was for the daemon, which has it in its database.
    board.run("! test -e /var/lib/semoir-system/owner/password-hash");
    board.shut_down();
    for name in ["semoir.toml", "SETUP-CODE.txt", "SEMOIR-ERROR.txt"] {
        assert_eq!(board.card.read(name), None, "{name}");
    }
    assert!(!board.card.has(HASH) && !board.card.has(WIFI) && !board.card.has(PASSWORD));
    board.card.assert_whole();

    // A second file, for another Wi-Fi, with the password in it as before.
    board.card.write(
        "semoir.toml",
        &format!("password-hash = \"{HASH}\"\n[wifi]\nssid = \"Garden\"\npassword = \"{WIFI}\"\n"),
    );
    board.boot();
    assert!(board.takes(PASSWORD));
    obeyed(&mut board);
    let wifi = board.run("cat /var/lib/semoir-system/wifi.conf");
    assert!(wifi.contains("ssid=47617264656e"), "{wifi}");
    board.shut_down();
    assert_eq!(board.card.read("semoir.toml"), None);
    assert!(!board.card.has(HASH) && !board.card.has(WIFI));

    // Said once, and with something that is not understood, which is said.
    board.card.write("semoir.toml", "hostname = \"a b\"\n");
    let state: Value = board.boot();
    assert_eq!(state["claimed"], true, "{state}");
    assert!(board.takes(PASSWORD));
    obeyed(&mut board);
    board.shut_down();
    let said = board.card.read("SEMOIR-ERROR.txt").unwrap_or_default();
    assert!(said.starts_with("semoir.toml was not obeyed: "), "{said}");
    println!(
        "page {:.1} s after power-on; {said}",
        board.page_time.as_secs_f64()
    );
}

fn obeyed(board: &mut Board) {
    assert_eq!(board.run("uname -n; date +%Z"), "garage\nJST");
    board.assert_no_unit_failed();
}
