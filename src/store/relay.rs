//! Who was seen to hold every piece of a release, so that a restart looks for them again and the owner sees who they are.

use std::collections::HashMap;
use std::net::SocketAddr;

use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::{Store, StoreError};
use crate::base::{ReleaseId, Timestamp};

/// Relays kept of one release, those proven and those seen last before others. A rule asks for a few; a restart that looks
/// for these finds enough of them.
pub const RELAYS_AT_MOST: usize = 32;

/// One that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRelay {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Whether it served a block of ours; otherwise its bitfield said that it holds every piece.
    pub proven: bool,
    /// By what it was seen, in one word.
    pub witness: String,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}

fn read(row: &Row<'_>) -> rusqlite::Result<SeenRelay> {
    let addr: String = row.get(0)?;
    let addr = addr.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
    })?;
    Ok(SeenRelay {
        addr,
        proven: row.get(1)?,
        witness: row.get(2)?,
        first: Timestamp(row.get(3)?),
        last: Timestamp(row.get(4)?),
    })
}

impl Store {
    /// Keeps these relays of a release and no others, [`RELAYS_AT_MOST`] of them.
    ///
    /// # Errors
    /// When the release does not exist, or the database refuses.
    pub fn keep_relays(&self, id: ReleaseId, relays: &[SeenRelay]) -> Result<(), StoreError> {
        let mut best: Vec<&SeenRelay> = relays.iter().collect();
        best.sort_by_key(|relay| std::cmp::Reverse((relay.proven, relay.last)));
        best.truncate(RELAYS_AT_MOST);
        self.write(
            || format!("keep the relays of release {id}"),
            |tx| {
                tx.prepare_cached("DELETE FROM relay WHERE release = ?1")?
                    .execute([id.0])?;
                let mut add = tx.prepare_cached(
                    "INSERT INTO relay (release, addr, proven, witness, first, last)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?;
                for relay in best {
                    add.execute(params![
                        id.0,
                        relay.addr.to_string(),
                        relay.proven,
                        relay.witness,
                        relay.first.0,
                        relay.last.0
                    ])?;
                }
                Ok(())
            },
        )
    }

    /// The relays of a release that were kept, those proven and those seen last first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn relays(&self, id: ReleaseId) -> Result<Vec<SeenRelay>, StoreError> {
        self.read(
            || format!("read the relays of release {id}"),
            |db| {
                let sql = "SELECT addr, proven, witness, first, last FROM relay WHERE release = ?1
                           ORDER BY proven DESC, last DESC, addr";
                db.prepare_cached(sql)?.query_map([id.0], read)?.collect()
            },
        )
    }

    /// The relays of all releases that were kept.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn all_relays(&self) -> Result<HashMap<ReleaseId, Vec<SeenRelay>>, StoreError> {
        self.read(
            || "read the relays".to_owned(),
            |db| {
                let sql = "SELECT addr, proven, witness, first, last, release FROM relay";
                let mut statement = db.prepare_cached(sql)?;
                let mut rows = statement.query([])?;
                let mut relays: HashMap<ReleaseId, Vec<SeenRelay>> = HashMap::new();
                while let Some(row) = rows.next()? {
                    let id = ReleaseId(row.get(5)?);
                    relays.entry(id).or_default().push(read(row)?);
                }
                Ok(relays)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::box_with;

    fn relay(n: u8, proven: bool, last: i64) -> SeenRelay {
        SeenRelay {
            addr: SocketAddr::from(([192, 0, 2, n], 6881)),
            proven,
            witness: "bitfield".to_owned(),
            first: Timestamp(1),
            last: Timestamp(last),
        }
    }

    #[test]
    fn the_best_are_kept_and_replace_those_before() {
        let (store, _) = box_with(&["a", "b"]);
        let id = ReleaseId(1);
        assert_eq!(store.relays(id).unwrap(), []);
        let mut relays = vec![relay(1, false, 9), relay(2, true, 5), relay(3, false, 7)];
        relays[0].addr = "[2001:db8::1]:6881".parse().unwrap();
        store.keep_relays(id, &relays).unwrap();
        let kept = store.relays(id).unwrap();
        let expected = [&relays[1], &relays[0], &relays[2]];
        assert!(kept.iter().eq(expected), "{kept:?}");
        let many: Vec<SeenRelay> = (0..200).map(|n| relay(n, n == 0, n.into())).collect();
        store.keep_relays(id, &many).unwrap();
        let kept = store.relays(id).unwrap();
        assert_eq!(kept.len(), RELAYS_AT_MOST);
        assert_eq!((&kept[0], &kept[1]), (&many[0], &many[199]));
        assert_eq!(store.relays(ReleaseId(2)).unwrap(), []);
        store.keep_relays(ReleaseId(2), &relays[..1]).unwrap();
        let all = store.all_relays().unwrap();
        assert_eq!(all[&id].len(), RELAYS_AT_MOST);
        assert_eq!(all[&ReleaseId(2)], relays[..1]);
        store.keep_relays(id, &[]).unwrap();
        assert_eq!(store.relays(id).unwrap(), []);
    }

    #[test]
    fn all_or_none() {
        let (store, _) = box_with(&["a"]);
        let id = ReleaseId(1);
        store.keep_relays(id, &[relay(1, true, 5)]).unwrap();
        let twice = [relay(2, true, 5), relay(2, false, 6)];
        assert!(store.keep_relays(id, &twice).is_err());
        assert_eq!(store.relays(id).unwrap(), [relay(1, true, 5)]);
        assert!(store.keep_relays(ReleaseId(9), &twice[..1]).is_err());
    }
}
