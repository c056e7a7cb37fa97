//! Leechers that take whatever they are offered, discard it, and tell one another: what they receive is what the box
//! sent, counted outside of it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt};
use nix::sys::socket::{socket, sockopt::TcpMaxSeg};

use super::wire::FakePeer;

/// Payload of a segment on an Ethernet line; loopback would take 64 KiB.
const SEGMENT: u32 = 1448;
/// Headers of one: IPv4, TCP, timestamps.
const HEADERS: f64 = 52.0;
const BLOCK: u32 = 16 << 10;
/// Blocks asked for and not yet received; the box announces that it takes 250.
const AHEAD: usize = 128;

/// A crowd of leechers of one torrent.
pub struct Hungry {
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Hungry {
    /// `n` leechers of a torrent whose pieces all have the same length, a multiple of a block's.
    pub fn start(n: usize, to: SocketAddr, info_hash: [u8; 20], piece_length: u32) -> Hungry {
        let received = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let complete = Arc::new(Mutex::new(Vec::new()));
        let threads = (0..n).map(|_| {
            let leecher = Leecher {
                stream: dial(to),
                piece_length,
                wanted: VecDeque::new(),
                asked: 0,
                left: Vec::new(),
                told: 0,
                complete: complete.clone(),
                received: received.clone(),
            };
            let stop = stop.clone();
            std::thread::spawn(move || leecher.run(info_hash, &stop))
        });
        let threads = threads.collect();
        Hungry {
            received,
            stop,
            threads,
        }
    }

    /// Bytes on the wire per second during `time`, in windows of a second: the mean, the least and the most.
    pub fn rates(&self, time: Duration) -> (f64, f64, f64) {
        let second = Duration::from_secs(1);
        let (start, mut log) = (Instant::now(), Vec::new());
        while start.elapsed() < time + second / 20 {
            log.push((Instant::now(), self.received.load(Ordering::Relaxed)));
            std::thread::sleep(second / 40);
        }
        let rate = |from: (Instant, u64), to: (Instant, u64)| {
            let wire = (to.1 - from.1) as f64 * (1.0 + HEADERS / f64::from(SEGMENT));
            wire / (to.0 - from.0).as_secs_f64()
        };
        let windows: Vec<f64> = log
            .iter()
            .filter_map(|from| {
                let to = log.iter().find(|to| to.0 >= from.0 + second)?;
                Some(rate(*from, *to))
            })
            .collect();
        let least = windows.iter().copied().fold(f64::INFINITY, f64::min);
        let most = windows.iter().copied().fold(0.0, f64::max);
        (rate(log[0], log[log.len() - 1]), least, most)
    }

    /// Ends them all.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let ended = thread.join().expect("a leecher does not panic");
            ended.expect("the box does not hang up");
        }
    }
}

/// Connects with segments of an ordinary line's length.
fn dial(to: SocketAddr) -> TcpStream {
    let family = AddressFamily::Inet;
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None).expect("a socket");
    // The 12 bytes of timestamps are in the segment's size as TCP counts it.
    setsockopt(&socket, TcpMaxSeg, &(SEGMENT + 12)).expect("a segment's size");
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to)).expect("the box listens");
    let stream = TcpStream::from(socket);
    let bound = Duration::from_millis(50);
    stream.set_read_timeout(Some(bound)).expect("a timeout");
    stream
}

struct Leecher {
    stream: TcpStream,
    piece_length: u32,
    /// Blocks to be asked for, and how many it waits for.
    wanted: VecDeque<(u32, u32)>,
    asked: usize,
    /// Pieces being received, and the bytes they lack.
    left: Vec<(u32, u32)>,
    /// How many of the complete pieces it said that it has.
    told: usize,
    /// What the crowd received, in order.
    complete: Arc<Mutex<Vec<u32>>>,
    received: Arc<AtomicU64>,
}

impl Leecher {
    fn run(mut self, info_hash: [u8; 20], stop: &AtomicBool) -> std::io::Result<()> {
        let mut hello = FakePeer::handshake_bytes(info_hash);
        let name: [u8; 8] = rand::random();
        hello[60..68].copy_from_slice(&name);
        hello[25] = 0;
        hello.extend(FakePeer::message(2, &[]));
        self.stream.write_all(&hello)?;
        let (mut buffer, mut used) = (vec![0; 256 << 10], 0);
        let mut greeted = false;
        while !stop.load(Ordering::Relaxed) {
            match self.stream.read(&mut buffer[used..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.received.fetch_add(read as u64, Ordering::Relaxed);
                    used += read;
                }
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
            let mut at = 0;
            if !greeted {
                if used < 68 {
                    continue;
                }
                (at, greeted) = (68, true);
            }
            while let Some(head) = buffer[at..used].first_chunk::<4>() {
                let end = at + 4 + u32::from_be_bytes(*head) as usize;
                if end > used {
                    break;
                }
                self.heard(&buffer[at + 4..end])?;
                at = end;
            }
            buffer.copy_within(at..used, 0);
            used -= at;
            self.ask()?;
            self.tell()?;
        }
        Ok(())
    }

    fn heard(&mut self, message: &[u8]) -> std::io::Result<()> {
        let number = || u32::from_be_bytes(message[1..5].try_into().expect("four bytes"));
        match message.first() {
            Some(4) => {
                let piece = number();
                self.left.push((piece, self.piece_length));
                let begins = (0..self.piece_length).step_by(BLOCK as usize);
                self.wanted.extend(begins.map(|begin| (piece, begin)));
                Ok(())
            }
            Some(7) => {
                let (piece, length) = (number(), message.len() as u32 - 9);
                self.asked -= 1;
                if let Some(at) = self.left.iter().position(|(of, _)| *of == piece) {
                    self.left[at].1 -= length;
                    if self.left[at].1 == 0 {
                        self.left.remove(at);
                        self.complete.lock().expect("no panics").push(piece);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Asks for what it was offered, a little ahead.
    fn ask(&mut self) -> std::io::Result<()> {
        let n = self.wanted.len().min(AHEAD - self.asked);
        if n == 0 {
            return Ok(());
        }
        self.asked += n;
        let wanted = self.wanted.drain(..n);
        let requests = wanted.flat_map(|(piece, begin)| FakePeer::request(piece, begin, BLOCK));
        self.stream.write_all(&requests.collect::<Vec<u8>>())
    }

    /// Says that it has what anybody has: they pass everything on at once.
    fn tell(&mut self) -> std::io::Result<()> {
        let complete = self.complete.lock().expect("no panics");
        let news = complete[self.told..].iter();
        let haves: Vec<u8> = news
            .flat_map(|piece| FakePeer::message(4, &piece.to_be_bytes()))
            .collect();
        self.told = complete.len();
        drop(complete);
        if haves.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&haves)
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
