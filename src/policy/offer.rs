//! Which piece is offered to whom: super-seeding (BEP 16) generalised.
//!
//! A piece is offered by HAVE to exactly one peer, bound as late as keeps the uplink busy, to whoever will relay
//! it soonest. Nobody waits for proof of relay, but who has not relayed what it got gets no more while others do. A peer that leaves, stalls or is too slow for what is left loses
//! its pieces to another. Once the swarm holds a full copy without us we give only what it lacks.
//!
//! Invariants:
//! - a piece is bound to one peer at most; `peers[p].bound` and `pieces[i].bound` say the same;
//! - `pieces[i].holders` counts the connected peers whose `has` includes `i`;
//! - `pool` is exactly the pieces without holder and without binding, but for those in `missed`;
//! - a piece is in `unrelayed` of the peer we sent it to until another peer announces it;
//! - `unheld` counts the pieces without holder, and `lonely` is exactly those with one;
//! - what a doubted peer holds counts for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::base::{Bits, PeerKey};

mod books;
mod doubt;
mod heard;
mod ledger;
mod rules;
mod spread;
mod support;

pub use ledger::Availability;
use ledger::{Binding, Meter, Peer, Piece};

/// How long the uplink may idle before pieces are taken back from peers that sit on them.
pub const IDLE_BEFORE_TAKING_BACK: Duration = Duration::from_millis(300);
/// A binding younger than this is never taken back: the HAVE may still be on its way.
pub const MIN_AGE_TO_TAKE_BACK: Duration = Duration::from_secs(1);
/// A binding nobody asked for in this time, nor in its peer's usual time, no longer fills the look-ahead.
pub const UNASKED_PATIENCE: Duration = Duration::from_secs(2);
/// The longest reaction that is provided for with offers made ahead. librqbit looks for new pieces every 5 s; who takes
/// longer than that is not waiting for us.
pub const MAX_REACTION: Duration = Duration::from_secs(6);
/// A piece under way of which nothing could be written for this long has stalled.
pub const STALLED_AFTER: Duration = Duration::from_secs(3);
/// The same for a client that keeps its requests: sooner would leave it waiting for what never comes.
pub const KEEPER_PATIENCE: Duration = Duration::from_secs(10);
/// A peer's slowest reaction is forgotten over about this long, so that one hiccup does not tie pieces to it for good.
pub const REACTION_MEMORY: Duration = Duration::from_secs(60);
/// What a lost peer alone held is missed for this long before it is given again: many clients are back in a moment.
pub const RETURN_PATIENCE: Duration = Duration::from_secs(3);
/// A peer that wants nothing of what we announced this long ago knew of it when it said so.
pub const HAVE_NOTICED_AFTER: Duration = Duration::from_secs(1);
/// When two leechers or more are there for this long with peers that say they hold everything, and nobody got a piece of
/// those, they are doubted.
pub const DOUBT_AFTER: Duration = Duration::from_secs(5);
/// While the first copy spreads and the line has room: a piece that one peer claims and we never sent is sent after all
/// when nobody got it of that peer in this time.
pub const CLAIM_PATIENCE: Duration = Duration::from_secs(5);
/// A binding nobody asked for in this time, or of which nothing could be written, is given up, and its peer trusted less.
pub const IGNORED_AFTER: Duration = Duration::from_secs(30);
/// How long a piece may hang on one holder that does not relay before we give it once more, while somebody wants it.
pub const LONELY_PATIENCE: Duration = Duration::from_secs(10);
/// A holder whose relaying would take longer than this for what it alone holds is helped with it.
pub const RELAY_HORIZON: Duration = Duration::from_secs(30);
/// While the first copy spreads, who would take longer than this to relay what it alone holds is passed over for others: it
/// would have to be given once more. Twice the above, since it goes on relaying while the rest is sent.
pub const SPREAD_HORIZON: Duration = Duration::from_secs(60);
/// Pieces that a peer may have to relay before it has shown how fast it does.
pub const UNPROVEN: usize = 4;
/// How many lonely pieces are given at a time.
pub const LONELY_AT_ONCE: usize = 2;
/// A leecher without any progress for this long is helped whatever the swarm holds: it cannot reach the others.
pub const STUCK_PATIENCE: Duration = Duration::from_secs(15);
/// A slow leecher's patience is stretched to a few of its own pieces, at most to this.
pub const STUCK_PATIENCE_MAX: Duration = Duration::from_secs(120);
/// A client that looks for pieces now and then gets this many looks more: what the others hold, it finds out in turns.
pub const STUCK_LOOKS: u32 = 3;
/// How many pieces a stuck leecher is given ahead.
pub const STUCK_AT_ONCE: usize = 2;
/// Between two pieces for a stuck leecher of which others got little of what it was given, while the others get on. One whose
/// own line is full reaches nobody, and would be given all of a copy that nobody gets of it; once the others have theirs
/// they leave its line to it, or it is helped as all are. As long as it takes to see that somebody is stuck.
pub const HOARDER_PAUSE: Duration = STUCK_PATIENCE;
/// A complete peer that hung up still counts as a holder for this long: finished clients drop peers that look useless.
pub const GHOST_LIFE: Duration = Duration::from_secs(30 * 60);
/// Relays' rates are averaged over about this long.
pub const RELAY_AVERAGE: Duration = Duration::from_secs(20);
/// The rate a slow looker's share is reckoned with where no limit is set, bytes per second: enough to find out what more
/// it takes.
pub const HOPED_RATE: u64 = 1 << 20;
/// Pieces bound ahead, at least: fewer idle the uplink at the change from one piece to the next.
pub const MIN_LOOK_AHEAD: usize = 4;

