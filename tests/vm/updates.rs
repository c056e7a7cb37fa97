//! Updates: signed ones into the other slot, tried once, kept or given up; what is not signed by us, or altered, refused.
//! Here RAUC is asked by its own command; what the page does is in `page_updates.rs`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::agent::Ended;
use crate::board::Board;
use crate::lot::Lot;
use crate::press::{FIRST, add_unit};

/// From a restart to the next: the start, the quarter of an hour that the test makes a minute, or the watchdog's time.
const GIVE_UP_BOUND: Duration = Duration::from_secs(400);
/// In place of the quarter of an hour that an update has to come to serve.
const TRIAL: &str = "[Timer]\nOnBootSec=\nOnBootSec=60s\n";
/// A daemon that ends at once; the rest of the program is as it was.
const ENDS: &str = "#!/bin/sh
[ \"$1\" != serve ] || { echo 'this one does not serve' >&2; exit 1; }
exec /usr/bin/semoir-whole \"$@\"
";
/// A kernel that stands still as soon as user space is there, and starts nothing again by itself.
const HANGS: &str = "[Unit]
Before=semoir.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger'
";

/// Makes the program of a root one that does not serve.
pub fn end_at_once(root: &Path) {
    let (program, whole) = (
        root.join("usr/bin/semoir"),
        root.join("usr/bin/semoir-whole"),
    );
    fs::copy(&program, whole).expect("a program can be copied");
    fs::write(&program, ENDS).expect("a file can be written");
    let drop_in = root.join("etc/systemd/system/semoir-trial.timer.d");
    fs::create_dir_all(&drop_in).expect("a folder can be made");
    fs::write(drop_in.join("test.conf"), TRIAL).expect("a file can be written");
}

/// What a newer program does to the database before it serves: keeps a copy of it by the number of its version, and makes it one
/// that no older program reads. A program with another schema is not built for it: the number alone is raised.
const UPGRADES: &str = "#!/bin/sh
set -eu
cd /var/lib/semoir
version=$(sqlite3 semoir.db 'pragma user_version')
[ ! -e semoir.db.copy-$version ] && [ ! -e semoir.db.copy-$((version - 1)) ] || exit 0
sqlite3 semoir.db \"vacuum into 'semoir.db.copy-$version'\"
sqlite3 semoir.db \"pragma user_version = $((version + 1)); update setting set value = value\"
";

/// Has a root upgrade the database before its daemon starts.
pub fn upgrade_database(root: &Path) {
    let program = root.join("usr/lib/upgrade-database");
    fs::write(&program, UPGRADES).expect("a file can be written");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("it is ours");
    fs::write(
        root.join("etc/systemd/system/semoir.service.d/upgrade.conf"),
        "[Service]\nExecStartPre=/usr/lib/upgrade-database\n",
    )
    .expect("a file can be written");
}

/// Makes a root one that hangs.
pub fn hang(root: &Path) {
    add_unit(root, "hang.service", "multi-user.target", HANGS);
}

/// Makes a root one that does not come up: its data cannot be mounted.
pub fn fail_to_mount(root: &Path) {
    let table = root.join("etc/fstab");
    let lines = fs::read_to_string(&table).expect("a table");
    assert!(lines.contains("commit=30"), "{lines}");
    fs::write(&table, lines.replace("commit=30", "commit=never")).expect("a file can be written");
}

/// Fails the test unless this release runs in this slot, and serves its owner.
pub fn assert_runs(board: &mut Board, release: &str, slot: char) {
    let runs = board
        .run(". /etc/os-release; echo $VERSION_ID; tr ' ' '\\n' </proc/cmdline | grep rauc.slot");
    assert_eq!(runs, format!("{release}\nrauc.slot={slot}"));
    assert_eq!(board.slot(), slot);
    board.owner.sign_in();
}

fn install(board: &mut Board, bundle: &Path) -> Ended {
    board.fetch(bundle, "/var/update.raucb");
    board.run_any("rauc install /var/update.raucb")
}

/// Installs it, and starts the board again: the firmware is asked to try.
fn try_update(board: &mut Board, bundle: &Path) -> Duration {
    let start = Instant::now();
    let done = install(board, bundle);
    assert_eq!(done.status, 0, "{}", done.text);
    let took = start.elapsed();
    board.start("sleep 1; systemctl reboot");
    let reset = board.wait_reset(GIVE_UP_BOUND);
    assert!(reset.asks_for_try, "{reset:?}");
    took
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn an_update_is_refused_unless_it_is_ours_and_whole() {
    let (mut board, press, dir) = Board::of_image();
    let bundle = press.update("2.0.0", |_| {});
    let stranger = press.of_a_stranger();
    board.boot();
    board.claim();
    let slot_b = "sha256sum </dev/disk/by-partuuid/5e301a7e-03; ls -R /boot/slot-* | sha256sum; cat /boot/config.txt";
    let before = board.run(slot_b);
    let refused = |board: &mut Board, bundle: &Path, what: &str| {
        let start = Instant::now();
        let done = install(board, bundle);
        assert_ne!(done.status, 0, "{what}: {}", done.text);
        let said = done.text.lines().find(|line| line.contains("LastError"));
        println!(
            "{what}: {:.1} s, {}",
            start.elapsed().as_secs_f64(),
            said.unwrap_or_default()
        );
    };
    refused(&mut board, &stranger, "signed by another");
    assert_eq!(board.run(slot_b), before, "nothing of it was written");
    let altered = dir.path().join("altered.raucb");
    let length = fs::metadata(&bundle).expect("a bundle").len();
    for (what, at) in [
        ("its signature altered", length - 700),
        ("its last byte altered", length - 1),
    ] {
        fs::copy(&bundle, &altered).expect("a bundle can be copied");
        flip(&altered, at);
        refused(&mut board, &altered, what);
        assert_eq!(board.run(slot_b), before, "nothing of it was written");
    }
    // What is in it is looked at as it is read (dm-verity): by then the slot is being written to, and is not made the next.
    fs::copy(&bundle, &altered).expect("a bundle can be copied");
    flip(&altered, length / 2);
    refused(&mut board, &altered, "its content altered");
    let reset = board.restart();
    assert!(!reset.asks_for_try, "{reset:?}");
    assert_runs(&mut board, FIRST, 'A');
    // And what is whole goes in all the same.
    try_update(&mut board, &bundle);
    board.boot();
    assert_runs(&mut board, "2.0.0", 'B');
}

/// Turns one bit.
fn flip(file: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(file);
    let file = file.expect("a bundle opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("a byte");
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn an_update_that_serves_is_kept_and_any_other_is_given_up() {
    let (mut board, press, _dir) = Board::of_image();
    let good = press.update("2.0.0", |_| {});
    let ends = press.update("3.0.0", end_at_once);
    let hangs = press.update("4.0.0", hang);
    board.boot();
    board.claim();
    assert_runs(&mut board, FIRST, 'A');

    let took = try_update(&mut board, &good);
    board.boot();
    assert_runs(&mut board, "2.0.0", 'B');
    board.wait_for(
        "it is kept",
        "systemctl is-active --quiet semoir-good.service && ! test -e /boot/trying",
    );
    println!(
        "good: installed in {:.1} s, page after {:.1} s",
        took.as_secs_f64(),
        board.page_time.as_secs_f64()
    );
    board.cut_power(&mut Lot::new(5));
    board.boot();
    assert_runs(&mut board, "2.0.0", 'B');
    board.assert_no_unit_failed();

    for (bundle, what, by_watchdog) in [
        (&ends, "its daemon ends", false),
        (&hangs, "it hangs", true),
    ] {
        try_update(&mut board, bundle);
        let start = Instant::now();
        board.power_on();
        assert_eq!(board.slot(), 'A', "the update is tried");
        let reset = board.wait_reset(GIVE_UP_BOUND);
        let took = start.elapsed();
        assert!(!reset.asks_for_try, "{what}: {reset:?}");
        assert_eq!(reset.by_watchdog, by_watchdog, "{what}: {reset:?}");
        board.boot();
        assert_runs(&mut board, "2.0.0", 'B');
        let said = board.run("journalctl -b -o cat -u semoir-settle --no-pager | grep 'did not'; test -e /boot/slot-a.bad");
        println!("{what}: given up after {:.1} s; {said}", took.as_secs_f64());
        // The next start is an ordinary one.
        let reset = board.restart();
        assert!(!reset.asks_for_try, "{reset:?}");
        assert_runs(&mut board, "2.0.0", 'B');
    }
    board.shut_down();
    board.card.assert_whole();
}

/// There is nobody to log in to systemd's emergency mode.
#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn an_update_that_does_not_come_up_is_given_up() {
    let (mut board, press, _dir) = Board::of_image();
    let halts = press.update("2.0.0", fail_to_mount);
    board.boot();
    board.claim();
    try_update(&mut board, &halts);
    let start = Instant::now();
    board.power_on();
    assert_eq!(board.slot(), 'B', "the update is tried");
    let reset = board.wait_reset(GIVE_UP_BOUND);
    assert!(!reset.asks_for_try && !reset.by_watchdog, "{reset:?}");
    println!("given up after {:.1} s", start.elapsed().as_secs_f64());
    board.boot();
    assert_runs(&mut board, FIRST, 'A');
    board.run("test -e /boot/slot-b.bad");
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn a_power_cut_while_an_update_is_installed_leaves_the_old_system() {
    let (mut board, press, _dir) = Board::of_image();
    let bundle = press.update("2.0.0", |_| {});
    board.boot();
    board.claim();
    board.fetch(&bundle, "/var/update.raucb");
    board.run("sync");
    let start = Instant::now();
    board.run("rauc install /var/update.raucb");
    let whole = start.elapsed();
    let mut lot = Lot::new(7);
    // The first cut is after it was installed, and before the restart that would have tried it.
    let lost = board.cut_power(&mut lot);
    println!(
        "installed in {:.1} s; cut afterwards: {lost:?}",
        whole.as_secs_f64()
    );
    for _ in 0..4 {
        board.boot();
        assert_runs(&mut board, FIRST, 'A');
        let moment = Duration::from_millis(lot.below(whole.as_millis() as u64));
        board.start("rauc install /var/update.raucb");
        std::thread::sleep(moment);
        let lost = board.cut_power(&mut lot);
        println!("cut {:.1} s into it: {lost:?}", moment.as_secs_f64());
    }
    board.boot();
    assert_runs(&mut board, FIRST, 'A');
    let done = board.run_any("rauc install /var/update.raucb");
    assert_eq!(done.status, 0, "{}", done.text);
    let reset = board.restart();
    assert!(reset.asks_for_try, "{reset:?}");
    assert_runs(&mut board, "2.0.0", 'B');
    board.wait_for(
        "it is kept",
        "systemctl is-active --quiet semoir-good.service && ! test -e /boot/trying",
    );
    board.shut_down();
    board.card.assert_whole();
}
