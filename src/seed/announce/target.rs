//! The URL of a tracker, read and judged.

use std::net::IpAddr;

use url::Url;

use crate::base::{ErrorKind, Kind};

/// Longest tracker URL taken, in bytes. Those with a passkey have about 100.
pub const MAX_URL: usize = 1024;

/// How a tracker is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP or HTTPS (BEP 3).
    Http,
    /// UDP (BEP 15).
    Udp,
}

/// A tracker that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The URL, without a fragment.
    pub url: Url,
    /// How to speak to it.
    pub transport: Transport,
    /// Host name or IP literal, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A tracker URL nobody can ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// Longer than [`MAX_URL`].
    #[error("the tracker's address is longer than {MAX_URL} bytes")]
    TooLong,
    /// Not a URL with a host.
    #[error("the tracker's address is not a URL with a host: {0:?}")]
    NotAUrl(String),
    /// Neither `http`, `https` nor `udp`.
    #[error("a tracker is asked over http, https or udp, not {0:?}")]
    Scheme(String),
    /// `udp` without a port, or port 0.
    #[error("the tracker's address has no port: {0:?}")]
    NoPort(String),
}

impl Kind for BadTarget {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadInput
    }
}

impl Target {
    /// Reads a tracker URL.
    ///
    /// # Errors
    /// [`BadTarget`].
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        if text.len() > MAX_URL {
            return Err(BadTarget::TooLong);
        }
        let mut url = Url::parse(text.trim()).map_err(|_| BadTarget::NotAUrl(text.to_owned()))?;
        url.set_fragment(None);
        let transport = match url.scheme() {
            "http" | "https" => Transport::Http,
            "udp" => Transport::Udp,
            other => return Err(BadTarget::Scheme(other.to_owned())),
        };
        let host = url.host_str().unwrap_or_default();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return Err(BadTarget::NotAUrl(text.to_owned()));
        }
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or_else(|| BadTarget::NoPort(text.to_owned()))?;
        Ok(Self {
            url,
            transport,
            host,
            port,
        })
    }

    /// The address, when the host is an IP literal.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    }

    /// Whether the tracker is on this machine, as far as the URL tells.
    pub fn is_loopback(&self) -> bool {
        match self.ip() {
            Some(ip) => ip.is_loopback(),
            None => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// The scrape URL by the convention of BEP 48; `None` when the tracker has none.
    pub fn scrape_url(&self) -> Option<Url> {
        let mut url = self.url.clone();
        let path = url.path().to_owned();
        let (folder, last) = path.rsplit_once('/')?;
        let rest = last.strip_prefix("announce")?;
        url.set_path(&format!("{folder}/scrape{rest}"));
        Some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_read_as_they_are_written() {
        for (text, transport, host, port, loopback) in [
            (
                "http://tracker.example/announce",
                Transport::Http,
                "tracker.example",
                80,
                false,
            ),
            (
                "https://t.example:8443/x/announce?passkey=1#f",
                Transport::Http,
                "t.example",
                8443,
                false,
            ),
            (
                "udp://127.0.0.1:6969/announce",
                Transport::Udp,
                "127.0.0.1",
                6969,
                true,
            ),
            ("udp://[::1]:6969", Transport::Udp, "::1", 6969, true),
            (
                "http://[::ffff:127.0.0.1]/announce",
                Transport::Http,
                "::ffff:7f00:1",
                80,
                true,
            ),
            (
                "http://LOCALHOST:1/announce",
                Transport::Http,
                "localhost",
                1,
                true,
            ),
            (
                "http://localhost.example/announce",
                Transport::Http,
                "localhost.example",
                80,
                false,
            ),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.transport, transport, "{text}");
            assert_eq!((target.host.as_str(), target.port), (host, port));
            assert_eq!(target.is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn urls_nobody_can_ask_are_refused() {
        for text in [
            "",
            "announce",
            "http://",
            "udp://host/announce",
            "udp://host:0",
            "wss://x/",
            "file:///etc/passwd",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
        let long = format!("http://host/{}", "a".repeat(MAX_URL));
        assert_eq!(Target::parse(&long), Err(BadTarget::TooLong));
    }

    #[test]
    fn scrape_urls_follow_the_convention() {
        let scrape = |text: &str| Target::parse(text).unwrap().scrape_url().map(String::from);
        assert_eq!(scrape("http://x/announce").unwrap(), "http://x/scrape");
        assert_eq!(
            scrape("http://x/a/announce.php?k=1").unwrap(),
            "http://x/a/scrape.php?k=1"
        );
        assert_eq!(scrape("http://x/a"), None);
        assert_eq!(scrape("http://x/announce/b"), None);
    }
}
