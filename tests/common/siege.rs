//! What every test of bad input holds a program to, and connections that say nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{http, proc};

/// No bad input may bring the program's resident memory above this, ever: several times what it needs to seed, far
/// below what a small board has.
pub const RSS_BOUND: u64 = 96 << 20;

/// Connections that say nothing.
pub const HALF_OPEN: usize = 10_000;

/// Open files for them at either end, and some to live.
pub const OPEN_FILES: u64 = HALF_OPEN as u64 + 2048;

/// Fails when the program is gone, or ever had more than `RSS_BOUND` resident.
pub fn assert_sound(what: &str, pid: u32) {
    let peak = proc::peak_rss(pid).unwrap_or_else(|| panic!("{what}: the program is gone"));
    assert!(
        peak <= RSS_BOUND,
        "{what}: resident memory rose to {} MiB",
        peak >> 20
    );
}

/// Opens up to `HALF_OPEN` connections that say nothing, in batches, and gives those that were let in.
pub fn half_open(to: SocketAddr) -> Vec<tokio::net::TcpStream> {
    let mut open = Vec::new();
    for _ in 0..HALF_OPEN / 500 {
        let batch = (0..500).map(|_| async move {
            let connecting = tokio::net::TcpStream::connect(to);
            tokio::time::timeout(Duration::from_secs(3), connecting)
                .await
                .ok()?
                .ok()
        });
        open.extend(
            http::runtime()
                .block_on(futures::future::join_all(batch))
                .into_iter()
                .flatten(),
        );
    }
    open
}

/// What is measured of a program under siege.
#[derive(Debug)]
pub struct Siege {
    /// Connections that were let in, if only for a moment.
    pub opened: usize,
    /// Good requests answered while they came.
    pub answered: usize,
    /// The longest any of these took.
    pub slowest: Duration,
}

/// Opens [`HALF_OPEN`] connections, says `half` on each, and meanwhile makes good requests, one after the other, each on a
/// connection of its own. The connections stay open until all have come, and the last good request comes after that.
pub fn besiege(to: SocketAddr, half: &'static [u8], good: impl Fn()) -> Siege {
    std::thread::scope(|scope| {
        let flood = scope.spawn(move || {
            let open = half_open(to);
            http::runtime().block_on(async {
                for stream in &open {
                    // Some have been closed by now.
                    let _ = stream.try_write(half);
                }
            });
            open
        });
        let (mut answered, mut slowest) = (0, Duration::ZERO);
        loop {
            let over = flood.is_finished();
            let start = Instant::now();
            good();
            slowest = slowest.max(start.elapsed());
            answered += 1;
            if over {
                break;
            }
        }
        let open = flood.join().expect("the flood comes");
        Siege {
            opened: open.len(),
            answered,
            slowest,
        }
    })
}
