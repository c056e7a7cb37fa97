//! Figures of a box that nobody uses: how shut in its services are, how long it takes to start, what it writes to its card.

use std::time::Duration;

use crate::board::Board;
use crate::emulator::Acceleration;

/// What `systemd-analyze security` may find: 0 is locked up entirely, 10 is not at all.
const EXPOSURE: f64 = 2.0;
/// The helpers run as root, for they mount, and write to the card; they are no better than this.
const HELPERS: [(&str, f64); 7] = [
    ("semoir-system.service", 6.0),
    ("semoir-mount.service", 5.0),
    ("semoir-format.service", 5.0),
    ("semoir-first-boot.service", 6.0),
    ("semoir-announce.service", 6.0),
    ("semoir-wifi.service", 5.0),
    ("semoir-journal.service", 3.0),
];
/// How long nobody uses it.
const IDLE: Duration = Duration::from_secs(600);
/// What it may write to its card in that time: of the order of a gigabyte in a year.
const WRITES: u64 = 2 << 20;

fn exposure(board: &mut Board, unit: &str) -> f64 {
    let found = board.run(&format!(
        "systemd-analyze security {unit} --no-pager | tail -n 1"
    ));
    let number = found.split_whitespace().find_map(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("{unit}: {found}"))
}

/// Writes to the card so far, and how many bytes they were.
fn written(board: &mut Board) -> (u64, u64) {
    let stat = board.run("sync; cat /sys/block/vd?/stat");
    let fields: Vec<u64> = stat
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    (fields[4], fields[6] * 512)
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn an_idle_box_is_shut_in_and_spares_its_card() {
    let (mut board, _press, _dir) = Board::of_image();
    board.boot();
    board.claim();
    let found = exposure(&mut board, "semoir.service");
    assert!(found <= EXPOSURE, "semoir.service: {found}");
    println!("semoir.service: {found}");
    for (unit, bound) in HELPERS {
        let found = exposure(&mut board, unit);
        println!("{unit}: {found}");
        assert!(found <= bound, "{unit}: {found}");
    }
    board.restart();
    board.owner.sign_in();
    println!(
        "{:?}: {}",
        Acceleration::here(),
        board.run(
            "systemd-analyze; grep -e MemTotal -e MemAvailable /proc/meminfo; systemctl show -P MemoryCurrent semoir.service"
        )
    );
    // The card's own partitions are no drives of the owner's.
    let sources = board.owner.overview()["sources"].clone();
    let mut sources = sources.as_array().cloned().unwrap_or_default();
    sources.retain(|source| source["kind"] == "drive");
    assert!(sources.is_empty(), "{sources:?}");
    let said = board
        .run("journalctl -b -o cat -u semoir -u semoir-mount --no-pager | grep -i 'drive' || true");
    assert!(!said.contains("not mounted"), "{said}");

    let before = written(&mut board);
    std::thread::sleep(IDLE);
    let after = written(&mut board);
    let (writes, bytes) = (after.0 - before.0, after.1 - before.1);
    println!(
        "{writes} writes of {bytes} bytes to the card in {} idle seconds",
        IDLE.as_secs()
    );
    println!("{}", board.run("grep -H . /proc/[0-9]*/io | grep ' [1-9][0-9]*$' | grep write_bytes | sort -t: -k3 -n | tail -n 8; for p in $(ls /proc | grep -E '^[0-9]+$'); do echo $p $(cat /proc/$p/comm 2>/dev/null); done | grep -e semoir -e systemd -e jbd2 | head -n 12"));
    assert!(bytes <= WRITES, "{bytes}");
}
