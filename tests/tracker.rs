//! A real tracker on loopback, over HTTP and UDP, IPv4 and IPv6, asked by our own client and by whoever means harm.
//! What it answers is read with a decoder that is neither the tracker's nor the client's.

#[path = "tracker/raw.rs"]
mod raw;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use librqbit_bencode::{BencodeValueOwned, ByteBufOwned};
use raw::{bytes, decode, field, get};
use semoir::base::InfoHash;
use semoir::seed::announce::{Announcer, AnnouncerConfig, Figures, Scraped, Subject};
use semoir::seed::found::Found;
use semoir::tracker::swarm::Event;
use semoir::tracker::{Tracker, http, udp};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

const HASH: InfoHash = InfoHash(*b"\x00\xff&=+ %binary-hash\x7f\x80");

/// Everything here is on one machine: what takes longer than this does not come.
const PATIENCE: Duration = Duration::from_secs(20);

struct Served {
    tracker: Tracker,
    addr: SocketAddr,
    _stop: DropGuard,
}

impl Served {
    /// A tracker with one torrent, on one port number for TCP and UDP.
    async fn on(ip: IpAddr) -> Self {
        let tracker = Tracker::default();
        tracker.register(HASH).unwrap();
        let (tcp, udp_socket) = loop {
            let tcp = TcpListener::bind((ip, 0)).await.unwrap();
            // The same number may be taken for UDP.
            if let Ok(udp_socket) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp_socket);
            }
        };
        let addr = tcp.local_addr().unwrap();
        let stop = CancellationToken::new();
        let service =
            http::router(tracker.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            axum::serve(tcp, service)
                .with_graceful_shutdown(stopped)
                .await
        });
        tokio::spawn(udp::serve(udp_socket, tracker.clone(), stop.clone()));
        Self {
            tracker,
            addr,
            _stop: stop.drop_guard(),
        }
    }

    fn urls(&self) -> [String; 2] {
        let addr = self.addr;
        [
            format!("http://{addr}/announce"),
            format!("udp://{addr}/announce"),
        ]
    }
}

