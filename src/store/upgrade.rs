//! From any older schema to the present one, and from nothing to it.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::connection::failed;
use super::error::StoreError;

/// Marks the file as ours ("Semo"), for `file(1)` and for [`version`].
const APPLICATION_ID: i64 = 0x5365_6d6f;

/// A fresh database.
const SCHEMA: &str = include_str!("schema.sql");

/// The step at index `i` leads from version `i + 1` to version `i + 2`. Fresh databases are made from the schema
/// file, so that steps are only ever added, never changed.
const STEPS: &[&str] = &[
    // 2: what no release cost, and what the owner wants of one release.
    "CREATE TABLE ledger_beside (
       day INTEGER NOT NULL PRIMARY KEY,
       wire_bytes INTEGER NOT NULL CHECK (wire_bytes >= 0)
     ) STRICT;
     CREATE TABLE release_setting (
       release INTEGER NOT NULL PRIMARY KEY REFERENCES release (id),
       relays INTEGER CHECK (relays > 0),
       keep INTEGER CHECK (keep IN (0, 1)),
       generous INTEGER CHECK (generous IN (0, 1)),
       sustain INTEGER CHECK (sustain >= 0),
       patience INTEGER CHECK (patience >= 0),
       monthly_budget INTEGER CHECK (monthly_budget >= 0)
     ) STRICT;",
    // 3: who was seen to hold a release, and every number of the rule for one.
    "CREATE TABLE relay (
       release INTEGER NOT NULL REFERENCES release (id),
       addr TEXT NOT NULL,
       proven INTEGER NOT NULL CHECK (proven IN (0, 1)),
       witness TEXT NOT NULL,
       first INTEGER NOT NULL,
       last INTEGER NOT NULL,
       PRIMARY KEY (release, addr)
     ) STRICT, WITHOUT ROWID;
     ALTER TABLE release_setting ADD COLUMN proven INTEGER CHECK (proven >= 0);
     ALTER TABLE release_setting ADD COLUMN missed INTEGER CHECK (missed > 0);
     ALTER TABLE release_setting ADD COLUMN apart INTEGER CHECK (apart >= 0);
     ALTER TABLE release_setting ADD COLUMN fresh INTEGER CHECK (fresh >= 0);
     ALTER TABLE release_setting ADD COLUMN forget INTEGER CHECK (forget >= 0);
     ALTER TABLE release_setting ADD COLUMN reach INTEGER CHECK (reach >= 0);
     ALTER TABLE release_setting ADD COLUMN dwell INTEGER CHECK (dwell >= 0);",
    // 4: which browsers are signed in, and programs that may use the API.
    "ALTER TABLE session ADD COLUMN address TEXT;
     ALTER TABLE session ADD COLUMN agent TEXT;
     CREATE TABLE api_token (
       id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
       token BLOB NOT NULL UNIQUE CHECK (length(token) = 32),
       name TEXT NOT NULL CHECK (length(name) > 0),
       scope TEXT NOT NULL CHECK (scope IN ('metrics', 'read', 'manage')),
       created INTEGER NOT NULL,
       expires INTEGER,
       used INTEGER
     ) STRICT;",
    // 5: drives and network shares. A CHECK cannot be altered: the table is made anew.
    "CREATE TABLE source_of_5 (
       id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
       kind TEXT NOT NULL CHECK (kind IN ('folder', 'uploads', 'drive', 'share')),
       key BLOB NOT NULL,
       name TEXT NOT NULL,
       path BLOB NOT NULL,
       auto_share INTEGER NOT NULL CHECK (auto_share IN (0, 1)),
       added INTEGER NOT NULL,
       facts TEXT CHECK (json_valid(facts)),
       removed INTEGER,
       UNIQUE (kind, key)
     ) STRICT;
     INSERT INTO source_of_5 (id, kind, key, name, path, auto_share, added)
       SELECT id, kind, key, name, path, auto_share, added FROM source;
     DROP TABLE source;
     ALTER TABLE source_of_5 RENAME TO source;
     CREATE TABLE share (
       source INTEGER NOT NULL PRIMARY KEY REFERENCES source (id),
       protocol TEXT NOT NULL CHECK (protocol IN ('smb', 'nfs')),
       server TEXT NOT NULL CHECK (length(server) > 0),
       folder TEXT NOT NULL CHECK (length(folder) > 0),
       user TEXT,
       domain TEXT,
       password TEXT
     ) STRICT;",
    // 6: of which content the payload of a release is; so far, all of it is taken to be of the one that it has.
    "CREATE TABLE ledger_content (
       release INTEGER NOT NULL PRIMARY KEY REFERENCES release (id),
       info_hash BLOB NOT NULL CHECK (length(info_hash) = 20),
       payload_before INTEGER NOT NULL CHECK (payload_before >= 0)
     ) STRICT;
     INSERT INTO ledger_content SELECT id, info_hash, 0 FROM release WHERE info_hash IS NOT NULL;",
];

