//! Metadata on the line, through the engine's loop.

use super::*;
use crate::base::Rate;

/// A torrent whose metadata has eight pieces.
pub(super) const LONG: InfoHash = InfoHash([0x10; 20]);
pub(super) const LENGTH: usize = 8 * BLOCK_LENGTH as usize;

/// Asks for these pieces of the metadata.
async fn ask(peer: &mut TcpStream, pieces: std::ops::Range<u32>) {
    say(peer, 20, b"\0d1:md11:ut_metadatai3eee").await;
    hear(peer, 20).await.unwrap();
    for piece in pieces {
        let request = format!("\x03d8:msg_typei0e5:piecei{piece}ee");
        say(peer, 20, request.as_bytes()).await;
    }
}

/// Hears so many pieces; the time that took.
async fn hear_pieces(peer: &mut TcpStream, pieces: usize) -> Duration {
    let since = Instant::now();
    for _ in 0..pieces {
        let piece = hear(peer, 20).await.unwrap();
        assert!(piece.ends_with(&[b'x'; BLOCK_LENGTH as usize]));
    }
    since.elapsed()
}

/// Somebody is there for it, under this cap.
async fn come_under(cap: u64) -> (Bench, TcpStream) {
    let mut bench = Bench::new(false).await;
    bench.add(LONG);
    bench.driver.order(Order::Cap(Some(Rate(cap))));
    let peer = bench.come(LONG).await;
    (bench, peer)
}

#[tokio::test]
async fn it_waits_for_the_line_as_blocks_do() {
    let (mut bench, mut peer) = come_under(100_000).await;
    let took = async move {
        ask(&mut peer, 0..8).await;
        hear_pieces(&mut peer, 8).await
    };
    let took = bench.during(took).await;
    // At the limit it is 1.4 seconds.
    assert!(took > Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn it_trickles_where_the_limit_is_nothing_and_is_owed_by_nobody_afterwards() {
    let (mut bench, mut peer) = come_under(0).await;
    let took = async move {
        ask(&mut peer, 0..8).await;
        hear_pieces(&mut peer, 1).await;
        (hear_pieces(&mut peer, 1).await, peer)
    };
    let (took, mut peer) = bench.during(took).await;
    assert!(took > Duration::from_secs(1), "{took:?}");
    // What left could not be paid back in an hour at this rate.
    bench.driver.shaper.charge(None, 1e9);
    bench.driver.order(Order::Cap(Some(Rate(200_000))));
    let rest = async move { hear_pieces(&mut peer, 6).await };
    bench.during(rest).await;
}
