//! The latency guard in the engine: which connections it looks at, and what follows from what it says.
//!
//! It is there while a peer is connected that is reached over the uplink. Peers on this machine and on its links use no
//! uplink: alone, they are sent to without a guard, and they have no say beside others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::Driver;
use crate::base::PeerKey;
use crate::policy::guard::{Guard, Ruling, Sample};
use crate::seed::connection::Limit;
use crate::seed::near::Near;
use crate::seed::shaper::Shaper;
use crate::seed::socket;

/// Connections that are looked at ten times a second: enough for a quantile, at a microsecond or so each.
const WATCHED: usize = 48;
/// One that was handed nothing for so long has nothing new to say: at the lowest rates a round of a few takes seconds.
const SERVED_LATELY: Duration = Duration::from_secs(10);

/// A connection that was served lately.
#[derive(Debug)]
struct Watched {
    stream: Weak<TcpStream>,
    served: Instant,
}

/// The engine's end of the guard.
#[derive(Debug)]
pub(super) struct Watch {
    /// Whether the owner wants it.
    wanted: bool,
    /// What was learnt of the line; kept while nobody is there.
    guard: Option<Guard>,
    near: Near,
    watched: BTreeMap<PeerKey, Watched>,
    /// Wire bytes handed to connections over the uplink since the last look.
    sent: f64,
}

impl Watch {
    pub fn new(wanted: bool) -> Self {
        Self {
            wanted,
            guard: None,
            near: Near::default(),
            watched: BTreeMap::new(),
            sent: 0.0,
        }
    }

    /// Whether an address is reached over the uplink.
    pub fn is_far(&mut self, ip: IpAddr, now: Instant) -> bool {
        !self.near.holds(ip, now)
    }

    /// A connection over the uplink was handed so many bytes on the wire.
    pub fn served(&mut self, peer: PeerKey, stream: &Weak<TcpStream>, wire: f64, now: Instant) {
        self.sent += wire;
        match self.watched.get_mut(&peer) {
            Some(watched) => watched.served = now,
            None => self.watch(peer, stream, now),
        }
    }

    /// Looks at a connection from now on. Newcomers are looked at once, so that it is known what the line was like then.
    pub fn watch(&mut self, peer: PeerKey, stream: &Weak<TcpStream>, now: Instant) {
        if self.watched.len() >= WATCHED {
            let oldest = self
                .watched
                .iter()
                .min_by_key(|(_, watched)| watched.served);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.watched.remove(&oldest);
            }
        }
        let stream = stream.clone();
        self.watched.insert(
            peer,
            Watched {
                stream,
                served: now,
            },
        );
    }

    /// How many connections are looked at, and how many of these still have a socket.
    #[cfg(test)]
    pub fn watched(&self) -> usize {
        self.watched.len()
    }

    #[cfg(test)]
    pub fn open(&self) -> usize {
        let open = |watched: &&Watched| watched.stream.strong_count() > 0;
        self.watched.values().filter(open).count()
    }

    /// Looks at the line; the rate it may carry.
    fn look(&mut self, now: Instant) -> Option<u64> {
        let guard = self.guard.as_mut()?;
        let mut samples: Vec<Sample> = Vec::with_capacity(self.watched.len());
        self.watched.retain(|peer, watched| {
            let lately = now.saturating_duration_since(watched.served) < SERVED_LATELY;
            // Where the connection has ended, so has the socket.
            let stream = watched.stream.upgrade().filter(|_| lately);
            samples.extend(
                stream
                    .as_ref()
                    .and_then(|stream| socket::sample(stream, *peer)),
            );
            stream.is_some()
        });
        let sent = std::mem::take(&mut self.sent).max(0.0) as u64;
        Some(guard.tick(&samples, sent, now).rate)
    }
}

impl Driver {
    /// Changes limits, also for what connections hold already.
    pub(super) fn relimit(&mut self, now: Instant, change: impl FnOnce(&mut Shaper)) {
        let (old, gentle) = (self.shaper.limit(), self.shaper.is_guarded());
        change(&mut self.shaper);
        let new = self.shaper.limit();
        if new == old && self.shaper.is_guarded() == gentle {
            return;
        }
        let lowered = new.filter(|new| old.is_none_or(|old| *new < old));
        let sending: usize = self.seedings.values().map(|s| s.sending(now)).sum();
        let share = lowered.map(|new| new / sending.max(1) as u64);
        let limit = self.limit();
        for seeding in self.seedings.values_mut() {
            seeding.pace(limit, share, old.is_none());
        }
    }

    /// The limit in force, as connections hear of it.
    pub(super) fn limit(&self) -> Option<Limit> {
        let gentle = self.shaper.is_guarded();
        self.shaper.limit().map(|rate| Limit { rate, gentle })
    }

    /// The owner wants the line guarded, or does not.
    pub(super) fn set_guard(&mut self, wanted: bool) {
        self.watch.wanted = wanted;
        if !wanted {
            // The line may be another when he wants it again.
            self.watch.guard = None;
        }
        self.mind_the_line(Instant::now());
    }

    /// Begins to guard the line when somebody is reached over it, and ends it when nobody is.
    pub(super) fn mind_the_line(&mut self, now: Instant) {
        let mut links = self.seedings.values().flat_map(|s| s.links.values());
        let guarded = self.watch.wanted && links.any(|link| link.far.is_some());
        if guarded == self.shaper.is_guarded() {
            return;
        }
        let cap = self.shaper.cap();
        let guard = guarded.then(|| self.watch.guard.get_or_insert_with(|| Guard::new(cap, now)));
        let rate = guard.map(|guard| guard.ruling().rate);
        tracing::debug!(?rate, "guarding the uplink");
        self.relimit(now, |shaper| shaper.set_guard(rate, now));
    }

    /// Asks the guard, while it is there.
    pub(super) fn guard_the_line(&mut self, now: Instant) {
        if !self.shaper.is_guarded() {
            return;
        }
        if let Some(rate) = self.watch.look(now) {
            // Connections hear of it with their next block: it changes ten times a second, and by little.
            self.shaper.set_guard(Some(rate), now);
        }
    }

    /// What it says.
    pub(super) fn ruling(&self) -> Option<Ruling> {
        let guard = self.watch.guard.as_ref();
        let guard = guard.filter(|_| self.shaper.is_guarded())?;
        Some(guard.ruling())
    }
}
