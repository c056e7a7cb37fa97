//! Leechers as takers: what they ask of whom, and what they do with what comes.

use rand::RngExt;
use semoir::seed::wire::{Block, Heard};

use super::clock::Nanos;
use super::peer::DISTRUST;
use super::picker::{Got, ORIGIN, Offer, Part, Pick, Source};
use super::world::{Act, Happening, World};

impl World {
    /// Lets a peer ask `source` for as much as it may and can use.
    pub fn ask(&mut self, who: usize, source: Source) {
        let dice = self.dice.random();
        let habits = self.peers[who].habits.clone();
        let now = self.now;
        let Some(link) = self.peers[who].links.get_mut(&source) else {
            return;
        };
        if link.choked || link.useful == 0 || now < link.asleep_until || !habits.asks() {
            return;
        }
        let (mut asked, pace) = (std::mem::take(&mut link.asked), link.pace);
        if asked.is_empty() {
            link.heard_at = now;
        }
        let depth = habits.depth();
        let depth = depth.unwrap_or_else(|| link.depth(self.shape.block));
        let before = asked.len();
        let alone = habits.whole_pieces_in_order();
        let mut store = std::mem::take(&mut self.peers[who].store);
        let mut taken_over = Vec::new();
        let mut found_none = false;
        while asked.len() < depth {
            let holds = match source {
                ORIGIN => match &self.peers[who].origin {
                    Some(session) => &session.offered,
                    None => break,
                },
                other => &self.peers[other].claimed,
            };
            let from = Offer {
                source,
                holds,
                asked: &asked,
                pace,
            };
            let Some(Pick { part, taken_from }) = store.pick(&from, alone, dice, now) else {
                found_none = true;
                break;
            };
            taken_over.extend(taken_from.map(|loser| (loser, part.0)));
            asked.push(part);
        }
        let fresh = asked[before..].to_vec();
        let peer = &mut self.peers[who];
        peer.store = store;
        if let Some(link) = peer.links.get_mut(&source) {
            link.asked = asked;
            if let (true, Some(pause)) = (found_none, habits.looks_every()) {
                link.asleep_until = now + pause;
                self.plan(who, pause, Act::Look(source));
            }
        }
        for (loser, piece) in taken_over {
            self.give_up(who, loser, |part| part.0 == piece);
        }
        let link = self.peers[who].links.get_mut(&source);
        if let Some(link) = link
            && source != ORIGIN
            && habits.asks_after_blocks()
            && link.owes()
        {
            link.unsaid.extend(fresh);
            return;
        }
        for part in fresh {
            match source {
                ORIGIN => self.tell_origin(who, Heard::Request(self.block(part))),
                other => self.requested(other, who, part),
            }
        }
    }

    pub fn block(&self, (index, block): Part) -> Block {
        Block {
            index,
            begin: block * self.shape.block,
            length: self.shape.block,
        }
    }

    /// A block came from `source`.
    pub fn arrived(&mut self, who: usize, source: Source, part: Part) {
        let now = self.now;
        let size = u64::from(self.shape.block);
        if source != ORIGIN {
            self.took(source, who);
        }
        let Some(link) = self.peers[who].links.get_mut(&source) else {
            return;
        };
        link.asked.retain(|asked| *asked != part);
        link.got += size;
        link.lately += size;
        link.heard_at = now;
        match self.peers[who].store.got(part, now) {
            Got::Useless => self.wasted += size,
            Got::Block { elsewhere } => {
                if elsewhere {
                    self.cancel(who, part);
                }
            }
            Got::Piece { elsewhere, took } => {
                if elsewhere {
                    self.cancel(who, part);
                }
                if let Some(link) = self.peers[who].links.get_mut(&source) {
                    link.pace = Some(link.pace.map_or(took, |pace| (pace + took) / 2));
                }
                self.completed(who, part.0);
                if source == ORIGIN {
                    self.redial(who);
                }
            }
        }
        self.ask(who, source);
    }

    /// What was asked of two came from one: the other need not send it.
    fn cancel(&mut self, who: usize, part: Part) {
        let asked: Vec<Source> = self.peers[who]
            .links
            .iter()
            .filter(|(_, link)| link.asked.contains(&part))
            .map(|(source, _)| *source)
            .collect();
        for source in asked {
            self.give_up(who, source, |asked| *asked == part);
        }
    }

    /// Takes requests to `source` back, and tells it so.
    fn give_up(&mut self, who: usize, source: Source, which: impl Fn(&Part) -> bool) {
        let Some(link) = self.peers[who].links.get_mut(&source) else {
            return;
        };
        let given_up: Vec<Part> = link.asked.iter().copied().filter(|p| which(p)).collect();
        link.asked.retain(|part| !which(part));
        link.unsaid.retain(|part| !which(part));
        if source == ORIGIN {
            for part in given_up {
                self.tell_origin(who, Heard::Cancel(self.block(part)));
            }
        } else if let Some(link) = self.peers[source].links.get_mut(&who) {
            link.to_send.retain(|part| !which(part));
        }
    }

