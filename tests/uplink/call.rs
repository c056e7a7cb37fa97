//! The family's call: a small datagram ten times a second to somebody who sends it back, and how long each took.

use std::fmt;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::house::House;
use crate::common::relay::hurry;

const EVERY: Duration = Duration::from_millis(100);
/// Bytes of one, as of a voice call.
const LENGTH: usize = 160;
/// One that is not back by then is lost.
const LOST: Duration = Duration::from_secs(2);

/// When each was sent, and how long it took.
type Log = Arc<Mutex<Vec<(Instant, Option<Duration>)>>>;

pub struct Call {
    log: Log,
    /// The median while nobody else used the line.
    base: Duration,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Milliseconds that the call's datagrams took longer than on an empty line. A lost one took [`LOST`].
#[derive(Clone, Copy)]
pub struct Added {
    pub p50: f64,
    pub p95: f64,
    pub most: f64,
    pub lost: usize,
}

impl Call {
    /// Begins one, and listens for a while to how it is on the empty line.
    pub fn start(house: &House) -> Call {
        let (log, stop) = (Log::default(), Arc::<AtomicBool>::default());
        let bound = Some(EVERY);
        let echo = house.world.inside(|| {
            let socket = UdpSocket::bind(House::there(0)).expect("a socket");
            socket.set_read_timeout(bound).expect("a timeout");
            socket
        });
        let there = echo.local_addr().expect("a bound socket");
        let here = house.family.inside(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.set_read_timeout(bound).expect("a timeout");
            socket.connect(there).expect("a route");
            socket
        });
        let hear = here.try_clone().expect("a descriptor");
        let running = |what: Box<dyn Fn(u32) + Send>| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                hurry();
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    what(turn);
                }
            })
        };
        let answer = move |_| {
            let mut buffer = [0; LENGTH];
            if let Ok((length, from)) = echo.recv_from(&mut buffer) {
                // What is lost on the way shows in the log.
                let _lost = echo.send_to(&buffer[..length], from);
            }
        };
        let (begun, written, noted) = (Instant::now(), log.clone(), log.clone());
        let speak = move |turn: u32| {
            std::thread::sleep((begun + EVERY * turn).saturating_duration_since(Instant::now()));
            let mut datagram = [0; LENGTH];
            datagram[..4].copy_from_slice(&turn.to_be_bytes());
            written
                .lock()
                .expect("no panics")
                .push((Instant::now(), None));
            let _lost = here.send(&datagram);
        };
        let listen = move |_| {
            let mut buffer = [0; LENGTH];
            if let Ok(LENGTH) = hear.recv(&mut buffer) {
                let turn = u32::from_be_bytes(buffer[..4].try_into().expect("four bytes"));
                let (sent, took) = &mut noted.lock().expect("no panics")[turn as usize];
                *took = Some(sent.elapsed());
            }
        };
        let threads = vec![
            running(Box::new(answer)),
            running(Box::new(speak)),
            running(Box::new(listen)),
        ];
        let mut call = Call {
            log,
            base: Duration::ZERO,
            stop,
            threads,
        };
        std::thread::sleep(Duration::from_secs(2));
        let added = call.added(begun, Instant::now() - EVERY);
        assert_eq!(added.lost, 0, "the empty line loses datagrams");
        call.base = Duration::from_secs_f64(added.p50 / 1000.0);
        call
    }

    /// How it was between two moments; the latter waits until all that was sent by then is back or lost.
    pub fn added(&self, from: Instant, to: Instant) -> Added {
        let pending = |log: &Log| {
            let log = log.lock().expect("no panics");
            let mut sent = log.iter().filter(|(sent, _)| (from..to).contains(sent));
            sent.any(|(sent, took)| took.is_none() && sent.elapsed() < LOST)
        };
        while pending(&self.log) {
            std::thread::sleep(EVERY / 4);
        }
        let log = self.log.lock().expect("no panics");
        let sent = log.iter().filter(|(sent, _)| (from..to).contains(sent));
        let took: Vec<Option<Duration>> = sent.map(|(_, took)| *took).collect();
        let added = |took: Option<Duration>| took.unwrap_or(LOST).saturating_sub(self.base);
        let mut ms: Vec<f64> = took
            .iter()
            .map(|took| added(*took).as_secs_f64() * 1000.0)
            .collect();
        ms.sort_by(f64::total_cmp);
        let at = |part: f64| ms[((ms.len() - 1) as f64 * part).round() as usize];
        Added {
            p50: at(0.5),
            p95: at(0.95),
            most: at(1.0),
            lost: took.iter().filter(|took| took.is_none()).count(),
        }
    }
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1}/{:.1}/{:.1} ms added (p50, p95, most), {} lost",
            self.p50, self.p95, self.most, self.lost
        )
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // What went wrong in there has been said.
            let _ = thread.join();
        }
    }
}
