//! Reads bencode (BEP 3) that a stranger wrote.
//!
//! By hand, since `librqbit-bencode` 9.1 multiplies without checking: an integer of twenty digits panics there (or wraps,
//! in a build without overflow checks).

/// Deepest nesting read. A scrape has three levels.
const MAX_DEPTH: u8 = 8;

/// A value, borrowing from what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A byte string.
    Bytes(&'a [u8]),
    /// An integer.
    Integer(i64),
    /// A list.
    List(Vec<Value<'a>>),
    /// A dictionary, in the order written.
    Dict(Vec<(&'a [u8], Value<'a>)>),
}

impl<'a> Value<'a> {
    /// Reads one value that is all of `bytes`; `None` when there is none, or more.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let value = value(&mut rest, MAX_DEPTH)?;
        rest.is_empty().then_some(value)
    }

    /// The value under a key, if this is a dictionary that has it. Of repeated keys the first counts.
    pub fn get(&self, key: &[u8]) -> Option<&Value<'a>> {
        match self {
            Value::Dict(entries) => entries.iter().find(|(k, _)| *k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The bytes, if these are some.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number, if this is one that is not negative.
    pub fn number(&self) -> Option<u64> {
        match self {
            Value::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// Takes everything up to `end`, and `end` itself, off the front.
fn until<'a>(rest: &mut &'a [u8], end: u8) -> Option<&'a [u8]> {
    // Nothing read this way is longer than a 64-bit number with its sign.
    let at = rest.iter().take(21).position(|byte| *byte == end)?;
    let (before, after) = rest.split_at(at);
    *rest = &after[1..];
    Some(before)
}

fn integer<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length: usize = integer(until(rest, b':')?)?;
    let (string, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(string)
}

fn value<'a>(rest: &mut &'a [u8], depth: u8) -> Option<Value<'a>> {
    let depth = depth.checked_sub(1)?;
    let (first, inner) = rest.split_first()?;
    match first {
        b'i' => {
            *rest = inner;
            integer(until(rest, b'e')?).map(Value::Integer)
        }
        b'l' => {
            *rest = inner;
            let mut items = Vec::new();
            while !ended(rest)? {
                items.push(value(rest, depth)?);
            }
            Some(Value::List(items))
        }
        b'd' => {
            *rest = inner;
            let mut entries = Vec::new();
            while !ended(rest)? {
                entries.push((string(rest)?, value(rest, depth)?));
            }
            Some(Value::Dict(entries))
        }
        _ => string(rest).map(Value::Bytes),
    }
}

/// Takes the `e` that ends a list or dictionary, if it is next; `None` when nothing is.
fn ended(rest: &mut &[u8]) -> Option<bool> {
    let (first, after) = rest.split_first()?;
    if *first != b'e' {
        return Some(false);
    }
    *rest = after;
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_kind() {
        let read = Value::read(b"d1:ai-5e1:bl2:xy0:e1:cdee").unwrap();
        assert_eq!(read.get(b"a"), Some(&Value::Integer(-5)));
        assert_eq!(read.get(b"a").unwrap().number(), None);
        let list = vec![Value::Bytes(b"xy"), Value::Bytes(b"")];
        assert_eq!(read.get(b"b"), Some(&Value::List(list)));
        assert_eq!(read.get(b"c"), Some(&Value::Dict(vec![])));
        assert_eq!(read.get(b"d"), None);
    }

    #[test]
    fn what_is_no_bencode_is_not_read() {
        for bytes in [
            &b""[..],
            b"i",
            b"ie",
            b"i1",
            b"i10000000000000000000e",
            b"i99999999999999999999999999999e",
            b"5:abcd",
            b"99999999999999999999:a",
            b"-1:a",
            b"18446744073709551615:a",
            b"l",
            b"d1:ae",
            b"di1ei2ee",
            b"i1ei2e",
        ] {
            assert_eq!(Value::read(bytes), None, "{}", bytes.escape_ascii());
        }
        let nested = |n| [b"l".repeat(n), b"e".repeat(n)].concat();
        assert!(Value::read(&nested(8)).is_some());
        assert!(Value::read(&nested(9)).is_none());
        assert!(Value::read(&b"l".repeat(1_000_000)).is_none());
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Value::read(&bytes);
        }

        #[test]
        fn nothing_panics_near_the_truth(text in "(i-?[0-9]{0,25}e|[0-9]{1,21}:|[lde]|a){0,30}") {
            let _ = Value::read(text.as_bytes());
        }
    }
}
