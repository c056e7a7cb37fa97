//! Passwords: hashed with Argon2id, a few at a time, off the async threads.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::limiter::Limiter;
use super::problem::Problem;
use crate::base::{ErrorKind, Kind, Timestamp};
use crate::store::{Owner, Store, StoreError};

/// The shortest password taken, in characters (NIST SP 800-63B).
pub const MIN_PASSWORD_CHARS: usize = 8;

/// The longest, in bytes: a passphrase of any length, and no way to make the box hash a film.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Memory of one hash, in KiB. 19 MiB with two passes is OWASP's floor for Argon2id: about half a second on a Pi 3,
/// and small enough for a board with 512 MiB.
const MEMORY_KIB: u32 = 19 << 10;

/// Passes over that memory.
const PASSES: u32 = 2;

/// Threads of one hash; the other cores have seeding to do.
const LANES: u32 = 1;

/// Hashes at once: 38 MiB at most. Others wait, and the limit on tries bounds how many can.
pub(super) const MAX_HASHING: usize = 2;

/// A password that cannot be used, or could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Too short.
    #[error("the password is too short: it needs {MIN_PASSWORD_CHARS} characters")]
    TooShort,
    /// A hash that is not one of ours.
    #[error(
        "the hash of the password cannot be used: it must be Argon2id, of at most 64 MiB, ten passes and four lanes"
    )]
    Foreign,
    /// Too long.
    #[error("the password is too long: it can have {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
    /// The hash failed.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runtime is stopping.
    #[error("the box is shutting down")]
    Stopped,
}

impl Kind for AuthError {
    fn kind(&self) -> ErrorKind {
        match self {
            AuthError::TooShort | AuthError::TooLong | AuthError::Foreign => ErrorKind::BadInput,
            AuthError::Hash(_) => ErrorKind::Internal,
            AuthError::Store(error) => error.kind(),
            AuthError::Stopped => ErrorKind::Unavailable,
        }
    }
}

/// Whether a password can be chosen.
pub(super) fn check_new(password: &str) -> Result<(), AuthError> {
    if password.len() > MAX_PASSWORD_BYTES {
        Err(AuthError::TooLong)
    } else if password.chars().count() < MIN_PASSWORD_CHARS {
        Err(AuthError::TooShort)
    } else {
        Ok(())
    }
}

fn argon2() -> Result<Argon2<'static>, AuthError> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| AuthError::Hash(e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A password as a PHC string, with a salt of its own. Blocks for about a second on a small board.
fn hash(password: &str) -> Result<String, AuthError> {
    check_new(password)?;
    let hash = argon2()?.hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|e| AuthError::Hash(e.to_string()))
}

/// Whether a password is the one of a PHC string. Takes the string's own parameters, so that they can be raised.
fn verify(password: &str, phc: &str) -> Result<bool, AuthError> {
    let parsed = PasswordHash::new(phc).map_err(|e| AuthError::Hash(e.to_string()))?;
    Ok(argon2()?
        .verify_password(password.as_bytes(), &parsed)
        .is_ok())
}

/// Runs a hash where blocking is allowed, when there is room for it.
async fn hashing<T: Send + 'static>(
    room: &Arc<Semaphore>,
    call: impl FnOnce() -> Result<T, AuthError> + Send + 'static,
) -> Result<T, AuthError> {
    let permit = Arc::clone(room)
        .acquire_owned()
        .await
        .map_err(|_| AuthError::Stopped)?;
    let work = tokio::task::spawn_blocking(move || {
        // Held until the memory is free again, also when the caller is gone.
        let _permit = permit;
        call()
    });
    work.await.map_err(|_| AuthError::Stopped)?
}

/// A password as a PHC string.
pub(super) async fn hash_password(
    room: &Arc<Semaphore>,
    password: String,
) -> Result<String, AuthError> {
    hashing(room, move || hash(&password)).await
}

/// Whether a password is the one of a PHC string.
pub(super) async fn verify_password(
    room: &Arc<Semaphore>,
    password: String,
    phc: String,
) -> Result<bool, AuthError> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Ok(false);
    }
    hashing(room, move || verify(&password, &phc)).await
}

/// Claims the box with a password given before its first start. Whether it did is returned: a box that has an owner
/// keeps its password. Blocks for about a second on a small board.
///
/// # Errors
/// When the password is too short or too long, or the database refuses.
pub fn claim_with_password(
    store: &Store,
    password: &str,
    now: Timestamp,
) -> Result<bool, AuthError> {
    check_new(password)?;
    if matches!(store.owner()?, Owner::Claimed { .. }) {
        return Ok(false);
    }
    store.claim(&hash(password)?, now)?;
    Ok(true)
}

/// The hash of a password that is given before the box's first start, as [`claim_with_hash`] takes it. Blocks for about a
/// second on a small board.
///
/// # Errors
/// When the password is too short or too long.
pub fn hash_owner_password(password: &str) -> Result<String, AuthError> {
    hash(password)
}

/// The most that a hash which somebody else made may cost at each login: 64 MiB, ten passes, four lanes.
const MOST_COST: (u32, u32, u32) = (64 << 10, 10, 4);

