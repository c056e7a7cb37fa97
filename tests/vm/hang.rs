//! What hangs is started again: the daemon by systemd, the system by the watchdog.

use std::time::{Duration, Instant};

use crate::board::Board;
use crate::press::PATIENCE_FILE;

/// In place of the minute and a half of the unit: what is shown is that systemd counts, and what it does then.
const PATIENCE: &str = "[Service]\nWatchdogSec=15s\n";
/// The watchdog counts to 14 seconds, an emulated second may be longer than ours.
const WATCHDOG_BOUND: Duration = Duration::from_secs(180);

fn main_pid(board: &mut Board) -> String {
    board.run("systemctl show -P MainPID semoir.service")
}

#[test]
#[ignore = "needs the system that `make vm-test` makes"]
fn a_daemon_that_hangs_is_started_again_and_so_is_a_system() {
    let (mut board, _press, _dir) = Board::altered(|root| {
        std::fs::remove_file(root.join(PATIENCE_FILE)).expect("the test's own");
    });
    board.boot();
    board.claim();
    let patience = board.run(
        "systemctl show -P WatchdogUSec semoir.service; systemctl show -P RuntimeWatchdogUSec",
    );
    assert_eq!(patience, "1min 30s\n14s");
    let watchdog =
        board.run("cd /sys/class/watchdog/watchdog0 && grep -H . identity state timeout");
    assert!(watchdog.contains("state:active"), "{watchdog}");
    board.run(&format!(
        "mkdir -p /run/systemd/system/semoir.service.d && printf '{PATIENCE}' >/run/systemd/system/semoir.service.d/patience.conf && \
         systemctl daemon-reload && systemctl restart semoir.service"
    ));
    board.wait_page();
    let before = main_pid(&mut board);
    let start = Instant::now();
    board.run(&format!("kill -STOP {before}"));
    board.wait_for(
        "systemd starts it again",
        &format!("now=$(systemctl show -P MainPID semoir.service); test $now != 0 && test $now != {before} && systemctl is-active --quiet semoir.service"),
    );
    board.wait_page();
    board.owner.sign_in();
    let result = board
        .run("journalctl -b -u semoir.service -o cat --no-pager | grep -i watchdog | head -n 1");
    println!(
        "the daemon hung: served again after {:.1} s; {result}",
        start.elapsed().as_secs_f64()
    );

    // The kernel stands still, and starts nothing again by itself.
    let hangs = [
        (
            "the kernel stands still",
            "echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger",
        ),
        ("systemd stands still", "kill -SEGV 1"),
    ];
    for (what, line) in hangs {
        let start = Instant::now();
        board.start(&format!("sleep 1; {line}"));
        let reset = board.wait_reset(WATCHDOG_BOUND);
        assert!(
            reset.by_watchdog && !reset.asks_for_try,
            "{what}: {reset:?}"
        );
        let took = start.elapsed();
        board.boot();
        board.owner.sign_in();
        board.assert_no_unit_failed();
        println!(
            "{what}: started again after {:.1} s, page after {:.1} s",
            took.as_secs_f64(),
            board.page_time.as_secs_f64()
        );
    }
    board.shut_down();
    board.card.assert_whole();
}
