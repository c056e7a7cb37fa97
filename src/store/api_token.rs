//! Programs that may use the API.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Store, StoreError, TokenHash};
use crate::base::Timestamp;

/// Tokens kept: one for each program, and more programs than a household has.
pub const TOKENS_AT_MOST: u32 = 32;

/// How stale `used` may get before it is written again: a program that asks every few seconds, day and night, must not
/// wear out the SD card, and the owner asks of a token whether it is used at all.
const USED_EVERY_SECONDS: i64 = 3_600;

/// How far the clock may be behind a token's making before what it says of an end is not believed.
const CLOCK_SLACK_SECONDS: i64 = 86_400;

/// What a token is good for. Each includes the ones before it; nothing of the account itself is for any token.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The figures for monitoring.
    Metrics,
    /// Everything that can be looked at.
    Read,
    /// Releases, uploads, settings.
    Manage,
}

impl Scope {
    /// Every scope, the narrowest first.
    pub const ALL: [Scope; 3] = [Scope::Metrics, Scope::Read, Scope::Manage];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Metrics => "metrics",
            Scope::Read => "read",
            Scope::Manage => "manage",
        }
    }
}

impl ToSql for Scope {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Scope {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
        scope.ok_or(FromSqlError::InvalidType)
    }
}

/// A token to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// What it is known by.
    pub token: &'a TokenHash,
    /// What the owner calls it; not empty.
    pub name: &'a str,
    /// What it is good for.
    pub scope: Scope,
    /// After when it is good for nothing; none is never.
    pub expires: Option<Timestamp>,
}

/// A token that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its number.
    pub id: i64,
    /// What the owner calls it.
    pub name: String,
    /// What it is good for.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
    /// After when it is good for nothing; none is never.
    pub expires: Option<Timestamp>,
    /// When it was last used; may be an hour behind.
    pub used: Option<Timestamp>,
}

impl ApiToken {
    /// Whether it is good for nothing any more. A clock that says that the token is yet to be made (a board without a
    /// battery, before its time is set) does not know, and counts as yes for one that is to have an end.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires
            .is_some_and(|end| now > end || now.0 < self.created.0 - CLOCK_SLACK_SECONDS)
    }
}

const COLUMNS: &str = "id, name, scope, created, expires, used";

fn read(row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    Ok(ApiToken {
        id: row.get(0)?,
        name: row.get(1)?,
        scope: row.get(2)?,
        created: Timestamp(row.get(3)?),
        expires: row.get::<_, Option<i64>>(4)?.map(Timestamp),
        used: row.get::<_, Option<i64>>(5)?.map(Timestamp),
    })
}

impl Store {
    /// Keeps a token.
    ///
    /// # Errors
    /// [`StoreError::TooManyTokens`] when there are [`TOKENS_AT_MOST`]; or the database refuses.
    pub fn add_token(&self, new: NewToken<'_>, now: Timestamp) -> Result<ApiToken, StoreError> {
        self.write_to_disk(
            || "write down a token".to_owned(),
            |tx| {
                let count: u32 =
                    tx.query_row("SELECT count(*) FROM api_token", [], |row| row.get(0))?;
                if count >= TOKENS_AT_MOST {
                    return Err(StoreError::TooManyTokens.into());
                }
                let sql = format!(
                    "INSERT INTO api_token (token, name, scope, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)
                     RETURNING {COLUMNS}"
                );
                let expires = new.expires.map(|end| end.0);
                let values = params![new.token, new.name, new.scope, now.0, expires];
                Ok(tx.prepare_cached(&sql)?.query_row(values, read)?)
            },
        )
    }