/// What a program knows of the database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// Makes a fresh one.
    pub schema: &'a str,
    /// As [`STEPS`].
    pub steps: &'a [&'a str],
}

/// What this program knows.
pub(super) const PRESENT: Known<'static> = Known {
    schema: SCHEMA,
    steps: STEPS,
};

impl Known<'_> {
    /// The version that is written.
    pub const fn latest(&self) -> i64 {
        self.steps.len() as i64 + 1
    }
}

/// The version of the database, 0 when it is empty. Writes nothing.
///
/// # Errors
/// When the file is damaged, another program's, or newer than what is known.
pub(super) fn version(
    connection: &Connection,
    path: &Path,
    known: &Known<'_>,
) -> Result<i64, StoreError> {
    let found = any_version(connection, path)?;
    let known = known.latest();
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(found)
}

/// The same of a database that may be newer than what is known.
///
/// # Errors
/// When the file is damaged, or another program's.
pub(super) fn any_version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let number = |sql: &str| -> Result<i64, StoreError> {
        connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(|e| failed(path, e))
    };
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let ours = application == APPLICATION_ID && version > 0;
    let empty =
        application == 0 && version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
    if ours || empty {
        Ok(version)
    } else {
        Err(StoreError::Foreign {
            path: path.to_owned(),
        })
    }
}

/// Brings a database of version `from` to the latest, in one transaction. Call it when a copy is kept (see `copies`).
///
/// # Errors
/// When it cannot be done; the database is then as it was.
pub(super) fn to_latest(
    connection: &mut Connection,
    path: &Path,
    from: i64,
    known: &Known<'_>,
) -> Result<(), StoreError> {
    apply(connection, known, from).map_err(|error| match failed(path, error) {
        StoreError::Open { path, source } if from > 0 => StoreError::NotUpgraded {
            path,
            from,
            to: known.latest(),
            source: Box::new(source),
        },
        other => other,
    })
}

