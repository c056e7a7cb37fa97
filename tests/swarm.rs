//! Several real clients at once, and the box's cap.

mod common;

use std::time::{Duration, Instant};

use common::appliance::Appliance;
use common::clients::{Client, Kind, Limits, Link, verify, wait_complete, wait_until};
use common::content::Tree;
use common::hungry::Hungry;
use common::origin::{Figures, Options, Seed, create};
use common::tracker::Tracker;
use common::wire::{FakePeer, hash_bytes};
use semoir::base::{Beside, Content, ContentFile, FileIdentity, InfoHash, Rate};
use semoir::seed::{Engine, EngineConfig, Torrent};

/// The owner's cap, in bytes per second on the wire.
const CAP: u64 = 1 << 20;

/// The mean over the whole measurement stays within this share of the cap, on both sides.
const MEAN_TOLERANCE: f64 = 0.05;

/// No five seconds exceed the cap by more.
const WINDOW_TOLERANCE: f64 = 0.08;

/// No second exceeds the cap by more; lines of figures come a little early or late.
const SECOND_TOLERANCE: f64 = 0.30;

const DOWNLOAD_BOUND: Duration = Duration::from_secs(180);

#[test]
fn three_at_once_complete_under_the_cap() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::awkward(31);
    let mut appliance = Appliance::start(&dir.path().join("state"), &[tree.source()]);
    appliance.set_cap(CAP);
    let (_, torrent, _) = appliance.wait_seeding(Duration::from_secs(60));
    let links = [
        appliance.http_tracker(),
        appliance.udp_tracker(),
        appliance.http_tracker(),
    ];
    let start = Instant::now();
    let mut clients: Vec<Box<dyn Client>> = [Kind::Transmission, Kind::Aria2, Kind::Libtorrent]
        .into_iter()
        .zip(links)
        .map(|(kind, tracker)| {
            kind.start(
                &Link::Magnet(torrent.magnet_with(&tracker)),
                Limits::default(),
            )
        })
        .collect();
    for client in &mut clients {
        wait_complete(&mut **client, DOWNLOAD_BOUND);
        verify(&mut **client, &torrent, &tree);
    }
    let took = start.elapsed().as_secs_f64();
    let release = appliance.wait_release("was uploaded once", DOWNLOAD_BOUND, |release| {
        release["payload_bytes"].as_u64() >= Some(tree.size())
    });
    let wire = release["wire_bytes"].as_u64().expect("a number") as f64;
    println!(
        "{wire} bytes on the wire in {took:.1} s, {} copies spent",
        release["copies_spent"]
    );
    // A second's worth may leave at once in the beginning.
    assert!(
        wire <= CAP as f64 * (took * (1.0 + MEAN_TOLERANCE) + 1.0),
        "{wire} bytes in {took} s"
    );
}

/// Bytes per second between two lines.
fn rate(from: &Figures, to: &Figures) -> f64 {
    (to.wire - from.wire) as f64 / to.at.duration_since(from.at).as_secs_f64()
}

#[test]
fn the_cap_is_met_and_held() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // More than is sent while we look, so that the box never runs out of pieces that nobody has.
    let tree = Tree::file("film.mkv", 40 << 20, 32);
    let path = dir.path().join("film.torrent");
    let tracker = Tracker::start();
    let torrent = create(tree.root(), &path, &["--tracker", &tracker.url()]);
    let options = Options {
        torrent: Some(path.clone()),
        cap: Some(CAP),
        ..Options::default()
    };
    let mut seed = Seed::start(tree.root(), &options);
    tracker.introduce(
        &hash_bytes(&torrent.info_hash),
        seed.addr.parse().expect("an address"),
    );
    // Clients that hardly upload: what they receive comes from the box.
    let limits = Limits {
        down: None,
        up: Some(1000),
    };
    let mut clients: Vec<Box<dyn Client>> = [Kind::Aria2, Kind::Libtorrent, Kind::Librqbit]
        .into_iter()
        .map(|kind| kind.start(&Link::Torrent(path.clone()), limits))
        .collect();
    for client in &mut clients {
        wait_until(&mut **client, DOWNLOAD_BOUND, "begin", |progress| {
            progress.peers > 0
        });
    }
    seed.wait_figures("3 MiB are on the wire", DOWNLOAD_BOUND, |figures| {
        figures.wire > 3 << 20
    });

    let skip = seed.figures().len() - 1;
    let received = |clients: &mut Vec<Box<dyn Client>>| -> u64 {
        clients
            .iter_mut()
            .map(|client| client.progress().downloaded)
            .sum()
    };
    let (before, start) = (received(&mut clients), Instant::now());
    seed.wait_figures("20 seconds of figures", Duration::from_secs(60), |_| {
        start.elapsed() > Duration::from_secs(20)
    });
    let after = received(&mut clients);
    let outside = (after - before) as f64 / start.elapsed().as_secs_f64();

    let figures = seed.figures().split_off(skip);
    let (first, last) = (&figures[0], &figures[figures.len() - 1]);
    let mean = rate(first, last);
    let worst = |span: usize| {
        figures
            .windows(span + 1)
            .map(|w| rate(&w[0], &w[span]))
            .fold(0.0, f64::max)
    };
    let (second, window, cap) = (worst(1), worst(5), CAP as f64);
    println!(
        "cap {cap:.0}: mean {mean:.0}, worst second {second:.0}, worst five seconds {window:.0}, clients' payload {outside:.0} B/s"
    );
    assert!(
        (mean / cap - 1.0).abs() <= MEAN_TOLERANCE,
        "the mean is {mean:.0} B/s"
    );
    assert!(
        window <= cap * (1.0 + WINDOW_TOLERANCE),
        "five seconds at {window:.0} B/s"
    );
    assert!(
        second <= cap * (1.0 + SECOND_TOLERANCE),
        "a second at {second:.0} B/s"
    );
    // The clients' own count of payload: below the wire by the protocol's share, and never above.
    assert!(
        outside <= cap * (1.0 + MEAN_TOLERANCE),
        "the clients received {outside:.0} B/s"
    );
    assert!(
        outside >= cap * 0.8,
        "the clients received {outside:.0} B/s of payload only"
    );
}

