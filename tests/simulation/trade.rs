//! Leechers as givers: whom they unchoke, and how blocks travel between them.

use rand::RngExt;
use rand::seq::SliceRandom;

use super::clock::{Nanos, SECOND};
use super::peer::Link;
use super::picker::{ORIGIN, Part, Source};
use super::world::{Happening, World};

/// Between two deals of the slots (BEP 3).
pub const ROUND: Nanos = 10 * SECOND;
/// The optimistic slot goes to another every third round.
const OPTIMISTIC_ROUNDS: u32 = 3;
/// Bytes sent to one neighbour and not arrived: a socket's buffers.
const WINDOW: u64 = 256 << 10;
/// What a leecher's line carries beside blocks, and leaves unused; in percent. With this the bench's figures come out.
const OVERHEAD_PERCENT: u64 = 8;

impl World {
    /// Connects two peers that are here.
    pub fn connect(&mut self, a: usize, b: usize) {
        for (who, other) in [(a, b), (b, a)] {
            let claimed = std::mem::take(&mut self.peers[other].claimed);
            let everybody = self.peers[other].habits.slots() == usize::MAX;
            let peer = &mut self.peers[who];
            for piece in claimed.iter() {
                peer.store.seen[piece as usize] += 1;
            }
            let link = Link {
                choked: !everybody,
                choking: peer.habits.slots() != usize::MAX,
                useful: claimed.lacked_by(&peer.store.have),
                ..Link::default()
            };
            peer.links.insert(other, link);
            self.peers[other].claimed = claimed;
        }
        for (who, other) in [(a, b), (b, a)] {
            if self.peers[who].links[&other].useful > 0 {
                self.wants(other, who);
                self.ask(who, other);
            }
        }
    }

    /// Ends a connection between peers.
    pub fn disconnect(&mut self, a: usize, b: usize) {
        for (who, other) in [(a, b), (b, a)] {
            self.forget(who, other);
            let claimed = std::mem::take(&mut self.peers[other].claimed);
            let peer = &mut self.peers[who];
            if peer.links.remove(&other).is_some() {
                for piece in claimed.iter() {
                    peer.store.seen[piece as usize] -= 1;
                }
            }
            self.peers[other].claimed = claimed;
        }
    }

    /// `from` wants something of `giver`, who has a slot for it or lets it wait for the next deal.
    pub fn wants(&mut self, giver: usize, from: usize) {
        let peer = &self.peers[giver];
        if peer.links.get(&from).is_some_and(|link| link.choking)
            && peer.unchoked() < peer.habits.slots()
        {
            self.unchoke(giver, from);
        }
    }

    fn unchoke(&mut self, giver: usize, to: usize) {
        if let Some(link) = self.peers[giver].links.get_mut(&to) {
            link.choking = false;
        }
        if let Some(link) = self.peers[to].links.get_mut(&giver) {
            link.choked = false;
        }
        self.ask(to, giver);
    }

    fn choke(&mut self, giver: usize, to: usize) {
        if let Some(link) = self.peers[giver].links.get_mut(&to) {
            link.choking = true;
            link.to_send.clear();
        }
        if let Some(link) = self.peers[to].links.get_mut(&giver) {
            link.choked = true;
        }
        if self.peers[to].habits.patience().is_some() {
            self.forget(to, giver);
        }
    }

