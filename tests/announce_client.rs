//! The tracker client against HTTP trackers that misbehave.

use std::net::SocketAddr;
use std::time::Duration;

use semoir::base::InfoHash;
use semoir::seed::announce::AnnounceError;
use semoir::seed::announce::answer::{Answer, Event, Figures, Request};
use semoir::seed::announce::client::TrackerClient;
use semoir::seed::announce::decode::MAX_ANSWER;
use semoir::seed::announce::target::Target;
use semoir::seed::announce::udp::UdpClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// Serves one answer, byte by byte as given, to whoever connects; `{here}` in it is the server's own address.
async fn server(answer: impl AsRef<[u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let text = answer.as_ref().to_vec();
    let answer = match String::from_utf8(text) {
        Ok(text) => text.replace("{here}", &here.to_string()).into_bytes(),
        Err(error) => error.into_bytes(),
    };
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                // Only the first request is answered as told, so that a redirect ends somewhere.
                if request[..length].starts_with(b"GET /elsewhere") {
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\nd8:completei7ee")
                        .await;
                } else {
                    let _ = stream.write_all(&answer).await;
                }
            });
        }
    });
    here
}

fn request() -> Request {
    Request {
        info_hash: InfoHash([1; 20]),
        peer_id: [2; 20],
        port: 6881,
        figures: Figures::default(),
        event: Event::Started,
        key: 1,
        want: 50,
        tracker_id: None,
    }
}

async fn announce(answer: impl AsRef<[u8]>) -> Result<Answer, AnnounceError> {
    let here = server(answer).await;
    let target = Target::parse(&format!("http://{here}/announce")).unwrap();
    let client = TrackerClient::new(
        true,
        std::net::Ipv4Addr::UNSPECIFIED.into(),
        Default::default(),
    );
    client.announce(&target, &request()).await
}

fn page(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn redirect(to: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

#[tokio::test]
async fn answers_are_bounded_and_judged() {
    assert_eq!(
        announce(page(b"d8:completei3ee")).await.unwrap().complete,
        Some(3)
    );
    let fits = [b"d1:x131000:", vec![b'x'; 131_000].as_slice(), b"e"].concat();
    assert!(fits.len() <= MAX_ANSWER);
    assert_eq!(announce(page(&fits)).await, Ok(Answer::default()));
    assert_eq!(
        announce(page(&vec![b'x'; MAX_ANSWER + 1])).await,
        Err(AnnounceError::TooLong)
    );
    // No length told, and no end.
    let endless = [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        vec![b'x'; 4 * MAX_ANSWER].as_slice(),
    ]
    .concat();
    assert_eq!(announce(endless).await, Err(AnnounceError::TooLong));
    assert!(matches!(
        announce(page(b"<html>")).await,
        Err(AnnounceError::Malformed(_))
    ));
    let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(announce(busy).await, Err(AnnounceError::Status(503)));
    assert!(matches!(
        announce("nonsense\r\n\r\n").await,
        Err(AnnounceError::Unreachable(_))
    ));
}

#[tokio::test]
async fn redirects_lead_to_trackers_only() {
    let answer = announce(redirect("http://{here}/elsewhere")).await;
    assert_eq!(answer.unwrap().complete, Some(7));
    // To itself without end.
    let round = announce(redirect("http://{here}/announce")).await;
    assert_eq!(round, Err(AnnounceError::Status(302)));
    // An offline box goes nowhere else, and no scheme but http and https is followed.
    for away in [
        "http://192.0.2.1/announce",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
    ] {
        let stopped = announce(redirect(away)).await;
        assert_eq!(stopped, Err(AnnounceError::Status(302)), "{away}");
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_without_the_url() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    let target = Target::parse(&format!("http://{addr}/announce?passkey=secret")).unwrap();
    let client = TrackerClient::new(
        true,
        std::net::Ipv4Addr::UNSPECIFIED.into(),
        Default::default(),
    );
    let error = client.announce(&target, &request()).await.unwrap_err();
    assert!(matches!(error, AnnounceError::Unreachable(_)), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again_and_silence_is_a_timeout() {
    let tracker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = tracker.local_addr().unwrap();
    let waits = [
        Duration::from_millis(50),
        Duration::from_secs(10),
        Duration::from_secs(10),
    ];
    let asking = tokio::spawn(async move {
        let client = UdpClient::with_waits(waits);
        client.announce(addr, &request(), "/announce").await
    });
    let mut buffer = [0; 200];
    let (_, _) = tracker.recv_from(&mut buffer).await.unwrap();
    let (_, from) = tracker.recv_from(&mut buffer).await.unwrap();
    // A wrong transaction is not ours; the right one is.
    let transaction = <[u8; 4]>::try_from(&buffer[12..16]).unwrap();
    let connected = |transaction: [u8; 4]| [&[0; 4][..], &transaction, &[9; 8]].concat();
    tracker
        .send_to(&connected([!transaction[0]; 4]), from)
        .await
        .unwrap();
    tracker
        .send_to(&connected(transaction), from)
        .await
        .unwrap();
    let (length, from) = tracker.recv_from(&mut buffer).await.unwrap();
    assert_eq!((length, &buffer[..8]), (98, &[9; 8][..]));
    let mut answer = vec![0, 0, 0, 1];
    answer.extend(&buffer[12..16]);
    answer.extend([0, 0, 7, 8, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 0, 5]);
    tracker.send_to(&answer, from).await.unwrap();
    let answer = asking.await.unwrap().unwrap();
    assert_eq!(answer.interval, Some(Duration::from_secs(0x708)));
    assert_eq!((answer.incomplete, answer.complete), (Some(1), Some(2)));
    assert_eq!(answer.peers, ["1.2.3.4:5".parse().unwrap()]);

    let client = UdpClient::with_waits([Duration::from_millis(10); 3]);
    let silence = client.announce(addr, &request(), "/announce").await;
    assert_eq!(silence, Err(AnnounceError::Timeout));
}
