//! What the table of swarms allows.

use std::time::Duration;

/// What [`super::Table`] allows. The defaults suit a box at home; tests shrink them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Torrents tracked.
    pub torrents: usize,
    /// Peers kept of one torrent.
    pub peers_per_torrent: usize,
    /// Peers kept of all torrents together.
    pub peers: usize,
    /// Peers kept of one torrent from one IPv4 address or one IPv6 /56 (what a household is commonly given), so that
    /// nobody fills a swarm alone. Loopback is exempt: only programs on the box come from there.
    pub peers_per_network: usize,
    /// Peers in one answer at most.
    pub peers_per_answer: usize,
    /// Seconds between the announces of a peer that has nothing to report.
    pub interval: Duration,
    /// An announce sooner after the last than this is early.
    pub min_interval: Duration,
    /// Early announces in a row that still get a full answer: a client that is restarted, or told by its user to ask
    /// again, is not a flood.
    pub early_answers: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // More than a drive full of films has; an empty torrent costs about 200 bytes.
            torrents: 10_000,
            // 64 KiB; an answer gives 50 of them, so more would not make a better swarm.
            peers_per_torrent: 2_000,
            // 1.6 MiB: a box is a board with little memory.
            peers: 50_000,
            peers_per_network: 16,
            // 600 bytes of IPv4: fits a datagram; clients rarely connect to more at once.
            peers_per_answer: 100,
            // 1,000 peers announce once a second, about 1 KiB/s of the owner's upstream.
            interval: Duration::from_secs(15 * 60),
            min_interval: Duration::from_secs(2 * 60),
            early_answers: 3,
        }
    }
}

impl Limits {
    /// A peer not heard from for this long is gone: it missed two announces and some slack for a slow line.
    pub fn expiry(&self) -> Duration {
        self.interval * 2 + self.min_interval
    }

    /// A peer not heard from for this long may have to make room for a newcomer: it missed one announce.
    pub(super) fn overdue(&self) -> Duration {
        self.interval + self.min_interval
    }
}
