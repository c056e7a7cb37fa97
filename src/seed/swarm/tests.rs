use super::super::torrent::tests::torrent;
use super::*;

mod again;
mod aside;
mod metadata;
mod named;
use std::net::IpAddr;
use std::time::Duration;

const BLOCK: u32 = 16 << 10;

struct Bench {
    swarm: Swarm,
    now: Instant,
    /// Where the next ones come from, if not from a place of their own.
    from: Option<IpAddr>,
}

impl Bench {
    /// A swarm of 40 pieces of two blocks each.
    fn new() -> Self {
        let torrent = Arc::new(torrent(&[40 * 2 * u64::from(BLOCK)], 2 * BLOCK));
        let swarm = Swarm::new(torrent, Some(6881));
        let now = Instant::now();
        let from = None;
        Self { swarm, now, from }
    }

    fn join(&mut self, key: u64) -> Vec<Action> {
        self.join_as(key, Habits::default())
    }

    fn join_as(&mut self, key: u64, habits: Habits) -> Vec<Action> {
        let own = IpAddr::from([192, 0, 2, key as u8]);
        let addr = SocketAddr::new(self.from.unwrap_or(own), 40_000);
        let joined = Event::Joined {
            peer: PeerKey(key),
            addr,
            outgoing: false,
            extended: true,
            habits,
        };
        self.swarm.handle(joined, self.now);
        let hello = Hello {
            metadata_id: Some(2),
            pex_id: Some(1),
            port: Some(51_413),
            ..Hello::default()
        };
        let mut actions = self.actions();
        actions.extend(self.hear(key, Heard::Hello(hello)));
        actions
    }

    fn hear(&mut self, key: u64, heard: Heard) -> Vec<Action> {
        self.swarm
            .handle(Event::Heard(PeerKey(key), heard), self.now);
        self.actions()
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.swarm.poll()).collect()
    }

    fn next_block(&mut self) -> Option<(PeerKey, Block)> {
        self.swarm.next_block(self.now)
    }

    /// What a peer asks for; the disk answers at once.
    fn request(&mut self, key: u64, index: u32, begin: u32) -> Vec<Action> {
        let block = Block {
            index,
            begin,
            length: BLOCK,
        };
        let actions = self.hear(key, Heard::Request(block));
        for action in &actions {
            if let Action::Warm(piece) = action {
                self.swarm.handle(Event::Warmed(*piece, true), self.now);
            }
        }
        actions
    }
}

fn haves(actions: &[Action], key: u64) -> Vec<u32> {
    let have = |action: &Action| match action {
        Action::Say(peer, Said::Have(piece)) if *peer == PeerKey(key) => Some(*piece),
        _ => None,
    };
    actions.iter().filter_map(have).collect()
}

#[test]
fn a_newcomer_hears_a_hello_and_an_offer_and_never_a_bitfield() {
    let mut bench = Bench::new();
    let actions = bench.join(1);
    assert!(matches!(
        actions[0],
        Action::Say(
            _,
            Said::Hello {
                port: Some(6881),
                metadata_size: 40_000,
                ..
            }
        )
    ));
    assert!(actions.contains(&Action::Say(PeerKey(1), Said::Unchoke)));
    assert!(!haves(&actions, 1).is_empty());
}

#[test]
fn only_offered_pieces_are_served_in_the_order_asked() {
    let mut bench = Bench::new();
    let offered = haves(&bench.join(1), 1);
    bench.request(1, offered[0], 0);
    bench.request(1, offered[0], BLOCK);
    bench.request(1, offered[0], BLOCK);
    bench.request(1, 39, 0);
    let served: Vec<_> = std::iter::from_fn(|| bench.next_block()).collect();
    let begins: Vec<_> = served.iter().map(|(_, b)| (b.index, b.begin)).collect();
    assert_eq!(begins, [(offered[0], 0), (offered[0], BLOCK)]);
}

#[test]
fn no_more_is_handed_over_than_the_window_until_it_is_written() {
    let mut bench = Bench::new();
    let offered = haves(&bench.join(1), 1);
    for piece in &offered {
        bench.request(1, *piece, 0);
        bench.request(1, *piece, BLOCK);
    }
    let first = bench.next_block().unwrap();
    bench.next_block().unwrap();
    assert_eq!(bench.next_block(), None);
    bench
        .swarm
        .handle(Event::Written(first.0, first.1), bench.now);
    assert!(bench.next_block().is_some());
    assert_eq!(bench.swarm.payload(), u64::from(BLOCK));
}

