//! Bad input to the box's HTTP and UDP listeners: a clean error or a closed connection, bounded memory, and an answer
//! to the next good request.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use common::appliance::Appliance;
use common::content::Tree;
use common::proc;
use common::siege::{OPEN_FILES, assert_sound, besiege};
use common::wire::hash_bytes;
use common::wire::misbehaviour::garbage;

/// A good request is answered within this while ten thousand connections come that say nothing: one lost packet on a
/// full queue of the kernel's costs one second of it.
const PROMPT: Duration = Duration::from_secs(3);

/// A box with one small release.
fn appliance(dir: &std::path::Path, tree: &Tree) -> (Appliance, String) {
    let mut appliance = Appliance::start(&dir.join("state"), &[tree.source()]);
    let (_, torrent, _) = appliance.wait_seeding(Duration::from_secs(60));
    (appliance, torrent.info_hash)
}

/// What is sent to an HTTP listener, each on a connection of its own.
fn bad_requests() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let head =
        |extra: &str| format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{extra}\r\n").into_bytes();
    vec![
        ("garbage", garbage(1 << 16)),
        ("a TLS hello", [&[0x16, 3, 1, 2, 0, 1][..], &garbage(512)].concat()),
        ("an endless request line", [text("GET /"), b"a".repeat(4 << 20)].concat()),
        ("an endless header", head(&format!("X-Long: {}\r\n", "b".repeat(4 << 20)))),
        ("endless headers", head(&"X-Many: c\r\n".repeat(200_000))),
        ("a giant body", [head("Content-Length: 17179869184\r\n"), garbage(1 << 20)].concat()),
        ("a giant login", [
            text("POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 33554432\r\n\r\n"),
            b"[".repeat(32 << 20),
        ].concat()),
        ("a negative length", head("Content-Length: -1\r\n")),
        ("two lengths", head("Content-Length: 5\r\nContent-Length: 6\r\n")),
        ("bad chunks", [head("Transfer-Encoding: chunked\r\n"), text("FFFFFFFFFFFFFFFF\r\n"), garbage(4096)].concat()),
        ("no host", text("GET / HTTP/1.1\r\n\r\n")),
        ("a path that climbs", text("GET /../../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")),
        ("an encoded path that climbs", text("GET /%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")),
        ("a pipeline", head("").repeat(5000)),
    ]
}

/// Sends, then reads what comes for a while; what came.
fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_secs(10)) else {
        return Vec::new();
    };
    stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .expect("a socket takes a timeout");
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a socket takes a timeout");
    // Being cut off while we still talk is a sound answer.
    let _ = stream.write_all(bytes);
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    while answer.len() < 1 << 20 {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => answer.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
    answer
}

/// `path`: what a good request asks for.
fn http_listener(which: impl Fn(&Appliance) -> SocketAddr, path: &str) {
    proc::raise_open_files(OPEN_FILES);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("film.mkv", 1 << 20, 12);
    let (mut appliance, _) = appliance(dir.path(), &tree);
    let to = which(&appliance);
    for (what, bytes) in bad_requests() {
        let answer = exchange(to, &bytes);
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains("root:"), "{what}: the password file came");
        assert!(!text.contains("panicked"), "{what}: {text}");
        appliance.assert_alive();
        assert_sound(what, appliance.pid());
    }
    let rss = || proc::rss(appliance.pid()).unwrap_or(0) >> 10;
    let before = rss();
    let good = || {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
        let start = Instant::now();
        let answer = exchange(to, request.as_bytes());
        assert!(
            answer.starts_with(b"HTTP/1.1 200 "),
            "a good request among a flood, after {:?}: {:?}",
            start.elapsed(),
            String::from_utf8_lossy(&answer)
        );
    };
    for half in [&b""[..], b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "] {
        let siege = besiege(to, half, good);
        println!(
            "{to}: {siege:?}, resident {before} KiB before, {} KiB after, {} KiB at most ever",
            rss(),
            proc::peak_rss(appliance.pid()).unwrap_or(0) >> 10
        );
        assert!(
            siege.slowest < PROMPT,
            "a good request among a flood took {:?}",
            siege.slowest
        );
        assert_sound("a flood of half-open connections", appliance.pid());
    }
    assert_eq!(
        appliance.releases().len(),
        1,
        "the owner still sees the box"
    );
}

#[test]
fn admin_http() {
    http_listener(Appliance::admin_addr, "/api/v1/box");
}

#[test]
fn public_http() {
    http_listener(Appliance::public_addr, "/");
}