fn loopbacks() -> [IpAddr; 2] {
    [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

fn announcer(port: u16) -> (Announcer, mpsc::Receiver<Found>) {
    let config = AnnouncerConfig {
        beside: Default::default(),
        from: std::net::Ipv4Addr::UNSPECIFIED.into(),
        peer_id: *b"-SM0001-abcdefghijkl",
        port,
        offline: true,
        given: Vec::new(),
    };
    Announcer::start(config)
}

fn subject(url: &str, left: u64) -> Subject {
    Subject {
        info_hash: HASH,
        tiers: vec![vec![url.to_owned()]],
        figures: Figures {
            left,
            ..Figures::default()
        },
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn our_client_meets_our_tracker_both_ways_and_over_both_families() {
    for ip in loopbacks() {
        let served = Served::on(ip).await;
        for url in served.urls() {
            let mut feed = served.tracker.subscribe();
            let (leecher, mut found) = announcer(7001);
            let (seed, _) = announcer(7002);
            seed.add(subject(&url, 0));
            until("the seed is listed", || {
                served.tracker.counts(HASH).complete == 1
            })
            .await;
            leecher.add(subject(&url, 5));
            let peers = tokio::time::timeout(PATIENCE, found.recv()).await;
            let peers = peers.unwrap().unwrap();
            assert_eq!(peers.info_hash, HASH);
            assert_eq!(peers.addrs, [SocketAddr::new(ip, 7002)], "{url}");
            assert_eq!(served.tracker.counts(HASH).incomplete, 1);

            leecher.complete(HASH);
            until("the download counts", || {
                served.tracker.counts(HASH).complete == 2
            })
            .await;
            // An origin that is told the same says nothing.
            seed.complete(HASH);
            let state = &leecher.states(HASH)[0];
            assert_eq!(
                (state.url.as_str(), &state.last_error),
                (url.as_str(), &None)
            );
            assert!(state.last_ok.is_some());

            seed.remove(HASH);
            until("the seed is gone", || {
                served.tracker.counts(HASH).complete == 1
            })
            .await;
            leecher.shutdown().await;
            assert_eq!(served.tracker.counts(HASH).complete, 0);
            let mut said = Vec::new();
            while let Ok(seen) = feed.try_recv() {
                said.push((seen.addr.port(), seen.event, seen.left));
            }
            assert_eq!(
                said,
                [
                    (7002, Event::Started, 0),
                    (7001, Event::Started, 5),
                    (7001, Event::Completed, 0),
                    (7002, Event::Stopped, 0),
                    (7001, Event::Stopped, 0),
                ],
                "{url}"
            );
        }
        // One download by each of HTTP and UDP.
        assert_eq!(served.tracker.counts(HASH).downloaded, 2);
    }
}

#[tokio::test]
async fn our_client_scrapes_our_tracker_in_batches() {
    for ip in loopbacks() {
        let served = Served::on(ip).await;
        let (client, _) = announcer(7003);
        let [http_url, udp_url] = served.urls();
        client.add(subject(&http_url, 0));
        until("it is listed", || served.tracker.counts(HASH).complete == 1).await;
        let mut asked = vec![InfoHash([9; 20]); 150];
        asked[149] = HASH;
        let one_seed = Scraped {
            complete: 1,
            ..Scraped::default()
        };
        let counts = client.scrape(&http_url, &asked).await.unwrap();
        assert_eq!(
            (counts.len(), counts[0], counts[149]),
            (150, None, Some(one_seed))
        );
        let counts = client.scrape(&udp_url, &asked).await.unwrap();
        assert_eq!(
            (counts[0], counts[149]),
            (Some(Scraped::default()), Some(one_seed))
        );
    }
}

#[tokio::test]
async fn a_torrent_the_tracker_does_not_know_is_a_state_with_a_sentence() {
    let served = Served::on(Ipv4Addr::LOCALHOST.into()).await;
    served.tracker.unregister(HASH);
    for url in served.urls() {
        let (client, _) = announcer(7004);
        client.add(subject(&url, 0));
        until("it is refused", || {
            client.states(HASH)[0].last_error.is_some()
        })
        .await;
        let state = client.states(HASH).remove(0);
        let expected = "the tracker refuses: this tracker does not know the torrent";
        assert_eq!(state.last_error.as_deref(), Some(expected));
        assert!(state.next.is_some() && state.last_ok.is_none());
    }
}

#[tokio::test]
async fn a_silent_tracker_does_not_hold_up_shutdown() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("udp://{}/announce", silent.local_addr().unwrap());
    let (client, _) = announcer(7005);
    client.add(subject(&url, 0));
    let mut buffer = [0; 100];
    let (length, _) = silent.recv_from(&mut buffer).await.unwrap();
    assert_eq!(length, 16, "it asks for a connection");
    let began = Instant::now();
    client.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

const QUERY: &str = "info_hash=%00%ff%26=%2B%20%25binary-hash%7f%80&peer_id=-XX0001-abcdefghijkl";

#[tokio::test]
async fn answers_read_by_an_independent_decoder() {
    let served = Served::on(Ipv4Addr::LOCALHOST.into()).await;
    let path =
        |port: u16, more: &str| format!("/announce?{QUERY}&port={port}&left=1{more}").into_bytes();
    let (head, _) = get(served.addr, &path(1, "&event=started")).await;
    assert!(head.starts_with("HTTP/1.1 200"));
    let (_, body) = get(served.addr, &path(2, "")).await;
    let answer = decode(&body);
    assert_eq!(
        bytes(field(&answer, b"peers").unwrap()),
        [127, 0, 0, 1, 0, 1]
    );
    assert_eq!(field(&answer, b"peers6"), None);
    assert_eq!(
        field(&answer, b"incomplete"),
        Some(&BencodeValueOwned::Integer(2))
    );
    assert_eq!(
        field(&answer, b"interval"),
        Some(&BencodeValueOwned::Integer(900))
    );
    let (_, body) = get(served.addr, &path(3, "&compact=0&numwant=1")).await;
    let answer = decode(&body);
    let Some(BencodeValueOwned::List(peers)) = field(&answer, b"peers") else {
        panic!("no list: {answer:?}");
    };
    assert_eq!(peers.len(), 1);
    assert_eq!(bytes(field(&peers[0], b"ip").unwrap()), b"127.0.0.1");
    let scrape = format!("/scrape?info_hash={}&{QUERY}", "a".repeat(20));
    let (_, body) = get(served.addr, scrape.as_bytes()).await;
    let answer = decode(&body);
    let Some(BencodeValueOwned::Dict(files)) = field(&answer, b"files") else {
        panic!("no files: {answer:?}");
    };
    assert_eq!(files.len(), 1);
    let file = &files[&ByteBufOwned::from(&HASH.0[..])];
    assert_eq!(
        field(file, b"incomplete"),
        Some(&BencodeValueOwned::Integer(3))
    );
}

#[tokio::test]
async fn hostile_requests_get_a_clean_failure_or_nothing_and_good_ones_go_on() {
    let served = Served::on(Ipv4Addr::LOCALHOST.into()).await;
    let many = format!(
        "/scrape?{}",
        vec!["info_hash=aaaaaaaaaaaaaaaaaaaa"; 3000].join("&")
    );
    for path in [
        b"/announce".to_vec(),
        b"/announce?".to_vec(),
        b"/announce?info_hash=%zz%".to_vec(),
        format!("/announce?{QUERY}&port=0&left=1").into_bytes(),
        format!("/announce?{QUERY}&port=99999&left=1").into_bytes(),
        format!("/announce?{QUERY}&port=1&x={}", "y".repeat(50_000)).into_bytes(),
        b"/scrape".to_vec(),
        many.into_bytes(),
    ] {
        let (head, body) = get(served.addr, &path).await;
        if head.starts_with("HTTP/1.1 200") {
            let failure = decode(&body);
            assert!(field(&failure, b"failure reason").is_some(), "{failure:?}");
        } else {
            // The server's own limit on the length of a request line.
            assert!(head.starts_with("HTTP/1.1 4"), "{head}");
        }
    }
    for raw in [
        &b"\xff\xfe\x00garbage"[..],
        b"/announce?info_hash=\xff\xff",
        b"/announce?\r\nX: y",
    ] {
        let (head, _) = get(served.addr, raw).await;
        assert!(!head.starts_with("HTTP/1.1 5"), "{head}");
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for length in [0usize, 1, 15, 16, 17, 97, 98, 99, 1500, 60_000] {
        for fill in [0u8, 1, 0xff] {
            socket
                .send_to(&vec![fill; length], served.addr)
                .await
                .unwrap();
        }
    }
    let (_, body) = get(
        served.addr,
        format!("/announce?{QUERY}&port=5&left=1").as_bytes(),
    )
    .await;
    assert!(field(&decode(&body), b"interval").is_some());
    let (client, _) = announcer(7006);
    let [_, url] = served.urls();
    client.add(subject(&url, 0));
    until("UDP still works", || {
        served.tracker.counts(HASH).complete == 1
    })
    .await;
    assert_eq!(served.tracker.counts(HASH).incomplete, 1);
}

#[tokio::test]
async fn a_dual_stack_listener_serves_both_families() {
    let served = Served::on(Ipv6Addr::UNSPECIFIED.into()).await;
    let port = served.addr.port();
    let mut clients = Vec::new();
    for (n, url) in [
        format!("http://127.0.0.1:{port}/announce"),
        format!("http://[::1]:{port}/announce"),
        format!("udp://127.0.0.1:{port}/announce"),
        format!("udp://[::1]:{port}/announce"),
    ]
    .into_iter()
    .enumerate()
    {
        let (client, _) = announcer(7100 + n as u16);
        client.add(subject(&url, 0));
        clients.push(client);
    }
    until("all four are listed", || {
        served.tracker.counts(HASH).complete == 4
    })
    .await;
    let mut peers = served.tracker.peers(HASH, 10);
    peers.sort();
    let expected = [
        "127.0.0.1:7100",
        "127.0.0.1:7102",
        "[::1]:7101",
        "[::1]:7103",
    ];
    assert_eq!(peers, expected.map(|addr| (addr.parse().unwrap(), 0)));
}

/// `localhost` has an address of each family on most machines; where it has only one, that one is announced from.
#[tokio::test]
async fn a_name_with_both_families_is_announced_to_over_both() {
    let served = Served::on(Ipv6Addr::UNSPECIFIED.into()).await;
    let port = served.addr.port();
    let addrs = tokio::net::lookup_host(("localhost", port)).await.unwrap();
    let families: std::collections::HashSet<bool> = addrs.map(|addr| addr.is_ipv6()).collect();
    let (client, _) = announcer(7200);
    for scheme in ["http", "udp"] {
        client.add(subject(&format!("{scheme}://localhost:{port}/announce"), 0));
        until("every family is listed", || {
            served.tracker.counts(HASH).complete as usize == families.len()
        })
        .await;
        client.remove(HASH);
        until("every family is gone", || {
            served.tracker.counts(HASH).complete == 0
        })
        .await;
    }
}
