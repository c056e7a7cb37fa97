//! What else the family does with its line.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use super::house::House;

/// Payload of a datagram, and what it is on the wire.
const DATAGRAM: usize = 1200;
const HEADERS: usize = 28;
/// Between two looks whether it shall end.
const BOUND: Duration = Duration::from_millis(200);

/// Something that goes on until it is dropped.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// A stream of datagrams at so many bytes per second on the wire, which gives way to nobody.
    pub fn stream(house: &House, rate: f64) -> Traffic {
        let sink = house
            .world
            .inside(|| UdpSocket::bind(House::there(0)).expect("a socket"));
        let there = sink.local_addr().expect("a bound socket");
        let socket = house.family.inside(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.connect(there).expect("a route");
            socket
        });
        let every = Duration::from_secs_f64((DATAGRAM + HEADERS) as f64 / rate);
        let mut traffic = Traffic::new();
        let stop = traffic.stop.clone();
        traffic.threads.push(std::thread::spawn(move || {
            // Whoever does not read still receives.
            let _sink = sink;
            let begun = Instant::now();
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(
                    (begun + every * turn).saturating_duration_since(Instant::now()),
                );
                let _lost = socket.send(&[0; DATAGRAM]);
            }
        }));
        traffic
    }

    /// A long upload over one TCP connection.
    pub fn upload(house: &House) -> Traffic {
        let listener = house
            .world
            .inside(|| TcpListener::bind(House::there(0)).expect("a socket"));
        let there = listener.local_addr().expect("a bound socket");
        let connect = || TcpStream::connect(there).expect("somebody listens");
        let mut up = house.family.inside(connect);
        let (mut down, _) = listener.accept().expect("a connection");
        // It ends at once: what its kernel has not sent is not sent.
        let abrupt = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&up, sockopt::Linger, &abrupt).expect("an option");
        up.set_write_timeout(Some(BOUND)).expect("a timeout");
        down.set_read_timeout(Some(BOUND)).expect("a timeout");
        let mut traffic = Traffic::new();
        let (sends, takes) = (traffic.stop.clone(), traffic.stop.clone());
        traffic.threads.push(std::thread::spawn(move || {
            // A full buffer is a timeout.
            while !sends.load(Ordering::Relaxed) {
                let _full = up.write(&[0; 16 << 10]);
            }
        }));
        traffic.threads.push(std::thread::spawn(move || {
            let mut buffer = vec![0; 256 << 10];
            while !takes.load(Ordering::Relaxed) {
                let _empty = down.read(&mut buffer);
            }
        }));
        traffic
    }

    fn new() -> Traffic {
        Traffic {
            stop: Arc::default(),
            threads: Vec::new(),
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // What went wrong in there has been said.
            let _ = thread.join();
        }
    }
}
