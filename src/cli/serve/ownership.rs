//! How a box comes by its owner before its page is open.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::ServeError;
use crate::admin::{self, SetupCode};
use crate::base::{Timestamp, whole};
use crate::store::{Owner, Store};

/// Gives an unclaimed box its owner's password; a trailing newline, as editors write it, is not part of it. Once the box
/// is claimed the file is not read, so that it can be deleted, as a secret should.
pub fn claim(store: &Store, path: &Path) -> Result<(), ServeError> {
    if matches!(store.owner()?, Owner::Claimed { .. }) {
        return Ok(());
    }
    let text = fs::read_to_string(path).map_err(|error| ServeError::Io {
        path: path.to_owned(),
        error,
    })?;
    let password = text.trim_end_matches(['\n', '\r']);
    let claimed = admin::claim_with_password(store, password, Timestamp::now());
    claimed.map(|_| ()).map_err(|error| ServeError::Password {
        path: path.to_owned(),
        error,
    })
}

/// Gives an unclaimed box its owner's password by its hash, and deletes the file also when the box has an owner: a reset
/// box must not find its old owner's password again. One that cannot be used is deleted too, for nobody can change it; the
/// setup code is left to claim the box with.
pub fn claim_once(store: &Store, path: &Path) -> Result<(), ServeError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            // The setup code claims the box all the same.
            tracing::warn!(%error, path = %path.display(), "the password on the card cannot be read");
            return Ok(());
        }
    };
    match admin::claim_with_hash(store, text.trim(), Timestamp::now()) {
        Ok(true) => tracing::info!("the box has the owner that its card named"),
        Ok(false) => tracing::info!("the box has an owner; the password on its card is not taken"),
        Err(admin::AuthError::Store(error)) => return Err(error.into()),
        Err(error) => tracing::warn!(%error, "the password on the card is not taken"),
    }
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "the password on the card cannot be deleted");
    }
    Ok(())
}

/// Leaves the setup code where whoever shows it reads it, or takes an old one away.
pub fn leave(code: Option<&SetupCode>, path: &Path) -> Result<(), ServeError> {
    let left = || {
        whole::remove(path)?;
        let Some(code) = code else { return Ok(()) };
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{code}")
    };
    left().map_err(|error| ServeError::Io {
        path: path.to_owned(),
        error,
    })
}
