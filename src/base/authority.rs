//! `host` or `host:port`, as in an HTTP Host header.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::world::is_public;

/// Longest host and port taken: a DNS name has at most 253 characters.
const MAX_LENGTH: usize = 253 + ":65535".len();

/// Where an HTTP request was sent: a host and perhaps a port. Safe to write into a URL as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, where one was named; 1 to 65535.
    pub port: Option<u16>,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name in lower case, without a dot at its end.
    Name(String),
    /// An IP address.
    Ip(IpAddr),
}

/// Not `host` nor `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a host name or address with an optional port, like box.example or box.example:6880"
)]
pub struct BadAuthority(pub String);

impl Authority {
    /// Whether the host is `name` (compared without case).
    pub fn is_named(&self, name: &str) -> bool {
        matches!(&self.host, Host::Name(own) if own.eq_ignore_ascii_case(name.trim_end_matches('.')))
    }

    /// Whether it leads somewhere only in the own network: an address that is not the world's, or a name that no server of
    /// the world's knows (RFC 6761, RFC 6762).
    pub fn is_local(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => !is_public(*ip),
            Host::Name(name) => {
                let last = name.rsplit('.').next().unwrap_or_default();
                !name.contains('.')
                    || ["local", "localhost", "internal", "home", "lan"].contains(&last)
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

impl FromStr for Authority {
    type Err = BadAuthority;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            if text.len() > MAX_LENGTH {
                return None;
            }
            let (host, rest) = match text.strip_prefix('[') {
                Some(inner) => {
                    let (inner, rest) = inner.split_once(']')?;
                    (Host::Ip(IpAddr::V6(inner.parse::<Ipv6Addr>().ok()?)), rest)
                }
                None => {
                    let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                    (host(name)?, rest)
                }
            };
            let port = match rest.strip_prefix(':') {
                None if rest.is_empty() => None,
                None => return None,
                Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                    Some(digits.parse().ok().filter(|&port| port > 0)?)
                }
                Some(_) => return None,
            };
            Some(Self { host, port })
        };
        read().ok_or_else(|| BadAuthority(text.chars().take(64).collect()))
    }
}

fn host(text: &str) -> Option<Host> {
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Some(Host::Ip(IpAddr::V4(ip)));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        bytes.len() <= 63 && end(bytes.first()) && end(bytes.last()) && bytes.iter().all(inner)
    };
    // A last label of digits alone is an address in one of the spellings resolvers know (127.1) and we do not.
    let last = name.rsplit('.').next()?;
    let fits = name.len() <= 253 && name.split('.').all(label);
    (fits && !last.bytes().all(|b| b.is_ascii_digit()))
        .then(|| Host::Name(name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_browsers_send_them() {
        for (text, shown) in [
            ("semoir.local", "semoir.local"),
            ("Semoir.Local.:8080", "semoir.local:8080"),
            ("localhost", "localhost"),
            ("192.168.1.7:6880", "192.168.1.7:6880"),
            ("[::1]:8080", "[::1]:8080"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("xn--caf-dma.example", "xn--caf-dma.example"),
        ] {
            let read: Authority = text.parse().unwrap();
            assert_eq!(read.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(read), "{text}");
        }
        assert!(
            "Box.local"
                .parse::<Authority>()
                .unwrap()
                .is_named("box.LOCAL.")
        );
        assert!(!"1.2.3.4".parse::<Authority>().unwrap().is_named("1.2.3.4"));
    }

    #[test]
    fn the_house_is_told_from_the_world() {
        let local = |text: &str| text.parse::<Authority>().unwrap().is_local();
        for text in [
            "localhost:1",
            "semoir.local",
            "semoir",
            "nas.lan:80",
            "192.168.1.7",
            "[fe80::1]:1",
            "127.0.0.1",
        ] {
            assert!(local(text), "{text}");
        }
        for text in ["box.example:6880", "1.1.1.1", "[2a00::1]", "local.example"] {
            assert!(!local(text), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_host() {
        let long = "a".repeat(64);
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:80:80",
            "[::1",
            "::1",
            "[fe80::1%eth0]",
            "[1.2.3.4]",
            "[::1]x",
            "127.1",
            "1",
            "a..b",
            "-a",
            "a-",
            "a b",
            "a/b",
            "a@b",
            "a\"b",
            "<b>",
            "é.example",
            "a\r\nb",
            "a?b",
            "a#b",
            "a%41",
            &long,
            &"a.".repeat(200),
        ] {
            assert!(text.parse::<Authority>().is_err(), "{text:?}");
        }
    }
}
