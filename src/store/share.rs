//! How the network shares among the sources are reached.
//!
//! Their passwords are in the database as they are, since the servers want them so: its file is readable to nobody but us
//! ([`Store::open`]), backups leave the table out, and [`Secret`] keeps them out of logs.

use std::ffi::OsStr;
use std::path::Path;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::source::take_up;
use super::{Facts, NewSource, SourceKind, Store, StoreError};
use crate::base::{Secret, ShareAddress, ShareLogin, ShareProtocol, SourceId, Timestamp};

/// Shares kept: each has a task and may hold a thread, and a household has a few.
pub const SHARES_AT_MOST: u32 = 16;

/// A network share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The source it is.
    pub source: SourceId,
    /// Where it is.
    pub address: ShareAddress,
    /// Who we are there.
    pub login: ShareLogin,
}

const COLUMNS: &str = "source, protocol, server, folder, user, domain, password";

fn read(row: &Row<'_>) -> rusqlite::Result<Share> {
    // Written by us, and checked before: what does not read was changed by somebody else.
    let odd = |column| {
        move |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    };
    let protocol: String = row.get(1)?;
    let protocol: ShareProtocol = protocol.parse().map_err(odd(1))?;
    let (server, folder): (String, String) = (row.get(2)?, row.get(3)?);
    Ok(Share {
        source: SourceId(row.get(0)?),
        address: ShareAddress::new(protocol, &server, &folder).map_err(odd(2))?,
        login: ShareLogin {
            user: row.get(4)?,
            domain: row.get(5)?,
            password: row.get::<_, Option<String>>(6)?.map(Secret::new),
        },
    })
}

fn find(db: &Connection, id: SourceId) -> rusqlite::Result<Option<Share>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM share WHERE source = ?1"))?
        .query_row([id.0], read)
        .optional()
}

fn put(tx: &Connection, share: &Share) -> rusqlite::Result<()> {
    let sql =
        format!("INSERT OR REPLACE INTO share ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    let (address, login) = (&share.address, &share.login);
    let values = params![
        share.source.0,
        address.protocol().as_str(),
        address.server().to_string(),
        address.folder(),
        login.user,
        login.domain,
        login.password.as_ref().map(Secret::reveal),
    ];
    tx.prepare_cached(&sql)?.execute(values)?;
    Ok(())
}

/// The source of that key, and whether it is among the shares now.
fn known(tx: &Connection, key: &str) -> rusqlite::Result<Option<(SourceId, bool)>> {
    let sql = "SELECT source.id, share.source IS NOT NULL FROM source LEFT JOIN share ON share.source = source.id
               WHERE source.kind = 'share' AND source.key = ?1";
    tx.prepare_cached(sql)?
        .query_row([key.as_bytes()], |row| {
            Ok((SourceId(row.get(0)?), row.get(1)?))
        })
        .optional()
}

impl Store {
    /// Takes up a share as a source. One that was removed is here again, with what it was known to hold.
    ///
    /// # Errors
    /// When address and login do not fit, [`StoreError::ShareThere`] when it is a source already,
    /// [`StoreError::TooManyShares`] when there are [`SHARES_AT_MOST`]; or the database refuses.
    pub fn add_share(
        &self,
        address: &ShareAddress,
        login: &ShareLogin,
        auto_share: bool,
        now: Timestamp,
    ) -> Result<Share, StoreError> {
        login.check(address.protocol())?;
        let (key, name) = (address.key(), address.to_string());
        self.write_to_disk(
            || format!("write down the share {name}"),
            |tx| {
                if known(tx, &key)?.is_some_and(|(_, is_share)| is_share) {
                    return Err(StoreError::ShareThere(name.clone()).into());
                }
                let count: u32 =
                    tx.query_row("SELECT count(*) FROM share", [], |row| row.get(0))?;
                if count >= SHARES_AT_MOST {
                    return Err(StoreError::TooManyShares.into());
                }
                let new = NewSource {
                    kind: SourceKind::Share,
                    key: OsStr::new(&key),
                    name: &name,
                    // It was nowhere yet.
                    path: Path::new(""),
                    auto_share,
                    facts: Some(&Facts::default()),
                };
                let source = take_up(tx, &new, now)?.id;
                let sql = "UPDATE source SET auto_share = ?2 WHERE id = ?1";
                tx.prepare_cached(sql)?
                    .execute(params![source.0, auto_share])?;
                let share = Share {
                    source,
                    address: address.clone(),
                    login: login.clone(),
                };
                put(tx, &share)?;
                Ok(share)
            },
        )
    }

    /// Changes where a share is or who we are there; it stays the same source.
    ///
    /// # Errors
    /// When there is none of that number, what comes of it does not fit, or it is the place of another source; or the
    /// database refuses.
    pub fn change_share(
        &self,
        id: SourceId,
        change: impl FnOnce(&mut Share),
    ) -> Result<Share, StoreError> {
        self.write_to_disk(
            || format!("change share {id}"),
            |tx| {
                let mut share = find(tx, id)?.ok_or(StoreError::NoSuchSource(id))?;
                change(&mut share);
                share.source = id;
                share
                    .login
                    .check(share.address.protocol())
                    .map_err(StoreError::from)?;
                let (key, name) = (share.address.key(), share.address.to_string());
                match known(tx, &key)? {
                    Some((other, true)) if other != id => {
                        return Err(StoreError::ShareThere(name).into());
                    }
                    // What that one held is its own, and comes back with it.
                    Some((_, false)) => return Err(StoreError::ShareWas(name).into()),
                    _ => {}
                }
                let sql = "UPDATE source SET key = ?2, name = ?3 WHERE id = ?1";
                tx.prepare_cached(sql)?
                    .execute(params![id.0, key.as_bytes(), name])?;
                put(tx, &share)?;
                Ok(share)
            },
        )
    }

    /// Forgets how a share is reached, its password with it, and marks its source as removed.
    ///
    /// # Errors
    /// When there is none of that number, or the database refuses.
    pub fn remove_share(&self, id: SourceId, now: Timestamp) -> Result<(), StoreError> {
        self.write_to_disk(
            || format!("remove share {id}"),
            |tx| {
                let sql = "DELETE FROM share WHERE source = ?1";
                if tx.prepare_cached(sql)?.execute([id.0])? == 0 {
                    return Err(StoreError::NoSuchSource(id).into());
                }
                let sql = "UPDATE source SET removed = ?2 WHERE id = ?1";
                tx.prepare_cached(sql)?.execute(params![id.0, now.0])?;
                Ok(())
            },
        )
    }

    /// Every share, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn shares(&self) -> Result<Vec<Share>, StoreError> {
        self.read(
            || "read the shares".to_owned(),
            |db| {
                db.prepare_cached(&format!("SELECT {COLUMNS} FROM share ORDER BY source"))?
                    .query_map([], read)?
                    .collect()
            },
        )
    }

    /// One share.
    ///
    /// # Errors
    /// When there is none of that number, or the database refuses.
    pub fn share(&self, id: SourceId) -> Result<Share, StoreError> {
        self.read(|| format!("read share {id}"), |db| find(db, id))?
            .ok_or(StoreError::NoSuchSource(id))
    }
}

#[cfg(test)]
mod tests;
