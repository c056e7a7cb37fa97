//! The simulation: peers, the origin, what is to happen, and the loop that lets it.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use semoir::base::PeerKey;
use semoir::seed::wire::{Block, Heard, Hello, Said};

use super::clock::{Agenda, MILLISECOND, Nanos, SECOND};
use super::habits::Claim;
use super::origin::Origin;
use super::outcome::Progress;
use super::peer::{Link, Peer, Session};
use super::picker::{ORIGIN, Part, Source};
use super::pieces::{Set, Shape};
use super::trade::ROUND;

/// Round trips before a handshake is answered: TCP's, then ours.
const ROUND_TRIPS_TO_JOIN: u64 = 2;
/// The tracker answers, and the connection is made, about this long after a client starts.
const START: Nanos = 50 * MILLISECOND;

/// Deals of the slots between two announces to the tracker: thirty seconds.
const ANNOUNCE_ROUNDS: u32 = 3;

/// Something a peer does by itself.
#[derive(Debug)]
pub enum Act {
    Leaves,
    /// It connects to the origin.
    Dials,
    /// It begins to want something of the origin.
    Begins,
    /// Another second is over.
    Second,
    /// It deals its upload slots.
    Deals,
    /// It looks whether a neighbour has something for it.
    Look(Source),
}

/// Something that happens. Peers are named by their number.
#[derive(Debug)]
pub enum Happening {
    Arrives(usize),
    /// A peer does something, if it still lives the life it planned it in.
    Acts(usize, u32, Act),
    ToOrigin(PeerKey, Heard),
    HangsUp(PeerKey),
    ToPeer(usize, PeerKey, Said),
    HungUp(usize, PeerKey),
    Reaches(usize, PeerKey, Block),
    Fetched(usize, PeerKey, Block),
    Acknowledged(PeerKey, u32),
    Written(PeerKey, Block),
    Unsent(PeerKey, Block),
    Warmed(u32),
    Tick,
    Wakes,
    Cap(Option<u64>),
    Sent(usize, usize, Part),
    Arrived(usize, usize, Part),
}

#[derive(Debug)]
pub struct World {
    pub now: Nanos,
    pub agenda: Agenda<Happening>,
    pub shape: Shape,
    pub peers: Vec<Peer>,
    pub origin: Origin,
    pub dice: StdRng,
    /// Bytes that came twice.
    pub wasted: u64,
    pub progress: Progress,
    pub events: u64,
    /// How many neighbours a newcomer looks for.
    pub mesh: usize,
}

impl World {
    pub fn new(origin: Origin, shape: Shape, peers: Vec<Peer>, mesh: usize, seed: u64) -> Self {
        let deserving = peers.iter().filter(|p| p.habits.deserves_all()).count();
        let mut agenda = Agenda::default();
        agenda.put(0, Happening::Tick);
        Self {
            now: 0,
            agenda,
            shape,
            peers,
            origin,
            dice: StdRng::seed_from_u64(seed),
            wasted: 0,
            progress: Progress::new(shape, deserving),
            events: 0,
            mesh,
        }
    }

