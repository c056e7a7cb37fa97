//! Peers that are asked for a block, by what they do.

use super::*;
use crate::base::{Content, InfoHash};
use crate::policy::offer::{Habits, Uplink};
use crate::seed::swarm::Event;
use crate::seed::torrent::Torrent;
use crate::seed::torrent::tests::torrent;
use crate::seed::wire::Heard;

const KEY: PeerKey = PeerKey(1);
const PIECES: u32 = 40;
const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    swarm: Swarm,
    now: Instant,
}

impl Bench {
    /// A peer that shows a full bitfield, in a torrent of 40 pieces of two blocks each.
    fn new() -> Self {
        let content = u64::from(PIECES) * 2 * u64::from(BLOCK_LENGTH);
        Self::of(torrent(&[content], 2 * BLOCK_LENGTH))
    }

    fn of(torrent: Torrent) -> Self {
        let now = Instant::now();
        let mut swarm = Swarm::new(torrent.into(), None);
        let pieces = swarm.torrent().pieces();
        let mut bits = vec![0xff; pieces.div_ceil(8) as usize];
        *bits.last_mut().unwrap() <<= bits.len() as u32 * 8 - pieces;
        let joined = Event::Joined {
            peer: KEY,
            addr: "192.0.2.1:6881".parse().unwrap(),
            outgoing: true,
            extended: false,
            habits: Habits::default(),
        };
        swarm.handle(joined, now);
        swarm.handle(Event::Heard(KEY, Heard::Bitfield(bits.into())), now);
        let mut bench = Self { swarm, now };
        bench.actions();
        bench
    }

    fn actions(&mut self) -> Vec<Action> {
        let actions: Vec<Action> = std::iter::from_fn(|| self.swarm.poll()).collect();
        for action in &actions {
            if let Action::Close(peer, _) = action {
                self.swarm.handle(Event::Left(*peer), self.now);
            }
        }
        actions
    }

    fn hear(&mut self, heard: Heard) -> Vec<Action> {
        self.swarm.handle(Event::Heard(KEY, heard), self.now);
        self.actions()
    }

    /// Begins a probe; the peer, which chokes us at first, unchokes us. Returns the block that it is asked for.
    fn asked(&mut self) -> Block {
        self.swarm.probe(KEY, 7 | 1 << 32, self.now);
        assert_eq!(self.actions(), [Action::Say(KEY, Said::Interested)]);
        request(&self.hear(Heard::Unchoke))
    }

    fn serve(&mut self, block: Block) -> Vec<Action> {
        let bytes = vec![0; block.length as usize].into();
        self.hear(Heard::Piece(block, Some(bytes)))
    }

    fn compared(&mut self, compared: Compared) -> Vec<Action> {
        self.swarm.handle(Event::Compared(KEY, compared), self.now);
        self.actions()
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        let uplink = Uplink {
            cap: None,
            rate: 0,
            idle_since: None,
        };
        self.swarm.tick(uplink, self.now);
        let mut actions = self.actions();
        // Slots are dealt as well.
        actions.retain(|action| !matches!(action, Action::Say(_, Said::Choke | Said::Unchoke)));
        actions
    }
}

fn request(actions: &[Action]) -> Block {
    match actions {
        [Action::Say(KEY, Said::Request(block))] => *block,
        other => panic!("no request: {other:?}"),
    }
}

fn proof(actions: &[Action]) -> Option<Proof> {
    actions.iter().find_map(|action| match action {
        Action::Probed(_, proof) => Some(*proof),
        _ => None,
    })
}

const NOT_INTERESTED: Action = Action::Say(KEY, Said::NotInterested);

#[test]
fn an_honest_seed_serves_one_block_and_is_proven() {
    let mut bench = Bench::new();
    let block = bench.asked();
    let expected = Block {
        index: 7,
        begin: BLOCK_LENGTH,
        length: BLOCK_LENGTH,
    };
    assert_eq!(block, expected);
    assert!(bench.swarm.is_probed(KEY));
    let actions = bench.serve(block);
    assert!(matches!(actions[..], [Action::Compare(KEY, compared, _)] if compared == block));
    let addr = "192.0.2.1:6881".parse().unwrap();
    let actions = bench.compared(Compared::Same);
    let proven = Action::Probed(addr, Proof::Proven);
    assert_eq!(actions, [NOT_INTERESTED, proven]);
    assert!(!bench.swarm.is_probed(KEY));
    // It is unchoked already the next time.
    bench.swarm.probe(KEY, 3, bench.now);
    let again = bench.actions();
    assert!(matches!(
        again[..],
        [
            Action::Say(_, Said::Interested),
            Action::Say(_, Said::Request(_))
        ]
    ));
}

