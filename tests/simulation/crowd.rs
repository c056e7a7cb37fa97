//! Five hundred peers: as many as the engine takes for one torrent.

use super::clock::{SECOND, seconds};
use super::habits::{FakeSeed, Leaver, Libtorrent, NeverRelays, Restless, Standard};
use super::line::{Line, MIB};
use super::pieces::Shape;
use super::scenario::Scenario;

/// 32 MiB in 256 pieces.
const SMALL: Shape = Shape {
    pieces: 256,
    piece_length: 128 << 10,
    block: 32 << 10,
};

/// A release that many wait for: most come within twenty seconds, some leave at half, some come and go, some give
/// nothing.
#[test]
fn five_hundred_peers_with_churn() {
    let outcome = Scenario::new("500 peers, 1 MiB/s", 1)
        .content(SMALL)
        .cap(Some(MIB))
        .mesh(20)
        .with(330, seconds(0.06), Line::up(MIB), Standard)
        .with(50, seconds(0.4), Line::up(MIB / 4).down(MIB), Libtorrent)
        .with(50, seconds(0.4), Line::up(MIB), Leaver)
        .with(50, seconds(0.4), Line::up(MIB), Restless)
        .with(20, seconds(0.4), Line::up(MIB), NeverRelays)
        .limit(400 * SECOND)
        .run();
    outcome
        .first_copy_within((1.10, 1.15))
        .three_within((1.40, 2.3))
        .all_within((1.40, 2.8));
    assert_eq!(outcome.offences, 0);
}

/// Most neighbours of each are fakes, so that many cannot reach those who hold something: we serve them ourselves.
#[test]
fn a_flood_of_fake_seeds_starves_nobody() {
    Scenario::new("60 peers and 200 fake seeds, 1 MiB/s", 1)
        .content(SMALL)
        .cap(Some(MIB))
        .mesh(20)
        .with(60, seconds(0.3), Line::up(MIB), Standard)
        .from(5 * SECOND, 200, seconds(0.02), Line::up(MIB), FakeSeed)
        .limit(600 * SECOND)
        .run()
        .all_within((4.8, 6.2));
}
