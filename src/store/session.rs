//! Browsers that are signed in.

use rusqlite::{OptionalExtension, params};

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

/// How stale `seen` may get before it is written again: a page that polls must not wear out the SD card.
const SEEN_EVERY_SECONDS: i64 = 60;

impl Store {
    /// Begins a session, and ends what is expired and what exceeds [`SESSIONS_AT_MOST`].
    ///
    /// # Errors
    /// When the database refuses.
    pub fn open_session(&self, token: &TokenHash, now: Timestamp) -> Result<(), StoreError> {
        self.write(
            || "begin a session".to_owned(),
            |tx| {
                tx.prepare_cached("DELETE FROM session WHERE ?1 - seen > ?2 OR ?1 - created > ?3")?
                    .execute([now.0, SESSION_IDLE_SECONDS, SESSION_MAX_AGE_SECONDS])?;
                tx.prepare_cached(
                    "DELETE FROM session WHERE token NOT IN
                       (SELECT token FROM session ORDER BY seen DESC, created DESC LIMIT ?1)",
                )?
                .execute([SESSIONS_AT_MOST - 1])?;
                tx.prepare_cached(
                    "INSERT INTO session (token, created, seen) VALUES (?1, ?2, ?2)",
                )?
                .execute(params![token, now.0])?;
                Ok(())
            },
        )
    }

    /// Whether a session is open; using it keeps it so.
    ///
    /// A clock that goes back (a board without a battery, before its time is set) ends no session.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn use_session(&self, token: &TokenHash, now: Timestamp) -> Result<bool, StoreError> {
        let Some((created, seen)) = self.session_times(token)? else {
            return Ok(false);
        };
        if now.0 - seen > SESSION_IDLE_SECONDS || now.0 - created > SESSION_MAX_AGE_SECONDS {
            self.close_session(token)?;
            return Ok(false);
        }
        if (now.0 - seen).abs() >= SEEN_EVERY_SECONDS {
            self.write(
                || "keep a session open".to_owned(),
                |tx| {
                    tx.prepare_cached("UPDATE session SET seen = ?2 WHERE token = ?1")?
                        .execute(params![token, now.0])?;
                    Ok(())
                },
            )?;
        }
        Ok(true)
    }

    fn session_times(&self, token: &TokenHash) -> Result<Option<(i64, i64)>, StoreError> {
        self.read(
            || "look up a session".to_owned(),
            |db| {
                db.prepare_cached("SELECT created, seen FROM session WHERE token = ?1")?
                    .query_row([token], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
            },
        )
    }

    /// Ends a session, if it is open.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn close_session(&self, token: &TokenHash) -> Result<(), StoreError> {
        self.write(
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

    #[test]
    fn a_session_lasts_while_it_is_used_and_not_for_ever() {
        let store = Store::in_memory().unwrap();
        let token = [1; 32];
        let open = |at| store.use_session(&token, Timestamp(at)).unwrap();
        assert!(!open(0));
        store.open_session(&token, Timestamp(0)).unwrap();
        for month in 1..=6 {
            assert!(open(month * 30 * DAY), "month {month}");
        }
        assert!(!open(6 * 30 * DAY + 1), "older than it may get");
        assert!(!open(0), "an expired session came back");

        store.open_session(&token, Timestamp(1_000)).unwrap();
        assert!(open(0), "a clock set back ended it");
        assert!(!open(31 * DAY), "unused for too long");

        store.open_session(&token, Timestamp(0)).unwrap();
        store.close_session(&token).unwrap();
        assert!(!open(0));
    }

    #[test]
    fn sessions_are_bounded_and_the_least_used_goes() {
        let store = Store::in_memory().unwrap();
        let token = |i: u32| -> TokenHash { std::array::from_fn(|at| i.to_be_bytes()[at % 4]) };
        for i in 0..SESSIONS_AT_MOST {
            store
                .open_session(&token(i), Timestamp(i64::from(i)))
                .unwrap();
        }
        assert!(store.use_session(&token(0), Timestamp(1_000)).unwrap());
        store.open_session(&token(99), Timestamp(1_001)).unwrap();
        assert!(store.use_session(&token(0), Timestamp(1_001)).unwrap());
        assert!(!store.use_session(&token(1), Timestamp(1_001)).unwrap());
        assert!(store.use_session(&token(2), Timestamp(1_001)).unwrap());
    }
}
