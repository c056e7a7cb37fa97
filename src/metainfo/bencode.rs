//! A first look at bencoded bytes from strangers, before `librqbit-bencode` reads them.
//!
//! That crate's deserializer bounds depth and never reads past the end, but it does not notice numbers that overflow: in
//! a release build `18446744073709551617:x` is a string of one byte to it, in a debug build a panic. So every number is
//! looked at here first, and counted with everything else, so that what is deserialized later is bounded too.

/// Lists and dictionaries within one another, at most. A torrent needs six; libtorrent allows 100.
const MAX_DEPTH: usize = 64;

/// Values and keys in one torrent, at most: [`MAX_ENTRIES`](super::listing::MAX_ENTRIES) files with paths of a dozen folders.
const MAX_TOKENS: usize = 4_000_000;

/// Why bytes are not bencode that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end within a value.
    #[error("it ends too early")]
    Truncated,
    /// Something follows the value.
    #[error("{0} bytes follow its end")]
    Trailing(usize),
    /// A byte that begins no value.
    #[error("byte {0} begins no value")]
    NoValue(usize),
    /// Leading zeros, `-0`, no digits, or more than 64 bits hold.
    #[error("the number at byte {0} is not written as it should be, or is too large")]
    Number(usize),
    /// Deeper than `MAX_DEPTH`.
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// More than `MAX_TOKENS`.
    #[error("it holds more than {MAX_TOKENS} values")]
    TooMany,
}

/// Checks that `bytes` are one bencoded value whose numbers all fit an `i64` and are written in the one way there is.
/// That dictionaries have keys, and which, is left to whoever deserializes.
pub fn check(bytes: &[u8]) -> Result<(), Malformed> {
    let mut at = 0;
    let mut depth = 0_usize;
    for _ in 0..MAX_TOKENS {
        match bytes.get(at).ok_or(Malformed::Truncated)? {
            b'd' | b'l' => {
                depth += 1;
                at += 1;
            }
            b'e' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            b'i' => at = number(bytes, at + 1, b'e')?.1,
            b'0'..=b'9' => {
                let (length, start) = number(bytes, at, b':')?;
                let length = usize::try_from(length).map_err(|_| Malformed::Number(at))?;
                at = start.checked_add(length).ok_or(Malformed::Number(at))?;
            }
            _ => return Err(Malformed::NoValue(at)),
        }
        if depth > MAX_DEPTH {
            return Err(Malformed::TooDeep);
        }
        if at > bytes.len() {
            return Err(Malformed::Truncated);
        }
        if depth == 0 {
            return match bytes.len() - at {
                0 => Ok(()),
                more => Err(Malformed::Trailing(more)),
            };
        }
    }
    Err(Malformed::TooMany)
}

/// The number at `start` and where what follows its `end` byte begins.
fn number(bytes: &[u8], start: usize, end: u8) -> Result<(i64, usize), Malformed> {
    /// Digits and sign of the longest `i64`.
    const LONGEST: usize = 20;
    let rest = bytes.get(start..).ok_or(Malformed::Truncated)?;
    let window = &rest[..rest.len().min(LONGEST + 1)];
    let length = window
        .iter()
        .position(|&byte| byte == end)
        .ok_or(if window.len() <= LONGEST {
            Malformed::Truncated
        } else {
            Malformed::Number(start)
        })?;
    let text = std::str::from_utf8(&window[..length]).map_err(|_| Malformed::Number(start))?;
    let value: i64 = text.parse().map_err(|_| Malformed::Number(start))?;
    // The one way there is: no `+1`, no `01`, no `-0`.
    if value.to_string() != text {
        return Err(Malformed::Number(start));
    }
    Ok((value, start + length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_bencode_and_nothing_else() {
        for good in [
            "i0e",
            "i-5e",
            "0:",
            "5:hello",
            "le",
            "d1:ai1e1:bl1:xee",
            "i9223372036854775807e",
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", Malformed::Truncated),
            ("i5", Malformed::Truncated),
            ("l", Malformed::Truncated),
            ("5:hell", Malformed::Truncated),
            ("i1ei2e", Malformed::Trailing(3)),
            ("e", Malformed::NoValue(0)),
            ("lxe", Malformed::NoValue(1)),
            ("i01e", Malformed::Number(1)),
            ("i-0e", Malformed::Number(1)),
            ("i+1e", Malformed::Number(1)),
            ("ie", Malformed::Number(1)),
            ("01:a", Malformed::Number(0)),
            ("i9223372036854775808e", Malformed::Number(1)),
            ("18446744073709551617:x", Malformed::Number(0)),
            ("9223372036854775807:x", Malformed::Truncated),
        ] {
            assert_eq!(check(bad.as_bytes()), Err(why), "{bad}");
        }
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let nested = |depth: usize| ["l".repeat(depth), "e".repeat(depth)].concat();
        assert_eq!(check(nested(MAX_DEPTH).as_bytes()), Ok(()));
        assert_eq!(
            check(nested(MAX_DEPTH + 1).as_bytes()),
            Err(Malformed::TooDeep)
        );
        let many = format!("l{}e", "0:".repeat(MAX_TOKENS));
        assert_eq!(check(many.as_bytes()), Err(Malformed::TooMany));
    }
}
