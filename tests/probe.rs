//! Who says that he holds everything is asked for a block: real clients prove it, whatever they are, and fakes do not.

mod common;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::clients::{Kind, Limits, Link, wait_complete};
use common::content::Tree;
use common::origin::{Figures, Options, Seed, create};
use common::torrent::Torrent;
use common::tracker::Tracker;
use common::wire::{FakePeer, hash_bytes};

const DOWNLOAD_BOUND: Duration = Duration::from_secs(120);
/// From a client's last piece, or its first sight, to the block that it serves: clients deal their slots every ten to
/// thirty seconds, and find one another when their tracker is asked next.
const PROOF_BOUND: Duration = Duration::from_secs(150);
/// What a fake does within its connection is seen in this.
const SIGHT_BOUND: Duration = Duration::from_secs(30);

fn proven(figures: &Figures) -> u64 {
    figures.line["proven"].as_u64().expect("a number")
}

fn relays(figures: &Figures) -> u64 {
    figures.line["relays"].as_u64().expect("a number")
}

/// A content, its torrent, and the box's options for it.
struct Stage {
    tree: Tree,
    torrent: Torrent,
    path: PathBuf,
    tracker: Tracker,
}

impl Stage {
    fn set(dir: &Path) -> Self {
        let tree = Tree::file("film.mkv", (3 << 20) + 5, 41);
        let path = dir.join("film.torrent");
        let tracker = Tracker::start();
        let torrent = create(tree.root(), &path, &["--tracker", &tracker.url()]);
        Self {
            tree,
            torrent,
            path,
            tracker,
        }
    }

    fn start(&self) -> Seed {
        let options = Options {
            torrent: Some(self.path.clone()),
            ..Options::default()
        };
        let seed = Seed::start(self.tree.root(), &options);
        let hash = hash_bytes(&self.torrent.info_hash);
        let addr = seed.addr.parse().expect("an address");
        self.tracker.introduce(&hash, addr);
        seed
    }
}

/// A client downloads from the box, stays, and is asked.
fn is_proven_to_its_origin(kind: Kind) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let stage = Stage::set(dir.path());
    let mut seed = stage.start();
    let mut client = kind.start(&Link::Torrent(stage.path.clone()), Limits::default());
    wait_complete(&mut *client, DOWNLOAD_BOUND);
    let start = Instant::now();
    seed.wait_figures("it proved it", PROOF_BOUND, |f| proven(f) == 1);
    println!(
        "{kind:?}: proven {:?} after its last piece",
        start.elapsed()
    );
}

/// A box meets a client that has everything already.
fn is_proven_to_a_stranger(kind: Kind) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let stage = Stage::set(dir.path());
    let mut origin = stage.start();
    let mut client = kind.start(&Link::Torrent(stage.path.clone()), Limits::default());
    wait_complete(&mut *client, DOWNLOAD_BOUND);
    origin.terminate();
    let mut seed = stage.start();
    let start = Instant::now();
    let figures = seed.wait_figures("it proved it", PROOF_BOUND, |f| proven(f) == 1);
    println!("{kind:?}: proven after {:?}", start.elapsed());
    assert_eq!(figures.payload, 0, "it lacks nothing");
}

#[test]
fn transmission_is_proven_to_its_origin() {
    is_proven_to_its_origin(Kind::Transmission);
}

#[test]
fn aria2_is_proven_to_its_origin() {
    is_proven_to_its_origin(Kind::Aria2);
}

#[test]
fn libtorrent_is_proven_to_its_origin() {
    is_proven_to_its_origin(Kind::Libtorrent);
}

/// It hangs up as soon as it has everything, and is found where its tracker says.
#[test]
fn librqbit_is_proven_to_its_origin() {
    is_proven_to_its_origin(Kind::Librqbit);
}

// Transmission 3.00 takes whoever comes from an address for a seed once one there announced everything to it, and chokes
// seeds: of the two boxes of these tests, which are at one address, the second is never served.

#[test]
fn aria2_is_proven_to_a_stranger() {
    is_proven_to_a_stranger(Kind::Aria2);
}

#[test]
fn libtorrent_is_proven_to_a_stranger() {
    is_proven_to_a_stranger(Kind::Libtorrent);
}

#[test]
fn librqbit_is_proven_to_a_stranger() {
    is_proven_to_a_stranger(Kind::Librqbit);
}

/// A peer that says it holds everything, and the box that it says so to.
struct Fake {
    seed: Seed,
    peer: FakePeer,
    content: Vec<u8>,
    piece_length: usize,
    _stage: (Stage, tempfile::TempDir),
}

