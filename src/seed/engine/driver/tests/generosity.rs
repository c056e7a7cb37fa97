//! Who is given more than the first copies, through the engine's loop.

use super::*;

#[tokio::test]
async fn one_torrent_may_be_generous_where_the_others_are_not() {
    let mut bench = Bench::new(false).await;
    let [one, other] = [hash(1), hash(2)];
    bench.add(one);
    bench.add(other);
    let generous = |driver: &Driver| (driver.generosity.of(one), driver.generosity.of(other));
    for (order, expected) in [
        (Order::GenerousOf(one, Some(true)), (true, false)),
        (Order::Generous(true), (true, true)),
        (Order::GenerousOf(one, Some(false)), (false, true)),
        (Order::GenerousOf(one, None), (true, true)),
        (Order::GenerousOf(other, Some(false)), (true, false)),
        // What is removed and comes again is as all are.
        (Order::Remove(other), (true, true)),
    ] {
        bench.driver.order(order);
        assert_eq!(generous(&bench.driver), expected);
    }
}