#[test]
fn one_that_serves_junk_is_refuted_and_hung_up_on() {
    let mut bench = Bench::new();
    let block = bench.asked();
    bench.serve(block);
    assert!(bench.swarm.copies() >= 1.0);
    let actions = bench.compared(Compared::Different);
    assert_eq!(proof(&actions), Some(Proof::Refuted));
    let close = Action::Close(KEY, Offence::WrongBlock);
    assert_eq!(actions.last(), Some(&close));
    assert_eq!(bench.swarm.copies(), 0.0);
    assert!(
        !bench.swarm.offer.first_copy_is_out(),
        "it is not remembered as a holder"
    );
}

#[test]
fn one_that_chokes_for_ever_is_given_up() {
    let mut bench = Bench::new();
    bench.swarm.probe(KEY, 0, bench.now);
    bench.actions();
    assert!(bench.pass(UNCHOKE_PATIENCE - SECOND).is_empty());
    let actions = bench.pass(SECOND);
    assert_eq!(proof(&actions), Some(Proof::Refused));
    assert_eq!(actions[0], NOT_INTERESTED);
    assert!(bench.pass(UNCHOKE_PATIENCE).is_empty());
}

#[test]
fn one_that_serves_after_a_while_is_proven() {
    let mut bench = Bench::new();
    bench.swarm.probe(KEY, 0, bench.now);
    bench.actions();
    bench.pass(UNCHOKE_PATIENCE - SECOND);
    let block = request(&bench.hear(Heard::Unchoke));
    bench.pass(ANSWER_PATIENCE - SECOND);
    bench.serve(block);
    let actions = bench.compared(Compared::Same);
    assert_eq!(proof(&actions), Some(Proof::Proven));
}

#[test]
fn one_that_never_answers_is_given_up_and_may_answer_late() {
    let mut bench = Bench::new();
    let block = bench.asked();
    let actions = bench.pass(ANSWER_PATIENCE);
    assert_eq!(proof(&actions), Some(Proof::Refused));
    assert_eq!(actions[0], Action::Say(KEY, Said::Cancel(block)));
    // It crossed our CANCEL; once.
    assert!(bench.hear(Heard::Piece(block, None)).is_empty());
    let twice = bench.hear(Heard::Piece(block, None));
    assert_eq!(twice, [Action::Close(KEY, Offence::Unasked)]);
}

#[test]
fn what_was_not_asked_for_is_an_offence() {
    let unasked = [Action::Close(KEY, Offence::Unasked)];
    let any = Block {
        index: 0,
        begin: 0,
        length: BLOCK_LENGTH,
    };
    assert_eq!(Bench::new().hear(Heard::Piece(any, None)), unasked);
    // Another block than the one that was asked for: the connection keeps no bytes of it.
    let mut bench = Bench::new();
    let block = bench.asked();
    let other = Block { begin: 0, ..block };
    assert_eq!(bench.hear(Heard::Piece(other, None)), unasked);
    let mut bench = Bench::new();
    let block = bench.asked();
    let short = Block { length: 1, ..block };
    assert_eq!(bench.hear(Heard::Piece(short, None)), unasked);
    // A thousand of them: the first ends it.
    let mut bench = Bench::new();
    let block = bench.asked();
    bench.serve(block);
    let offences: usize = (0..1000).map(|_| bench.serve(block).len()).sum();
    assert_eq!((offences, bench.swarm.peers()), (1, 0));
}

