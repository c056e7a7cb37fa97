use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::super::Reports;
use super::*;
use crate::base::{InfoHash, PeerKey};

const BOUND: Duration = Duration::from_secs(30);

fn zeros(begin: u32, limit: Option<Limit>) -> Order {
    let block = Block {
        index: 0,
        begin,
        length: BLOCK_LENGTH,
    };
    let padding = Segment::padding(u64::from(BLOCK_LENGTH));
    Order::Serve {
        block,
        segments: vec![padding],
        limit,
    }
}

type Reported = mpsc::Receiver<(InfoHash, PeerKey, Report)>;

/// A connection, its other end, and what it reports.
async fn line() -> (Line, TcpStream, Reported) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialled = TcpStream::connect(listener.local_addr().unwrap());
    let (dialled, accepted) = tokio::join!(dialled, listener.accept());
    let (to, reports) = mpsc::channel(16);
    let line = Line {
        stream: Arc::new(accepted.unwrap().0),
        v6: false,
        reports: Reports {
            info_hash: InfoHash([0; 20]),
            peer: PeerKey(1),
            to,
        },
        looked: Mutex::new(Instant::now()),
        unreported: AtomicU64::new(0),
        asked: Mutex::new(None),
    };
    (line, dialled.unwrap(), reports)
}

fn metadata(piece: u32, limit: Option<Limit>) -> Order {
    Order::Metadata {
        piece: Said::Metadata {
            id: 2,
            piece,
            total: 300 * BLOCK_LENGTH,
            data: bytes::Bytes::from_static(&ZEROS),
        },
        limit,
    }
}

/// Reads a message.
async fn message(peer: &mut TcpStream) -> Vec<u8> {
    let length = peer.read_u32().await.unwrap();
    let mut message = vec![0; length as usize];
    peer.read_exact(&mut message).await.unwrap();
    message
}

#[tokio::test]
async fn metadata_comes_whole_is_reported_and_keeps_to_a_low_limit() {
    let (line, mut peer, mut reports) = line().await;
    let (orders, taken) = mpsc::unbounded_channel();
    let engine = async {
        for piece in 0..3 {
            let since = Instant::now();
            let limit = (piece == 2).then_some(Limit {
                rate: 2 * u64::from(BLOCK_LENGTH),
                gentle: false,
            });
            orders.send(metadata(piece, limit)).unwrap();
            let message = message(&mut peer).await;
            let text = String::from_utf8_lossy(&message[..60]);
            assert!(text.contains(&format!("piecei{piece}e")), "{text:?}");
            let slowly = since.elapsed() > Duration::from_millis(400);
            assert!(slowly || limit.is_none(), "half a second's worth at once");
            let report = reports.recv().await.unwrap().2;
            let Report::MetadataWritten { length, .. } = report else {
                panic!("{report:?}");
            };
            assert_eq!(length, 64 + u64::from(BLOCK_LENGTH));
        }
    };
    tokio::select! {
        end = Writer::new(&line, taken).run(BOUND * 2) => panic!("it ended: {end:?}"),
        ended = timeout(BOUND, engine) => ended.expect("in time"),
    }
    assert_eq!(line.unreported.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn metadata_that_a_peer_does_not_take_fills_no_memory_and_comes_whole_when_it_does() {
    const PIECES: u32 = 300;
    let (line, mut peer, mut reports) = line().await;
    let (_orders, taken) = mpsc::unbounded_channel();
    let mut writer = Writer::new(&line, taken);
    for piece in 0..PIECES {
        writer.take(metadata(piece, None)).await.unwrap();
    }
    assert!(
        writer.said.len() <= 2 * ZEROS.len(),
        "{}",
        writer.said.len()
    );
    let read = async {
        for piece in 0..PIECES {
            let message = message(&mut peer).await;
            let text = String::from_utf8_lossy(&message[..60]);
            assert!(text.contains(&format!("piecei{piece}e")), "{text:?}");
            reports.recv().await.unwrap();
        }
    };
    tokio::select! {
        end = writer.run(BOUND * 2) => panic!("it ended: {end:?}"),
        read = timeout(BOUND, read) => read.expect("in time"),
    }
}

/// A kernel that is told of more to come keeps the end of what it has for 200 ms.
#[tokio::test]
async fn the_end_of_what_is_sent_from_memory_does_not_wait_for_more() {
    const TIMES: u32 = 20;
    let (line, mut peer, mut reports) = line().await;
    let (orders, taken) = mpsc::unbounded_channel();
    let engine = async {
        for _ in 0..TIMES {
            orders.send(zeros(0, None)).unwrap();
            message(&mut peer).await;
            reports.recv().await.unwrap();
        }
    };
    let since = Instant::now();
    tokio::select! {
        end = Writer::new(&line, taken).run(BOUND * 2) => panic!("it ended: {end:?}"),
        ended = timeout(BOUND, engine) => ended.expect("in time"),
    }
    let each = since.elapsed() / TIMES;
    assert!(each < Duration::from_millis(150), "{each:?}");
}

#[tokio::test]
async fn a_changed_limit_is_obeyed_within_a_block_and_the_rest_comes_back() {
    let (line, mut peer, mut reports) = line().await;
    let (orders, taken) = mpsc::unbounded_channel();
    let engine = async {
        // At a byte a second, a block would take hours.
        let slow = Some(Limit {
            rate: 1,
            gentle: false,
        });
        orders.send(zeros(0, slow)).unwrap();
        orders.send(zeros(BLOCK_LENGTH, slow)).unwrap();
        let mut received = vec![0; 13 + BLOCK_LENGTH as usize];
        let part = peer.read(&mut received).await.unwrap();
        assert!(part < received.len() / 2, "{part} bytes at once");
        orders.send(Order::Unsend(None)).unwrap();
        let (limit, share) = (None, None);
        orders.send(Order::Pace { limit, share }).unwrap();
        peer.read_exact(&mut received[part..]).await.unwrap();
        let mut done = Vec::new();
        while done.len() < 2 {
            if let (
                ..,
                Report::Done {
                    blocks, written, ..
                },
            ) = reports.recv().await.unwrap()
            {
                done.extend(blocks.into_iter().map(|block| (block.begin, written)));
            }
        }
        assert_eq!(done, [(BLOCK_LENGTH, false), (0, true)]);
    };
    tokio::select! {
        end = Writer::new(&line, taken).run(BOUND * 2) => panic!("it ended: {end:?}"),
        ended = timeout(BOUND, engine) => ended.expect("in time"),
    }
    assert_eq!(line.unreported.load(Ordering::Relaxed), 0);
}