    /// Every token, expired ones too, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.read(
            || "read the tokens".to_owned(),
            |db| {
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM api_token ORDER BY id"))?
                    .query_map([], read)?
                    .collect()
            },
        )
    }

    /// What a token is good for now; none when it is no token of ours, or expired. That it was used is noted.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn use_token(
        &self,
        token: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<Scope>, StoreError> {
        let found = self.read(
            || "look up a token".to_owned(),
            |db| {
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM api_token WHERE token = ?1"))?
                    .query_row([token], read)
                    .optional()
            },
        )?;
        let Some(found) = found.filter(|found| !found.is_expired(now)) else {
            return Ok(None);
        };
        let stale = |used: Timestamp| (now.0 - used.0).abs() >= USED_EVERY_SECONDS;
        if found.used.is_none_or(stale) {
            // Nobody else is concerned: the conductor need not look through its work.
            self.write_quietly(
                || "note that a token was used".to_owned(),
                |tx| {
                    tx.prepare_cached("UPDATE api_token SET used = ?2 WHERE id = ?1")?
                        .execute([found.id, now.0])?;
                    Ok(())
                },
            )?;
        }
        Ok(Some(found.scope))
    }

    /// Forgets a token.
    ///
    /// # Errors
    /// [`StoreError::NoSuchToken`] when there is none of that number; or the database refuses.
    pub fn remove_token(&self, id: i64) -> Result<(), StoreError> {
        self.write_to_disk(
            || format!("revoke token {id}"),
            |tx| {
                let sql = "DELETE FROM api_token WHERE id = ?1";
                match tx.prepare_cached(sql)?.execute([id])? {
                    0 => Err(StoreError::NoSuchToken.into()),
                    _ => Ok(()),
                }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn new(token: &TokenHash, expires: Option<i64>) -> NewToken<'_> {
        NewToken {
            token,
            name: "grafana",
            scope: Scope::Read,
            expires: expires.map(Timestamp),
        }
    }

    #[test]
    fn a_token_is_good_until_it_expires_or_is_revoked() {
        let store = Store::in_memory().unwrap();
        let made = Timestamp(100 * DAY);
        let end = 101 * DAY;
        let used = |token: u8, at| store.use_token(&[token; 32], Timestamp(at)).unwrap();
        let first = store.add_token(new(&[1; 32], Some(end)), made).unwrap();
        let second = store.add_token(new(&[2; 32], None), made).unwrap();
        assert_eq!(store.tokens().unwrap(), [first.clone(), second.clone()]);
        assert_eq!(used(3, end), None);
        assert_eq!(used(1, end), Some(Scope::Read));
        assert_eq!(used(1, end + 1), None);
        assert_eq!(used(1, 0), None, "a clock of 1970 made it good again");
        assert_eq!(used(2, 0), Some(Scope::Read));
        assert_eq!(used(2, 10_000 * DAY), Some(Scope::Read));
        store.remove_token(second.id).unwrap();
        assert_eq!(used(2, 0), None);
        assert!(matches!(
            store.remove_token(second.id),
            Err(StoreError::NoSuchToken)
        ));
        let third = store.add_token(new(&[3; 32], None), made).unwrap();
        assert!(third.id > second.id, "a number was used again");
    }

    #[test]
    fn a_use_is_noted_once_an_hour_and_is_no_change() {
        let store = Store::in_memory().unwrap();
        store.add_token(new(&[1; 32], None), Timestamp(0)).unwrap();
        let changes = store.changes();
        let mut noted = Vec::new();
        for second in 10..10_000 {
            store.use_token(&[1; 32], Timestamp(second)).unwrap();
            noted.push(store.tokens().unwrap()[0].used.unwrap().0);
        }
        noted.dedup();
        assert_eq!(noted, [10, 3610, 7210]);
        assert_eq!(store.changes(), changes);
    }

    #[test]
    fn tokens_are_bounded() {
        let store = Store::in_memory().unwrap();
        for i in 0..TOKENS_AT_MOST as u8 {
            store.add_token(new(&[i; 32], None), Timestamp(0)).unwrap();
        }
        assert!(matches!(
            store.add_token(new(&[99; 32], None), Timestamp(0)),
            Err(StoreError::TooManyTokens)
        ));
    }

    #[test]
    fn each_scope_includes_the_ones_before() {
        assert!(Scope::ALL.is_sorted());
        for scope in Scope::ALL {
            let json = serde_json::to_value(scope).unwrap();
            assert_eq!(json, scope.as_str());
        }
    }
}
