//! The table of swarms: who announced what, and who is told of whom. Sans-IO: time is an argument, randomness is seeded.

mod limits;
mod peer;
mod torrent;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::base::scope::Scope;
use crate::base::{ErrorKind, InfoHash, Kind};
use peer::Peer;
use torrent::Torrent;

pub use limits::Limits;
pub use peer::BYTES_PER_PEER;

/// Own addresses kept: more than a box has in its networks, few enough to look through for each answer.
pub const OWN_ADDRESSES: usize = 16;

/// How often expired peers are looked for. Rare enough to cost nothing, often enough that a minute more of a dead peer
/// makes no difference beside an expiry of half an hour.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Why a peer announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Nothing special, the interval passed.
    None,
    /// It joins.
    Started,
    /// It leaves.
    Stopped,
    /// It says it just got the last piece. Counted only when `left` says so too (some clients always send this).
    Completed,
}

/// The address families a client can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// Both, in one answer (HTTP).
    Both,
}

impl Families {
    fn include(self, ip: IpAddr) -> bool {
        match self {
            Families::V4 => ip.is_ipv4(),
            Families::V6 => ip.is_ipv6(),
            Families::Both => true,
        }
    }
}

/// One announce, from HTTP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The address the packet came from, with the port announced. An IPv4-mapped address counts as IPv4.
    pub addr: SocketAddr,
    /// Bytes lacking; `u64::MAX` when unknown.
    pub left: u64,
    /// Why.
    pub event: Event,
    /// Peers wanted; cut to [`Limits::peers_per_answer`].
    pub want: usize,
    /// Families wanted.
    pub families: Families,
}

/// How many peers do what. The box itself is not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that lack nothing.
    pub complete: u32,
    /// Peers that lack something.
    pub incomplete: u32,
    /// Peers that got their last piece while we saw it.
    pub downloaded: u32,
}

/// What an accepted announce is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When to announce again.
    pub interval: Duration,
    /// When to announce again at the soonest.
    pub min_interval: Duration,
    /// The swarm as it stands.
    pub counts: Counts,
    /// Peers to try, in random order, the box first.
    pub peers: Vec<SocketAddr>,
}

/// Why an announce was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The torrent is not registered.
    #[error("this tracker does not know the torrent")]
    Unregistered,
    /// Port 0 can be connected to by nobody.
    #[error("port 0 cannot be announced")]
    BadPort,
    /// Unspecified, multicast and broadcast addresses belong to no peer.
    #[error("nobody can connect to the address of this announce")]
    BadAddress,
}

impl Kind for Refusal {
    fn kind(&self) -> ErrorKind {
        match self {
            Refusal::Unregistered => ErrorKind::NotFound,
            Refusal::BadPort | Refusal::BadAddress => ErrorKind::BadInput,
        }
    }
}

/// [`Limits::torrents`] are registered already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tracker keeps {0} torrents already and takes no more")]
pub struct TableFull(pub usize);

impl Kind for TableFull {
    fn kind(&self) -> ErrorKind {
        ErrorKind::TooMany
    }
}

/// The swarms. Memory is bounded by [`Limits`]; see there for who makes room for whom.
///
/// - A network at [`Limits::peers_per_network`] loses its own stalest peer for its newest, nobody else's.
/// - In a full torrent or table, a newcomer takes the place of the stalest peer of its torrent if that one is overdue.
///   If none is, the newcomer gets its answer and is not listed: whoever floods cannot push out those who came before.
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    torrents: HashMap<InfoHash, Torrent>,
    /// Peers of all torrents.
    total: usize,
    own: Vec<SocketAddr>,
    rng: StdRng,
    start: Instant,
    swept: Instant,
    /// Scratch space for choosing peers, kept to spare an allocation for each answer.
    eligible: Vec<u32>,
}

impl Table {
    /// An empty table. Times before `start` count as `start`.
    pub fn new(limits: Limits, seed: u64, start: Instant) -> Self {
        Self {
            limits,
            torrents: HashMap::new(),
            total: 0,
            own: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            start,
            swept: start,
            eligible: Vec::new(),
        }
    }

    /// Tracks a torrent from now on. Registering it again changes nothing.
    ///
    /// # Errors
    /// [`TableFull`].
    pub fn register(&mut self, info_hash: InfoHash) -> Result<(), TableFull> {
        if self.torrents.len() >= self.limits.torrents && !self.torrents.contains_key(&info_hash) {
            return Err(TableFull(self.limits.torrents));
        }
        self.torrents.entry(info_hash).or_default();
        Ok(())
    }

    /// Forgets a torrent and its peers.
    pub fn unregister(&mut self, info_hash: InfoHash) {
        if let Some(torrent) = self.torrents.remove(&info_hash) {
            self.total -= torrent.len();
        }
    }