    /// Forgets all requests to `source`: it will not answer them.
    pub fn forget(&mut self, who: usize, source: Source) {
        let peer = &mut self.peers[who];
        let Some(link) = peer.links.get_mut(&source) else {
            return;
        };
        link.unsaid.clear();
        for part in std::mem::take(&mut link.asked) {
            peer.store.unask(part);
        }
        if source != ORIGIN
            && let Some(link) = self.peers[source].links.get_mut(&who)
        {
            link.to_send.clear();
        }
    }

    /// The peer's second: requests that stand for too long, and neighbours that could give more.
    pub fn second(&mut self, who: usize) {
        self.peers[who].measure();
        let late = self.peers[who].late(self.now);
        let freed = !late.is_empty();
        for source in late {
            self.forget(who, source);
            if source != ORIGIN
                && let Some(link) = self.peers[who].links.get_mut(&source)
            {
                link.asleep_until = self.now + DISTRUST;
            }
        }
        if self.peers[who].habits.looks_every().is_none() {
            let sources: Vec<Source> = self.peers[who].links.keys().copied().collect();
            // A client that no HAVE wakes does not look at the clock either, only at what it gave up waiting for.
            let deaf = !self.peers[who].habits.have_wakes() && !freed;
            let sources = sources.into_iter().filter(|s| !(deaf && *s == ORIGIN));
            // The origin, the last among them, first: it gave its word.
            sources.rev().for_each(|source| self.ask(who, source));
        }
    }

    /// A piece is whole.
    fn completed(&mut self, who: usize, piece: u32) {
        let now = self.now;
        self.outcome_of_piece(who, piece);
        let habits = self.peers[who].habits.clone();
        let mut woken = Vec::new();
        let neighbours: Vec<Source> = self.peers[who].links.keys().copied().collect();
        let says = habits.announces() && self.peers[who].claimed.insert(piece);
        for other in neighbours.into_iter().filter(|other| *other != ORIGIN) {
            if self.peers[other].claimed.has(piece) {
                self.less_useful(who, other);
            }
            if says {
                woken.extend(self.heard_have(other, who, piece).then_some(other));
            }
        }
        let offered = |s: &super::peer::Session| s.offered.has(piece);
        let by_origin = self.peers[who].origin.as_ref().is_some_and(offered);
        if by_origin {
            self.less_useful(who, ORIGIN);
        }
        if says && (habits.tells_holders() || !by_origin) {
            self.tell_origin(who, Heard::Have(piece));
        }
        let complete = self.peers[who].store.have.is_full();
        if complete {
            self.peers[who].done_at.get_or_insert(now);
        }
        self.update_interest(who, complete);
        for other in woken {
            self.ask(other, who);
        }
        let held = self.peers[who].store.have.count();
        if habits.leaves_with(held, self.shape.pieces) {
            self.leave(who);
        }
    }

    /// Hangs up on the origin after a piece of it, if that is what the peer does, and dials it again.
    fn redial(&mut self, who: usize) {
        if let Some(pause) = self.peers[who].habits.redials_after()
            && self.peers[who].origin.is_some()
        {
            self.hang_up_on_origin(who);
            self.plan(who, pause, Act::Dials);
        }
    }

    fn less_useful(&mut self, who: usize, source: Source) {
        if let Some(link) = self.peers[who].links.get_mut(&source) {
            link.useful -= 1;
        }
    }

    /// `from` announced a piece to `who`. Says whether that makes `who` ask `from` for something.
    pub fn heard_have(&mut self, who: usize, from: Source, piece: u32) -> bool {
        let peer = &mut self.peers[who];
        peer.store.seen[piece as usize] += 1;
        if peer.store.have.has(piece) {
            return false;
        }
        let Some(link) = peer.links.get_mut(&from) else {
            return false;
        };
        link.useful += 1;
        let (first, choked) = (link.useful == 1, link.choked);
        if first && choked && from != ORIGIN {
            self.wants(from, who);
            return false;
        }
        !choked && (peer.habits.have_wakes() || first)
    }

    /// Tells the origin when it became useful, or ceased to be.
    pub fn update_interest(&mut self, who: usize, complete: bool) {
        let peer = &mut self.peers[who];
        let useful = peer.links.get(&ORIGIN).map_or(0, |link| link.useful) > 0;
        let loses = peer.habits.loses_interest() || complete;
        let now = self.now;
        let Some(session) = peer.origin.as_mut() else {
            return;
        };
        let begun = now >= session.begun_at;
        if useful && begun && !session.interested && peer.habits.asks() {
            session.interested = true;
            self.tell_origin(who, Heard::Interested);
        } else if !useful && session.interested && loses {
            session.interested = false;
            self.tell_origin(who, Heard::NotInterested);
        }
    }

    /// The latest a peer can say something to the origin: it takes its line's delay.
    pub fn tell_origin(&mut self, who: usize, heard: Heard) {
        let peer = &self.peers[who];
        if let Some(session) = &peer.origin {
            let at: Nanos = self.now + peer.line.delay;
            self.agenda.put(at, Happening::ToOrigin(session.key, heard));
        }
    }
}