/// Whether a hash can be an owner's: Argon2id, and no dearer than a small board bears.
///
/// # Errors
/// [`AuthError::Foreign`] when it is not.
pub fn check_owner_hash(phc: &str) -> Result<(), AuthError> {
    let parsed = PasswordHash::new(phc).map_err(|_| AuthError::Foreign)?;
    let params = Params::try_from(&parsed).map_err(|_| AuthError::Foreign)?;
    let (memory, passes, lanes) = MOST_COST;
    let fits = params.m_cost() <= memory && params.t_cost() <= passes && params.p_cost() <= lanes;
    let whole = parsed.salt.is_some() && parsed.hash.is_some();
    let ours =
        Algorithm::try_from(parsed.algorithm.as_str()).is_ok_and(|it| it == Algorithm::Argon2id);
    if fits && whole && ours && phc.len() <= MAX_PASSWORD_BYTES {
        Ok(())
    } else {
        Err(AuthError::Foreign)
    }
}

/// Claims the box with the hash of a password. Whether it did is returned: a box that has an owner keeps its password.
///
/// # Errors
/// When the hash cannot be an owner's, or the database refuses.
pub fn claim_with_hash(store: &Store, phc: &str, now: Timestamp) -> Result<bool, AuthError> {
    check_owner_hash(phc)?;
    if matches!(store.owner()?, Owner::Claimed { .. }) {
        return Ok(false);
    }
    store.claim(phc, now)?;
    Ok(true)
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(IpAddr);

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Caller {
    /// Whether it came from this machine; a proxy on it may have passed it on.
    pub(super) fn is_loopback(&self) -> bool {
        self.0.is_loopback()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        Ok(Self(address.to_canonical()))
    }
}

/// A try at a secret. Counts as a wrong one until it is said to be right.
pub(super) struct Try<'a> {
    limiter: &'a Mutex<Limiter>,
    caller: IpAddr,
    known: bool,
}

impl<'a> Try<'a> {
    /// Takes a try from those the caller has; one who is `known` need not share with those who are not.
    pub(super) fn take(
        limiter: &'a Mutex<Limiter>,
        caller: &Caller,
        known: bool,
    ) -> Result<Self, Problem> {
        let taken = limiter.lock().take(caller.0, known, Instant::now());
        taken.map_err(too_many)?;
        Ok(Self {
            limiter,
            caller: caller.0,
            known,
        })
    }

    /// It was right: it does not count.
    pub(super) fn right(self) {
        self.limiter.lock().give_back(self.caller, self.known);
    }
}

fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + 1;
    Problem::retry(
        StatusCode::TOO_MANY_REQUESTS,
        seconds,
        format!("Too many tries. Try again in {seconds} seconds."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_from_elsewhere_is_taken_when_a_small_board_bears_it() {
        let store = Store::in_memory().unwrap();
        let phc = hash_owner_password("correct horse").unwrap();
        let dear = phc.replace("m=19456", "m=1048576");
        let patient = phc.replace("t=2", "t=4000000");
        let other = phc.replace("argon2id", "argon2i");
        for bad in [
            "",
            "$5$salt$hash",
            "$y$j9T$abc$def",
            "$argon2id$v=19$m=19456,t=2,p=1",
            &dear,
            &patient,
            &other,
        ] {
            assert!(claim_with_hash(&store, bad, Timestamp(1)).is_err(), "{bad}");
        }
        assert!(claim_with_hash(&store, &phc, Timestamp(1)).unwrap());
        assert!(
            !claim_with_hash(&store, &phc, Timestamp(2)).unwrap(),
            "it has an owner"
        );
        assert!(verify("correct horse", &phc).unwrap());
    }

    #[test]
    fn hashes_are_salted_argon2id_and_verify() {
        let password = "correct horse – été";
        let phc = hash(password).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_ne!(hash(password).unwrap(), phc, "no salt");
        assert!(verify(password, &phc).unwrap());
        assert!(!verify("correct horse – ete", &phc).unwrap());
        assert!(verify(password, "$argon2id$nonsense").is_err());
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(matches!(check_new("1234567"), Err(AuthError::TooShort)));
        assert!(
            matches!(check_new("ééé"), Err(AuthError::TooShort)),
            "bytes were counted"
        );
        check_new("12345678").unwrap();
        check_new(&"x".repeat(MAX_PASSWORD_BYTES)).unwrap();
        assert!(matches!(
            check_new(&"x".repeat(MAX_PASSWORD_BYTES + 1)),
            Err(AuthError::TooLong)
        ));
    }

    #[test]
    fn a_password_given_before_the_first_start_claims_once() {
        let store = Store::in_memory().unwrap();
        assert!(claim_with_password(&store, "short", Timestamp(1)).is_err());
        assert!(claim_with_password(&store, "long enough", Timestamp(1)).unwrap());
        let owner = store.owner().unwrap();
        assert!(!claim_with_password(&store, "something else", Timestamp(2)).unwrap());
        assert_eq!(store.owner().unwrap(), owner);
    }
}