    /// Lets things happen until everybody who deserves it has all, or the time is over.
    pub fn run(&mut self, limit: Nanos) {
        while !self.progress.is_over()
            && let Some((at, happening)) = self.agenda.next()
            && at <= limit
        {
            self.now = at;
            self.events += 1;
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        let (now, agenda) = (self.now, &mut self.agenda);
        match happening {
            Happening::Arrives(who) => self.arrive(who),
            Happening::Acts(who, life, act) => {
                if self.peers[who].present && self.peers[who].life == life {
                    self.act(who, act);
                }
            }
            Happening::ToOrigin(key, heard) => self.origin.heard(key, heard, now, agenda),
            Happening::HangsUp(key) => self.origin.lost(key, now, agenda),
            Happening::ToPeer(who, key, said) => self.hears_origin(who, key, said),
            Happening::HungUp(who, key) => {
                if self.knows(who, key) {
                    self.drop_session(who);
                }
            }
            Happening::Reaches(who, key, block) => {
                let at = self.peers[who].down.pass(block.length.into(), now);
                agenda.put(at, Happening::Fetched(who, key, block));
            }
            Happening::Fetched(who, key, block) => {
                let at = now + self.peers[who].line.delay;
                agenda.put(at, Happening::Acknowledged(key, block.length));
                if self.knows(who, key) {
                    let part = (block.index, block.begin / self.shape.block);
                    self.arrived(who, ORIGIN, part);
                }
            }
            Happening::Acknowledged(key, bytes) => {
                self.origin.acknowledged(key, bytes, now, agenda);
            }
            Happening::Written(key, block) => self.origin.written(key, block, now, agenda),
            Happening::Unsent(key, block) => self.origin.unsent(key, block, now, agenda),
            Happening::Warmed(piece) => self.origin.warmed(piece, now, agenda),
            Happening::Tick => self.origin.tick(now, agenda),
            Happening::Wakes => self.origin.woke(now, agenda),
            Happening::Cap(cap) => self.origin.set_cap(cap, now),
            Happening::Sent(giver, to, part) => self.sent(giver, to, part),
            Happening::Arrived(who, giver, part) => self.arrived(who, giver, part),
        }
    }

    /// Plans something that a peer does later in this life.
    pub fn plan(&mut self, who: usize, after: Nanos, act: Act) {
        let planned = Happening::Acts(who, self.peers[who].life, act);
        self.agenda.put(self.now + after, planned);
    }

    fn act(&mut self, who: usize, act: Act) {
        match act {
            Act::Leaves => self.leave(who),
            Act::Dials => self.meet_origin(who),
            Act::Begins => {
                self.update_interest(who, false);
                self.ask(who, ORIGIN);
            }
            Act::Second => {
                self.boast(who);
                self.second(who);
                self.plan(who, SECOND, Act::Second);
            }
            Act::Deals => {
                self.deal(who);
                if self.peers[who].rounds.is_multiple_of(ANNOUNCE_ROUNDS) {
                    self.find_neighbours(who);
                }
                self.plan(who, ROUND, Act::Deals);
            }
            Act::Look(source) => self.ask(who, source),
        }
    }

    fn knows(&self, who: usize, key: PeerKey) -> bool {
        let session = self.peers[who].origin.as_ref();
        session.is_some_and(|session| session.key == key)
    }

    fn arrive(&mut self, who: usize) {
        let now = self.now;
        let peer = &mut self.peers[who];
        peer.present = true;
        peer.life += 1;
        let (line, habits) = (peer.line, peer.habits.clone());
        let join = START + ROUND_TRIPS_TO_JOIN * 2 * line.delay;
        self.plan(who, join, Act::Dials);
        self.plan(who, SECOND, Act::Second);
        self.plan(who, ROUND, Act::Deals);
        if let Some((stay, away)) = habits.comes_and_goes() {
            let stay = self.dice.random_range(stay / 2..stay * 3 / 2);
            let away = self.dice.random_range(away / 2..away * 3 / 2);
            self.plan(who, stay, Act::Leaves);
            self.agenda.put(now + stay + away, Happening::Arrives(who));
        }
        self.find_neighbours(who);
    }

    /// What the tracker names is dialled until the peer has neighbours enough.
    fn find_neighbours(&mut self, who: usize) {
        let links = &self.peers[who].links;
        let missing = self.mesh.saturating_sub(links.len());
        let is_new = |other: &usize| *other != who && !links.contains_key(other);
        let mut others: Vec<usize> = (0..self.peers.len())
            .filter(|other| self.peers[*other].present && is_new(other))
            .collect();
        others.shuffle(&mut self.dice);
        for other in others.into_iter().take(missing) {
            self.connect(who, other);
        }
    }

    /// A peer leaves the swarm, with what it has.
    pub fn leave(&mut self, who: usize) {
        self.hang_up_on_origin(who);
        let neighbours: Vec<Source> = self.peers[who].links.keys().copied().collect();
        for other in neighbours {
            self.disconnect(who, other);
        }
        let peer = &mut self.peers[who];
        peer.present = false;
        peer.waiting.clear();
    }

    fn meet_origin(&mut self, who: usize) {
        let now = self.now;
        if self.peers[who].origin.is_some() {
            return;
        }
        let peer = &self.peers[who];
        let (line, habits) = (peer.line, peer.habits.clone());
        let begun_at = now + habits.begins_after();
        let known = habits.known();
        let found = (who, line.delay);
        // The peer's side stands before the origin speaks to it.
        let key = self.origin.joined(found, known, now, &mut self.agenda);
        let link = Link {
            choked: true,
            asleep_until: begun_at,
            ..Link::default()
        };
        let peer = &mut self.peers[who];
        peer.links.insert(ORIGIN, link);
        peer.origin = Some(Session {
            key,
            offered: Set::new(self.shape.pieces),
            begun_at,
            interested: false,
        });
        let port = Some(6881);
        let hello = Hello {
            metadata_id: Some(2),
            pex_id: Some(1),
            port,
            ..Hello::default()
        };
        let claimed = (peer.claimed.count() > 0).then(|| peer.claimed.as_wire());
        self.tell_origin(who, Heard::Hello(hello));
        if let Some(bits) = claimed {
            self.tell_origin(who, Heard::Bitfield(bits));
        }
        self.plan(who, begun_at - now, Act::Begins);
    }

    fn hears_origin(&mut self, who: usize, key: PeerKey, said: Said) {
        if !self.knows(who, key) {
            return;
        }
        match said {
            Said::Have(piece) => {
                let session = self.peers[who].origin.as_mut();
                if session.is_some_and(|session| session.offered.insert(piece)) {
                    let asks = self.heard_have(who, ORIGIN, piece);
                    self.update_interest(who, false);
                    if asks {
                        self.ask(who, ORIGIN);
                    }
                }
            }
            Said::Unchoke => {
                if let Some(link) = self.peers[who].links.get_mut(&ORIGIN) {
                    link.choked = false;
                }
                self.ask(who, ORIGIN);
            }
            Said::Choke => {
                if let Some(link) = self.peers[who].links.get_mut(&ORIGIN) {
                    link.choked = true;
                }
                if self.peers[who].habits.patience().is_some() {
                    self.forget(who, ORIGIN);
                }
            }
            Said::Interested if self.peers[who].habits.slots() > 0 => {
                self.tell_origin(who, Heard::Unchoke);
            }
            Said::Request(block) if self.peers[who].habits.serves() => {
                let bytes = vec![0; block.length as usize].into();
                self.tell_origin(who, Heard::Piece(block, Some(bytes)));
            }
            _ => {}
        }
    }

    pub fn hang_up_on_origin(&mut self, who: usize) {
        let delay = self.peers[who].line.delay;
        if let Some(session) = &self.peers[who].origin {
            let gone = Happening::HangsUp(session.key);
            self.agenda.put(self.now + delay, gone);
            self.drop_session(who);
        }
    }

    fn drop_session(&mut self, who: usize) {
        self.forget(who, ORIGIN);
        let peer = &mut self.peers[who];
        peer.links.remove(&ORIGIN);
        if let Some(session) = peer.origin.take() {
            for piece in session.offered.iter() {
                peer.store.seen[piece as usize] -= 1;
            }
        }
    }

    /// One who claims more and more claims one piece more.
    fn boast(&mut self, who: usize) {
        let peer = &mut self.peers[who];
        if peer.habits.claims() != Claim::MoreAndMore || peer.claimed.is_full() {
            return;
        }
        let piece = self.dice.random_range(0..self.shape.pieces);
        if !peer.claimed.insert(piece) {
            return;
        }
        let neighbours: Vec<Source> = peer.links.keys().copied().collect();
        self.tell_origin(who, Heard::Have(piece));
        for other in neighbours.into_iter().filter(|other| *other != ORIGIN) {
            if self.heard_have(other, who, piece) {
                self.ask(other, who);
            }
        }
    }

    /// Takes down what a piece more means for the whole.
    pub fn outcome_of_piece(&mut self, who: usize, piece: u32) {
        let peer = &self.peers[who];
        let complete = peer.store.have.is_full() && peer.habits.deserves_all();
        let payload = self.origin.swarm.payload();
        self.progress.piece(piece, complete, self.now, payload);
    }
}
