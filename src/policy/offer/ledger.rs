//! What the offer remembers of pieces and peers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{
    HOARDER_PAUSE, Habits, LONELY_PATIENCE, MAX_REACTION, REACTION_MEMORY, RELAY_AVERAGE,
    RELAY_HORIZON, SPREAD_HORIZON, STUCK_LOOKS, STUCK_PATIENCE, STUCK_PATIENCE_MAX, UNPROVEN,
};
use crate::base::{Bits, PeerKey};

/// Bytes, forgotten over [`RELAY_AVERAGE`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meter {
    bytes: f64,
    at: Option<Instant>,
}

impl Meter {
    pub fn add(&mut self, bytes: u64, now: Instant) {
        self.bytes = self.kept(now) + bytes as f64;
        self.at = Some(now);
    }

    /// Bytes per second.
    pub fn rate(&self, now: Instant) -> f64 {
        self.kept(now) / RELAY_AVERAGE.as_secs_f64()
    }

    /// Whether anything was added within [`LONELY_PATIENCE`].
    pub fn moves(&self, now: Instant) -> bool {
        let of_late = |at| now.saturating_duration_since(at) < LONELY_PATIENCE;
        self.at.is_some_and(of_late)
    }

    fn kept(&self, now: Instant) -> f64 {
        let age = self.at.map(|at| now.saturating_duration_since(at));
        let age = age.unwrap_or_default().as_secs_f64();
        self.bytes * (-age / RELAY_AVERAGE.as_secs_f64()).exp()
    }
}

/// A piece that may be had by one peer only.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub peer: PeerKey,
    pub since: Instant,
    /// When the peer first asked for a block of it.
    pub asked: Option<Instant>,
    /// When its first block was written.
    pub started: Option<Instant>,
    /// When it was asked for, or written of, or waited for us, last.
    pub touched: Instant,
    /// Where the blocks written so far begin, and their bytes: a block written twice counts once.
    pub blocks: BTreeSet<u32>,
    pub bytes: u32,
}

