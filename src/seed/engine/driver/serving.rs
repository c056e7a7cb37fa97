//! What the line carries next.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use super::super::seeding::{Seeding, block_wire, metadata_wire};
use super::Driver;
use crate::base::InfoHash;
use crate::seed::connection;
use crate::seed::swarm::{Next, Swarm};

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

    /// Hands something to its connection.
    fn hand_over(&mut self, hash: InfoHash, next: Next, now: Instant) {
        let limit = self.limit();
        let Some(seeding) = self.seedings.get_mut(&hash) else {
            return;
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
    }
}
