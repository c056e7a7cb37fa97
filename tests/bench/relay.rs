//! A link that is far away: two TUN devices in two network namespaces, each packet delayed, in order, none changed.
//!
//!     relay SPACE DEVICE SPACE DEVICE MICROSECONDS
//!
//! SPACE is a namespace's file (/proc/PID/ns/net). Prints `up` once both devices are there, and runs until it is killed.
//! The benches use it because not every kernel has netem. Packets that find the queue full are lost, as on any link.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Packets on their way in one direction: 80 ms at 600 Mbit/s.
const QUEUE: usize = 4096;
/// The longest packet a device hands over; its MTU is 1500.
const LONGEST: usize = 2048;
/// `_IOW('T', 202, int)`, of linux/if_tun.h.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;

/// What TUNSETIFF reads: `struct ifreq`, of linux/if.h.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    rest: [u8; 22],
}

/// A packet, and when it may arrive.
type Packet = (Instant, Vec<u8>);

/// Makes the device `name` in the namespace `space`. This thread stays there, which harms nobody: it opens no socket.
fn device(space: &str, name: &str) -> io::Result<File> {
    let space = File::open(space)?;
    // SAFETY: the descriptor is open, and a namespace's.
    if unsafe { libc::setns(space.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        flags: (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short,
        rest: [0; 22],
    };
    for (to, from) in request.name[..libc::IFNAMSIZ - 1]
        .iter_mut()
        .zip(name.bytes())
    {
        *to = from;
    }
    // SAFETY: the request is as long as the kernel's, and outlives the call.
    if unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF, &mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(tun)
}

/// Takes packets as they come.
fn take(mut from: File, delay: Duration, to: SyncSender<Packet>) {
    let mut buffer = [0; LONGEST];
    loop {
        match from.read(&mut buffer) {
            // A full queue loses the packet.
            Ok(length) => drop(to.try_send((Instant::now() + delay, buffer[..length].to_vec()))),
            // The device is not up yet.
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Gives packets when they are due.
fn give(from: Receiver<Packet>, mut to: File) {
    for (due, packet) in from {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A device that is down takes nothing: the packet is lost.
        let _lost = to.write(&packet);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [near_space, near, far_space, far, delay] = &arguments[..] else {
        return Err("relay SPACE DEVICE SPACE DEVICE MICROSECONDS".into());
    };
    let delay = Duration::from_micros(delay.parse()?);
    let (near, far) = (device(near_space, near)?, device(far_space, far)?);
    for (from, to) in [
        (near.try_clone()?, far.try_clone()?),
        (far.try_clone()?, near.try_clone()?),
    ] {
        let (sender, receiver) = sync_channel(QUEUE);
        thread::spawn(move || take(from, delay, sender));
        thread::spawn(move || give(receiver, to));
    }
    println!("up");
    io::stdout().flush()?;
    loop {
        thread::park();
    }
}
