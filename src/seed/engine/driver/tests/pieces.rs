//! The map of pieces, through the engine's loop.

use super::*;
use crate::seed::swarm::PieceMap;

fn asked(bench: &mut Bench, hash: InfoHash) -> Option<PieceMap> {
    let (reply, mut answer) = oneshot::channel();
    bench.driver.order(Order::Pieces(hash, reply));
    answer.try_recv().unwrap()
}

#[tokio::test]
async fn the_map_says_what_is_offered_and_what_others_hold() {
    let mut bench = Bench::new(false).await;
    bench.add(hash(1));
    assert_eq!(asked(&mut bench, hash(1)), None, "nobody is there");
    assert_eq!(asked(&mut bench, hash(2)), None, "there is no such torrent");

    let mut peer = bench.come(hash(1)).await;
    let offers = |driver: &Driver| {
        let awake = driver.seedings.get(&hash(1));
        awake.is_some_and(|seeding| seeding.swarm.piece_map().offered > 0)
    };
    bench.until("something is offered", offers).await;
    let map = asked(&mut bench, hash(1)).unwrap();
    assert_eq!((map.pieces, map.per_cell, map.held), (PIECES, 1, 0));
    assert_eq!(map.offered as usize, map.cells.matches('o').count());

    // It says that it has the second piece.
    say(&mut peer, 4, &1_u32.to_be_bytes()).await;
    let holds = |driver: &Driver| driver.seedings[&hash(1)].swarm.piece_map().held == 1;
    bench.until("it holds one", holds).await;
    let map = asked(&mut bench, hash(1)).unwrap();
    assert_eq!((map.held, &map.cells[1..]), (1, "1"));
}