impl Fake {
    /// It came, showed a full bitfield, and was told that the box is interested.
    fn come() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let stage = Stage::set(dir.path());
        let seed = stage.start();
        let addr: SocketAddr = seed.addr.parse().expect("an address");
        let hash = hash_bytes(&seed.info_hash);
        let mut peer = FakePeer::handshake(addr, hash).expect("it is let in");
        let pieces = stage.torrent.pieces();
        let mut bits = vec![0xff; pieces.div_ceil(8) as usize];
        let spare = bits.len() as u32 * 8 - pieces;
        *bits.last_mut().expect("a piece") <<= spare;
        peer.send(5, &bits).expect("it is heard");
        // Where it listens, so that the box need not wait for that.
        peer.send(20, b"\0d1:md6:ut_pexi1ee1:pi6881ee")
            .expect("it is heard");
        let mut fake = Self {
            seed,
            peer,
            content: std::fs::read(stage.tree.root()).expect("the content"),
            piece_length: stage.torrent.piece_length as usize,
            _stage: (stage, dir),
        };
        fake.hear(2);
        fake
    }

    /// The next message with this number.
    fn hear(&mut self, id: u8) -> Vec<u8> {
        loop {
            let message = self.peer.receive().expect("the box goes on speaking");
            if message.id == id {
                return message.payload;
            }
        }
    }

    fn unchoke(&mut self) -> Vec<u8> {
        self.peer.send(1, &[]).expect("it is heard");
        self.hear(6)
    }

    /// The answer to a request, true or not.
    fn answer(&self, request: &[u8], honest: bool) -> Vec<u8> {
        let number = |at: usize| {
            let bytes = request[at..at + 4].try_into().expect("four bytes");
            u32::from_be_bytes(bytes) as usize
        };
        let start = number(0) * self.piece_length + number(4);
        let mut bytes = self.content[start..start + number(8)].to_vec();
        bytes[0] ^= if honest { 0 } else { 1 };
        FakePeer::message(7, &[&request[..8], &bytes].concat())
    }

    fn say(&mut self, bytes: &[u8]) {
        self.peer.stream.write_all(bytes).expect("it is heard");
    }

    fn is_never_proven(&mut self) {
        let sight = |f: &Figures| relays(f) == 1;
        self.seed.wait_figures("it is seen", SIGHT_BOUND, sight);
        std::thread::sleep(Duration::from_secs(3));
        let figures = self.seed.figures();
        assert!(figures.iter().all(|figures| proven(figures) == 0));
    }

    fn is_hung_up_on(&mut self) {
        assert!(self.peer.drain(SIGHT_BOUND).0, "it stays connected");
        let gone = |f: &Figures| f.line["peers"] == 0;
        self.seed.wait_figures("it is gone", SIGHT_BOUND, gone);
        let figures = self.seed.figures();
        assert!(figures.iter().all(|figures| proven(figures) == 0));
    }
}

#[test]
fn one_that_serves_one_block_is_proven() {
    let mut fake = Fake::come();
    let request = fake.unchoke();
    let answer = fake.answer(&request, true);
    fake.say(&answer);
    fake.hear(3);
    fake.seed
        .wait_figures("it is proven", SIGHT_BOUND, |f| proven(f) == 1);
}

#[test]
fn one_that_chokes_before_it_serves_is_proven() {
    let mut fake = Fake::come();
    std::thread::sleep(Duration::from_secs(2));
    fake.unchoke();
    fake.peer.send(0, &[]).expect("it is heard");
    let request = fake.unchoke();
    std::thread::sleep(Duration::from_secs(2));
    let answer = fake.answer(&request, true);
    // In two halves.
    let (head, rest) = answer.split_at(5000);
    fake.say(head);
    std::thread::sleep(Duration::from_millis(300));
    fake.say(rest);
    fake.hear(3);
    fake.seed
        .wait_figures("it is proven", SIGHT_BOUND, |f| proven(f) == 1);
}

#[test]
fn one_that_chokes_for_ever_is_not_proven() {
    Fake::come().is_never_proven();
}

#[test]
fn one_that_serves_nothing_is_not_proven() {
    let mut fake = Fake::come();
    fake.unchoke();
    fake.is_never_proven();
}

#[test]
fn one_that_serves_junk_is_hung_up_on() {
    let mut fake = Fake::come();
    let request = fake.unchoke();
    let answer = fake.answer(&request, false);
    fake.say(&answer);
    fake.is_hung_up_on();
    fake.seed
        .wait_figures("it counts for nothing", SIGHT_BOUND, |f| relays(f) == 0);
}

#[test]
fn one_that_serves_what_was_not_asked_for_is_hung_up_on() {
    for wrong in 0..3 {
        let mut fake = Fake::come();
        let request = fake.unchoke();
        let mut answer = fake.answer(&request, true);
        match wrong {
            // Another piece, another place, another length.
            0 => answer[8] ^= 1,
            1 => answer[11] ^= 0x40,
            _ => {
                answer.truncate(answer.len() - 1);
                let length = (answer.len() as u32 - 4).to_be_bytes();
                answer[..4].copy_from_slice(&length);
            }
        }
        fake.say(&answer);
        fake.is_hung_up_on();
    }
}

#[test]
fn one_that_serves_a_thousand_blocks_is_hung_up_on_and_costs_no_memory() {
    let mut fake = Fake::come();
    let before = common::proc::rss(fake.seed.pid()).unwrap_or(0);
    let request = fake.unchoke();
    let blocks = fake.answer(&request, true).repeat(1000);
    // It may be cut off in the middle.
    let _ = fake.peer.stream.write_all(&blocks);
    assert!(fake.peer.drain(SIGHT_BOUND).0, "it stays connected");
    let peak = common::proc::peak_rss(fake.seed.pid()).unwrap_or(0);
    assert!(
        peak.saturating_sub(before) < 8 << 20,
        "{before} bytes before, {peak} at most"
    );
    fake.seed.assert_alive();
}
