//! `semoir demo`, as a newcomer runs it, only quicker.

mod common;

use std::path::Path;
use std::time::Duration;

use common::daemon::{Daemon, command};
use common::wait::wait_for;

/// Far more than it takes; how fast it must be is not this test's business.
const BOUND: Duration = Duration::from_secs(150);

fn demo(tmp: &Path, log: &Path) -> Daemon {
    let mut command = command(env!("CARGO_BIN_EXE_semoir"));
    command
        .args(["demo", "--size", "8MiB", "--cap", "2MiB/s"])
        .env("TMPDIR", tmp);
    Daemon::start("semoir demo", &mut command, log)
}

fn is_empty(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).expect("the folder is there");
    entries.next().is_none()
}

#[test]
fn the_demo_retires_comes_back_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tmp = dir.path().join("tmp");
    std::fs::create_dir(&tmp).expect("a folder can be made");
    let mut demo = demo(&tmp, &dir.path().join("log"));
    let received = demo.lines();
    let mut lines: Vec<String> = Vec::new();
    let status = wait_for("the demo ends", BOUND, || {
        lines.extend(received.try_iter());
        demo.ended()
    });
    lines.extend(received.iter());
    let told = lines.join("\n");
    assert!(status.success(), "{status}:\n{told}\n{}", demo.tail());
    let [.., spent, back] = lines.as_slice() else {
        panic!("it says little:\n{told}");
    };
    let spent = spent
        .strip_prefix("copies spent ")
        .and_then(|rest| rest.strip_suffix(", retired: 3 others carry it"))
        .unwrap_or_else(|| panic!("the last line but one is {spent:?}"));
    let spent: f64 = spent.parse().expect("a number of copies");
    // Plain seeding would have cost three.
    assert!((1.0..=1.10).contains(&spent), "{spent} copies:\n{told}");
    let more = back
        .strip_suffix(" copies more")
        .and_then(|rest| rest.rsplit_once(": "))
        .unwrap_or_else(|| panic!("the last line is {back:?}"));
    let more: f64 = more.1.parse().expect("a number of copies");
    assert!((1.0..=1.10).contains(&more), "{more} copies:\n{told}");
    let decisions = [
        "spreading: giving the first copies",
        "supporting: ",
        "retired: stopped: 3 others hold every piece (127.0.0.1 and 2 more, each seen twice, ",
        ": back: ",
    ];
    let mut rest = told.as_str();
    for decision in decisions {
        let (_, after) = rest
            .split_once(decision)
            .unwrap_or_else(|| panic!("no {decision:?} in its turn in\n{told}"));
        rest = after;
    }
    assert!(is_empty(&tmp), "something is left in its temporary folder");
}

#[test]
fn a_demo_that_is_stopped_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tmp = dir.path().join("tmp");
    std::fs::create_dir(&tmp).expect("a folder can be made");
    let mut demo = demo(&tmp, &dir.path().join("log"));
    let lines = demo.lines();
    let spreading = |line: &String| line.contains("copies spent");
    wait_for("the demo is under way", BOUND, || {
        lines.try_iter().find(spreading)
    });
    assert!(!is_empty(&tmp), "it keeps its files where it was told");
    let status = demo.terminate(Duration::from_secs(30));
    assert_eq!(status.code(), Some(1));
    assert!(
        demo.tail().contains("stopped before its end"),
        "{}",
        demo.tail()
    );
    assert!(is_empty(&tmp), "something is left in its temporary folder");
}
