//! The swarm's invariants, after every step of random and hostile sequences of events. Whoever comes does whatever the
//! wire lets it do, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::seed::torrent::tests::torrent;
use crate::seed::wire::REQUEST_QUEUE;

const BLOCK: u32 = 16 << 10;
const PIECES: u32 = 24;
/// Peers that come and go under these keys, each time as somebody new.
const SEATS: u64 = 6;

#[derive(Debug, Clone)]
enum Step {
    Join {
        seat: u64,
        slow: bool,
    },
    Leave(u64),
    Hear(u64, Heard),
    /// It asks for all of a piece.
    AskFor(u64, u32),
    /// It asks for everything that was announced to it.
    AskForAll(u64),
    /// The connection asks for what is next, as long as there is something.
    Serve(usize),
    /// A block that was handed over is written, or forgotten.
    Report {
        which: usize,
        written: bool,
    },
    /// A piece of the metadata that was handed over is written.
    MetadataWritten {
        which: usize,
    },
    /// The disk answers for a piece.
    Read {
        which: usize,
        readable: bool,
    },
    Pass {
        millis: u64,
        idle: bool,
    },
    Silence(bool),
    Generous(bool),
    /// It is to be asked for a block, if it says that it holds everything.
    Probe(u64, u64),
    /// It serves what it was asked for last.
    Answer(u64),
    /// Our disk answers about what one served.
    Compare {
        which: usize,
        compared: Compared,
    },
}

fn heard() -> impl Strategy<Value = Heard> {
    let bytes = PIECES.div_ceil(8) as usize;
    let upload_only = Hello {
        upload_only: Some(true),
        metadata_id: Some(2),
        pex_id: Some(1),
        port: Some(1),
        ..Hello::default()
    };
    let block =
        (0..PIECES + 1, 0..3u32, prop::bool::weighted(0.9)).prop_map(|(index, at, whole)| Block {
            index,
            begin: at * BLOCK,
            length: if whole { BLOCK } else { BLOCK / 2 },
        });
    prop_oneof![
        4 => (0..PIECES + 1).prop_map(Heard::Have),
        1 => prop::collection::vec(any::<u8>(), bytes..bytes + 2).prop_map(|b| Heard::Bitfield(b.into())),
        2 => Just(Heard::Interested),
        2 => Just(Heard::NotInterested),
        4 => block.clone().prop_map(Heard::Request),
        2 => block.clone().prop_map(Heard::Cancel),
        1 => block.prop_map(|block| Heard::Piece(block, None)),
        2 => Just(Heard::Bitfield(vec![0xff; bytes].into())),
        2 => Just(Heard::Choke),
        4 => Just(Heard::Unchoke),
        1 => Just(Heard::Hello(upload_only)),
        1 => (0..4u32).prop_map(Heard::MetadataRequest),
    ]
}

