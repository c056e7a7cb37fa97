//! The database over a `kill -9`: what was committed is there, nothing is half there.
//!
//! The test runs itself again as a child that writes until it is killed; the child says on its standard output what
//! it committed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use semoir::base::{Content, ContentFile, Day, FileIdentity, ReleaseId, Stage, Timestamp};
use semoir::store::{NewSource, SourceKind, Spend, SpendBeside, Store};

/// Set for the child: the database it writes to.
const CHILD: &str = "SEMOIR_TEST_CRASH_DATABASE";

/// Turns of writing the child must have committed before it is killed.
const TURNS_BEFORE_KILL: u64 = 150;

const ID: ReleaseId = ReleaseId(1);
const PIECE_LENGTH: u32 = 16_384;

/// One turn: a stage with its decision, a ledger row, a checkpoint. Odd and even turns are in different stages, so
/// that each turn is one decision.
fn turn(store: &Store, number: u64) {
    let stage = if number.is_multiple_of(2) {
        Stage::Found
    } else {
        Stage::Hashing
    };
    let now = Timestamp(1_000 + number as i64);
    store
        .set_stage(ID, stage, &format!("turn {number}"), now)
        .unwrap();
    let spend = Spend {
        release: ID,
        day: Day(1),
        payload_bytes: 3,
        wire_bytes: 4,
    };
    let beside = SpendBeside {
        day: Day(1),
        wire_bytes: 5,
    };
    store.spend(&[spend], Some(beside)).unwrap();
    store
        .save_progress(ID, PIECE_LENGTH, number as u32, &[number as u8; 20])
        .unwrap();
}

fn write_until_killed(path: &Path) -> ! {
    let store = Store::open(path).unwrap();
    let source = store
        .take_up_source(
            &NewSource {
                kind: SourceKind::Folder,
                key: "/m".as_ref(),
                name: "m",
                path: "/m".as_ref(),
                auto_share: true,
                facts: None,
            },
            Timestamp(1),
        )
        .unwrap();
    let file = ContentFile {
        path: "".into(),
        length: 9,
        identity: Some(FileIdentity {
            size: 9,
            mtime_ns: 1,
            inode: 1,
        }),
    };
    let content = Content {
        root: "/m/a".into(),
        files: vec![file],
    };
    store
        .found(source.id, "a".as_ref(), &content, Timestamp(1))
        .unwrap();
    let begin = next_turn(&store);
    let mut out = std::io::stdout();
    for number in begin.. {
        turn(&store, number);
        writeln!(out, "turn {number}")
            .and_then(|()| out.flush())
            .unwrap();
    }
    unreachable!("more turns than there are numbers");
}

/// The turn after the last one whose checkpoint is kept.
fn next_turn(store: &Store) -> u64 {
    store
        .progress(ID)
        .unwrap()
        .map_or(0, |kept| kept.hashes.len() as u64 / 20)
}

/// The last turn the child says it committed.
fn run_and_kill(path: &Path) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "committed_rows_survive_a_kill", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = 0;
    let mut last = None;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let numbers =
        |line: std::io::Result<String>| line.ok()?.rsplit_once("turn ")?.1.parse::<u64>().ok();
    for line in lines.by_ref() {
        if let Some(number) = numbers(line) {
            last = Some(number);
            said += 1;
            if said == TURNS_BEFORE_KILL {
                break;
            }
        }
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success(), "the child ended by itself: {status}");
    // What it said between our decision and its death.
    let last = lines.filter_map(numbers).last().or(last);
    last.expect("the child committed nothing")
}

#[test]
fn committed_rows_survive_a_kill() {
    if let Some(path) = std::env::var_os(CHILD) {
        write_until_killed(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("semoir.db");
    for round in 0..3 {
        let said = run_and_kill(&path);
        let raw = rusqlite::Connection::open(&path).unwrap();
        let verdict: String = raw
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok");
        drop(raw);

        let store = Store::open(&path).unwrap();
        let kept = next_turn(&store);
        // The turn it was in may be there in part: its transactions are committed one by one.
        assert!(
            kept == said + 1 || kept == said + 2,
            "said {said}, kept {kept} turns"
        );
        let spent = store.spent(ID).unwrap().spent;
        let decisions = store.decisions(ID, usize::MAX >> 1).unwrap();
        let changes = decisions.len() as u64 - 1;
        // A turn that is done again after a kill finds its stage set, and logs nothing; its ledger row counts twice.
        assert!(
            changes == kept || changes == kept + 1,
            "{changes} changes, {kept} turns"
        );
        let paid = spent.payload_bytes / 3;
        assert!(
            (kept..=kept + 1 + round).contains(&paid),
            "{paid} rows paid, {kept} turns"
        );
        assert_eq!(
            spent.wire_bytes,
            paid * 4,
            "a row of the ledger is half there"
        );
        let beside = store.spent_since(Day(1)).unwrap().beside;
        assert_eq!(beside, paid * 5, "one ledger was written without the other");
        let release = store.release(ID).unwrap();
        assert_eq!(
            (release.stage, &release.reason),
            (decisions[0].stage, &decisions[0].reason)
        );
    }
}
