//! What a swarm knows of one connected peer.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use super::probe::Probe;
use crate::policy::offer::Habits;
use crate::seed::wire::{Block, Hello};

#[derive(Debug)]
pub(super) struct Peer {
    pub addr: SocketAddr,
    /// When it came.
    pub joined_at: Instant,
    /// Where it takes connections: what we dialled, or what its extended handshake says.
    pub listens: Option<SocketAddr>,
    pub hello: Option<Hello>,
    pub interested: bool,
    /// Whether we choke it, and since when that is so.
    pub choked: bool,
    pub choked_since: Instant,
    /// What it asked for and was not handed over yet.
    pub queue: VecDeque<Block>,
    pub habits: Habits,
    /// What it asked for, may not have now, and goes on waiting for: no client forgets a request because we took its piece
    /// back, and some not even when they are choked.
    pub aside: VecDeque<Block>,
    /// Bytes handed over and not yet written.
    pub in_flight: u32,
    /// Payload bytes written to it.
    pub payload: u64,
    /// Whether it would not serve us.
    pub chokes_us: bool,
    pub probe: Option<Box<Probe>>,
    /// A block that it was asked for, and that we do not wait for any more.
    pub late: Option<Block>,
    /// Pieces it announced that nobody is known to have given it.
    pub unexplained: u32,
    /// Metadata pieces it asked for, those included that it was refused.
    pub metadata_asked: u32,
    /// Those of them that wait for the line, each once, under the peer's number for such messages.
    pub metadata_queue: VecDeque<(u8, u32)>,
    /// Those handed over and not yet written.
    pub metadata_under_way: u32,
    /// Addresses it was told, and when.
    pub told: BTreeSet<SocketAddr>,
    pub told_at: Option<Instant>,
    /// When it named others last.
    pub named_at: Option<Instant>,
}

impl Peer {
    pub fn new(addr: SocketAddr, outgoing: bool, habits: Habits, now: Instant) -> Self {
        Self {
            addr,
            joined_at: now,
            listens: outgoing.then_some(addr),
            hello: None,
            interested: false,
            choked: true,
            choked_since: now,
            queue: VecDeque::new(),
            habits,
            aside: VecDeque::new(),
            in_flight: 0,
            payload: 0,
            chokes_us: true,
            probe: None,
            late: None,
            unexplained: 0,
            metadata_asked: 0,
            metadata_queue: VecDeque::new(),
            metadata_under_way: 0,
            told: BTreeSet::new(),
            told_at: None,
            named_at: None,
        }
    }

    pub fn greeted(&mut self, hello: Hello) {
        if let (None, Some(port)) = (self.listens, hello.port) {
            self.listens = Some(SocketAddr::new(self.addr.ip(), port));
        }
        self.hello = Some(hello);
    }
}
