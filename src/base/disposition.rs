//! The file name of a download, as HTTP wants it.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// RFC 5987's attr-char, by what is not in it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The value of a `Content-Disposition` header (RFC 6266) that saves a download as `name`: once for old clients, with
/// what is not plain ASCII replaced, and once as RFC 5987 has it. Safe whatever is in the name.
pub fn attachment(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '/' | '%' => '_',
            ' '..='~' => c,
            _ => '_',
        })
        .collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    // Writing into a string cannot fail.
    let _ = write!(
        value,
        "; filename*=UTF-8''{}",
        utf8_percent_encode(name, ESCAPED)
    );
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(
            attachment("Été \"1\"; a\r\nX: y\\%41.torrent"),
            "attachment; filename=\"_t_ _1_; a__X: y__41.torrent\"; \
             filename*=UTF-8''%C3%89t%C3%A9%20%221%22%3B%20a%0D%0AX%3A%20y%5C%2541.torrent"
        );
    }
}
