//! Browsers that are signed in.

use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError};
use crate::base::Timestamp;

/// SHA-256 of a session's token: enough to know the token again, not enough to make it.
pub type TokenHash = [u8; 32];

/// A browser that was away for longer signs in again: 30 days.
pub const SESSION_IDLE_SECONDS: i64 = 30 * 86_400;

/// However often it is used, a session ends after this: 180 days, so that a stolen cookie does not last for ever.
pub const SESSION_MAX_AGE_SECONDS: i64 = 180 * 86_400;

/// Sessions kept; signing in once more ends the one unused for longest. A household's browsers, several times over.
pub const SESSIONS_AT_MOST: u32 = 32;

/// Bytes kept of what a browser says of itself: the names of engine, system and browser come in the first hundred or two.
const MAX_AGENT: usize = 256;

/// How stale `seen` may get before it is written again: a page that polls must not wear out the SD card.
const SEEN_EVERY_SECONDS: i64 = 60;

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What it is known by.
    pub token: TokenHash,
    /// When the owner signed in.
    pub created: Timestamp,
    /// When it was last used; may be a minute behind.
    pub seen: Timestamp,
    /// The network address it was last used from; none when that is not known.
    pub address: Option<String>,
    /// What the browser said of itself when it signed in.
    pub agent: Option<String>,
}

impl Session {
    /// Whether it was unused for too long, or is too old.
    fn is_over(&self, now: Timestamp) -> bool {
        now.0 - self.seen.0 > SESSION_IDLE_SECONDS
            || now.0 - self.created.0 > SESSION_MAX_AGE_SECONDS
    }
}

const COLUMNS: &str = "token, created, seen, address, agent";

fn read(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        token: row.get(0)?,
        created: Timestamp(row.get(1)?),
        seen: Timestamp(row.get(2)?),
        address: row.get(3)?,
        agent: row.get(4)?,
    })
}

impl Store {
    /// Begins a session of the browser at `address`, which says of itself that it is `agent`, and ends what is expired
    /// and what exceeds [`SESSIONS_AT_MOST`]. `password` is the PHC string that the browser proved to know.
    ///
    /// # Errors
    /// [`StoreError::PasswordChanged`] when that is not the owner's any more: to compare takes a second on a small board, and a
    /// new password ends what was begun with the old one. Or the database refuses.
    pub fn open_session(
        &self,
        token: &TokenHash,
        password: &str,
        address: &str,
        agent: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let agent = agent.map(|agent| &agent[..agent.floor_char_boundary(MAX_AGENT)]);
        self.write(
            || "begin a session".to_owned(),
            |tx| {
                let sql = "SELECT count(*) FROM owner WHERE password = ?1";
                let same: u32 = tx
                    .prepare_cached(sql)?
                    .query_row([password], |row| row.get(0))?;
                if same == 0 {
                    return Err(StoreError::PasswordChanged.into());
                }
                tx.prepare_cached("DELETE FROM session WHERE ?1 - seen > ?2 OR ?1 - created > ?3")?
                    .execute([now.0, SESSION_IDLE_SECONDS, SESSION_MAX_AGE_SECONDS])?;
                tx.prepare_cached(
                    "DELETE FROM session WHERE token NOT IN
                       (SELECT token FROM session ORDER BY seen DESC, created DESC LIMIT ?1)",
                )?
                .execute([SESSIONS_AT_MOST - 1])?;
                tx.prepare_cached(
                    "INSERT INTO session (token, created, seen, address, agent) VALUES (?1, ?2, ?2, ?3, ?4)",
                )?
                .execute(params![token, now.0, address, agent])?;
                Ok(())
            },
        )
    }

