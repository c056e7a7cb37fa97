//! Which pieces were read and can be sent without waiting for a disk.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Action, Swarm};

/// A piece nobody was sent a block of for this long is let go; the page cache may have dropped it by then.
const WARM_FOR: Duration = Duration::from_secs(30);

#[derive(Debug)]
enum State {
    Reading,
    /// Read, and last used then.
    Warm(Instant),
}

#[derive(Debug, Default)]
pub(super) struct Warmth(BTreeMap<u32, State>);

impl Warmth {
    /// Somebody asked for this piece; true when it must be read first, and nobody is at it.
    pub fn wanted(&mut self, piece: u32) -> bool {
        let unknown = !self.0.contains_key(&piece);
        if unknown {
            self.0.insert(piece, State::Reading);
        }
        unknown
    }

    pub fn is_warm(&self, piece: u32) -> bool {
        matches!(self.0.get(&piece), Some(State::Warm(_)))
    }

    pub fn used(&mut self, piece: u32, now: Instant) {
        if let Some(State::Warm(at)) = self.0.get_mut(&piece) {
            *at = now;
        }
    }
}

impl Swarm {
    pub(super) fn warmed(&mut self, piece: u32, readable: bool, now: Instant) {
        if readable {
            self.warmth.0.insert(piece, State::Warm(now));
            return;
        }
        self.warmth.0.remove(&piece);
        let peers: Vec<_> = self.ready.iter().copied().collect();
        for peer in peers {
            self.forget_requests(peer, |block| block.index == piece);
        }
    }

    /// Lets go of pieces that nobody asks for any more.
    pub(super) fn cool(&mut self, now: Instant) {
        let wanted = |piece: u32| {
            let mut queues = self.ready.iter().map(|key| &self.peers[key].queue);
            queues.any(|queue| queue.iter().any(|block| block.index == piece))
        };
        let stale = |(piece, state): (&u32, &State)| match state {
            State::Warm(at) => {
                let idle = now.saturating_duration_since(*at) >= WARM_FOR;
                (idle && !wanted(*piece)).then_some(*piece)
            }
            State::Reading => None,
        };
        let stale: Vec<u32> = self.warmth.0.iter().filter_map(stale).collect();
        for piece in stale {
            self.warmth.0.remove(&piece);
            self.actions.push_back(Action::Cool(piece));
        }
    }
}
