//! The origin: the real `Swarm` and the real `Shaper`, driven as `seed::engine::driver` does, with connections that
//! stand in for sockets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use semoir::base::{InfoHash, PeerKey};
use semoir::policy::offer::{Habits, Uplink};
use semoir::seed::shaper::{Shaper, on_the_wire};
use semoir::seed::swarm::{Action, Compared, Event, Sight, Swarm};
use semoir::seed::wire::{Block, Heard, Said};

use super::clock::{Agenda, MILLISECOND, Nanos, SECOND};
use super::line::Pipe;
use super::pieces::Shape;
use super::scenario::Setup;
use super::watch::Watch;
use super::world::Happening;

/// What is to happen.
type Plan = Agenda<Happening>;

/// The driver's tick, and how many of them make a slow one.
const TICK: Nanos = 100 * MILLISECOND;
const SLOW_TICKS: u32 = 10;
/// What the kernel buffers for one connection: twice `SEND_BUFFER` of `seed::socket`, less its own bookkeeping.
const SEND_BUFFER: u64 = 224 << 10;
/// Below this limit a block is written over the time it is worth (`PACED_BELOW` of `seed::connection`).
const PACED_BELOW: u64 = 1 << 20;
/// Between two peers that are asked for proof: six a minute (`seed::engine::driver::looks`).
const ASK_EVERY: Nanos = 10 * SECOND;
/// Between two looks at what the kernel says a connection sent.
const CORRECT_EVERY: Nanos = 250 * MILLISECOND;

/// One connection, as engine, task and kernel together keep it.
#[derive(Debug)]
struct Connection {
    peer: usize,
    delay: Nanos,
    /// Handed over, and not begun; with the number under which the watch took it down.
    handed: VecDeque<(Block, usize)>,
    writing: bool,
    buffered: u64,
    charged: f64,
    sent: f64,
    reported: f64,
    corrected: Nanos,
}

/// Where a peer is, by its number.
pub fn address(peer: usize) -> IpAddr {
    [198, 18, (peer >> 8) as u8, peer as u8].into()
}

#[derive(Debug)]
pub struct Origin {
    pub swarm: Swarm,
    pub shaper: Shaper,
    pub watch: Watch,
    setup: Setup,
    start: Instant,
    hash: InfoHash,
    connections: BTreeMap<PeerKey, Connection>,
    line: Pipe,
    next_key: u64,
    ticks: u32,
    idle_since: Option<Instant>,
    wakes_at: Option<Nanos>,
    /// Wire bytes charged, as the driver counts them, and when its rate was measured.
    wire: f64,
    measured: (f64, Nanos),
    rate: f64,
    /// Who was asked for proof, and when the next may be.
    asked: BTreeSet<PeerKey>,
    asks_at: Nanos,
}

impl Origin {
    pub fn new(setup: Setup, shape: Shape) -> Self {
        let start = Instant::now();
        let torrent = shape.torrent();
        let hash = torrent.info_hash;
        let mut origin = Self {
            swarm: Swarm::new(Arc::new(torrent), Some(6881)),
            shaper: Shaper::new(setup.cap, start),
            watch: Watch::new(shape),
            line: Pipe::new(setup.line),
            setup,
            start,
            hash,
            connections: BTreeMap::new(),
            next_key: 0,
            ticks: 0,
            idle_since: None,
            wakes_at: None,
            wire: 0.0,
            measured: (0.0, 0),
            rate: 0.0,
            asked: BTreeSet::new(),
            asks_at: 0,
        };
        origin.swarm.set_generous(origin.setup.generous);
        let uplink = origin.uplink();
        origin.swarm.tick(uplink, start);
        origin
    }

    fn instant(&self, at: Nanos) -> Instant {
        self.start + Duration::from_nanos(at)
    }

    fn uplink(&self) -> Uplink {
        Uplink {
            cap: self.shaper.cap(),
            rate: self.rate as u64,
            idle_since: self.idle_since,
        }
    }

    /// Changes the limit.
    pub fn set_cap(&mut self, cap: Option<u64>, now: Nanos) {
        self.shaper.set_cap(cap, self.instant(now));
        self.wakes_at = None;
    }

    /// A peer finished its handshake; its key.
    pub fn joined(
        &mut self,
        (peer, delay): (usize, Nanos),
        habits: Habits,
        now: Nanos,
        agenda: &mut Plan,
    ) -> PeerKey {
        let key = PeerKey(self.next_key);
        self.next_key += 1;
        let connection = Connection {
            peer,
            delay,
            handed: VecDeque::new(),
            writing: false,
            buffered: 0,
            charged: 0.0,
            sent: 0.0,
            reported: 0.0,
            corrected: now,
        };
        self.connections.insert(key, connection);
        let addr = (address(peer), 40_000).into();
        let joined = Event::Joined {
            peer: key,
            addr,
            outgoing: false,
            extended: true,
            habits,
        };
        self.watch.joined(key);
        self.happen(joined, now, agenda);
        key
    }

