//! What is asked of a tracker, what it answers, and what can go wrong.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{ErrorKind, InfoHash, Kind};

/// Peers taken from one answer; more is not useful and a way to have us dial at the tracker's will.
pub const MAX_PEERS: usize = 200;

/// Longest text of a tracker's (reason, warning) kept, in characters.
pub const MAX_TEXT: usize = 200;

/// What we did with a torrent, in payload bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sent to peers since the torrent was added.
    pub uploaded: u64,
    /// Fetched from peers since the torrent was added. Zero for an origin.
    pub downloaded: u64,
    /// Lacking still. Zero for an origin.
    pub left: u64,
}

/// Why we announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The interval passed.
    None,
    /// We join the swarm.
    Started,
    /// We just got the last piece.
    Completed,
    /// We leave.
    Stopped,
}

/// One announce to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Us.
    pub peer_id: [u8; 20],
    /// Where we take peers; never 0.
    pub port: u16,
    /// True figures.
    pub figures: Figures,
    /// Why.
    pub event: Event,
    /// Proves to the tracker that we are who we were, should our address change.
    pub key: u32,
    /// Peers wanted.
    pub want: u32,
    /// The tracker's own id for us, if it gave one.
    pub tracker_id: Option<Box<[u8]>>,
}

/// An accepted announce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// When to announce again; `None` when the tracker did not say.
    pub interval: Option<Duration>,
    /// When to announce again at the soonest.
    pub min_interval: Option<Duration>,
    /// Seeds, as the tracker counts.
    pub complete: Option<u32>,
    /// Leechers, as the tracker counts.
    pub incomplete: Option<u32>,
    /// Peers, at most [`MAX_PEERS`], each plausible.
    pub peers: Vec<SocketAddr>,
    /// To be sent back with the next announce.
    pub tracker_id: Option<Box<[u8]>>,
    /// What the tracker wants its user to know.
    pub warning: Option<String>,
    /// What we look like from there (BEP 24).
    pub external_ip: Option<IpAddr>,
}

impl Answer {
    /// Joins the answers of the two families (BEP 7): peers of both, the larger counts, the longer interval.
    pub fn join(mut self, other: Answer) -> Answer {
        self.interval = self.interval.max(other.interval);
        self.min_interval = self.min_interval.max(other.min_interval);
        self.complete = self.complete.max(other.complete);
        self.incomplete = self.incomplete.max(other.incomplete);
        self.tracker_id = self.tracker_id.or(other.tracker_id);
        self.warning = self.warning.or(other.warning);
        self.external_ip = self.external_ip.or(other.external_ip);
        for peer in other.peers {
            if self.peers.len() < MAX_PEERS && !self.peers.contains(&peer) {
                self.peers.push(peer);
            }
        }
        self
    }
}

/// What a tracker counts of one torrent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scraped {
    /// Seeds.
    pub complete: u32,
    /// Downloads finished, ever.
    pub downloaded: u32,
    /// Leechers.
    pub incomplete: u32,
}

/// Why an announce or scrape failed. No text carries the URL: it may hold a passkey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceError {
    /// The tracker's URL cannot be asked.
    #[error(transparent)]
    BadTarget(#[from] super::target::BadTarget),
    /// Its host name has no address.
    #[error("the tracker's name {0:?} has no address")]
    NoAddress(String),
    /// It cannot be connected to.
    #[error("the tracker cannot be reached: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("the tracker does not answer")]
    Timeout,
    /// An HTTP status other than success.
    #[error("the tracker answers with HTTP status {0}")]
    Status(u16),
    /// Its answer is longer than we read.
    #[error("the tracker's answer is too long")]
    TooLong,
    /// Its answer is not one.
    #[error("the tracker's answer makes no sense: {0}")]
    Malformed(&'static str),
    /// It has no scrape.
    #[error("the tracker cannot be asked for counts")]
    NoScrape,
    /// It was not asked, since the box is offline.
    #[error("not asked: the box is offline")]
    Offline,
    /// It says no.
    #[error("the tracker refuses: {reason}")]
    Refused {
        /// In its own words.
        reason: String,
        /// When it wants to be asked again (BEP 31).
        retry: Option<Duration>,
    },
}

impl AnnounceError {
    /// Whether this says something about the torrent only. Otherwise the tracker is in trouble, and there is no use in
    /// asking it about other torrents either.
    pub fn concerns_torrent_only(&self) -> bool {
        match self {
            AnnounceError::Refused { .. } | AnnounceError::Malformed(_) => true,
            AnnounceError::Status(status) => (400..500).contains(status) && *status != 429,
            _ => false,
        }
    }
}

impl Kind for AnnounceError {
    fn kind(&self) -> ErrorKind {
        match self {
            AnnounceError::BadTarget(_) => ErrorKind::BadInput,
            AnnounceError::Refused { .. } => ErrorKind::Forbidden,
            _ => ErrorKind::Unavailable,
        }
    }
}

/// A tracker's text, made fit to show: printable, and at most [`MAX_TEXT`] characters.
pub fn clean(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(MAX_TEXT).collect()
}