    /// Whether a session is open; using it, from `address` where that is known, keeps it so.
    ///
    /// A clock that goes back (a board without a battery, before its time is set) ends no session.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn use_session(
        &self,
        token: &TokenHash,
        address: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(session) = self.session(token)? else {
            return Ok(false);
        };
        if session.is_over(now) {
            self.close_session(token)?;
            return Ok(false);
        }
        if (now.0 - session.seen.0).abs() >= SEEN_EVERY_SECONDS {
            // Nobody else is concerned: the conductor need not look through its work.
            self.write_quietly(
                || "keep a session open".to_owned(),
                |tx| {
                    let sql = "UPDATE session SET seen = ?2, address = coalesce(?3, address) WHERE token = ?1";
                    tx.prepare_cached(sql)?
                        .execute(params![token, now.0, address])?;
                    Ok(())
                },
            )?;
        }
        Ok(true)
    }

    fn session(&self, token: &TokenHash) -> Result<Option<Session>, StoreError> {
        self.read(
            || "look up a session".to_owned(),
            |db| {
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM session WHERE token = ?1"))?
                    .query_row([token], read)
                    .optional()
            },
        )
    }

    /// The open sessions, the one used last first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn sessions(&self, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let mut sessions: Vec<Session> = self.read(
            || "read the sessions".to_owned(),
            |db| {
                let sql = format!("SELECT {COLUMNS} FROM session ORDER BY seen DESC, created DESC");
                db.prepare_cached(&sql)?.query_map([], read)?.collect()
            },
        )?;
        sessions.retain(|session| !session.is_over(now));
        Ok(sessions)
    }

    /// Ends every session but one.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn close_other_sessions(&self, keep: &TokenHash) -> Result<(), StoreError> {
        self.write_to_disk(
            || "end the other sessions".to_owned(),
            |tx| {
                tx.prepare_cached("DELETE FROM session WHERE token <> ?1")?
                    .execute([keep])?;
                Ok(())
            },
        )
    }

    /// Ends a session, if it is open.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn close_session(&self, token: &TokenHash) -> Result<(), StoreError> {
        self.write_to_disk(
            || "end a session".to_owned(),
            |tx| {
                tx.prepare_cached("DELETE FROM session WHERE token = ?1")?
                    .execute([token])?;
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const PHC: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA";

    fn claimed() -> Store {
        let store = Store::in_memory().unwrap();
        store.claim(PHC, Timestamp(0)).unwrap();
        store
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_not_for_ever() {
        let store = claimed();
        let token = [1; 32];
        let open = |at| store.use_session(&token, None, Timestamp(at)).unwrap();
        let begin = |at| {
            store
                .open_session(&token, PHC, "192.0.2.1", None, Timestamp(at))
                .unwrap();
        };
        assert!(!open(0));
        begin(0);
        for month in 1..=6 {
            assert!(open(month * 30 * DAY), "month {month}");
        }
        assert!(!open(6 * 30 * DAY + 1), "older than it may get");
        assert!(!open(0), "an expired session came back");

        begin(1_000);
        assert!(open(0), "a clock set back ended it");
        assert!(!open(31 * DAY), "unused for too long");

        begin(0);
        store.close_session(&token).unwrap();
        assert!(!open(0));
    }

    #[test]
    fn sessions_are_bounded_and_the_least_used_goes() {
        let store = claimed();
        let token = |i: u32| -> TokenHash { std::array::from_fn(|at| i.to_be_bytes()[at % 4]) };
        for i in 0..SESSIONS_AT_MOST {
            store
                .open_session(&token(i), PHC, "192.0.2.1", None, Timestamp(i64::from(i)))
                .unwrap();
        }
        let open = |i, at| store.use_session(&token(i), None, Timestamp(at)).unwrap();
        assert!(open(0, 1_000));
        store
            .open_session(&token(99), PHC, "192.0.2.1", None, Timestamp(1_001))
            .unwrap();
        assert!(open(0, 1_001));
        assert!(!open(1, 1_001));
        assert!(open(2, 1_001));
        assert_eq!(
            store.sessions(Timestamp(1_001)).unwrap().len(),
            SESSIONS_AT_MOST as usize
        );
    }

    #[test]
    fn each_says_from_where_and_all_but_one_can_be_ended() {
        let store = claimed();
        let agent = "é".repeat(1_000);
        for i in 0..3 {
            let at = Timestamp(i64::from(i));
            store
                .open_session(&[i; 32], PHC, "192.0.2.1", Some(&agent), at)
                .unwrap();
        }
        let open = |i, address, at| store.use_session(&[i; 32], address, Timestamp(at)).unwrap();
        assert!(open(1, Some("192.0.2.7"), 59));
        assert!(open(0, Some("192.0.2.9"), 60), "a minute has passed");
        assert!(open(0, None, 200), "from where is not known");
        let all = store.sessions(Timestamp(200)).unwrap();
        let brief: Vec<(u8, i64, &str)> = all
            .iter()
            .map(|one| (one.token[0], one.seen.0, one.address.as_deref().unwrap()))
            .collect();
        assert_eq!(
            brief,
            [
                (0, 200, "192.0.2.9"),
                (2, 2, "192.0.2.1"),
                (1, 1, "192.0.2.1")
            ]
        );
        assert!(all[0].agent.as_ref().unwrap().len() <= MAX_AGENT);
        store.close_other_sessions(&[1; 32]).unwrap();
        let left = store.sessions(Timestamp(200)).unwrap();
        assert_eq!((left.len(), left[0].token), (1, [1; 32]));
        assert_eq!(store.sessions(Timestamp(31 * DAY)).unwrap(), []);
    }
}