    /// A peer said something.
    pub fn heard(&mut self, key: PeerKey, heard: Heard, now: Nanos, agenda: &mut Plan) {
        if self.connections.contains_key(&key) {
            self.watch.heard(key, &heard);
            self.happen(Event::Heard(key, heard), now, agenda);
        }
    }

    /// A peer hung up.
    pub fn lost(&mut self, key: PeerKey, now: Nanos, agenda: &mut Plan) {
        if self.connections.contains_key(&key) {
            self.correct(key, true, now);
            let gone = self.connections.remove(&key);
            let handed = gone.into_iter().flat_map(|gone| gone.handed);
            handed.for_each(|(_, entry)| self.watch.stayed(entry));
            self.watch.lost(key, now);
            self.happen(Event::Left(key), now, agenda);
        }
    }

    /// A piece was read.
    pub fn warmed(&mut self, piece: u32, now: Nanos, agenda: &mut Plan) {
        self.happen(Event::Warmed(piece, true), now, agenda);
    }

    /// A connection wrote a block.
    pub fn written(&mut self, key: PeerKey, block: Block, now: Nanos, agenda: &mut Plan) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        connection.writing = false;
        self.correct(key, false, now);
        self.watch.written(key, block);
        self.happen(Event::Written(key, block), now, agenda);
        self.write(key, now, agenda);
    }

    /// A peer acknowledged a block.
    pub fn acknowledged(&mut self, key: PeerKey, bytes: u32, now: Nanos, agenda: &mut Plan) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.buffered -= u64::from(bytes);
            self.write(key, now, agenda);
        }
    }

    pub fn tick(&mut self, now: Nanos, agenda: &mut Plan) {
        self.ticks += 1;
        let slow = self.ticks.is_multiple_of(SLOW_TICKS);
        if slow {
            let (wire, at) = self.measured;
            let seconds = (now - at) as f64 / SECOND as f64;
            self.rate = ((self.wire - wire) / seconds).max(0.0);
            self.measured = (self.wire, now);
        }
        if slow || !self.connections.is_empty() {
            let uplink = self.uplink();
            if slow {
                self.ask_for_proof(now);
            }
            self.swarm.tick(uplink, self.instant(now));
            self.act(now, agenda);
        }
        self.pump(now, agenda);
        self.watch.ticked(self.idle_since.is_some());
        agenda.put(now + TICK, Happening::Tick);
    }

    /// Asks one of those who show a full bitfield for a block, as the engine does.
    fn ask_for_proof(&mut self, now: Nanos) {
        if now < self.asks_at {
            return;
        }
        let sights = self.swarm.sights(self.instant(now));
        let unasked = |sight: &Sight| sight.full && !self.asked.contains(&sight.peer);
        let Some(sight) = sights.into_iter().find(unasked) else {
            return;
        };
        self.asks_at = now + ASK_EVERY;
        self.asked.insert(sight.peer);
        self.swarm.probe(sight.peer, now, self.instant(now));
    }

    /// The bucket may be open again.
    pub fn woke(&mut self, now: Nanos, agenda: &mut Plan) {
        if self.wakes_at.is_some_and(|at| at <= now) {
            self.wakes_at = None;
            self.pump(now, agenda);
        }
    }

    fn happen(&mut self, event: Event, now: Nanos, agenda: &mut Plan) {
        self.watch.events += 1;
        self.swarm.handle(event, self.instant(now));
        self.act(now, agenda);
        self.pump(now, agenda);
    }

    fn act(&mut self, now: Nanos, agenda: &mut Plan) {
        let mut spoken = None;
        let mut actions = 0;
        while let Some(action) = self.swarm.poll() {
            actions += 1;
            match action {
                Action::Say(key, said) => {
                    let fresh = spoken.replace(key) != Some(key);
                    let headers = if fresh { on_the_wire(1) - 1 } else { 0 };
                    self.say(key, said, headers, now, agenda);
                }
                Action::Unsend(key, piece) => {
                    self.watch.unsent(key, piece);
                    let Some(connection) = self.connections.get_mut(&key) else {
                        continue;
                    };
                    let (forgotten, kept): (VecDeque<(Block, usize)>, _) = connection
                        .handed
                        .iter()
                        .partition(|(block, _)| block.index == piece);
                    connection.handed = kept;
                    for (block, entry) in forgotten {
                        self.watch.stayed(entry);
                        agenda.put(now, Happening::Unsent(key, block));
                    }
                }
                Action::Close(key, offence) => {
                    self.watch.offences.push(offence);
                    if let Some(connection) = self.connections.remove(&key) {
                        self.watch.lost(key, now);
                        let at = now + connection.delay;
                        agenda.put(at, Happening::HungUp(connection.peer, key));
                        self.swarm.handle(Event::Left(key), self.instant(now));
                    }
                }
                Action::Warm(piece) => {
                    agenda.put(now + self.setup.disk, Happening::Warmed(piece));
                }
                Action::Met(_) | Action::Cool(_) => {}
                Action::Compare(key, ..) => {
                    let same = Event::Compared(key, Compared::Same);
                    self.swarm.handle(same, self.instant(now));
                }
                Action::Probed(addr, proof) => self.watch.proofs.push((addr, proof)),
            }
        }
        self.watch.most_actions = self.watch.most_actions.max(actions);
    }

    /// A connection forgot a block.
    pub fn unsent(&mut self, key: PeerKey, block: Block, now: Nanos, agenda: &mut Plan) {
        if self.connections.contains_key(&key) {
            self.watch.forgotten(key, block);
            self.happen(Event::Unsent(key, block), now, agenda);
        }
    }

    fn say(&mut self, key: PeerKey, said: Said, headers: u64, now: Nanos, agenda: &mut Plan) {
        self.watch.said(key, &said, now);
        let wire = (said.length() + headers) as f64;
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        connection.charged += wire;
        connection.sent += wire * (1.0 + self.setup.loss);
        self.wire += wire;
        self.shaper.charge(Some(self.hash), wire);
        self.watch.left(now, wire * (1.0 + self.setup.loss));
        let at = now + connection.delay;
        agenda.put(at, Happening::ToPeer(connection.peer, key, said));
    }

    fn correct(&mut self, key: PeerKey, last: bool, now: Nanos) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        if !last && now - connection.corrected < CORRECT_EVERY {
            return;
        }
        connection.corrected = now;
        let correction = connection.sent - connection.reported - connection.charged;
        connection.reported = connection.sent;
        connection.charged = 0.0;
        self.wire += correction;
        self.shaper.charge(Some(self.hash), correction);
    }

    /// Hands blocks to connections as long as the bucket is open and anybody wants some.
    fn pump(&mut self, now: Nanos, agenda: &mut Plan) {
        let instant = self.instant(now);
        loop {
            if let Some(opens) = self.shaper.opens_at(instant) {
                self.idle_since = None;
                // Timers of the runtime count milliseconds.
                let at = (opens - self.start).as_nanos() as Nanos;
                let at = at.div_ceil(MILLISECOND) * MILLISECOND;
                if self.wakes_at.is_none_or(|planned| at < planned) {
                    self.wakes_at = Some(at);
                    agenda.put(at, Happening::Wakes);
                }
                return;
            }
            let Some((key, block)) = self.swarm.next_block(instant) else {
                break;
            };
            if self.shaper.cap().is_none() {
                self.idle_since = None;
            }
            self.watch.handed(key, block);
            let wire = on_the_wire(u64::from(block.length) + 13) as f64;
            let entry = self.watch.left(now, wire * (1.0 + self.setup.loss));
            self.wire += wire;
            self.shaper.charge(Some(self.hash), wire);
            if let Some(connection) = self.connections.get_mut(&key) {
                connection.charged += wire;
                connection.handed.push_back((block, entry));
                self.write(key, now, agenda);
            }
        }
        match self.shaper.has_room(instant) && !self.swarm.waits_for_disk() {
            true => self.idle_since = self.idle_since.or(Some(instant)),
            false => self.idle_since = None,
        }
    }

    /// The connection's task and the kernel: blocks go into the buffer as long as there is room, and from there over
    /// the line.
    fn write(&mut self, key: PeerKey, now: Nanos, agenda: &mut Plan) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        while let Some((block, _)) = connection.handed.front().copied() {
            let length = u64::from(block.length);
            let full = connection.buffered > 0 && connection.buffered + length > SEND_BUFFER;
            if connection.writing || full {
                return;
            }
            connection.handed.pop_front();
            connection.buffered += length;
            let wire = on_the_wire(length + 13) as f64 * (1.0 + self.setup.loss);
            connection.sent += wire;
            let pace = self.setup.cap.filter(|cap| *cap < PACED_BELOW);
            let took = pace.map_or(0, |cap| length * SECOND / cap.max(1));
            connection.writing = true;
            agenda.put(now + took, Happening::Written(key, block));
            let out = self.line.pass(wire as u64, now + took);
            let at = out + connection.delay;
            agenda.put(at, Happening::Reaches(connection.peer, key, block));
        }
    }
}