/// Limits in bytes per second, in turn, and for how long each is looked at once a second has passed. They are those of
/// 1 MiB/s, 256 kbit/s, 64 and 2 Mbit/s; after the first there is none at all, and every buffer fills.
const CHANGES: [(Option<u64>, u64); 5] = [
    (Some(1 << 20), 2),
    (None, 1),
    (Some(32_000), 5),
    (Some(8_000_000), 2),
    (Some(256_000), 3),
];

/// How far the mean is from the limit at most, over some seconds: a segment or two, and our clocks.
const CHANGED_MEAN: f64 = 0.04;

/// The same for one second.
const CHANGED_SECOND: f64 = 0.12;

/// Counted where it arrives, with segments as long as an Ethernet line's.
#[test]
fn a_changed_cap_is_obeyed_within_a_second() {
    const PIECE: u32 = 512 << 10;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("film.mkv");
    // Holes are read as zeros, and the leechers do not look at what they get.
    let length = 16 << 30;
    let file = std::fs::File::create(&path).expect("a file");
    file.set_len(length).expect("a long file");
    let info_hash = InfoHash([0x5e; 20]);
    let content = Content {
        root: dir.path().to_owned(),
        files: vec![ContentFile {
            path: "film.mkv".into(),
            length,
            identity: Some(FileIdentity::of(&file.metadata().expect("metadata"))),
        }],
    };
    let info = Default::default();
    let torrent = Torrent::new(info_hash, info, PIECE, content, false);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let engine = runtime.block_on(async {
        let engine = Engine::start(EngineConfig {
            listen: vec!["127.0.0.1:0".parse().expect("an address")],
            cap: Some(Rate(CAP)),
            beside: Beside::default(),
            ..EngineConfig::default()
        });
        let engine = engine.expect("a port is free");
        engine.add(std::sync::Arc::new(torrent), false).await;
        engine
    });
    let crowd = Hungry::start(8, engine.listening()[0], info_hash.0, PIECE);
    std::thread::sleep(Duration::from_secs(1));
    let mut wrong = Vec::new();
    for (cap, seconds) in CHANGES {
        runtime.block_on(engine.set_cap(cap.map(Rate)));
        std::thread::sleep(Duration::from_secs(1));
        let (mean, least, most) = crowd.rates(Duration::from_secs(seconds));
        println!("cap {cap:?}: mean {mean:.0}, seconds {least:.0} to {most:.0}");
        let Some(cap) = cap.map(|cap| cap as f64) else {
            assert!(mean > 50e6, "without a limit it is {mean:.0} B/s only");
            continue;
        };
        let off = |rate: f64| (rate / cap - 1.0).abs();
        if off(mean) > CHANGED_MEAN || off(least).max(off(most)) > CHANGED_SECOND {
            wrong.push(format!("{cap}: {mean:.0}, seconds {least:.0} to {most:.0}"));
        }
    }
    crowd.stop();
    runtime.block_on(engine.stop());
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn seed_announces_and_says_goodbye() {
    let tree = Tree::file("film.mkv", 3 << 20, 33);
    let tracker = Tracker::start();
    let options = Options {
        trackers: vec![tracker.url()],
        ..Options::default()
    };
    let mut seed = Seed::start(tree.root(), &options);
    let hash = hash_bytes(&seed.info_hash);
    let link = Link::Magnet(seed.magnet.clone());
    let mut client = Kind::Libtorrent.start(&link, Limits::default());
    wait_complete(&mut *client, DOWNLOAD_BOUND);
    drop(client);
    assert!(seed.terminate().success(), "SIGTERM is a clean end");
    let addr = seed.addr.parse().expect("an address");
    let heard: Vec<_> = tracker
        .heard()
        .into_iter()
        .filter(|announce| announce.peer == addr)
        .collect();
    let events: Vec<&str> = heard
        .iter()
        .map(|announce| announce.event.as_str())
        .collect();
    assert_eq!(events.first(), Some(&"started"), "{events:?}");
    assert_eq!(events.last(), Some(&"stopped"), "{events:?}");
    assert!(
        !events.contains(&"completed"),
        "a seeder completes nothing: {events:?}"
    );
    assert!(
        heard
            .iter()
            .all(|announce| announce.info_hash == hash && announce.left == Some(0)),
        "{heard:?}"
    );
    assert!(
        heard.last().and_then(|announce| announce.uploaded) >= Some(tree.size()),
        "{heard:?}"
    );
}

/// Who reads the first line may dial at once: the torrent must be known by then.
#[test]
fn seed_lets_a_peer_in_as_soon_as_it_listens() {
    let tree = Tree::file("film.mkv", 1 << 20, 34);
    for start in 0..10 {
        let seed = Seed::start(tree.root(), &Options::default());
        let addr = seed.addr.parse().expect("an address");
        FakePeer::handshake(addr, hash_bytes(&seed.info_hash))
            .unwrap_or_else(|error| panic!("start {start}: {error}"));
    }
}
