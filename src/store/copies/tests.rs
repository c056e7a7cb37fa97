use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::base::ReleaseId;
use crate::store::testing::fill;
use crate::store::upgrade::PRESENT;

/// What two Semoirs to come do to the database.
const COMET: &str = "CREATE TABLE comet (seen INTEGER NOT NULL) STRICT; DROP TABLE relay;";
const TAIL: &str = "ALTER TABLE comet ADD COLUMN tail TEXT;";

/// The version of this program.
const NOW: i64 = PRESENT.latest();

/// A data folder, and the programs that are started on it.
struct Bench {
    dir: TempDir,
    path: PathBuf,
    steps: Vec<&'static str>,
    clock: i64,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            path: dir.path().join("semoir.db"),
            dir,
            steps: [PRESENT.steps, &[COMET, TAIL]].concat(),
            clock: 1_000,
        }
    }

    /// One where this program has shared `releases`.
    fn with(releases: &[&str]) -> Self {
        let bench = Self::new();
        fill(&Store::open(&bench.path).unwrap(), releases);
        bench
    }

    /// A start of the program that is `newer` versions ahead of this one.
    fn try_start(&mut self, newer: usize) -> Result<(Connection, Option<SetAside>), StoreError> {
        let known = Known {
            schema: PRESENT.schema,
            steps: &self.steps[..PRESENT.steps.len() + newer],
        };
        self.clock += 1;
        take_up(&self.path, Timestamp(self.clock), &known, &mut |_, _| {})
    }

    fn start(&mut self, newer: usize) -> (Connection, Option<SetAside>) {
        self.try_start(newer).unwrap()
    }

    /// A start of the next version, which sees `comets`.
    fn sees(&mut self, comets: &[i64]) {
        let (newer, aside) = self.start(1);
        assert_eq!(aside, None, "it knows all versions that there are");
        for comet in comets {
            newer
                .execute("INSERT INTO comet VALUES (?1)", [comet])
                .unwrap();
        }
    }

    /// What lies in the folder, in order; the database's own name is left out of the others.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.replacen("semoir.db", "", 1))
            .collect();
        names.sort();
        names
    }

    fn copy(&self, version: i64) -> PathBuf {
        beside(&self.path, &format!(".copy-{version}"))
    }
}

fn names_in(connection: &Connection) -> Vec<String> {
    let sql = "SELECT CAST(name AS TEXT) FROM release ORDER BY id";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn comets_in(path: &Path) -> Vec<i64> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT seen FROM comet").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn version_of(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    upgrade::any_version(&connection, path).unwrap()
}

/// A file that a power cut left half written.
fn half_a_file(path: &Path) {
    fs::write(path, [0x5a; 5000]).unwrap();
}

#[test]
fn an_upgrade_keeps_a_whole_copy_for_its_owner_alone() {
    let mut bench = Bench::with(&["film"]);
    // Still in the write-ahead log, which nobody has moved into the database.
    let open = Store::open(&bench.path).unwrap();
    fill(&open, &["song"]);
    bench.sees(&[7]);
    drop(open);
    let copy = bench.copy(NOW);
    assert_eq!(bench.names(), ["", &format!(".copy-{NOW}")]);
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    usable(&copy, NOW).unwrap();
    let store = Store::open(&copy).unwrap();
    assert_eq!(names_in(&store.connection.lock()), ["film", "song"]);
    assert_eq!(store.release(ReleaseId(2)).unwrap().name, "song");
    assert_eq!(comets_in(&bench.path), [7]);
}

#[test]
fn a_fresh_database_and_one_of_this_version_need_no_copy() {
    let mut bench = Bench::new();
    bench.start(0);
    bench.start(0);
    assert_eq!(bench.names(), [""]);
}

