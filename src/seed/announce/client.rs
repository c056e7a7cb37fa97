//! Asks one tracker, whatever it speaks, over both families of addresses (BEP 7).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::answer::{AnnounceError, Answer, Request, Scraped};
use super::datagram;
use super::http::{self, HttpClient};
use super::target::{Target, Transport};
use super::udp::UdpClient;
use crate::base::{Beside, InfoHash};

/// How long looking up a name may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// A family over which a tracker cannot be reached while it can over the other is left out for this long: many trackers
/// have an IPv6 address and many homes have no IPv6.
const FAMILY_REST: Duration = Duration::from_secs(3600);

/// Trackers remembered to be out of reach over one family.
const RESTING: usize = 256;

/// Where to ask from: `from` where it is of the tracker's family, any address of ours where not.
pub(super) fn local(from: IpAddr, v6: bool) -> IpAddr {
    match from {
        from if from.is_ipv6() == v6 => from,
        _ if v6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    }
}

/// Asks trackers.
#[derive(Debug)]
pub struct TrackerClient {
    http: HttpClient,
    udp: UdpClient,
    /// Families that do not work, by host.
    resting: Mutex<HashMap<(String, bool), Instant>>,
}

impl TrackerClient {
    /// A client that counts what it sends. See [`HttpClient::new`].
    pub fn new(offline: bool, from: IpAddr, beside: Beside) -> Self {
        Self {
            http: HttpClient::new(offline, from, beside.clone()),
            udp: UdpClient::new(from, beside),
            resting: Mutex::default(),
        }
    }

    /// The first address of each family.
    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, AnnounceError> {
        if let Some(ip) = target.ip() {
            return Ok(vec![SocketAddr::new(ip, target.port)]);
        }
        let lookup = tokio::net::lookup_host((target.host.as_str(), target.port));
        let found = timeout(LOOKUP_TIMEOUT, lookup).await;
        let found: Vec<_> = match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(_)) => Vec::new(),
            Err(_) => return Err(AnnounceError::Timeout),
        };
        let first = |v6: bool| found.iter().copied().find(|addr| addr.is_ipv6() == v6);
        let mut addrs: Vec<_> = [first(false), first(true)].into_iter().flatten().collect();
        if addrs.is_empty() {
            return Err(AnnounceError::NoAddress(target.host.clone()));
        }
        if addrs.len() == 2 {
            let mut resting = self.resting.lock();
            resting.retain(|_, until| *until > Instant::now());
            addrs.retain(|addr| !resting.contains_key(&(target.host.clone(), addr.is_ipv6())));
        }
        Ok(addrs)
    }

    fn rest(&self, target: &Target, v6: bool) {
        let mut resting = self.resting.lock();
        // Never both: then there would be nobody left to ask.
        if resting.len() < RESTING && !resting.contains_key(&(target.host.clone(), !v6)) {
            let until = Instant::now() + FAMILY_REST;
            resting.insert((target.host.clone(), v6), until);
        }
    }

    /// Announces over each family the tracker has, so that it learns all our addresses and we learn peers of both.
    ///
    /// # Errors
    /// [`AnnounceError`] of the first family, when none works.
    pub async fn announce(
        &self,
        target: &Target,
        request: &Request,
    ) -> Result<Answer, AnnounceError> {
        let addrs = self.resolve(target).await?;
        let outcomes = join_all(
            addrs
                .iter()
                .map(|addr| self.announce_at(target, *addr, request)),
        );
        let (mut joined, mut failed) = (None::<Answer>, Vec::new());
        for (addr, outcome) in addrs.iter().zip(outcomes.await) {
            match outcome {
                Ok(answer) => {
                    joined = Some(match joined {
                        Some(other) => other.join(answer),
                        None => answer,
                    });
                }
                Err(error) => failed.push((addr.is_ipv6(), error)),
            }
        }
        match (joined, failed.into_iter().next()) {
            (Some(answer), Some((v6, error))) => {
                if !error.concerns_torrent_only() {
                    self.rest(target, v6);
                }
                Ok(answer)
            }
            (Some(answer), None) => Ok(answer),
            (None, Some((_, error))) => Err(error),
            (None, None) => Err(AnnounceError::NoAddress(target.host.clone())),
        }
    }

    async fn announce_at(
        &self,
        target: &Target,
        addr: SocketAddr,
        request: &Request,
    ) -> Result<Answer, AnnounceError> {
        match target.transport {
            Transport::Http => self.http.announce(target, addr.is_ipv6(), request).await,
            Transport::Udp => {
                let path = target.url.path();
                let path = match target.url.query() {
                    Some(query) => format!("{path}?{query}"),
                    None => path.to_owned(),
                };
                self.udp.announce(addr, request, &path).await
            }
        }
    }

    /// Asks for the counts of torrents; `None` for those the tracker is silent about (over UDP it cannot be: zeros).
    ///
    /// # Errors
    /// [`AnnounceError`].
    pub async fn scrape(
        &self,
        target: &Target,
        hashes: &[InfoHash],
    ) -> Result<Vec<Option<Scraped>>, AnnounceError> {
        let addrs = self.resolve(target).await?;
        let addr = addrs
            .first()
            .copied()
            .ok_or_else(|| AnnounceError::NoAddress(target.host.clone()))?;
        let mut all = Vec::with_capacity(hashes.len());
        match target.transport {
            Transport::Http => {
                for some in hashes.chunks(http::MAX_SCRAPE) {
                    all.extend(self.http.scrape(target, addr.is_ipv6(), some).await?);
                }
            }
            Transport::Udp => {
                for some in hashes.chunks(datagram::MAX_SCRAPE) {
                    let counts = self.udp.scrape(addr, some).await?;
                    all.extend(counts.into_iter().map(Some));
                }
            }
        }
        Ok(all)
    }
}
