//! Who comes, through the engine's loop.

use super::*;

/// librqbit does not say where it listens, and comes again and again as long as it is hung up on.
#[tokio::test]
async fn one_that_is_here_and_is_dialled_keeps_its_connection_and_is_known_where_it_listens() {
    for silent in [false, true] {
        let mut bench = Bench::new(false).await;
        let hash = hash(1);
        bench.add(hash);
        bench.driver.order(Order::Silence(hash, silent));
        let mut peer = bench.meet(hash, [7; 20], false).await;
        bench
            .until("it is awake", |driver| driver.seedings.contains_key(&hash))
            .await;
        if !silent {
            let seed = async move {
                say(&mut peer, 5, &[0b1100_0000]).await;
                peer
            };
            peer = bench.during(seed).await;
            let complete = |driver: &Driver| driver.seedings[&hash].swarm.copies() >= 1.0;
            bench.until("it is a relay", complete).await;
        }
        let seeding = bench.driver.seedings.get_mut(&hash).unwrap();
        let key = *seeding.links.keys().next().unwrap();
        // It came long ago.
        seeding.links.values_mut().for_each(|l| l.since -= BOUND);
        let mut dialled = bench.meet(hash, [7; 20], true).await;
        let home = dialled.local_addr().unwrap();
        let end = async move {
            // Of one that showed all, nothing is to be seen.
            if silent {
                say(&mut dialled, 5, &[0b1000_0000]).await;
            }
            dialled.read_to_end(&mut Vec::new()).await.unwrap()
        };
        assert_eq!(bench.during(end).await, 0, "one connection is enough");
        let seeding = &bench.driver.seedings[&hash];
        assert_eq!(seeding.links.keys().collect::<Vec<_>>(), [&key]);
        let known: Vec<SocketAddr> = seeding.swarm.addresses().collect();
        assert_eq!(known, [home]);
        drop(peer);
    }
}

#[tokio::test]
async fn a_complete_peer_that_left_is_remembered() {
    let mut bench = Bench::new(false).await;
    let hash = hash(1);
    bench.add(hash);
    let mut peer = bench.come(hash).await;
    let seed = async move {
        say(&mut peer, 5, &[0b1100_0000]).await;
        peer
    };
    let peer = bench.during(seed).await;
    let complete = |driver: &Driver| driver.seedings[&hash].swarm.copies() >= 1.0;
    bench.until("it is a relay", complete).await;
    drop(peer);
    bench.deserted_for(hash, A_WHILE).await;
    assert!(bench.driver.seedings.contains_key(&hash));
    bench.driver.put_to_rest(Instant::now() + GHOST_LIFE);
    assert!(bench.driver.seedings.is_empty());
}