/// What the uplink does, as far as the offer needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Uplink {
    /// The limit in bytes per second; `None` when there is none.
    pub cap: Option<u64>,
    /// Bytes per second that really left, averaged over about a second.
    pub rate: u64,
    /// Since when the line has room that nobody who is there can use; `None` while it has not.
    pub idle_since: Option<Instant>,
}

/// Where one piece is, besides here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Connected peers that hold it.
    pub holders: u32,
    /// Whether somebody was offered it, and may have it of us now.
    pub offered: bool,
}

/// What a peer's client is known to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habits {
    /// How long it may leave an offer unnoticed; zero where it is not known to leave any.
    pub looks_every: Duration,
    /// Whether it takes a request for standing until it is answered, whatever we choke or take back meanwhile, and so
    /// neither asks again nor asks anybody else.
    pub keeps_requests: bool,
}

/// What to do, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Announce `piece` to `peer`, and unchoke it.
    Offer {
        /// Who may have it.
        peer: PeerKey,
        /// What it may have.
        piece: u32,
    },
    /// `peer` may no longer have `piece`: forget its requests for it.
    TakeBack {
        /// Who loses it.
        peer: PeerKey,
        /// What it loses.
        piece: u32,
    },
}

/// The decider for one swarm.
#[derive(Debug)]
pub struct Offer {
    piece_length: u64,
    pieces: Vec<Piece>,
    peers: BTreeMap<PeerKey, Peer>,
    pool: BTreeSet<u32>,
    unheld: u32,
    lonely: BTreeSet<u32>,
    ghosts: Vec<Instant>,
    /// Pieces that only a lost peer held, and since when.
    missed: BTreeMap<u32, Instant>,
    /// Since when somebody lacks pieces.
    hungry_since: Option<Instant>,
    /// Whether more is given than the first copy and what the swarm lacks.
    generous: bool,
    /// Bytes that peers got from one another, by their HAVEs.
    traded: Meter,
    /// When a peer was last seen to hold what only a complete peer can have given it.
    witnessed_at: Option<Instant>,
    /// Bytes that may still be offered in support, and when that was reckoned.
    support: (f64, Option<Instant>),
    /// Whether anything happened that could change what [`Offer::decide`] says.
    due: bool,
}

impl Offer {
    /// A decider for a torrent of `pieces` pieces of `piece_length` bytes, with nobody there yet.
    pub fn new(pieces: u32, piece_length: u32) -> Self {
        Self {
            piece_length: u64::from(piece_length.max(1)),
            pieces: vec![Piece::default(); pieces as usize],
            peers: BTreeMap::new(),
            pool: (0..pieces).collect(),
            unheld: pieces,
            lonely: BTreeSet::new(),
            ghosts: Vec::new(),
            missed: BTreeMap::new(),
            hungry_since: None,
            generous: false,
            traded: Meter::default(),
            witnessed_at: None,
            support: (0.0, None),
            due: true,
        }
    }

    /// Whether something happened since the last [`Offer::decide`] that could make it decide anew. Time passes without
    /// notice: call it now and then all the same.
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// Generous: once the first copy is out, goes on giving by our share of the swarm's capacity. Thrifty, the default:
    /// gives only what the swarm lacks.
    pub fn set_generous(&mut self, generous: bool) {
        self.generous = generous;
    }