fn apply(connection: &mut Connection, known: &Known<'_>, from: i64) -> rusqlite::Result<()> {
    if from == known.latest() {
        return Ok(());
    }
    connection.execute_batch("PRAGMA foreign_keys = OFF;")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    if from == 0 {
        transaction.execute_batch(known.schema)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    } else {
        for step in &known.steps[from as usize - 1..] {
            transaction.execute_batch(step)?;
        }
        // Rows that point nowhere make this fail, and the transaction with it.
        transaction.query_row(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM pragma_foreign_key_check)
                    THEN abs(-9223372036854775808) ELSE 0 END",
            [],
            |row| row.get::<_, i64>(0),
        )?;
    }
    transaction.pragma_update(None, "user_version", known.latest())?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::{Day, ReleaseId, Timestamp};
    use crate::store::{SpendBeside, Store};

    /// The schema of version 1, as it was released. Never changes.
    const OLDEST: &str = include_str!("../../tests/data/schema-v1.sql");

    /// What a database looks like, comments and blanks aside: SQL by kind and name.
    fn shape(connection: &Connection) -> BTreeMap<String, String> {
        let mut statement = connection
            .prepare("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema")
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        rows.unwrap()
            .map(|row| {
                let (name, sql) = row.unwrap();
                let bare: Vec<&str> = sql
                    .lines()
                    .map(|line| line.split("--").next().unwrap_or_default())
                    .flat_map(str::split_whitespace)
                    .collect();
                // ALTER TABLE sets blanks of its own beside these, and quotes a table's new name.
                let bare = bare.join(" ").replace(" ,", ",").replace(" )", ")");
                let bare = bare.replace("CREATE TABLE \"source\"", "CREATE TABLE source");
                (name, bare)
            })
            .collect()
    }

    fn number(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn apply(
        connection: &mut Connection,
        schema: &str,
        steps: &[&str],
        from: i64,
    ) -> rusqlite::Result<()> {
        super::apply(connection, &Known { schema, steps }, from)
    }

    #[test]
    fn upgrade_and_compare() {
        let mut fresh = Connection::open_in_memory().unwrap();
        apply(&mut fresh, SCHEMA, STEPS, 0).unwrap();
        let mut old = Connection::open_in_memory().unwrap();
        apply(&mut old, OLDEST, &[], 0).unwrap();
        apply(&mut old, SCHEMA, STEPS, 1).unwrap();
        assert_eq!(
            shape(&old),
            shape(&fresh),
            "schema.sql was changed without an upgrade step (or the other way round)"
        );
        let version = "PRAGMA user_version";
        assert_eq!(number(&old, version), number(&fresh, version));
    }

    #[test]
    fn an_old_box_keeps_what_it_had_and_learns_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.db");
        let mut old = Connection::open(&path).unwrap();
        apply(&mut old, OLDEST, &[], 0).unwrap();
        old.execute_batch(
            "INSERT INTO setting VALUES ('relays', '7');
             INSERT INTO source VALUES (1, 'folder', x'2f6d', 'm', x'2f6d', 1, 5);
             INSERT INTO release VALUES (1, 1, x'61', 'found', NULL, 'found', 5, 1, 1, NULL, NULL, 0, NULL, 5);
             INSERT INTO release VALUES
               (2, 1, x'62', 'ready', NULL, 'read', 5, 1, 1, zeroblob(20), 1, 0, NULL, 5);
             INSERT INTO ledger VALUES (1, 20000, 30, 40), (2, 20000, 50, 60);
             INSERT INTO session VALUES (zeroblob(32), 6, 7);",
        )
        .unwrap();
        drop(old);
        let (store, id, day) = (Store::open(&path).unwrap(), ReleaseId(1), Day(20_000));
        let settings = store.settings().unwrap();
        assert_eq!((settings.relays, settings.guard), (7, true));
        let wire_bytes = 2;
        store
            .spend(&[], Some(SpendBeside { day, wire_bytes }))
            .unwrap();
        store
            .change_release_settings(id, |own| own.keep = Some(true))
            .unwrap();
        let spent = store.spent_since(day).unwrap();
        assert_eq!((spent.releases[&id], spent.beside), (40, 2));
        assert_eq!(store.spent(ReleaseId(2)).unwrap().of_content, 50);
        assert_eq!(store.release_settings(id).unwrap().keep, Some(true));
        let sessions = store.sessions(Timestamp(8)).unwrap();
        assert_eq!((sessions.len(), &sessions[0].address), (1, &None));
        assert!(store.use_session(&[0; 32], None, Timestamp(8)).unwrap());
    }

    #[test]
    fn steps_run_once_in_order_and_all_or_none() {
        let schema = "CREATE TABLE t (a INTEGER PRIMARY KEY, b, c)";
        let first = "ALTER TABLE t ADD COLUMN b";
        let second = "ALTER TABLE t ADD COLUMN c; UPDATE t SET c = 7";
        let mut db = Connection::open_in_memory().unwrap();
        apply(&mut db, "CREATE TABLE t (a INTEGER PRIMARY KEY)", &[], 0).unwrap();
        db.execute_batch("INSERT INTO t (a) VALUES (1)").unwrap();

        assert!(apply(&mut db, schema, &[first, "nonsense"], 1).is_err());
        assert_eq!(number(&db, "PRAGMA user_version"), 1);
        assert_eq!(
            number(&db, "SELECT count(*) FROM pragma_table_info('t')"),
            1
        );

        apply(&mut db, schema, &[first], 1).unwrap();
        apply(&mut db, schema, &[first, second], 2).unwrap();
        apply(&mut db, schema, &[first, second], 3).unwrap();
        assert_eq!(number(&db, "PRAGMA user_version"), 3);
        assert_eq!(number(&db, "SELECT c FROM t"), 7);
    }

    #[test]
    fn a_step_that_leaves_rows_pointing_nowhere_is_undone() {
        let schema = "CREATE TABLE a (id INTEGER PRIMARY KEY);
                      CREATE TABLE b (a INTEGER REFERENCES a (id));
                      INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);";
        let mut db = Connection::open_in_memory().unwrap();
        apply(&mut db, schema, &[], 0).unwrap();
        assert!(apply(&mut db, schema, &["DELETE FROM a"], 1).is_err());
        assert_eq!(number(&db, "SELECT count(*) FROM a"), 1);
    }

    #[test]
    fn newer_and_foreign_databases_are_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let newer = dir.path().join("newer.db");
        drop(Store::open(&newer).unwrap());
        set(
            &newer,
            "PRAGMA user_version = 1000; PRAGMA wal_checkpoint(TRUNCATE);",
        );
        let error = Store::open(&newer).unwrap_err();
        assert!(
            matches!(error, StoreError::Newer { found: 1000, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("newer Semoir"), "{error}");

        let foreign = dir.path().join("foreign.db");
        set(
            &foreign,
            "CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine');",
        );
        let before = std::fs::read(&foreign).unwrap();
        let error = Store::open(&foreign).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert!(std::fs::read(&foreign).unwrap() == before);
    }

    fn set(path: &Path, sql: &str) {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }
}
