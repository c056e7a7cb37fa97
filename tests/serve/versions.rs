//! A box whose database is of another version than its program: older, and newer.

use std::fs;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use crate::start::Start;
use crate::{END_BOUND, assert_says};

/// The oldest database there is, as it was released.
const OLDEST: &str = include_str!("../data/schema-v1.sql");
/// As the schema's own file says, and `upgrade.rs`: "Semo".
const APPLICATION_ID: i64 = 0x5365_6d6f;

/// What a Semoir to come does.
const FUTURE: &str = "CREATE TABLE comet (seen INTEGER) STRICT; INSERT INTO comet VALUES (1986);
                      PRAGMA user_version = 1000;";

fn oldest(path: &Path) -> Connection {
    let database = Connection::open(path).expect("a database can be made");
    database.execute_batch(OLDEST).expect("it was released so");
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;");
    database.execute_batch(&marks).expect("it can be marked");
    database
}

fn number(path: &Path, sql: &str) -> i64 {
    let database = Connection::open(path).expect("it is there");
    let number = database.query_row(sql, [], |row| row.get(0));
    number.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The files of the data folder that are the database's, without its own name; its log aside, which may stay, empty.
fn beside(start: &Start) -> Vec<String> {
    let entries = fs::read_dir(&start.data).expect("the data folder is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be listed").file_name())
        .filter_map(|name| Some(name.to_str()?.strip_prefix("semoir.db")?.to_owned()))
        .collect();
    names.retain(|name| !name.starts_with('-'));
    names.sort();
    names
}

#[test]
fn an_update_keeps_a_copy_and_the_older_box_goes_on_with_it() {
    let start = Start::new();
    let path = start.data.join("semoir.db");
    fs::create_dir(&start.data).expect("a folder can be made");
    let old = oldest(&path);
    old.execute("INSERT INTO setting VALUES ('relays', '7')", [])
        .expect("it has settings");
    drop(old);
    let (mut daemon, _) = start.runs();
    assert_eq!(daemon.terminate(END_BOUND).code(), Some(0));
    assert_eq!(beside(&start), ["", ".copy-1"]);
    let copy = start.data.join("semoir.db.copy-1");
    assert_eq!(number(&copy, "PRAGMA user_version"), 1);
    let known = number(&path, "PRAGMA user_version");
    assert!(known > 1);

    // A newer program makes a copy too, and another database of this one.
    let newest = start.data.join(format!("semoir.db.copy-{known}"));
    fs::copy(&path, &newest).expect("it can be copied");
    let newer = Connection::open(&path).expect("it is there");
    newer.execute_batch(FUTURE).expect("it is a database");
    drop(newer);
    let (mut daemon, _) = start.runs();
    assert_says(&daemon.tail(), &["newer Semoir", "set aside"]);
    assert_eq!(daemon.terminate(END_BOUND).code(), Some(0));
    assert_eq!(number(&path, "PRAGMA user_version"), known);
    let relays = "SELECT CAST(value AS INTEGER) FROM setting WHERE key = 'relays'";
    assert_eq!(number(&path, relays), 7);
    let names = beside(&start);
    let [itself, oldest, aside] = &names[..] else {
        panic!("{names:?}");
    };
    assert_eq!((itself.as_str(), oldest.as_str()), ("", ".copy-1"));
    assert!(aside.starts_with(".set-aside-1000-"), "{aside}");
    let aside = start.data.join(format!("semoir.db{aside}"));
    assert_eq!(number(&aside, "SELECT seen FROM comet"), 1986);

    // And again, with no copy that it could read but the oldest, which it upgrades.
    let newer = Connection::open(&path).expect("it is there");
    newer.execute_batch(FUTURE).expect("it is a database");
    drop(newer);
    let (mut daemon, _) = start.runs();
    assert_eq!(daemon.terminate(END_BOUND).code(), Some(0));
    assert_eq!(number(&path, "PRAGMA user_version"), known);
    assert_eq!(beside(&start).len(), 4, "{:?}", beside(&start));

    // With none at all it is as it was.
    fs::remove_file(&copy).expect("it was made again");
    let newer = Connection::open(&path).expect("it is there");
    newer.execute_batch(FUTURE).expect("it is a database");
    drop(newer);
    let before = beside(&start);
    let sentence = start.refused();
    let [version, known] = ["1000".to_owned(), known.to_string()];
    assert_says(&sentence, &["newer Semoir", &version, &known, "semoir.db"]);
    assert_eq!(beside(&start), before);
    assert_eq!(number(&path, "SELECT seen FROM comet"), 1986);
}

/// Mounts the data folder from memory, where nobody else sees it, puts the database there, has the program try, and brings
/// the database back.
const IN_A_SMALL_PLACE: &str = r#"
set -e
data=$1 kib=$2
shift 2
mount -t tmpfs -o "size=${kib}k" none "$data"
cp "$data.old" "$data/semoir.db"
code=0
"$@" || code=$?
ls -A "$data" >"$data.left"
cp "$data/semoir.db" "$data.after"
exit "$code"
"#;

#[test]
fn with_no_room_for_a_copy_the_database_is_left_as_it_is() {
    let mut unshare = vec!["unshare", "--mount"];
    if !nix::unistd::Uid::effective().is_root() {
        unshare.extend(["--user", "--map-root-user"]);
    }
    let tried = Command::new(unshare[0])
        .args(&unshare[1..])
        .arg("true")
        .output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: this test mounts a small file system, and may not");
        return;
    }
    let start = Start::new();
    fs::create_dir(&start.data).expect("a folder can be made");
    let [old, after, left] =
        ["data.old", "data.after", "data.left"].map(|n| start.dir.path().join(n));
    let database = oldest(&old);
    let sql = "INSERT INTO setting VALUES ('much', json_quote(hex(zeroblob(500000))))";
    database.execute(sql, []).expect("it has settings");
    drop(database);
    let before = fs::read(&old).expect("it was made");
    assert!(before.len() > 1_000_000, "{}", before.len());

    let serve = start.command();
    let tried = Command::new("timeout")
        .arg("30")
        .args(&unshare)
        .args(["sh", "-c", IN_A_SMALL_PLACE, "sh"])
        .arg(&start.data)
        .arg("1600")
        .arg(serve.get_program())
        .args(serve.get_args())
        .env("SEMOIR_OFFLINE", "1")
        .output()
        .expect("there is timeout (Debian: coreutils)");
    let said = String::from_utf8_lossy(&tried.stderr);
    assert_eq!(tried.status.code(), Some(1), "{said}");
    assert_says(
        &said,
        &[
            "no room for a copy of the database",
            "make 2 MB free",
            "left as it was",
        ],
    );
    assert!(fs::read(&after).expect("it is there") == before, "{said}");
    let left = fs::read_to_string(&left).expect("it was listed");
    assert!(!left.contains("copy"), "{left}");

    // Where there is room, the same box starts.
    fs::copy(&after, start.data.join("semoir.db")).expect("there is room");
    let (mut daemon, _) = start.runs();
    assert_eq!(daemon.terminate(END_BOUND).code(), Some(0));
    assert_eq!(beside(&start), ["", ".copy-1"]);
}
