//! A small HTTP tracker that is not ours, for `semoir seed --tracker` and for the control tests. It remembers every
//! announce it was sent.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::net;

/// One announce as it came.
#[derive(Debug, Clone)]
pub struct Announce {
    /// Raw, 20 bytes when well-formed.
    pub info_hash: Vec<u8>,
    /// Raw, 20 bytes when well-formed.
    pub peer_id: Vec<u8>,
    /// Where the peer listens.
    pub peer: SocketAddr,
    /// `started`, `stopped`, `completed`, or empty.
    pub event: String,
    /// Bytes it still lacks.
    pub left: Option<u64>,
    /// Payload bytes it says it uploaded.
    pub uploaded: Option<u64>,
}

#[derive(Default)]
struct State {
    swarms: HashMap<Vec<u8>, Vec<SocketAddr>>,
    heard: Vec<Announce>,
}

/// A running tracker; stops when dropped.
pub struct Tracker {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
}

impl Tracker {
    /// On an address of its own.
    pub fn start() -> Tracker {
        Tracker::on(net::fresh_ip())
    }

    /// On a port of `ip`.
    pub fn on(ip: Ipv4Addr) -> Tracker {
        let listener = TcpListener::bind((ip, 0)).expect("loopback can be bound");
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let state = Arc::<Mutex<State>>::default();
        let stop = Arc::<AtomicBool>::default();
        let (for_thread, stopped) = (state.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let state = for_thread.clone();
                // A peer that hangs up in the middle is its own trouble.
                std::thread::spawn(move || drop(answer(stream, &state)));
            }
        });
        Tracker { addr, state, stop }
    }

    /// Its announce URL.
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.addr)
    }

    /// Tells it of a peer that does not announce.
    pub fn introduce(&self, info_hash: &[u8], peer: SocketAddr) {
        let mut state = self.state.lock().expect("no thread panics holding this");
        state
            .swarms
            .entry(info_hash.to_vec())
            .or_default()
            .push(peer);
    }

    /// Everything it was sent so far.
    pub fn heard(&self) -> Vec<Announce> {
        self.state
            .lock()
            .expect("no thread panics holding this")
            .heard
            .clone()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.addr));
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let from = stream.peer_addr()?.ip();
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
    }
    let target = first.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let announce = read(query, from);
    let peers = {
        let mut state = state.lock().expect("no thread panics holding this");
        state.heard.push(announce.clone());
        let swarm = state.swarms.entry(announce.info_hash.clone()).or_default();
        swarm.retain(|peer| *peer != announce.peer);
        let others = swarm.clone();
        if announce.event != "stopped" {
            swarm.push(announce.peer);
        }
        others
    };
    let mut compact = Vec::new();
    for peer in peers {
        if let IpAddr::V4(ip) = peer.ip() {
            compact.extend_from_slice(&ip.octets());
            compact.extend_from_slice(&peer.port().to_be_bytes());
        }
    }
    let mut body =
        format!("d8:intervali5e12:min intervali2e5:peers{}:", compact.len()).into_bytes();
    body.extend_from_slice(&compact);
    body.push(b'e');
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

fn read(query: &str, from: IpAddr) -> Announce {
    let mut fields: HashMap<&str, Vec<u8>> = HashMap::new();
    for field in query.split('&') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        fields.insert(key, percent_encoding::percent_decode_str(value).collect());
    }
    let text =
        |key: &str| String::from_utf8_lossy(fields.get(key).map_or(&[][..], |v| v)).into_owned();
    Announce {
        info_hash: fields.get("info_hash").cloned().unwrap_or_default(),
        peer_id: fields.get("peer_id").cloned().unwrap_or_default(),
        peer: (from, text("port").parse().unwrap_or(0)).into(),
        event: text("event"),
        left: text("left").parse().ok(),
        uploaded: text("uploaded").parse().ok(),
    }
}
