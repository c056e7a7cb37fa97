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

#[tokio::test]
async fn it_waits_for_the_line_as_blocks_do() {
    let mut bench = Bench::new(false).await;
    bench.add(LONG);
    bench.driver.order(Order::Cap(Some(Rate(100_000))));
    let mut peer = bench.come(LONG).await;
    let took = async move {
        ask(&mut peer, 0..8).await;
        hear_pieces(&mut peer, 8).await
    };
    let took = bench.during(took).await;
    // At the limit it is 1.4 seconds.
    assert!(took > Duration::from_secs(1), "{took:?}");
}
