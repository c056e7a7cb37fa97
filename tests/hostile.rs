//! Peers that misbehave, alone and all together: a clean error or a closed connection, bounded memory, and the good peers keep their
//! rate.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::clients::libtorrent::Libtorrent;
use common::clients::{Client, Limits, Link, wait_until};
use common::content::Tree;
use common::origin::{Options, Seed, create};
use common::proc;
use common::siege::{OPEN_FILES, assert_sound, half_open};
use common::wire::misbehaviour::{Misbehaviour, Outcome, Target};
use common::wire::{FakePeer, hash_bytes};

/// What the good peer may take, so that the machine has room for the disturbance as well.
const GOOD_RATE: u32 = 2_000_000;

/// The good peer's rate under attack against its rate in peace. Wide, for two noisy cores that also run the
/// attackers; a listener that serves one connection at a time, or is blocked, gives 0.
const KEPT: f64 = 0.6;

/// A seed of a few MiB, and what a misbehaving peer needs to know of it.
fn seed(size: u64, dir: &std::path::Path) -> (Seed, Target, Tree) {
    let tree = Tree::file("film.mkv", size, 11);
    let path = dir.join("film.torrent");
    let torrent = create(tree.root(), &path, &[]);
    let seed = Seed::start(
        tree.root(),
        &Options {
            torrent: Some(path),
            ..Options::default()
        },
    );
    assert_eq!(seed.info_hash, torrent.info_hash);
    let target = Target {
        addr: seed.addr.parse().expect("an address"),
        info_hash: hash_bytes(&seed.info_hash),
        pieces: torrent.pieces(),
    };
    (seed, target, tree)
}

/// A well-behaved peer is still let in and heard.
fn assert_welcoming(target: Target) {
    let mut peer =
        FakePeer::handshake(target.addr, target.info_hash).expect("a good peer is let in");
    let id = peer.extend().expect("a good peer is answered");
    peer.fetch_metadata(id)
        .expect("a good peer gets the metadata");
}

fn peer(misbehaviour: Misbehaviour) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (mut seed, target, _tree) = seed(4 << 20, dir.path());
    for round in 0..3 {
        let outcome = misbehaviour
            .perform(target)
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
        if misbehaviour.must_be_closed() {
            assert_eq!(
                outcome,
                Outcome::Closed,
                "round {round}: {misbehaviour:?} went unanswered"
            );
        }
        if misbehaviour == Misbehaviour::UnknownMessages {
            assert_eq!(
                outcome,
                Outcome::Open,
                "unknown messages are to be passed over"
            );
        }
        seed.assert_alive();
    }
    assert_welcoming(target);
    assert_sound("a peer", seed.pid());
}

macro_rules! peers {
    ($($name:ident => $misbehaviour:ident),* $(,)?) => {
        mod peers {
            use super::*;

            $(#[test]
            fn $name() {
                peer(Misbehaviour::$misbehaviour);
            })*
        }
    };
}

peers! {
    truncated_handshake => TruncatedHandshake,
    wrong_hash => WrongHash,
    garbage_handshake => GarbageHandshake,
    oversized_length => OversizedLength,
    garbage_messages => Garbage,
    half_messages => HalfMessages,
    request_out_of_range => RequestOutOfRange,
    request_of_a_gibibyte => RequestOfAGibibyte,
    request_flood => RequestFlood,
    have_out_of_range => HaveOutOfRange,
    bitfield_of_wrong_size => BitfieldOfWrongSize,
    slowloris => Slowloris,
    extended_garbage => ExtendedGarbage,
    deep_bencode => DeepBencode,
    unknown_messages => UnknownMessages,
    metadata_flood => MetadataFlood,
    interest_flood => InterestFlood,
}

/// Payload bytes per second the good peer receives over `time`.
fn rate(client: &mut Libtorrent, time: Duration) -> f64 {
    let (from, start) = (client.progress().downloaded, Instant::now());
    std::thread::sleep(time);
    (client.progress().downloaded - from) as f64 / start.elapsed().as_secs_f64()
}

#[test]
fn good_peer_keeps_its_rate_among_all_of_them() {
    proc::raise_open_files(OPEN_FILES);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (mut seed, target, _tree) = seed(160 << 20, dir.path());
    let tracker = common::tracker::Tracker::start();
    let path = dir.path().join("with-tracker.torrent");
    let torrent = common::torrent::Torrent::parse(
        &std::fs::read(dir.path().join("film.torrent")).expect("made"),
    );
    std::fs::write(&path, torrent.with_tracker(&tracker.url())).expect("a file can be written");
    tracker.introduce(&target.info_hash, target.addr);
    let mut good = Libtorrent::start(
        &Link::Torrent(path),
        Limits {
            down: Some(GOOD_RATE),
            up: None,
        },
    );
    wait_until(&mut good, Duration::from_secs(60), "begin", |progress| {
        progress.downloaded > 2_000_000
    });

    let peace = rate(&mut good, Duration::from_secs(8));
    let before = proc::rss(seed.pid()).unwrap_or(0) >> 10;
    let over = AtomicBool::new(false);
    let (war, open) = std::thread::scope(|scope| {
        for start in 0..4 {
            let over = &over;
            scope.spawn(move || {
                for misbehaviour in Misbehaviour::ALL.iter().cycle().skip(start * 4) {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    // What comes of each is tested above; among so many, being turned away is sound as well.
                    let _ = misbehaviour.perform(target);
                }
            });
        }
        let open = half_open(target.addr);
        let war = rate(&mut good, Duration::from_secs(16));
        over.store(true, Ordering::Relaxed);
        (war, open.len())
    });
    seed.assert_alive();
    println!(
        "in peace {peace:.0} B/s, among {open} half-open connections and all misbehaviours {war:.0} B/s"
    );
    println!(
        "resident memory {before} KiB before, {} KiB at most",
        proc::peak_rss(seed.pid()).unwrap_or(0) >> 10
    );
    assert!(
        peace > 0.5 * f64::from(GOOD_RATE),
        "in peace the good peer gets {peace:.0} B/s only"
    );
    assert!(
        war >= KEPT * peace,
        "the good peer fell from {peace:.0} to {war:.0} B/s"
    );
    assert_sound("all of them at once", seed.pid());
    assert_welcoming(target);
}