    /// See [`crate::tracker::Tracker::set_own_addresses`].
    pub fn set_own_addresses(&mut self, addrs: Vec<SocketAddr>) {
        self.own = addrs.into_iter().map(canonical).collect();
        self.own
            .retain(|addr| usable(*addr).is_ok() && !needs_zone(addr.ip()));
        self.own.truncate(OWN_ADDRESSES);
    }

    /// Peers of all torrents, expired ones that nobody asked about included.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Whether no peer is known.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many others hold or fetch a torrent; `None` when it is not registered.
    pub fn scrape(&mut self, now: Instant, info_hash: InfoHash) -> Option<Counts> {
        self.sweep(now);
        self.torrents.get(&info_hash).map(Torrent::counts)
    }

    /// Up to `n` peers at random, each with the bytes it lacks.
    pub fn peers(&mut self, now: Instant, info_hash: InfoHash, n: usize) -> Vec<(SocketAddr, u64)> {
        self.sweep(now);
        let Some(torrent) = self.torrents.get(&info_hash) else {
            return Vec::new();
        };
        torrent.sample(&mut self.rng, &mut self.eligible, n, |_| true)
    }

    /// Takes one announce.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn announce(&mut self, now: Instant, announce: &Announce) -> Result<Answer, Refusal> {
        self.sweep(now);
        let addr = canonical(announce.addr);
        let seconds = self.seconds(now);
        let torrent = self
            .torrents
            .get_mut(&announce.info_hash)
            .ok_or(Refusal::Unregistered)?;
        usable(addr)?;

        let before = torrent.len();
        let full_answer = if announce.event == Event::Stopped {
            torrent.remove(addr);
            false
        } else {
            let room = self.total < self.limits.peers;
            torrent.hear(&self.limits, room, seconds, addr, announce.left)
        };
        self.total = self.total - before + torrent.len();

        let mut answer = Answer {
            interval: self.limits.interval,
            min_interval: self.limits.min_interval,
            counts: torrent.counts(),
            peers: Vec::new(),
        };
        if !full_answer {
            if announce.event != Event::Stopped {
                answer.interval = self.limits.min_interval;
            }
            return Ok(answer);
        }
        let want = announce.want.min(self.limits.peers_per_answer);
        let scope = Scope::of(addr.ip());
        let seed = announce.left == 0;
        // Also to those who say that they lack nothing: whoever has only a magnet does not know what it lacks, and some
        // clients (librqbit) then say 0.
        answer.peers = own_for(&self.own, scope, announce.families, addr);
        answer.peers.truncate(want);
        let useful = |peer: &Peer| {
            let other = peer.addr();
            !(seed && peer.left == 0)
                && other != addr
                && announce.families.include(other.ip())
                && scope.reaches(Scope::of(other.ip()))
                && !self.own.contains(&other)
        };
        let chosen = torrent.sample(
            &mut self.rng,
            &mut self.eligible,
            want - answer.peers.len(),
            useful,
        );
        answer
            .peers
            .extend(chosen.into_iter().map(|(addr, _)| addr));
        Ok(answer)
    }

    fn seconds(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.start).as_secs();
        u32::try_from(since).unwrap_or(u32::MAX)
    }

    /// Drops the peers that are gone, at most once every [`SWEEP_EVERY`].
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept) < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        let expiry = u32::try_from(self.limits.expiry().as_secs()).unwrap_or(u32::MAX);
        let oldest = self.seconds(now).saturating_sub(expiry);
        self.total = 0;
        for torrent in self.torrents.values_mut() {
            torrent.expire(oldest);
            self.total += torrent.len();
        }
    }
}

/// The box's addresses for a leecher in `scope`: of each family the nearest it can reach.
fn own_for(
    own: &[SocketAddr],
    scope: Scope,
    families: Families,
    asker: SocketAddr,
) -> Vec<SocketAddr> {
    let nearest = |is_v6: bool| {
        own.iter()
            .filter(|addr| addr.is_ipv6() == is_v6 && families.include(addr.ip()))
            .filter(|addr| **addr != asker && scope.reaches(Scope::of(addr.ip())))
            .min_by_key(|addr| Scope::of(addr.ip()).abs_diff(scope))
    };
    [nearest(false), nearest(true)]
        .into_iter()
        .flatten()
        .copied()
        .collect()
}

/// The address with an IPv4-mapped IPv6 address (what a dual-stack socket sees) as the IPv4 address it is.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Whether an address says something only together with a network device, of which an answer has no room to speak.
fn needs_zone(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn usable(addr: SocketAddr) -> Result<(), Refusal> {
    if addr.port() == 0 {
        return Err(Refusal::BadPort);
    }
    let ip = addr.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(Refusal::BadAddress);
    }
    Ok(())
}

#[cfg(test)]
mod bound_tests;
#[cfg(test)]
mod tests;
