//! What five hundred connected peers of one release cost: heap, counted by the allocator.

#[path = "common/cost.rs"]
mod cost;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use semoir::base::{Content, ContentFile, InfoHash};
use semoir::seed::{Engine, EngineConfig, Torrent};

#[global_allocator]
static ALLOCATOR: cost::Counting = cost::Counting;

const PEERS: u32 = 500;
const BOUND: Duration = Duration::from_secs(60);
/// The goal is 30 KiB of memory, what the allocator does with pages included.
const HEAP_EACH: usize = 24 << 10;

fn torrent(pieces: u32) -> Torrent {
    let file = ContentFile {
        path: "".into(),
        length: u64::from(pieces) << 20,
        identity: None,
    };
    let content = Content {
        root: "/nowhere".into(),
        files: vec![file],
    };
    let info = vec![0; 1000].into();
    Torrent::new(InfoHash([pieces as u8; 20]), info, 1 << 20, content, false)
}

/// What a client says when it comes: its handshakes, half of the pieces, that it is interested.
fn greeting(info_hash: InfoHash, pieces: u32, number: u32) -> Vec<u8> {
    let message = |id: u8, body: &[u8]| {
        let length = body.len() as u32 + 1;
        [&length.to_be_bytes()[..], &[id], body].concat()
    };
    let port = 10_000 + number;
    let hello = format!("\0d1:md11:ut_metadatai2e6:ut_pexi1ee1:pi{port}e1:v10:some 1.0.0e");
    let half = vec![0xaa; pieces as usize / 8];
    [
        b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\0".to_vec(),
        info_hash.0.to_vec(),
        format!("-XX0000-{number:012}").into_bytes(),
        message(20, hello.as_bytes()),
        message(5, &half),
        message(2, &[]),
    ]
    .concat()
}

async fn measure(pieces: u32) {
    let engine = Engine::start(EngineConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        cap: Some(semoir::base::Rate(1 << 16)),
        ..EngineConfig::default()
    })
    .unwrap();
    let torrent = torrent(pieces);
    let info_hash = torrent.info_hash;
    engine.add(Arc::new(torrent), false).await;
    let addr: SocketAddr = engine.listening()[0];
    let before = cost::heap();
    let mut peers = Vec::new();
    for number in 0..PEERS {
        let hello = greeting(info_hash, pieces, number);
        let connect = move || {
            let mut peer = TcpStream::connect(addr).unwrap();
            peer.write_all(&hello).unwrap();
            // Its half of the handshake: it waits in no queue of strangers any more.
            peer.read_exact(&mut [0; 68]).unwrap();
            peer.set_nonblocking(true).unwrap();
            peer
        };
        peers.push(tokio::task::spawn_blocking(connect).await.unwrap());
    }
    let end = Instant::now() + BOUND;
    let half = pieces / 2;
    loop {
        // They take what is said to them, as peers do.
        for peer in &mut peers {
            match peer.read(&mut [0; 4096]) {
                Ok(read) => assert!(read > 0, "hung up on"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        let report = engine.report().await;
        let heard = report.torrents[0].peers == PEERS && report.torrents[0].copies >= 0.5;
        if heard && f64::from(half) / f64::from(pieces) <= report.torrents[0].copies {
            break;
        }
        assert!(Instant::now() < end, "{report:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Long enough for a tick in which they are told of one another.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let bytes = cost::heap().saturating_sub(before) / PEERS as usize;
    println!("{pieces} pieces: {bytes} bytes a peer");
    assert!(bytes <= HEAP_EACH, "{bytes} bytes a peer");
    drop(peers);
    engine.stop().await;
}

/// One test, so that the counts are of one thing at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_peers_cost_little_each() {
    for pieces in [1000, 16_000] {
        measure(pieces).await;
    }
}