impl Binding {
    pub fn new(peer: PeerKey, now: Instant) -> Self {
        Self {
            peer,
            since: now,
            asked: None,
            started: None,
            touched: now,
            blocks: BTreeSet::new(),
            bytes: 0,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Piece {
    /// Connected peers that hold it.
    pub holders: u32,
    /// Whether its one holder announced it although nobody known to us could give it.
    pub unexplained: bool,
    /// Since when at most one peer holds it, once anyone did.
    pub lonely_since: Option<Instant>,
    pub bound: Option<Binding>,
    /// The last peer that got all of it from us.
    pub sent_to: Option<PeerKey>,
    /// Whether at most one other held it then.
    pub entrusted: bool,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub has: Bits,
    pub bound: Vec<u32>,
    pub wants_nothing: bool,
    pub habits: Habits,
    /// Whether it ever asked for anything.
    pub asks: bool,
    /// Pieces it asked for, may not have now, and goes on waiting for.
    pub waits_for: BTreeSet<u32>,
    /// Everything we ever announced to it, and when last; what was taken back it still believes us to have.
    pub announced: Bits,
    pub announced_at: Option<Instant>,
    /// Whether it came with a full BITFIELD, and whether there is reason to doubt what it says.
    pub came_complete: bool,
    pub doubted: bool,
    /// Whether somebody was seen to hold what only this peer can have given.
    pub vouched: bool,
    /// Whether it served us a block when it was asked for one.
    pub proven: bool,
    /// Whether it said that it wants none of that.
    pub uninterested: bool,
    /// Pieces it got from us that no other peer announced yet.
    pub unrelayed: BTreeSet<u32>,
    /// Bytes of each piece that were written to it, some of them more than once.
    pub written: BTreeMap<u32, u64>,
    /// Pieces it got from us whole.
    pub received: u32,
    /// How many of them at most one other held then, and how many of these others got of it.
    pub entrusted: u32,
    passed_on: u32,
    /// What others got of what we gave it.
    relayed: Meter,
    /// When it was last given a piece because it was stuck.
    pub helped_at: Option<Instant>,
    /// When it came.
    pub joined_at: Instant,
    /// Bytes per second while we served it; `None` until it got a piece.
    pub throughput: Option<f64>,
    /// Offers it did not take up.
    pub ignored: u32,
    /// How long it leaves an offer unnoticed, and when that was last seen.
    reaction: Duration,
    reacted_at: Instant,
    /// When it last got a piece from anybody but us.
    pub progress_at: Instant,
    /// Average time between such pieces.
    pace: Option<Duration>,
}

impl Peer {
    pub fn new(pieces: u32, habits: Habits, now: Instant) -> Self {
        Self {
            has: Bits::new(pieces),
            bound: Vec::new(),
            wants_nothing: false,
            habits,
            asks: false,
            waits_for: BTreeSet::new(),
            announced: Bits::new(pieces),
            announced_at: None,
            came_complete: false,
            doubted: false,
            vouched: false,
            proven: false,
            uninterested: false,
            unrelayed: BTreeSet::new(),
            written: BTreeMap::new(),
            received: 0,
            entrusted: 0,
            passed_on: 0,
            relayed: Meter::default(),
            helped_at: None,
            joined_at: now,
            throughput: None,
            ignored: 0,
            reaction: Duration::ZERO,
            reacted_at: now,
            progress_at: now,
            pace: None,
        }
    }

    /// Whether it had so much of a piece that it would have been whole twice over. A copy that broke is made good once; who
    /// asks on wants our line.
    pub fn had_twice(&self, piece: u32, piece_length: u64) -> bool {
        let written = self.written.get(&piece);
        written.is_some_and(|written| *written >= 2 * piece_length)
    }

    /// Whether it may be offered pieces.
    pub fn takes(&self) -> bool {
        !self.wants_nothing && !self.has.is_full()
    }

    /// Another peer announced a piece that this one got from us, `entrusted` if hardly anybody else held it then.
    pub fn relayed(&mut self, bytes: u64, entrusted: bool, now: Instant) {
        self.passed_on += u32::from(entrusted);
        self.relayed.add(bytes, now);
    }

    /// Bytes per second it relays, on top of what every newcomer is trusted with.
    pub fn relay_rate(&self, now: Instant, trust: f64) -> f64 {
        trust + self.relayed.rate(now)
    }

    /// It received a whole piece from us in `took`.
    pub fn served(&mut self, bytes: u64, took: Duration) {
        let rate = bytes as f64 / took.as_secs_f64().max(1e-3);
        self.throughput = Some(match self.throughput {
            None => rate,
            Some(before) => 0.7 * before + 0.3 * rate,
        });
    }

    /// It had nothing to wait for, and asked for an offer this long after it was made. The longest counts: a client that
    /// looks for offers now and then answers one that comes just before at once.
    pub fn reacted(&mut self, after: Duration, now: Instant) {
        self.reaction = self.reaction(now).max(after).min(MAX_REACTION);
        self.reacted_at = now;
    }

    /// How long it leaves an offer unnoticed: what its client is known for, or what was seen of it, which is forgotten
    /// over [`REACTION_MEMORY`].
    pub fn reaction(&self, now: Instant) -> Duration {
        let age = now.saturating_duration_since(self.reacted_at);
        let kept = (-age.as_secs_f64() / REACTION_MEMORY.as_secs_f64()).exp();
        self.reaction.mul_f64(kept).max(self.habits.looks_every)
    }

    /// It has one piece more, from anybody but us.
    pub fn progressed(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.progress_at);
        self.pace = Some(match self.pace {
            None => took,
            Some(before) => before.mul_f64(0.7) + took.mul_f64(0.3),
        });
        self.progress_at = now;
    }

    /// Whether it relays what it holds alone, of which this much is left: as fast as it does so now, in good time.
    pub fn relays_in_time(&self, bytes: f64, now: Instant) -> bool {
        self.relayed.moves(now) && self.relayed.rate(now) * RELAY_HORIZON.as_secs_f64() >= bytes
    }

    /// How many pieces of so many bytes it would relay within [`SPREAD_HORIZON`], by what it has shown.
    pub fn relays_soon(&self, piece_length: u64, now: Instant) -> usize {
        let shown = self.relayed.rate(now) * SPREAD_HORIZON.as_secs_f64();
        UNPROVEN.max((shown / piece_length as f64) as usize)
    }

    /// Whether others got less than half of what it was entrusted with, and that was enough to judge by.
    pub fn hoards(&self) -> bool {
        self.entrusted as usize >= UNPROVEN && 2 * self.passed_on < self.entrusted
    }

    /// Whether it was helped less than [`HOARDER_PAUSE`] ago.
    pub fn helped_lately(&self, now: Instant) -> bool {
        let lately = |at| now.saturating_duration_since(at) < HOARDER_PAUSE;
        self.helped_at.is_some_and(lately)
    }

    /// Whether it got nothing from anybody but us for much longer than it usually takes.
    pub fn is_stuck(&self, now: Instant) -> bool {
        let patience = self
            .pace
            .map_or(STUCK_PATIENCE, |pace| pace * 4)
            .clamp(STUCK_PATIENCE, STUCK_PATIENCE_MAX)
            + self.habits.looks_every * STUCK_LOOKS;
        !self.has.is_full() && now.saturating_duration_since(self.progress_at) >= patience
    }
}

/// Distributed copies among the connected peers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Availability {
    /// How many peers hold the rarest piece.
    pub whole: u32,
    /// The share of pieces that more peers than that hold; 0.0 to below 1.0.
    pub fraction: f64,
}

impl Availability {
    pub(super) fn of(pieces: &[Piece]) -> Self {
        let whole = pieces.iter().map(|piece| piece.holders).min().unwrap_or(0);
        let more = pieces.iter().filter(|p| p.holders > whole).count();
        Self {
            whole,
            fraction: more as f64 / pieces.len().max(1) as f64,
        }
    }

    /// Both in one number, as torrent clients show it.
    pub fn copies(self) -> f64 {
        f64::from(self.whole) + self.fraction
    }
}