#[test]
fn nothing_is_handed_over_before_it_was_read_and_unreadable_pieces_are_forgotten() {
    let mut bench = Bench::new();
    let offered = haves(&bench.join(1), 1);
    let block = Block {
        index: offered[0],
        begin: 0,
        length: BLOCK,
    };
    assert_eq!(
        bench.hear(1, Heard::Request(block)),
        [Action::Warm(offered[0])]
    );
    assert_eq!(bench.next_block(), None);
    bench
        .swarm
        .handle(Event::Warmed(offered[0], true), bench.now);
    assert_eq!(bench.next_block(), Some((PeerKey(1), block)));
    let other = Block {
        index: offered[1],
        ..block
    };
    assert_eq!(
        bench.hear(1, Heard::Request(other)),
        [Action::Warm(offered[1])]
    );
    bench
        .swarm
        .handle(Event::Warmed(offered[1], false), bench.now);
    assert_eq!(bench.next_block(), None);
    bench.now += Duration::from_secs(60);
    let uplink = bench.swarm.uplink;
    bench.swarm.tick(uplink, bench.now);
    assert!(bench.actions().contains(&Action::Cool(offered[0])));
}

#[test]
fn cancel_and_not_interested_are_honoured() {
    let mut bench = Bench::new();
    let offered = haves(&bench.join(1), 1);
    bench.request(1, offered[0], 0);
    bench.request(1, offered[0], BLOCK);
    bench.hear(
        1,
        Heard::Cancel(Block {
            index: offered[0],
            begin: 0,
            length: BLOCK,
        }),
    );
    assert_eq!(bench.next_block().unwrap().1.begin, BLOCK);
    bench.request(1, offered[0], 0);
    bench.hear(1, Heard::NotInterested);
    assert_eq!(bench.next_block(), None);
}

#[test]
fn offences_end_the_connection() {
    let mut bench = Bench::new();
    bench.join(1);
    let block = Block {
        index: 0,
        begin: 0,
        length: 1 << 30,
    };
    for (heard, offence) in [
        (Heard::Have(40), Offence::BadPiece),
        (Heard::Bitfield(Box::new([0])), Offence::BadBitfield),
        (Heard::Request(block), Offence::BadRequest),
        (Heard::Piece(block, None), Offence::Unasked),
    ] {
        assert!(
            bench
                .hear(1, heard)
                .contains(&Action::Close(PeerKey(1), offence))
        );
    }
}

#[test]
fn peers_are_told_of_one_another_once_and_of_departures() {
    let mut bench = Bench::new();
    bench.join(1);
    bench.join(2);
    let uplink = bench.swarm.uplink;
    bench.swarm.tick(uplink, bench.now);
    let told = |actions: &[Action]| -> Vec<(PeerKey, usize, usize)> {
        let pex = |action: &Action| match action {
            Action::Say(peer, Said::Peers { added, dropped, .. }) => {
                Some((*peer, added.len(), dropped.len()))
            }
            _ => None,
        };
        actions.iter().filter_map(pex).collect()
    };
    let actions = bench.actions();
    assert_eq!(told(&actions), [(PeerKey(1), 1, 0), (PeerKey(2), 1, 0)]);
    bench.join(3);
    bench.swarm.handle(Event::Left(PeerKey(2)), bench.now);
    bench.now += Duration::from_secs(60);
    bench.swarm.tick(uplink, bench.now);
    let actions = bench.actions();
    assert_eq!(told(&actions), [(PeerKey(1), 1, 1), (PeerKey(3), 1, 0)]);
}

#[test]
fn in_a_crowd_each_is_told_of_some_and_everybody_of_somebody() {
    let mut bench = Bench::new();
    (1..=200).for_each(|key| {
        bench.join(key);
    });
    let uplink = Uplink {
        cap: None,
        rate: 0,
        idle_since: None,
    };
    let mut told: BTreeMap<PeerKey, BTreeSet<SocketAddr>> = BTreeMap::new();
    for _ in 0..5 {
        bench.swarm.tick(uplink, bench.now);
        for action in bench.actions() {
            if let Action::Say(peer, Said::Peers { added, .. }) = action {
                let added = added.into_iter().map(|(addr, _)| addr);
                told.entry(peer).or_default().extend(added);
            }
        }
        bench.now += Duration::from_secs(60);
    }
    assert_eq!(told.len(), 200);
    assert!(told.values().all(|told| told.len() == 100));
    let named: BTreeSet<SocketAddr> = told.into_values().flatten().collect();
    assert_eq!(named.len(), 200);
}