#[test]
fn tracker_http() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("film.mkv", 1 << 20, 13);
    let (mut appliance, info_hash) = appliance(dir.path(), &tree);
    let hash: String = hash_bytes(&info_hash)
        .iter()
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    let good = format!(
        "info_hash={hash}&peer_id=-XX0000-abcdefghijkl&port=6000&left=1&uploaded=0&downloaded=0"
    );
    let announce = |query: &str| {
        let request = format!(
            "GET /announce?{query} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            appliance.public_addr()
        );
        String::from_utf8_lossy(&exchange(appliance.public_addr(), request.as_bytes())).into_owned()
    };
    assert!(
        announce(&good).contains("8:interval"),
        "a good announce is answered"
    );
    for bad in [
        String::new(),
        "info_hash=short".to_owned(),
        good.replace(&hash, &"%5a".repeat(20)),
        good.replace(&hash, &"%5a".repeat(4000)),
        good.replace("port=6000", "port=99999999999999999999"),
        good.replace("port=6000", "port=0"),
        good.replace("left=1", "left=-18446744073709551616"),
        format!("{good}&numwant=4294967295&event=exploded&compact=2"),
        "&".repeat(6000),
        "%".repeat(6000),
    ] {
        let answer = announce(&bad);
        assert!(
            answer.starts_with("HTTP/1.1 ") && !answer.starts_with("HTTP/1.1 5"),
            "{bad:.80}: {answer:?}"
        );
    }
    // A crowd of made-up peers from one address must not fill the memory, nor the answer.
    let mut crowd =
        TcpStream::connect(appliance.public_addr()).expect("the tracker takes connections");
    crowd
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a socket takes a timeout");
    let mut buffer = vec![0; 1 << 16];
    for n in 0..5000_u32 {
        let query = good
            .replace("abcdefghijkl", &format!("{n:012}"))
            .replace("6000", &(1024 + n).to_string());
        let request = format!(
            "GET /announce?{query} HTTP/1.1\r\nHost: {}\r\n\r\n",
            appliance.public_addr()
        );
        if crowd.write_all(request.as_bytes()).is_err()
            || !matches!(crowd.read(&mut buffer), Ok(n) if n > 0)
        {
            crowd =
                TcpStream::connect(appliance.public_addr()).expect("the tracker takes connections");
            crowd
                .set_read_timeout(Some(Duration::from_secs(10)))
                .expect("a socket takes a timeout");
        }
    }
    let answer = announce(&good);
    assert!(
        answer.contains("8:interval") && answer.len() < 4096,
        "{} bytes of answer",
        answer.len()
    );
    appliance.assert_alive();
    assert_sound("a crowd of announces", appliance.pid());
}

/// A BEP 15 connect: the connection id that comes back, when an answer does.
fn udp_connect(socket: &UdpSocket) -> Option<u64> {
    let transaction = 0x5eed_u32;
    let mut packet = 0x0417_2710_1980_u64.to_be_bytes().to_vec();
    packet.extend_from_slice(&0_u32.to_be_bytes());
    packet.extend_from_slice(&transaction.to_be_bytes());
    let mut answer = [0; 2048];
    // UDP may drop, and answers to garbage may still be on their way.
    for _ in 0..20 {
        socket.send(&packet).ok()?;
        while let Ok(length) = socket.recv(&mut answer) {
            let ours =
                length == 16 && answer[..8] == [&[0; 4][..], &transaction.to_be_bytes()].concat();
            if ours {
                return Some(u64::from_be_bytes(answer[8..16].try_into().ok()?));
            }
        }
    }
    None
}

#[test]
fn tracker_udp() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tree = Tree::file("film.mkv", 1 << 20, 14);
    let (mut appliance, _) = appliance(dir.path(), &tree);
    let socket = UdpSocket::bind((appliance.ip(), 0)).expect("loopback can be bound");
    socket
        .connect(appliance.public_addr())
        .expect("UDP connects");
    socket
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a socket takes a timeout");
    let connection = udp_connect(&socket).expect("the UDP tracker answers");
    let mut sent = 0_u64;
    let mut received = 0_u64;
    for round in 0..3000_usize {
        let mut announce = [
            connection.to_be_bytes().to_vec(),
            vec![0, 0, 0, 1, 0, 0, 0, 9],
        ]
        .concat();
        announce.extend(garbage(82 + round % 900));
        let scrape = [
            connection.to_be_bytes().to_vec(),
            vec![0, 0, 0, 2, 0, 0, 0, 9],
            garbage(1400),
        ]
        .concat();
        let forged = [garbage(8), vec![0, 0, 0, 1, 0, 0, 0, 9], garbage(82)].concat();
        for packet in [
            garbage(round % 1400),
            announce[..16 + round % 80].to_vec(),
            announce,
            scrape,
            forged,
        ] {
            sent += packet.len() as u64;
            // A full queue of the kernel's is not ours to judge.
            let _ = socket.send(&packet);
        }
        let mut buffer = [0; 2048];
        socket
            .set_nonblocking(true)
            .expect("a socket can be non-blocking");
        while let Ok(length) = socket.recv(&mut buffer) {
            received += length as u64;
        }
        socket
            .set_nonblocking(false)
            .expect("a socket can be blocking");
    }
    assert!(
        received <= sent,
        "{received} bytes came for {sent}: the tracker amplifies"
    );
    appliance.assert_alive();
    assert_sound("UDP garbage", appliance.pid());
    assert!(
        udp_connect(&socket).is_some(),
        "the UDP tracker still answers"
    );
}
