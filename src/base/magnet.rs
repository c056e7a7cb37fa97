//! Magnet links (BEP 9).

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::InfoHash;

/// All that may stand in a query by itself: RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A magnet link; its text is what `to_string` gives. Contains no character that needs escaping in HTML but `&`.
#[derive(Debug, Clone, Copy)]
pub struct Magnet<'a> {
    /// The swarm.
    pub info_hash: InfoHash,
    /// What clients show until they have the metadata; bytes, UTF-8 or not.
    pub name: &'a [u8],
    /// Bytes of content, if known.
    pub size: Option<u64>,
    /// Announce URLs, most wanted first.
    pub trackers: &'a [String],
}

impl fmt::Display for Magnet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "magnet:?xt=urn:btih:{}", self.info_hash)?;
        write!(f, "&dn={}", percent_encode(self.name, ESCAPED))?;
        if let Some(size) = self.size {
            write!(f, "&xl={size}")?;
        }
        for tracker in self.trackers {
            write!(f, "&tr={}", percent_encode(tracker.as_bytes(), ESCAPED))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_escaped() {
        let magnet = Magnet {
            info_hash: InfoHash([0xab; 20]),
            name: b"A & B's \"<film>\" \xff.mkv",
            size: Some(7),
            trackers: &["http://box:6880/announce?a=1&b=2".to_owned()],
        };
        assert_eq!(
            magnet.to_string(),
            format!(
                "magnet:?xt=urn:btih:{}&dn=A%20%26%20B%27s%20%22%3Cfilm%3E%22%20%FF.mkv&xl=7\
                 &tr=http%3A%2F%2Fbox%3A6880%2Fannounce%3Fa%3D1%26b%3D2",
                "ab".repeat(20)
            )
        );
    }
}