#[test]
fn what_was_heard_together_is_decided_together() {
    let mut bench = Bench::new();
    let offered = haves(&bench.join(1), 1);
    let now = bench.now;
    for piece in &offered {
        let heard = Event::Heard(PeerKey(1), Heard::Have(*piece));
        bench.swarm.handle(heard, now);
    }
    let next = haves(&bench.actions(), 1);
    assert!(!next.is_empty() && next.iter().all(|piece| !offered.contains(piece)));
    assert_eq!(bench.actions(), [], "once is enough");
}

#[test]
fn who_asks_wants_something_whatever_it_said_before() {
    let mut bench = Bench::new();
    // One that looks seldom is offered all there is at once.
    let habits = Habits {
        looks_every: Duration::from_secs(5),
        ..Habits::default()
    };
    let offered = haves(&bench.join_as(1, habits), 1);
    assert_eq!(offered.len(), 40);
    bench.hear(1, Heard::NotInterested);
    bench.request(1, offered[0], 0);
    bench.now += Duration::from_secs(1);
    bench.join(2);
    bench.hear(2, Heard::Bitfield(vec![0xff; 5].into()));
    bench.swarm.tick(bench.swarm.uplink, bench.now);
    bench.join(3);
    // All that it lacks is to be had elsewhere; it is not taken to have it.
    let (_, block) = bench.next_block().expect("what it asked for");
    assert!(bench.swarm.offer.may_serve(PeerKey(1), block.index));
}

#[test]
fn a_silent_swarm_gives_metadata_and_no_payload() {
    let mut bench = Bench::new();
    let offered = haves(&bench.join(1), 1);
    bench.request(1, offered[0], 0);
    bench.swarm.set_silent(true, bench.now);
    assert_eq!(bench.actions(), [Action::Say(PeerKey(1), Said::Choke)]);
    assert_eq!(bench.next_block(), None);
    bench.request(1, offered[0], 0);
    assert_eq!(bench.next_block(), None);
    assert_eq!(bench.hear(1, Heard::MetadataRequest(0)), []);
    let next = bench.swarm.next(bench.now);
    assert!(matches!(next, Some(Next::Metadata(PeerKey(1), _))));
    assert!(haves(&bench.join(2), 2).is_empty());
}

#[test]
fn a_swarm_that_is_back_does_not_count_on_those_who_left() {
    let mut bench = Bench::new();
    bench.join(1);
    bench.hear(1, Heard::Bitfield(vec![0xff; 5].into()));
    bench.swarm.set_silent(true, bench.now);
    bench.swarm.handle(Event::Left(PeerKey(1)), bench.now);
    assert!(haves(&bench.join(2), 2).is_empty());
    // Longer than it may take him to be back.
    bench.now += Duration::from_secs(5);
    bench.swarm.set_silent(false, bench.now);
    let actions = bench.actions();
    assert!(!haves(&actions, 2).is_empty(), "{actions:?}");
    assert!(actions.contains(&Action::Say(PeerKey(2), Said::Unchoke)));
}

#[test]
fn what_is_written_and_what_is_announced_make_a_relay() {
    let mut bench = Bench::new();
    let mut offered = haves(&bench.join(1), 1);
    let mut served = 0;
    // The peer never announces what it got from us, as librqbit does not.
    while let Some(piece) = offered.pop() {
        for begin in [0, BLOCK] {
            bench.request(1, piece, begin);
            let (peer, block) = bench.next_block().expect("what was asked for");
            bench.swarm.handle(Event::Written(peer, block), bench.now);
            served += 1;
        }
        let actions = bench.actions();
        offered.extend(haves(&actions, 1));
    }
    assert_eq!(served, 80, "every block once");
    let sight = bench.swarm.sight(PeerKey(1), bench.now).unwrap();
    assert!(sight.full && sight.earned, "{sight:?}");
    assert_eq!(sight.addr.port(), 51_413);
    assert_eq!(bench.swarm.copies(), 1.0);
}