    /// Whether `peer` may have blocks of `piece`: it is bound to it, or it was sent to it and did not arrive whole; and the
    /// peer did not have it twice already.
    pub fn may_serve(&self, peer: PeerKey, piece: u32) -> bool {
        let Some(state) = self.pieces.get(piece as usize) else {
            return false;
        };
        let its = state.bound.as_ref().is_some_and(|b| b.peer == peer)
            || (state.sent_to == Some(peer) && state.bound.is_none());
        let known = self.peers.get(&peer);
        its && known.is_none_or(|p| !p.had_twice(piece, self.piece_length))
    }

    /// The last peer that got all of `piece` from us, if it may have it no more.
    pub fn may_no_longer(&self, piece: u32) -> Option<PeerKey> {
        let sent_to = self.pieces.get(piece as usize)?.sent_to;
        sent_to.filter(|peer| !self.may_serve(*peer, piece))
    }

    /// Where `peer`'s blocks of `piece` stand in the queue: smaller goes first. The oldest started piece, then the
    /// peer with the fewest unrelayed pieces.
    pub fn rank(&self, peer: PeerKey, piece: u32) -> (bool, Option<Instant>, usize) {
        let started = self
            .pieces
            .get(piece as usize)
            .and_then(|state| state.bound.as_ref())
            .and_then(|binding| binding.started);
        let unrelayed = self.peers.get(&peer).map_or(0, |p| p.unrelayed.len());
        (started.is_none(), started, unrelayed)
    }

    /// Bytes per second that other peers got, as we see it, from pieces we gave to `peer`.
    pub fn relay_rate(&self, peer: PeerKey, now: Instant) -> f64 {
        self.peers
            .get(&peer)
            .map_or(0.0, |p| p.relay_rate(now, 0.0))
    }

    /// Whether pieces are bound to `peer`.
    pub fn has_offers(&self, peer: PeerKey) -> bool {
        self.peers.get(&peer).is_some_and(|p| !p.bound.is_empty())
    }

    /// Leechers that got nothing from anybody but us for a while.
    pub fn stuck(&self, now: Instant) -> u32 {
        self.those_stuck(now).count() as u32
    }

    /// When the one among them that waits longest got something last, or came.
    pub fn stuck_since(&self, now: Instant) -> Option<Instant> {
        self.those_stuck(now).map(|p| p.progress_at).min()
    }

    fn those_stuck(&self, now: Instant) -> impl Iterator<Item = &Peer> {
        let stuck = move |p: &&Peer| p.takes() && p.is_stuck(now);
        self.peers.values().filter(stuck)
    }

    /// Whether the peer is known to hold every piece; not if there is reason to doubt it.
    pub fn is_complete(&self, peer: PeerKey) -> bool {
        let complete = |p: &Peer| p.has.is_full() && !p.doubted;
        self.peers.get(&peer).is_some_and(complete)
    }

    /// Whether the peer says that it holds every piece, doubted or not.
    pub fn says_all(&self, peer: PeerKey) -> bool {
        self.peers.get(&peer).is_some_and(|p| p.has.is_full())
    }

    /// Whether the peer is known to hold a piece.
    pub fn holds(&self, peer: PeerKey, piece: u32) -> bool {
        self.peers.get(&peer).is_some_and(|p| p.has.has(piece))
    }

    /// Whether a piece is out there: another peer holds it, or was sent it by us.
    pub fn has_source(&self, piece: u32) -> bool {
        let out = |state: &Piece| state.holders > 0 || state.sent_to.is_some();
        self.pieces.get(piece as usize).is_some_and(out)
    }

    /// Whether the peer came without the whole content, and holds it now.
    pub fn has_earned(&self, peer: PeerKey) -> bool {
        let earned = |p: &Peer| !p.came_complete && p.has.is_full() && !p.doubted;
        self.peers.get(&peer).is_some_and(earned)
    }

    /// How many pieces the peer holds, as far as we know.
    pub fn held_by(&self, peer: PeerKey) -> u32 {
        self.peers.get(&peer).map_or(0, |p| p.has.count())
    }

    /// Whether the connected peers (and complete ones that left a while ago) hold every piece without us.
    pub fn first_copy_is_out(&self) -> bool {
        !self.ghosts.is_empty() || self.unheld == 0
    }

    /// How available the content is without us.
    pub fn availability(&self) -> Availability {
        Availability::of(&self.pieces)
    }

    /// Where every piece is, in their order.
    pub fn places(&self) -> impl ExactSizeIterator<Item = Place> + '_ {
        self.pieces.iter().map(|piece| Place {
            holders: piece.holders,
            offered: piece.bound.is_some(),
        })
    }

    /// Forgets complete peers that left: a probe, or a stuck leecher, showed that they no longer help.
    pub fn forget_departed(&mut self) {
        self.ghosts.clear();
    }
}

#[cfg(test)]
mod tests;
