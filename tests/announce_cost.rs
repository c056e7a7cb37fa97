//! What a thousand announced torrents cost while nothing happens: heap, counted by the allocator, and processor time.

#[path = "common/cost.rs"]
mod cost;

use std::time::{Duration, Instant};

use semoir::base::InfoHash;
use semoir::seed::announce::{Announcer, AnnouncerConfig, Figures, Subject};
use semoir::tracker::{Tracker, http, udp};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: cost::Counting = cost::Counting;

const TORRENTS: u16 = 1000;

fn hash(n: u16) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    InfoHash(bytes)
}

/// Serves a tracker and says at what URL.
async fn serve(tracker: &Tracker, over_http: bool) -> String {
    if over_http {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/announce", listener.local_addr().unwrap());
        let service = http::router(tracker.clone())
            .into_make_service_with_connect_info::<std::net::SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        return url;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("udp://{}/announce", socket.local_addr().unwrap());
    tokio::spawn(udp::serve(
        socket,
        tracker.clone(),
        CancellationToken::new(),
    ));
    url
}

/// One test, so that the counts are of one thing at a time.
#[tokio::test]
async fn a_thousand_idle_torrents_cost_next_to_nothing() {
    for over_http in [false, true] {
        measure(over_http).await;
    }
}

async fn measure(over_http: bool) {
    let tracker = Tracker::default();
    (0..TORRENTS).for_each(|n| tracker.register(hash(n)).unwrap());
    let url = serve(&tracker, over_http).await;
    let mut feed = tracker.subscribe();
    let (announcer, _found) = Announcer::start(AnnouncerConfig {
        beside: Default::default(),
        from: std::net::Ipv4Addr::UNSPECIFIED.into(),
        peer_id: [b'x'; 20],
        port: 7300,
        offline: true,
        given: Vec::new(),
    });

    let heap = cost::heap();
    let before = cost::cpu();
    for n in 0..TORRENTS {
        // As a usual torrent has: one that works and four more, which are not asked here.
        let mut tiers = vec![vec![url.clone()]];
        tiers.extend((1..5).map(|n| vec![format!("udp://tracker{n}.example.org:1337/announce")]));
        announcer.add(Subject {
            info_hash: hash(n),
            tiers,
            figures: Figures::default(),
        });
    }
    let end = Instant::now() + Duration::from_secs(60);
    let mut announced = 0;
    while announced < TORRENTS {
        let seen = tokio::time::timeout_at(end.into(), feed.recv()).await;
        seen.unwrap().unwrap();
        announced += 1;
    }
    let all_ok = || (0..TORRENTS).all(|n| announcer.states(hash(n))[0].last_ok.is_some());
    while !all_ok() {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let each = (cost::cpu() - before) / u32::from(TORRENTS);
    // The tracker's own list of peers is in this too.
    let bytes = cost::heap().saturating_sub(heap) / usize::from(TORRENTS);
    // Half an hour is what trackers usually ask for.
    let share = each.as_secs_f64() * f64::from(TORRENTS) / 1800.0;
    println!(
        "over HTTP: {over_http}; {bytes} bytes a torrent; {each:?} an announce, both ends: {:.4} % of a core",
        share * 100.0
    );
    assert!(bytes <= 5 * 1024, "{bytes} bytes");
    assert!(share <= 0.001, "{share}");

    // And with nothing due, nothing happens at all.
    let before = cost::cpu();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = cost::cpu() - before;
    assert!(idle < Duration::from_millis(20), "{idle:?}");
    announcer.shutdown().await;
    assert!((0..TORRENTS).all(|n| tracker.counts(hash(n)).complete == 0));
}
