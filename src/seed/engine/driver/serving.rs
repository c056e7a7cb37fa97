//! What the line carries next.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use super::super::seeding::{Seeding, block_wire, metadata_wire};
use super::Driver;
use crate::base::InfoHash;
use crate::seed::connection;
use crate::seed::shaper::Shaper;
use crate::seed::swarm::{Next, Swarm};

/// Wire bytes per second by which metadata is given where the limit is nothing. The month's quota withholds payload so,
/// and whoever has only a link is to learn what it is of, and from whom else it can be had. A piece in two seconds; a day
/// of it, which nobody but a flood from very many addresses asks for, is 700 MB.
pub(super) const TRICKLE: u64 = 8 << 10;

/// A bucket for it.
pub(super) fn trickle(now: Instant) -> Shaper {
    Shaper::new(Some(TRICKLE), now)
}

/// The busy ones of which this is true.
fn those(
    busy: &BTreeSet<InfoHash>,
    seedings: &HashMap<InfoHash, Seeding>,
    what: impl Fn(&Swarm) -> bool,
) -> impl Iterator<Item = InfoHash> {
    let so = move |hash: &&InfoHash| seedings.get(*hash).is_some_and(|s| what(&s.swarm));
    busy.iter().filter(so).copied()
}

impl Driver {
    /// Hands blocks and metadata to connections as long as the bucket is open and anybody wants some.
    pub(super) fn pump(&mut self) {
        let now = Instant::now();
        self.charge_beside(now);
        if self.shaper.limit() == Some(0) {
            self.idle_since = None;
            return self.let_trickle(now);
        }
        loop {
            if !self.shaper.is_open(now) {
                self.idle_since = None;
                return;
            }
            let ready = those(&self.busy, &self.seedings, Swarm::has_next);
            let Some(hash) = self.shaper.next(ready) else {
                break;
            };
            let Some(seeding) = self.seedings.get_mut(&hash) else {
                break;
            };
            let Some(next) = seeding.swarm.next(now) else {
                break;
            };
            if self.shaper.limit().is_none() {
                self.idle_since = None;
            }
            self.hand_over(hash, next, now);
        }
        // The line has room, and nobody who is there can use it; not if all that lacks is the disk.
        let mut cold = those(&self.busy, &self.seedings, Swarm::waits_for_disk);
        if self.shaper.has_room(now) && cold.next().is_none() {
            self.idle_since.get_or_insert(now);
        } else {
            self.idle_since = None;
        }
    }

    /// Hands over metadata, and nothing else.
    fn let_trickle(&mut self, now: Instant) {
        while self.trickle.is_open(now) {
            let waiting = those(&self.busy, &self.seedings, Swarm::has_metadata);
            let Some(hash) = self.trickle.next(waiting) else {
                return;
            };
            let seeding = self.seedings.get_mut(&hash);
            let Some((peer, said)) = seeding.and_then(|seeding| seeding.swarm.next_metadata())
            else {
                return;
            };
            let wire = self.hand_over(hash, Next::Metadata(peer, said), now);
            self.trickle.charge(Some(hash), wire);
        }
    }

    /// Hands something to its connection; returns the wire bytes it was charged with.
    fn hand_over(&mut self, hash: InfoHash, next: Next, now: Instant) -> f64 {
        let limit = self.limit();
        let Some(seeding) = self.seedings.get_mut(&hash) else {
            return 0.0;
        };
        let (peer, wire, order) = match next {
            Next::Block(peer, block) => {
                let piece = seeding.pieces.get(&block.index);
                let order = piece.map(|piece| connection::Order::Serve {
                    block,
                    segments: piece.block(block),
                    limit,
                });
                (peer, block_wire(block), order)
            }
            Next::Metadata(peer, piece) => {
                let wire = metadata_wire(piece.length());
                (
                    peer,
                    wire,
                    Some(connection::Order::Metadata { piece, limit }),
                )
            }
        };
        seeding.hand_over(peer, wire, now);
        self.shaper.charge(Some(hash), wire);
        if let (Some(order), Some(link)) = (order, seeding.links.get(&peer)) {
            if let Some(stream) = &link.far {
                self.watch.served(peer, stream, wire, now);
            }
            // A connection that is gone reports so by itself.
            let _ = link.orders.send(order);
        }
        wire
    }
}