    /// Deals a peer's slots: to those who gave most, and one to somebody else in turn.
    pub fn deal(&mut self, who: usize) {
        let slots = self.peers[who].habits.slots();
        self.peers[who].rounds += 1;
        if slots == usize::MAX || slots == 0 {
            return;
        }
        let complete = self.peers[who].store.have.is_full();
        let links = self.peers[who].links.iter();
        let neighbours: Vec<(Source, u64)> = links
            .filter(|(other, _)| **other != ORIGIN)
            .map(|(other, link)| (*other, link.got))
            .collect();
        let wants = |other: Source| self.peers[other].links.get(&who).map_or(0, |l| l.useful) > 0;
        let mut wanting: Vec<(Source, u64)> = neighbours
            .iter()
            .copied()
            .filter(|(other, _)| wants(*other))
            .collect();
        wanting.shuffle(&mut self.dice);
        if !complete {
            wanting.sort_by_key(|(_, got)| std::cmp::Reverse(*got));
        }
        let regular = slots.saturating_sub(1);
        let mut open: Vec<Source> = wanting.iter().take(regular).map(|(o, _)| *o).collect();
        let rest: Vec<Source> = wanting.iter().skip(regular).map(|(o, _)| *o).collect();
        let peer = &mut self.peers[who];
        let turn_is_over = peer.rounds.is_multiple_of(OPTIMISTIC_ROUNDS);
        if (turn_is_over || !peer.optimistic.is_some_and(|o| rest.contains(&o))) && !rest.is_empty()
        {
            peer.optimistic = Some(rest[self.dice.random_range(0..rest.len())]);
        }
        open.extend(peer.optimistic.filter(|o| rest.contains(o)));
        for link in peer.links.values_mut() {
            link.got = 0;
        }
        for (other, _) in neighbours {
            let Some(choking) = self.peers[who].links.get(&other).map(|link| link.choking) else {
                continue;
            };
            match (open.contains(&other), choking) {
                (true, true) => self.unchoke(who, other),
                (false, false) => self.choke(who, other),
                _ => {}
            }
        }
    }

    /// `from` asks `giver` for a block.
    pub fn requested(&mut self, giver: usize, from: usize, part: Part) {
        let peer = &mut self.peers[giver];
        if !peer.habits.serves() || !peer.store.have.has(part.0) {
            return;
        }
        let Some(link) = peer.links.get_mut(&from).filter(|link| !link.choking) else {
            return;
        };
        link.to_send.push_back(part);
        if !link.waiting {
            link.waiting = true;
            peer.waiting.push_back(from);
        }
        self.serve(giver);
    }

    /// Sends the next block, when the line is free and somebody waits for one.
    pub fn serve(&mut self, giver: usize) {
        let peer = &mut self.peers[giver];
        while !peer.sending
            && let Some(to) = peer.waiting.pop_front()
        {
            let Some(link) = peer.links.get_mut(&to) else {
                continue;
            };
            link.waiting = false;
            if link.under_way >= WINDOW {
                continue;
            }
            let Some(part) = link.to_send.pop_front() else {
                continue;
            };
            if !link.to_send.is_empty() {
                link.waiting = true;
                peer.waiting.push_back(to);
            }
            let size = u64::from(self.shape.block);
            link.under_way += size;
            peer.sending = true;
            let wire = size * (100 + OVERHEAD_PERCENT) / 100;
            let at = peer.up.pass(wire, self.now);
            self.agenda.put(at, Happening::Sent(giver, to, part));
        }
    }

    /// A block is on its way.
    pub fn sent(&mut self, giver: usize, to: usize, part: Part) {
        self.peers[giver].sending = false;
        let link = self.peers[giver].links.get_mut(&to);
        let unsaid = link.map(|link| std::mem::take(&mut link.unsaid));
        for asked in unsaid.unwrap_or_default() {
            self.requested(to, giver, asked);
        }
        let delay = self.peers[giver].line.delay + self.peers[to].line.delay;
        let size = u64::from(self.shape.block);
        let at = self.now + delay;
        match self.peers[to].down.pass(size, at) {
            at if at == self.now => self.arrived(to, giver, part),
            at => self.agenda.put(at, Happening::Arrived(to, giver, part)),
        }
        self.serve(giver);
    }

    /// A block from `giver` arrived at `to`: there is room for another on the way.
    pub fn took(&mut self, giver: usize, to: usize) {
        let size = u64::from(self.shape.block);
        let peer = &mut self.peers[giver];
        let Some(link) = peer.links.get_mut(&to) else {
            return;
        };
        link.under_way = link.under_way.saturating_sub(size);
        if !link.waiting && !link.to_send.is_empty() {
            link.waiting = true;
            peer.waiting.push_back(to);
            self.serve(giver);
        }
    }
}