#[test]
fn a_choke_between_is_borne_a_few_times() {
    let mut bench = Bench::new();
    let block = bench.asked();
    assert!(bench.hear(Heard::Choke).is_empty());
    assert_eq!(request(&bench.hear(Heard::Unchoke)), block);
    bench.serve(block);
    assert_eq!(
        proof(&bench.compared(Compared::Same)),
        Some(Proof::Proven),
        "it was only busy"
    );
    let mut bench = Bench::new();
    bench.asked();
    let mut requests = 1;
    let refused = (0..1000).find_map(|_| {
        bench.hear(Heard::Choke);
        let actions = bench.hear(Heard::Unchoke);
        let asks = |action: &&Action| matches!(action, Action::Say(_, Said::Request(_)));
        requests += actions.iter().filter(asks).count();
        proof(&actions)
    });
    assert_eq!((refused, requests), (Some(Proof::Refused), 4));
}

#[test]
fn one_that_lacks_something_is_not_asked() {
    let mut bench = Bench::new();
    let joined = Event::Joined {
        peer: PeerKey(2),
        addr: "192.0.2.2:6881".parse().unwrap(),
        outgoing: true,
        extended: false,
        habits: Habits::default(),
    };
    bench.swarm.handle(joined, bench.now);
    bench.actions();
    bench.swarm.probe(PeerKey(2), 0, bench.now);
    assert!(bench.actions().is_empty() && !bench.swarm.is_probed(PeerKey(2)));
    // Nor is anybody asked twice at a time.
    bench.asked();
    bench.swarm.probe(KEY, 0, bench.now);
    assert!(bench.actions().is_empty());
}

#[test]
fn one_that_goes_takes_its_probe_along() {
    let mut bench = Bench::new();
    let block = bench.asked();
    bench.serve(block);
    bench.swarm.handle(Event::Left(KEY), bench.now);
    assert!(bench.compared(Compared::Different).is_empty());
    assert!(bench.pass(UNCHOKE_PATIENCE).is_empty());
}

/// A torrent whose one piece of `length` zeros, or whose hash is another's.
fn zeros(length: u32, honest: bool) -> Torrent {
    let mut hash = Sha1::new();
    hash.update(&vec![if honest { 0 } else { 1 }; length as usize]);
    let pieces = hash.finish();
    let mut info = b"d6:pieces20:".to_vec();
    info.extend(pieces);
    info.push(b'e');
    let content = Content {
        root: "/nowhere".into(),
        files: vec![crate::base::ContentFile {
            path: "".into(),
            length: length.into(),
            identity: None,
        }],
    };
    Torrent::new(InfoHash([1; 20]), info.into(), length, content, false)
}

/// Our own file cannot be read; plays on until the whole piece was served. Returns the requests and what came of them.
fn whole_piece(honest: bool) -> (usize, Option<Proof>) {
    let mut bench = Bench::of(zeros(5 * BLOCK_LENGTH, honest));
    let mut block = bench.asked();
    bench.serve(block);
    let mut actions = bench.compared(Compared::Unreadable);
    let mut requests = 0;
    while proof(&actions).is_none() {
        block = request(&actions);
        assert_eq!(block.begin, requests as u32 * BLOCK_LENGTH, "in order");
        requests += 1;
        actions = bench.serve(block);
    }
    (requests, proof(&actions))
}

#[test]
fn without_our_own_file_the_whole_piece_is_held_against_its_hash() {
    assert_eq!(whole_piece(true), (5, Some(Proof::Proven)));
    assert_eq!(whole_piece(false), (5, Some(Proof::Refuted)));
    // Not where that would be a download.
    let mut bench = Bench::of(zeros(MAX_PIECE + 1, true));
    let block = bench.asked();
    bench.serve(block);
    let actions = bench.compared(Compared::Unreadable);
    assert_eq!(proof(&actions), Some(Proof::Unknown));
}

#[test]
fn a_disk_that_does_not_answer_is_done_without() {
    let mut bench = Bench::of(zeros(2 * BLOCK_LENGTH, true));
    let block = bench.asked();
    bench.serve(block);
    let first = request(&bench.pass(READ_PATIENCE));
    // The disk answers after all: too late to count.
    assert!(bench.compared(Compared::Different).is_empty());
    let second = request(&bench.serve(first));
    assert_eq!(proof(&bench.serve(second)), Some(Proof::Proven));
}
