//! The trackers themselves, shared by all torrents that use them: how many requests each has under way, and whether it is
//! in trouble.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use super::Slot;
use super::answering::backoff;
use crate::base::InfoHash;
use crate::seed::announce::answer::AnnounceError;
use crate::seed::announce::target::Target;

/// Requests one tracker gets together: polite, and enough for a thousand torrents in a minute.
const IN_FLIGHT: u32 = 4;

/// The same while shutting down.
const IN_FLIGHT_CLOSING: u32 = 32;

/// First pause after a tracker could not be reached; it doubles with each failure. Short, since it is often our own network
/// that is not up yet.
const FIRST_PAUSE: Duration = Duration::from_secs(15);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);

#[derive(Debug)]
struct Endpoint {
    target: Arc<Target>,
    /// Torrents that use it, and farewells that wait to be sent to it.
    users: u32,
    in_flight: u32,
    failures: u8,
    ready_at: Option<Instant>,
    last_error: Option<Box<str>>,
    waiting: VecDeque<Slot>,
}

impl Endpoint {
    fn room(&self, closing: bool) -> u32 {
        let limit = match (self.failures, closing) {
            (_, true) => IN_FLIGHT_CLOSING,
            (0, false) => IN_FLIGHT,
            // One tries for all.
            (1.., false) => 1,
        };
        limit.saturating_sub(self.in_flight)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Endpoints(HashMap<Arc<str>, Endpoint>);

impl Endpoints {
    /// Notes a user of a tracker; the URL comes back, shared by all who use it.
    pub fn enter(&mut self, url: &str, target: Arc<Target>) -> Arc<str> {
        let shared = match self.0.get_key_value(url) {
            Some((shared, _)) => shared.clone(),
            None => url.into(),
        };
        let endpoint = self.0.entry(shared.clone()).or_insert_with(|| Endpoint {
            target,
            users: 0,
            in_flight: 0,
            failures: 0,
            ready_at: None,
            last_error: None,
            waiting: VecDeque::new(),
        });
        endpoint.users += 1;
        shared
    }

    /// A user of the tracker is gone. The last takes it along.
    pub fn leave(&mut self, url: &str) {
        if let Some(endpoint) = self.0.get_mut(url) {
            endpoint.users = endpoint.users.saturating_sub(1);
            self.drop_unused(url);
        }
    }

    /// Takes a torrent out of the tracker's queue.
    pub fn wait_no_longer(&mut self, url: &str, info_hash: InfoHash) {
        if let Some(endpoint) = self.0.get_mut(url) {
            endpoint.waiting.retain(|slot| slot.info_hash != info_hash);
        }
    }

    fn drop_unused(&mut self, url: &str) {
        if self
            .0
            .get(url)
            .is_some_and(|e| e.users == 0 && e.in_flight == 0)
        {
            self.0.remove(url);
        }
    }

    pub fn target(&self, url: &str) -> Option<Arc<Target>> {
        self.0.get(url).map(|endpoint| endpoint.target.clone())
    }

    /// When a tracker in trouble is to be tried again; `None` for one that is well.
    pub fn ready_at(&self, url: &str) -> Option<Instant> {
        self.0.get(url).and_then(|endpoint| endpoint.ready_at)
    }

    /// What is wrong with a tracker in trouble.
    pub fn trouble(&self, url: &str) -> Option<&str> {
        self.0
            .get(url)
            .and_then(|endpoint| endpoint.last_error.as_deref())
    }

    /// Whether a tracker has as many requests under way as it gets.
    pub fn is_busy(&self, url: &str, closing: bool) -> bool {
        self.0
            .get(url)
            .is_some_and(|endpoint| endpoint.room(closing) == 0)
    }

    /// Puts a slot into the queue of a busy tracker.
    pub fn wait(&mut self, url: &str, slot: Slot) {
        if let Some(endpoint) = self.0.get_mut(url) {
            endpoint.waiting.push_back(slot);
        }
    }

    /// A request is under way.
    pub fn ask(&mut self, url: &str) {
        if let Some(endpoint) = self.0.get_mut(url) {
            endpoint.in_flight += 1;
        }
    }

    /// A request has come back, with `trouble` when the tracker is not well. Slots whose turn it is come back: all that
    /// waited when there is trouble (they have other trackers, or learn when to come again).
    pub fn answered(
        &mut self,
        url: &str,
        now: Instant,
        trouble: Option<&AnnounceError>,
        closing: bool,
        rng: &mut StdRng,
    ) -> Vec<Slot> {
        let Some(endpoint) = self.0.get_mut(url) else {
            return Vec::new();
        };
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        let released = match trouble {
            None => {
                endpoint.failures = 0;
                endpoint.ready_at = None;
                endpoint.last_error = None;
                let room = endpoint.room(closing) as usize;
                room.min(endpoint.waiting.len())
            }
            Some(error) => {
                // Requests that failed together are one failure.
                if endpoint.ready_at.is_none_or(|at| at <= now) {
                    let pause = backoff(FIRST_PAUSE, LONGEST_PAUSE, endpoint.failures, rng);
                    endpoint.ready_at = Some(now + pause);
                    endpoint.failures = endpoint.failures.saturating_add(1);
                }
                endpoint.last_error = Some(error.to_string().into());
                endpoint.waiting.len()
            }
        };
        let released = endpoint.waiting.drain(..released).collect();
        self.drop_unused(url);
        released
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
