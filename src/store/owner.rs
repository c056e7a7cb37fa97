//! Who owns the box.

use rusqlite::{Connection, params};

use super::{Store, StoreError, TokenHash};
use crate::base::Timestamp;

/// Whether the box has an owner, and how the owner proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Nobody owns the box yet.
    Unclaimed {
        /// SHA-256 of the setup code that claims it; none before one was made.
        setup_code: Option<[u8; 32]>,
    },
    /// The box has an owner.
    Claimed {
        /// The password as an Argon2id PHC string.
        password: String,
        /// When it was claimed.
        at: Timestamp,
    },
}

fn read(db: &Connection) -> rusqlite::Result<Owner> {
    use rusqlite::OptionalExtension;
    let row = db
        .prepare_cached("SELECT setup_code, password, claimed FROM owner")?
        .query_row([], |row| {
            let claimed: Option<i64> = row.get(2)?;
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.zip(claimed)))
        })
        .optional()?;
    Ok(match row {
        Some((_, Some((password, at)))) => Owner::Claimed {
            password,
            at: Timestamp(at),
        },
        Some((setup_code, None)) => Owner::Unclaimed { setup_code },
        None => Owner::Unclaimed { setup_code: None },
    })
}

impl Store {
    /// Whether the box has an owner, and how the owner proves it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn owner(&self) -> Result<Owner, StoreError> {
        self.read(|| "look up the owner".to_owned(), read)
    }

    /// Sets the code that claims the box (its SHA-256), in place of an older one.
    ///
    /// # Errors
    /// [`StoreError::Claimed`] when the box has an owner; or the database refuses.
    pub fn set_setup_code(&self, code: &[u8; 32]) -> Result<(), StoreError> {
        self.write(
            || "write down the setup code".to_owned(),
            |tx| match read(tx)? {
                Owner::Claimed { .. } => Err(StoreError::Claimed.into()),
                Owner::Unclaimed { .. } => {
                    tx.prepare_cached(
                        "INSERT OR REPLACE INTO owner (id, setup_code) VALUES (1, ?1)",
                    )?
                    .execute([code])?;
                    Ok(())
                }
            },
        )
    }

    /// Gives the box its owner, by the PHC string of a password. The setup code is gone then.
    ///
    /// # Errors
    /// [`StoreError::Claimed`] when it has one; of two at once, one gets it. Or the database refuses.
    pub fn claim(&self, password: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write_to_disk(
            || "write down the owner".to_owned(),
            |tx| match read(tx)? {
                Owner::Claimed { .. } => Err(StoreError::Claimed.into()),
                Owner::Unclaimed { .. } => {
                    tx.prepare_cached(
                        "INSERT OR REPLACE INTO owner (id, password, claimed) VALUES (1, ?1, ?2)",
                    )?
                    .execute(params![password, now.0])?;
                    Ok(())
                }
            },
        )
    }

    /// Changes the owner's password (PHC strings both) from `was`, and ends every session but `keep`.
    ///
    /// # Errors
    /// [`StoreError::Unclaimed`] when the box has no owner; [`StoreError::PasswordChanged`] when `was` is not his
    /// password any more: of two changes at once, one is made. Or the database refuses.
    pub fn set_password(
        &self,
        password: &str,
        was: &str,
        keep: &TokenHash,
    ) -> Result<(), StoreError> {
        self.write_to_disk(
            || "write down the password".to_owned(),
            |tx| {
                let sql = "UPDATE owner SET password = ?1 WHERE password = ?2";
                if tx.prepare_cached(sql)?.execute([password, was])? == 0 {
                    return Err(match read(tx)? {
                        Owner::Claimed { .. } => StoreError::PasswordChanged,
                        Owner::Unclaimed { .. } => StoreError::Unclaimed,
                    }
                    .into());
                }
                tx.execute("DELETE FROM session WHERE token <> ?1", [keep])?;
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHC: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA";

    #[test]
    fn claimed_once_and_the_code_is_gone() {
        let store = Store::in_memory().unwrap();
        assert_eq!(
            store.owner().unwrap(),
            Owner::Unclaimed { setup_code: None }
        );
        assert!(matches!(
            store.set_password(PHC, PHC, &[0; 32]),
            Err(StoreError::Unclaimed)
        ));
        store.set_setup_code(&[1; 32]).unwrap();
        store.set_setup_code(&[2; 32]).unwrap();
        let code = Some([2; 32]);
        assert_eq!(
            store.owner().unwrap(),
            Owner::Unclaimed { setup_code: code }
        );

        assert!(
            store.claim("hunter2", Timestamp(5)).is_err(),
            "a password in the clear"
        );
        store.claim(PHC, Timestamp(5)).unwrap();
        let claimed = Owner::Claimed {
            password: PHC.to_owned(),
            at: Timestamp(5),
        };
        assert_eq!(store.owner().unwrap(), claimed);
        assert!(matches!(
            store.claim(PHC, Timestamp(6)),
            Err(StoreError::Claimed)
        ));
        assert!(matches!(
            store.set_setup_code(&[3; 32]),
            Err(StoreError::Claimed)
        ));
        assert_eq!(store.owner().unwrap(), claimed);
    }

    #[test]
    fn a_new_password_ends_every_other_session_and_is_changed_from_the_old_one() {
        let store = Store::in_memory().unwrap();
        store.claim(PHC, Timestamp(5)).unwrap();
        for i in [1, 2] {
            store
                .open_session(&[i; 32], PHC, "192.0.2.1", None, Timestamp(5))
                .unwrap();
        }
        let new = format!("{PHC}aa");
        store.set_password(&new, PHC, &[1; 32]).unwrap();
        assert!(store.use_session(&[1; 32], None, Timestamp(5)).unwrap());
        assert!(!store.use_session(&[2; 32], None, Timestamp(5)).unwrap());
        assert!(matches!(
            store.set_password(PHC, PHC, &[2; 32]),
            Err(StoreError::PasswordChanged)
        ));
        // Whoever proved the old one a moment before comes too late.
        assert!(matches!(
            store.open_session(&[3; 32], PHC, "192.0.2.1", None, Timestamp(5)),
            Err(StoreError::PasswordChanged)
        ));
        let Owner::Claimed { password, .. } = store.owner().unwrap() else {
            panic!("it has an owner");
        };
        assert_eq!(password, new);
    }
}
