//! The code that proves to a new box that one stands before it.

use std::fmt;

use librqbit_sha1_wrapper::{ISha256, Sha256};
use rand::RngExt;

use crate::store::{Owner, Store, StoreError};

/// Digits and capitals that look like no other: no 0, 1, I, L, O.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";

/// Characters of a code: 31⁸, some 8.5 × 10¹¹.
const LENGTH: usize = 8;

/// A setup code. Shown as `XXXX-XXXX`; the box keeps its hash alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SetupCode([u8; LENGTH]);

impl SetupCode {
    /// A new code.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        Self(std::array::from_fn(|_| {
            ALPHABET[rng.random_range(0..ALPHABET.len())]
        }))
    }

    /// What the database keeps of it.
    pub(super) fn hash(&self) -> [u8; 32] {
        hash_bytes(&self.0)
    }
}

impl fmt::Display for SetupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = self.0.split_at(LENGTH / 2);
        write!(f, "{}-{}", left.escape_ascii(), right.escape_ascii())
    }
}

impl fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetupCode(…)")
    }
}

/// Whether what was typed is the code of that hash. Case, dashes and blanks do not matter.
pub(super) fn matches(typed: &str, hash: &[u8; 32]) -> bool {
    let plain: Vec<u8> = typed
        .bytes()
        .filter(|byte| !matches!(byte, b'-' | b' '))
        .map(|byte| byte.to_ascii_uppercase())
        .take(LENGTH + 1)
        .collect();
    // Of all bytes, so that the time says nothing.
    let differing = hash_bytes(&plain)
        .iter()
        .zip(hash)
        .fold(0, |sum, (a, b)| sum | (a ^ b));
    differing == 0
}

fn hash_bytes(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish()
}

/// Gives an unclaimed box a new setup code, to be shown to whoever stands before it; none when the box has an owner.
/// Called at every start: only the code's hash is kept, so that an old code cannot be shown again.
///
/// # Errors
/// When the database refuses.
pub fn renew_setup_code(store: &Store) -> Result<Option<SetupCode>, StoreError> {
    if matches!(store.owner()?, Owner::Claimed { .. }) {
        return Ok(None);
    }
    let code = SetupCode::random();
    match store.set_setup_code(&code.hash()) {
        Ok(()) => Ok(Some(code)),
        // Claimed between the two calls.
        Err(StoreError::Claimed) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_however_they_are_typed() {
        let code = SetupCode(*b"AB2CXY9Z");
        assert_eq!(code.to_string(), "AB2C-XY9Z");
        for typed in ["AB2C-XY9Z", "ab2cxy9z", " ab2c xy9z ", "A-B-2-C-X-Y-9-Z"] {
            assert!(matches(typed, &code.hash()), "{typed}");
        }
        for typed in [
            "",
            "AB2C-XY9",
            "AB2C-XY9ZZ",
            "AB2C-XY9A",
            "é",
            &"A".repeat(1 << 20),
        ] {
            assert!(!matches(typed, &code.hash()), "{}", typed.len());
        }
    }

    #[test]
    fn codes_differ_and_hold_no_look_alikes() {
        let codes: Vec<String> = (0..200).map(|_| SetupCode::random().to_string()).collect();
        let mut distinct = codes.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), codes.len());
        assert!(
            codes
                .iter()
                .all(|code| code.len() == 9 && !code.contains(['0', '1', 'I', 'L', 'O']))
        );
        assert_eq!(
            format!("{:?}", SetupCode::random()),
            "SetupCode(…)",
            "a code in a log"
        );
    }

    #[test]
    fn each_start_shows_a_new_code_until_the_box_is_claimed() {
        let store = Store::in_memory().unwrap();
        let first = renew_setup_code(&store).unwrap().unwrap();
        let second = renew_setup_code(&store).unwrap().unwrap();
        assert_ne!(first, second);
        let setup_code = Some(second.hash());
        assert_eq!(store.owner().unwrap(), Owner::Unclaimed { setup_code });
        store
            .claim("$argon2id$x", crate::base::Timestamp(1))
            .unwrap();
        assert_eq!(renew_setup_code(&store).unwrap(), None);
    }
}
