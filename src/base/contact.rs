//! How somebody who answers for something is reached.

use std::fmt;

use url::Url;

/// Characters in a contact. The longest mail address there can be has 254 (RFC 5321).
pub const MAX_CONTACT_LENGTH: usize = 254;

/// A mail address or a web page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// A mail address of plain characters.
    Mail(String),
    /// An http or https URL.
    Page(Url),
}

impl Contact {
    /// Reads one; none when nobody can be reached by it. What it says is shown to strangers and becomes a link, so that
    /// only what needs no interpretation is taken: no scheme but the web's, no blank, no quoting in a mail address.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_CONTACT_LENGTH {
            return None;
        }
        if text.contains("://") {
            let url = Url::parse(text).ok()?;
            let is_page = matches!(url.scheme(), "http" | "https") && url.has_host();
            let plain = text.bytes().all(|b| b.is_ascii_graphic()) && url.username().is_empty();
            return (is_page && plain && url.password().is_none()).then_some(Self::Page(url));
        }
        let (name, host) = text.rsplit_once('@')?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_{|}~.".contains(&b);
        let label = |label: &str| {
            let inner = label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
            !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
        };
        let name_fits = !name.is_empty() && name.bytes().all(plain);
        let host_fits = host.contains('.') && host.split('.').all(label);
        (name_fits && host_fits).then(|| Self::Mail(text.to_owned()))
    }

    /// Where a link to it leads.
    pub fn href(&self) -> String {
        match self {
            // `%`, `?` and `&` mean something in a mailto URL (RFC 6068).
            Self::Mail(address) => {
                let escaped = address.replace('%', "%25").replace('?', "%3F");
                format!("mailto:{}", escaped.replace('&', "%26").replace('#', "%23"))
            }
            Self::Page(url) => url.to_string(),
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail(address) => f.write_str(address),
            Self::Page(url) => f.write_str(url.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_and_pages_and_nothing_else() {
        for (text, href) in [
            ("me@box.example", "mailto:me@box.example"),
            (
                "a.b+c?d&e@x.y-z.example",
                "mailto:a.b+c%3Fd%26e@x.y-z.example",
            ),
            (
                "https://box.example/contact?a=1",
                "https://box.example/contact?a=1",
            ),
            ("http://192.0.2.1", "http://192.0.2.1/"),
        ] {
            assert_eq!(
                Contact::read(text).map(|c| c.href()).as_deref(),
                Some(href),
                "{text}"
            );
        }
        let long = format!("{}@box.example", "a".repeat(300));
        for text in [
            "",
            "me",
            "me@box",
            "@box.example",
            "me@.example",
            "me@box..example",
            "a b@box.example",
            "\"a b\"@box.example",
            "me@box.example\r\nBcc: x@y.example",
            "javascript:alert(1)",
            "javascript://x.example/%0aalert(1)",
            "data:text/html,x",
            "https://",
            "https://me:secret@box.example/",
            "https://box.example/a b",
            "<me@box.example>",
            long.as_str(),
        ] {
            assert_eq!(Contact::read(text), None, "{text:?}");
        }
    }
}