#[test]
fn the_upgrade_is_announced_before_anything_is_done() {
    let bench = Bench::with(&["film"]);
    let known = Known {
        schema: PRESENT.schema,
        steps: &bench.steps,
    };
    let mut told = Vec::new();
    let mut tell = |from, to| told.push((from, to, bench.names()));
    take_up(&bench.path, Timestamp(1), &known, &mut tell).unwrap();
    take_up(&bench.path, Timestamp(2), &known, &mut tell).unwrap();
    let [(from, to, names)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((*from, *to), (NOW, NOW + 2));
    assert!(!names.concat().contains("copy"), "{names:?}");
}

#[test]
fn an_older_program_goes_back_to_the_copy_and_says_what_is_set_aside() {
    let mut bench = Bench::with(&["film"]);
    bench.sees(&[7]);
    let since = copies(&bench.path).unwrap()[0].made;
    let (old, aside) = bench.start(0);
    assert_eq!(names_in(&old), ["film"]);
    let aside = aside.expect("it says so");
    assert_eq!(
        (aside.version, aside.at, aside.since),
        (NOW + 1, Timestamp(bench.clock), since)
    );
    assert_eq!(comets_in(&aside.path), [7]);
    drop(old);
    assert_eq!(bench.names().len(), 2, "{:?}", bench.names());
    let mode = fs::metadata(&bench.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // It is said at each start, until the newer program is there again; that one goes on from where the older is.
    fill(&Store::open(&bench.path).unwrap(), &["song"]);
    assert_eq!(bench.start(0).1, Some(aside.clone()));
    bench.sees(&[8]);
    assert_eq!(comets_in(&bench.path), [8]);
    assert_eq!(comets_in(&aside.path), [7]);
    let (old, again) = bench.start(0);
    assert_eq!(names_in(&old), ["film", "song"]);
    let again = again.expect("it says so");
    assert_ne!(again.path, aside.path);
    assert_eq!(comets_in(&again.path), [8]);
    assert_eq!(comets_in(&aside.path), [7]);
}

#[test]
fn what_the_newer_one_left_in_its_log_is_set_aside_with_it() {
    let mut bench = Bench::with(&["film"]);
    bench.sees(&[7]);
    let live = Connection::open(&bench.path).unwrap();
    live.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO comet VALUES (8);")
        .unwrap();
    // The power goes: both files stay as they are on the disk.
    let [database, log] = ["", "-wal"].map(|name| beside(&bench.path, name));
    let [main, wal] = [&database, &log].map(|file| fs::read(file).unwrap());
    assert!(!wal.is_empty());
    drop(live);
    fs::write(&database, main).unwrap();
    fs::write(&log, wal).unwrap();

    let (old, aside) = bench.start(0);
    assert_eq!(names_in(&old), ["film"]);
    assert_eq!(comets_in(&aside.unwrap().path), [7, 8]);
}

#[test]
fn without_a_copy_a_newer_database_is_refused_and_left_alone() {
    let mut bench = Bench::with(&["film"]);
    bench.sees(&[7]);
    fs::remove_file(bench.copy(NOW)).unwrap();
    let before = fs::read(&bench.path).unwrap();
    let error = bench.try_start(0).unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    assert_eq!(bench.names(), [""]);
    assert!(fs::read(&bench.path).unwrap() == before);

    // Nor does it go back to what only has the name of one.
    half_a_file(&bench.copy(NOW));
    drop(Store::open(&beside(&bench.path, ".copy-1")).unwrap());
    bench.sees(&[]);
    fs::copy(&bench.path, beside(&bench.path, ".copy-2")).unwrap();
    let error = bench.try_start(0).unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    assert_eq!(comets_in(&bench.path), [7]);
}

#[test]
fn only_who_takes_it_up_goes_back() {
    let mut bench = Bench::with(&["film"]);
    bench.sees(&[7]);
    let error = Store::open(&bench.path).unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    assert_eq!(bench.names(), ["", &format!(".copy-{NOW}")]);
    let taken = Store::take_up(&bench.path, Timestamp(5), |_, _| {}).unwrap();
    assert_eq!(taken.set_aside.expect("it says so").at, Timestamp(5));
}

#[test]
fn the_newest_copy_that_is_whole_and_can_be_read_is_taken() {
    let mut bench = Bench::with(&["film"]);
    bench.sees(&[7]);
    bench.start(2);
    assert_eq!(copies(&bench.path).unwrap().len(), 2);
    // The version between goes back by one.
    let (between, aside) = bench.start(1);
    drop(between);
    assert_eq!(aside.unwrap().version, NOW + 2);
    assert_eq!(comets_in(&bench.path), [7]);
    // This one by two, the other copy being damaged.
    bench.start(2);
    half_a_file(&bench.copy(NOW + 1));
    let (old, aside) = bench.start(0);
    assert_eq!(names_in(&old), ["film"]);
    assert_eq!(aside.unwrap().version, NOW + 2);
}

#[test]
fn two_copies_and_three_that_were_set_aside_are_kept() {
    let mut bench = Bench::new();
    let old = Known {
        schema: include_str!("../../../tests/data/schema-v1.sql"),
        steps: &[],
    };
    take_up(&bench.path, Timestamp(1), &old, &mut |_, _| {}).unwrap();
    for newer in 0..3 {
        bench.start(newer);
    }
    let versions = |bench: &Bench| -> Vec<i64> {
        let copies = copies(&bench.path).unwrap();
        copies.iter().map(|copy| copy.version).collect()
    };
    assert_eq!(versions(&bench), [NOW + 1, NOW], "not that of version 1");

    for round in 0..5 {
        bench.start(0);
        let (newer, _) = bench.start(1);
        newer
            .execute("INSERT INTO comet VALUES (?1)", [round])
            .unwrap();
    }
    let aside = set_aside(&bench.path).unwrap();
    let seen: Vec<Vec<i64>> = aside.iter().map(|a| comets_in(&a.path)).collect();
    assert_eq!(seen, [vec![3], vec![2], vec![1]], "the last ones");
    assert_eq!(versions(&bench), [NOW], "no copy of a future that was left");

    // By a clock that stands at 1970, too.
    bench.clock = 0;
    let (_, last) = bench.start(0);
    assert_eq!(comets_in(&last.unwrap().path), [4]);
}

#[test]
fn a_copy_that_cannot_be_kept_prevents_the_upgrade() {
    let mut bench = Bench::with(&["film"]);
    // Nobody can take the place of a folder.
    fs::create_dir_all(bench.copy(NOW).join("in the way")).unwrap();
    let error = bench.try_start(1).unwrap_err();
    assert!(matches!(error, StoreError::NotCopied { .. }), "{error}");
    assert!(error.is_of_upgrade());
    assert!(error.to_string().contains("was left as it was"), "{error}");
    assert_eq!(bench.names(), ["", &format!(".copy-{NOW}")], "no draft");
    let (old, _) = bench.start(0);
    assert_eq!(names_in(&old), ["film"]);
}

#[test]
fn an_upgrade_that_fails_leaves_the_database_to_the_older_program() {
    let mut bench = Bench::with(&["film"]);
    let steps = bench.steps.len() - 1;
    bench.steps[steps] = "DROP TABLE comet; nonsense";
    let error = bench.try_start(2).unwrap_err();
    assert!(error.is_of_upgrade());
    let text = error.to_string();
    for part in [
        format!("from version {NOW} to {}", NOW + 2),
        "nonsense".into(),
    ] {
        assert!(text.contains(&part), "{text}");
    }
    let (old, aside) = bench.start(0);
    assert_eq!((names_in(&old), aside), (vec!["film".to_owned()], None));
}

#[test]
fn a_power_cut_while_a_copy_is_made_costs_nothing() {
    let mut bench = Bench::with(&["film"]);
    let draft = beside(&bench.path, DRAFT);
    // While it is written.
    half_a_file(&draft);
    half_a_file(&beside(&draft, "-journal"));
    assert_eq!(names_in(&bench.start(0).0), ["film"]);
    // When it has its name, and the upgrade is not on the disk; the old program goes on meanwhile.
    let (open, _) = bench.start(0);
    keep(&open, &bench.path, NOW).unwrap();
    drop(open);
    fill(&Store::open(&bench.path).unwrap(), &["song"]);
    half_a_file(&draft);
    bench.sees(&[7]);
    assert_eq!(bench.names(), ["", &format!(".copy-{NOW}")]);
    assert_eq!(names_in(&bench.start(0).0), ["film", "song"]);
}

#[test]
fn a_power_cut_while_going_back_leaves_the_database_to_either_program() {
    for steps in 0..=3 {
        for newer_next in [false, true] {
            let mut bench = Bench::with(&["film"]);
            bench.sees(&[7]);
            let path = bench.path.clone();
            let copy = newest_usable(&path, NOW).unwrap().unwrap();
            if steps >= 1 {
                fold_log(&path).unwrap();
            }
            if steps >= 2 {
                name_aside(&path, NOW + 1, &copy, Timestamp(5)).unwrap();
            }
            if steps >= 3 {
                put_in_place(&path, &copy).unwrap();
            }
            let case = format!("{steps} steps, {newer_next}: {:?}", bench.names());
            if newer_next {
                bench.sees(&[8]);
                let seen: &[i64] = if steps == 3 { &[8] } else { &[7, 8] };
                assert_eq!(comets_in(&path), seen, "{case}");
                let aside = set_aside(&path).unwrap();
                assert_eq!(aside.len(), usize::from(steps == 3), "{case}");
                assert_eq!(version_of(&bench.copy(NOW)), NOW, "{case}");
            }
            let (old, aside) = bench.start(0);
            assert_eq!(names_in(&old), ["film"], "{case}");
            drop(old);
            let aside = aside.expect("it says so");
            let seen: &[i64] = match (newer_next, steps) {
                (false, _) => &[7],
                (true, 3) => &[8],
                (true, _) => &[7, 8],
            };
            assert_eq!(comets_in(&aside.path), seen, "{case}");
            let asides = set_aside(&path).unwrap().len();
            assert_eq!(asides, 1 + usize::from(newer_next && steps == 3), "{case}");
            assert!(!same_file(&path, &aside.path).unwrap(), "{case}");
        }
    }
}

#[test]
fn names_that_only_look_alike_are_nobodys() {
    let mut bench = Bench::with(&["film"]);
    let alike = [
        ".copy-",
        ".copy-5x",
        ".copy--5",
        ".copy-+5",
        ".copy-99999999999999999999",
        ".set-aside-6",
        ".set-aside-6-1-2-3",
        ".set-aside-6-x-2",
    ];
    for name in alike {
        half_a_file(&beside(&bench.path, name));
    }
    bench.sees(&[7]);
    bench.start(0);
    let names = bench.names();
    for name in alike {
        assert!(names.contains(&name.to_owned()), "{name} {names:?}");
    }
    assert_eq!(names.len(), alike.len() + 2, "{names:?}");
}
