//! Asks HTTP trackers (BEP 3, 48).

use std::error::Error;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use url::Url;

use super::answer::{AnnounceError, Answer, Event, Request, Scraped};
use super::client;
use super::decode::{self, MAX_ANSWER};
use super::target::Target;
use crate::base::{Beside, InfoHash};

/// How long an announce may take as a whole. Trackers under load take seconds.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Redirects followed.
const REDIRECTS: usize = 3;

/// Idle connections kept to one tracker, and for how long: through a burst of announces, not until the next one.
const IDLE: (usize, Duration) = (2, Duration::from_secs(15));

/// Torrents in one scrape: a URL of 70 hashes has 5 KiB, which servers take.
pub const MAX_SCRAPE: usize = 70;

/// Bytes of a request beside its URL, and of our half of a TLS handshake, about.
const HEAD: usize = 120;
const TLS: usize = 800;

/// What need not be encoded (RFC 3986, "unreserved").
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Asks HTTP trackers, over the family of addresses it is told to (BEP 7).
#[derive(Debug)]
pub struct HttpClient {
    offline: bool,
    from: IpAddr,
    /// One for each family, IPv4 first. Made when it is first used, for making one reads every certificate authority that the
    /// system trusts: some three hundred files, more work than all else that the box does until its page is there.
    clients: [OnceCell<Client>; 2],
    beside: Beside,
}

impl HttpClient {
    /// A client. When `offline`, redirects lead to loopback only.
    pub fn new(offline: bool, from: IpAddr, beside: Beside) -> Self {
        Self {
            offline,
            from,
            clients: Default::default(),
            beside,
        }
    }

    async fn of(&self, v6: bool, https: bool) -> Result<Client, AnnounceError> {
        let (offline, from) = (self.offline, client::local(self.from, v6));
        let make = async || {
            let made = spawn_blocking(move || builder(offline, from).build().map_err(unreachable));
            let made = made.await;
            made.unwrap_or_else(|panic| Err(AnnounceError::Unreachable(panic.to_string())))
        };
        match self.clients[usize::from(v6)].get_or_try_init(make).await {
            Ok(client) => Ok(client.clone()),
            // A box without certificates still speaks HTTP. It may have them the next time.
            Err(_) if !https => {
                let without = builder(offline, from).tls_certs_only([]);
                without.build().map_err(unreachable)
            }
            Err(error) => Err(error),
        }
    }

    /// Announces.
    ///
    /// # Errors
    /// [`AnnounceError`].
    pub async fn announce(
        &self,
        target: &Target,
        v6: bool,
        request: &Request,
    ) -> Result<Answer, AnnounceError> {
        let url = with_query(&target.url, &query(request));
        decode::announce(&self.fetch(v6, url).await?)
    }

    /// Asks for the counts of at most [`MAX_SCRAPE`] torrents; `None` for those the tracker is silent about.
    ///
    /// # Errors
    /// [`AnnounceError`].
    pub async fn scrape(
        &self,
        target: &Target,
        v6: bool,
        hashes: &[InfoHash],
    ) -> Result<Vec<Option<Scraped>>, AnnounceError> {
        let url = target.scrape_url().ok_or(AnnounceError::NoScrape)?;
        let query: Vec<_> = hashes
            .iter()
            .map(|hash| format!("info_hash={}", percent_encode(&hash.0, ENCODED)))
            .collect();
        let url = with_query(&url, &query.join("&"));
        decode::scrape(&self.fetch(v6, url).await?, hashes)
    }

    async fn fetch(&self, v6: bool, url: Url) -> Result<Vec<u8>, AnnounceError> {
        let https = url.scheme() == "https";
        let tls = if https { TLS } else { 0 };
        self.beside.exchange(HEAD + url.as_str().len() + tls);
        let mut response = self
            .of(v6, https)
            .await?
            .get(url)
            .send()
            .await
            .map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(AnnounceError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(AnnounceError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn builder(offline: bool, from: IpAddr) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("semoir/", env!("CARGO_PKG_VERSION")))
        // Binding to one family keeps the other family's addresses from being tried.
        .local_address(from)
        .no_proxy()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE.0)
        .pool_idle_timeout(IDLE.1)
        .redirect(Policy::custom(move |attempt| redirect(offline, attempt)))
}

/// Follows a redirect only where the tracker itself could have been: http or https, and never from the outside to this
/// machine or its network, where a GET may do things.
fn redirect(offline: bool, attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let inward = |url: &Url| match Target::parse(url.as_str()) {
        Ok(target) => target.is_loopback() || target.ip().is_some_and(is_private),
        Err(_) => false,
    };
    let from_inside = attempt.previous().first().is_some_and(inward);
    let to = attempt.url();
    let web = matches!(to.scheme(), "http" | "https");
    let loopback = Target::parse(to.as_str()).is_ok_and(|target| target.is_loopback());
    if attempt.previous().len() > REDIRECTS
        || !web
        || (inward(to) && !from_inside)
        || (offline && !loopback)
    {
        return attempt.stop();
    }
    attempt.follow()
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

/// Appends to the query a tracker's URL already has (a passkey, perhaps).
fn with_query(url: &Url, more: &str) -> Url {
    let mut url = url.clone();
    let query = match url.query() {
        Some(query) if !query.is_empty() => format!("{query}&{more}"),
        _ => more.to_owned(),
    };
    url.set_query(Some(&query));
    url
}

fn query(request: &Request) -> String {
    let mut query = format!(
        "info_hash={}&peer_id={}&port={}&uploaded={}&downloaded={}&left={}&compact=1&no_peer_id=1&numwant={}&key={:08x}",
        percent_encode(&request.info_hash.0, ENCODED),
        percent_encode(&request.peer_id, ENCODED),
        request.port,
        request.figures.uploaded,
        request.figures.downloaded,
        request.figures.left,
        request.want,
        request.key,
    );
    let event = match request.event {
        Event::None => "",
        Event::Started => "&event=started",
        Event::Completed => "&event=completed",
        Event::Stopped => "&event=stopped",
    };
    query.push_str(event);
    if let Some(id) = &request.tracker_id {
        // Writing to a string cannot fail.
        let _ = write!(query, "&trackerid={}", percent_encode(id, ENCODED));
    }
    query
}

fn unreachable(error: reqwest::Error) -> AnnounceError {
    if error.is_timeout() {
        return AnnounceError::Timeout;
    }
    // The URL may hold a passkey; the innermost cause says the most ("Connection refused").
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    AnnounceError::Unreachable(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::announce::answer::Figures;

    #[test]
    fn the_query_of_an_announce() {
        let mut request = Request {
            info_hash: InfoHash(*b"\x00\xff&=+ -._~abcdefghij"),
            peer_id: *b"-SM0001-abcdefghijkl",
            port: 6881,
            figures: Figures {
                uploaded: 1,
                downloaded: 2,
                left: 3,
            },
            event: Event::Started,
            key: 0xab,
            want: 50,
            tracker_id: Some(b"\x01x".as_slice().into()),
        };
        let url = Url::parse("http://t/announce?passkey=%20y").unwrap();
        assert_eq!(
            with_query(&url, &query(&request)).as_str(),
            "http://t/announce?passkey=%20y&info_hash=%00%FF%26%3D%2B%20-._~abcdefghij&peer_id=-SM0001-abcdefghijkl\
             &port=6881&uploaded=1&downloaded=2&left=3&compact=1&no_peer_id=1&numwant=50&key=000000ab&event=started\
             &trackerid=%01x"
        );
        request.event = Event::None;
        assert!(!query(&request).contains("event"));
    }
}