fn compared() -> impl Strategy<Value = Compared> {
    prop_oneof![
        Just(Compared::Same),
        Just(Compared::Different),
        Just(Compared::Unreadable)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let seat = 0..SEATS;
    prop_oneof![
        3 => (seat.clone(), any::<bool>()).prop_map(|(seat, slow)| Step::Join { seat, slow }),
        1 => seat.clone().prop_map(Step::Leave),
        8 => (seat.clone(), heard()).prop_map(|(seat, heard)| Step::Hear(seat, heard)),
        4 => (seat.clone(), 0..PIECES).prop_map(|(seat, piece)| Step::AskFor(seat, piece)),
        6 => seat.clone().prop_map(Step::AskForAll),
        4 => (seat.clone(), any::<u64>()).prop_map(|(seat, dice)| Step::Probe(seat, dice)),
        4 => seat.prop_map(Step::Answer),
        4 => (any::<usize>(), compared()).prop_map(|(which, compared)| Step::Compare { which, compared }),
        6 => (1..12usize).prop_map(Step::Serve),
        8 => (any::<usize>(), prop::bool::weighted(0.9))
            .prop_map(|(which, written)| Step::Report { which, written }),
        4 => any::<usize>().prop_map(|which| Step::MetadataWritten { which }),
        6 => (any::<usize>(), prop::bool::weighted(0.95))
            .prop_map(|(which, readable)| Step::Read { which, readable }),
        5 => (1..20_000u64, any::<bool>()).prop_map(|(millis, idle)| Step::Pass { millis, idle }),
        1 => any::<bool>().prop_map(Step::Silence),
        1 => any::<bool>().prop_map(Step::Generous),
    ]
}

/// A swarm, and what happened to it as those around it know.
struct Bench {
    swarm: Swarm,
    now: Instant,
    seats: BTreeMap<u64, PeerKey>,
    next_key: u64,
    announced: BTreeMap<PeerKey, BTreeSet<u32>>,
    handed: Vec<(PeerKey, Block)>,
    /// Who was handed a piece of the metadata.
    told: Vec<PeerKey>,
    reading: Vec<u32>,
    /// What each was asked for last, and who waits for our disk.
    asked: BTreeMap<PeerKey, Block>,
    comparing: Vec<PeerKey>,
}

impl Bench {
    fn new() -> Self {
        let content = u64::from(PIECES) * 2 * u64::from(BLOCK);
        let torrent = Arc::new(torrent(&[content], 2 * BLOCK));
        Self {
            swarm: Swarm::new(torrent, Some(6881)),
            now: Instant::now(),
            seats: BTreeMap::new(),
            next_key: 0,
            announced: BTreeMap::new(),
            handed: Vec::new(),
            told: Vec::new(),
            reading: Vec::new(),
            asked: BTreeMap::new(),
            comparing: Vec::new(),
        }
    }

    fn handle(&mut self, event: Event) {
        self.swarm.handle(event, self.now);
    }

    fn hear(&mut self, seat: u64, heard: Heard) {
        if let Some(peer) = self.seats.get(&seat).copied() {
            self.handle(Event::Heard(peer, heard));
        }
    }

    fn leave(&mut self, seat: u64) {
        if let Some(peer) = self.seats.remove(&seat) {
            self.handed.retain(|(key, _)| *key != peer);
            self.told.retain(|key| *key != peer);
            self.announced.remove(&peer);
            self.handle(Event::Left(peer));
        }
    }

    fn ask(&mut self, seat: u64, index: u32) {
        for begin in [0, BLOCK] {
            let length = BLOCK;
            self.hear(
                seat,
                Heard::Request(Block {
                    index,
                    begin,
                    length,
                }),
            );
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Join { seat, slow } => {
                self.leave(seat);
                let peer = PeerKey(self.next_key);
                self.next_key += 1;
                self.seats.insert(seat, peer);
                self.announced.insert(peer, BTreeSet::new());
                self.handle(Event::Joined {
                    peer,
                    addr: SocketAddr::from(([192, 0, 2, seat as u8], 40_000)),
                    outgoing: false,
                    extended: true,
                    habits: match slow {
                        true => Habits {
                            looks_every: Duration::from_secs(5),
                            keeps_requests: true,
                        },
                        false => Habits::default(),
                    },
                });
            }
            Step::Leave(seat) => self.leave(seat),
            Step::Hear(seat, heard) => self.hear(seat, heard),
            Step::AskFor(seat, piece) => self.ask(seat, piece),
            Step::AskForAll(seat) => {
                let peer = self.seats.get(&seat);
                let announced = peer.and_then(|peer| self.announced.get(peer)).cloned();
                let announced = announced.unwrap_or_default();
                announced
                    .into_iter()
                    .for_each(|piece| self.ask(seat, piece));
            }
            Step::Serve(times) => {
                for _ in 0..times {
                    let promised = self.swarm.has_next();
                    let next = self.swarm.next(self.now);
                    assert_eq!(next.is_some(), promised);
                    match next {
                        Some(Next::Block(peer, block)) => self.handed.push((peer, block)),
                        Some(Next::Metadata(peer, _)) => self.told.push(peer),
                        None => {}
                    }
                }
            }
            Step::Report { which, written } if !self.handed.is_empty() => {
                let (peer, block) = self.handed.remove(which % self.handed.len());
                self.handle(match written {
                    true => Event::Written(peer, block),
                    false => Event::Unsent(peer, block),
                });
            }
            Step::MetadataWritten { which } if !self.told.is_empty() => {
                let peer = self.told.remove(which % self.told.len());
                self.handle(Event::MetadataWritten(peer));
            }
            Step::Read { which, readable } if !self.reading.is_empty() => {
                let piece = self.reading.remove(which % self.reading.len());
                self.handle(Event::Warmed(piece, readable));
            }
            Step::Probe(seat, dice) => {
                if let Some(peer) = self.seats.get(&seat) {
                    self.swarm.probe(*peer, dice, self.now);
                }
            }
            Step::Answer(seat) => {
                let peer = self.seats.get(&seat);
                let asked = peer.and_then(|peer| self.asked.get(peer)).copied();
                if let Some(block) = asked {
                    let bytes = vec![0; block.length as usize].into();
                    self.hear(seat, Heard::Piece(block, Some(bytes)));
                }
            }
            Step::Compare { which, compared } if !self.comparing.is_empty() => {
                let peer = self.comparing.remove(which % self.comparing.len());
                self.handle(Event::Compared(peer, compared));
            }
            Step::Report { .. }
            | Step::MetadataWritten { .. }
            | Step::Read { .. }
            | Step::Compare { .. } => {}
            Step::Pass { millis, idle } => {
                let before = self.now;
                self.now += Duration::from_millis(millis);
                let uplink = Uplink {
                    cap: Some(1 << 20),
                    rate: 1 << 19,
                    idle_since: idle.then_some(before),
                };
                self.swarm.tick(uplink, self.now);
            }
            Step::Generous(generous) => self.swarm.set_generous(generous),
            Step::Silence(silent) => self.swarm.set_silent(silent, self.now),
        }
        self.obey();
    }

    /// Does what the swarm wants done; returns how much that was.
    fn obey(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.swarm.poll() {
            actions += 1;
            match action {
                Action::Say(peer, Said::Have(piece)) => {
                    assert!(!self.swarm.silent, "an offer of a silent swarm");
                    let announced = self.announced.get_mut(&peer);
                    announced.expect("an offer to a living peer").insert(piece);
                }
                Action::Close(peer, _) => {
                    let seat = self.seats.iter().find(|(_, key)| **key == peer);
                    if let Some(seat) = seat.map(|(seat, _)| *seat) {
                        self.leave(seat);
                    }
                }
                Action::Warm(piece) => self.reading.push(piece),
                Action::Say(peer, Said::Request(block)) => {
                    assert!(self.swarm.torrent.has_block(block));
                    assert!(!self.swarm.peers[&peer].chokes_us, "it would not serve us");
                    self.asked.insert(peer, block);
                }
                Action::Compare(peer, block, _) => {
                    assert_eq!(self.asked[&peer], block);
                    self.comparing.push(peer);
                }
                _ => {}
            }
        }
        let bound = 8 * (SEATS as usize + PIECES as usize);
        assert!(actions <= bound, "{actions} actions at once");
    }

    fn check(&self) {
        let swarm = &self.swarm;
        assert_eq!(swarm.peers(), self.seats.len());
        let probed = swarm.peers.iter().filter(|(_, peer)| peer.probe.is_some());
        let probed: BTreeSet<PeerKey> = probed.map(|(key, _)| *key).collect();
        assert_eq!(swarm.probing, probed);
        for (key, peer) in &swarm.peers {
            assert!(peer.queue.len() <= REQUEST_QUEUE);
            assert!(peer.aside.len() <= REQUEST_QUEUE);
            let kept = peer.habits.keeps_requests || !peer.choked;
            assert!(kept || peer.aside.is_empty());
            assert!(!peer.choked || peer.queue.is_empty(), "{key:?} is choked");
            assert_eq!(swarm.ready.contains(key), !peer.queue.is_empty());
            let handed = self.handed.iter().filter(|(to, _)| to == key);
            let handed: u32 = handed.map(|(_, block)| block.length).sum();
            assert_eq!(peer.in_flight, handed);
            assert!(handed < IN_FLIGHT + BLOCK);
            let waits = swarm.metadata.waiting.iter().filter(|waits| *waits == key);
            let turns = usize::from(!peer.metadata_queue.is_empty());
            assert_eq!(waits.count(), turns, "{key:?} has one turn at a time");
            let told = self.told.iter().filter(|to| *to == key).count();
            assert_eq!(peer.metadata_under_way as usize, told);
            assert!(told <= 2);
            for block in &peer.queue {
                let may = swarm.offer.may_serve(*key, block.index);
                assert!(may, "{key:?} has {block:?} in its queue");
                assert!(self.announced[key].contains(&block.index));
            }
        }
        assert!(swarm.ready.iter().all(|key| swarm.peers.contains_key(key)));
        let handed = self.handed.iter().map(|(_, block)| u64::from(block.length));
        assert_eq!(swarm.in_flight, handed.sum::<u64>());
        assert!(swarm.metadata.waiting.len() <= swarm.peers.len());
        assert_eq!(swarm.metadata.under_way as usize, self.told.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        rng_seed: RngSeed::Fixed(5),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn hold_after_every_event(steps in prop::collection::vec(step(), 1..200)) {
        let mut bench = Bench::new();
        for step in steps {
            bench.take(step);
            bench.check();
        }
    }
}
