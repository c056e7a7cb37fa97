//! Magnet links (BEP 9).

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Metainfo;

/// All but RFC 3986's unreserved characters: whatever a chat or a page takes for the end of a link stays out of it.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Metainfo {
    /// The magnet link: info hash, name, every tracker in order, every web seed.
    pub fn magnet(&self) -> String {
        let mut link = format!("magnet:?xt=urn:btih:{}", self.info_hash);
        let mut add = |key: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = write!(link, "&{key}={}", utf8_percent_encode(value, RESERVED));
        };
        add("dn", &self.name);
        self.trackers
            .iter()
            .flatten()
            .for_each(|url| add("tr", url));
        self.web_seeds.iter().for_each(|url| add("ws", url));
        link
    }
}
