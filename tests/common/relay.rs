//! A link that is far away: two TUN devices in two network namespaces, each packet delayed, in order, none changed.
//!
//! Tests and benches use it because not every kernel has netem. Packets that find the queue full are lost, as on any link.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
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

/// Has the kernel run this thread before others, if it may: what is delayed by so much must not be delayed by a busy
/// processor too.
pub fn hurry() {
    let parameters = libc::sched_param { sched_priority: 10 };
    // SAFETY: the parameters outlive the call. Where it is refused, figures are less exact, which is all.
    let _refused = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &parameters) };
}

/// Takes this thread, and all that it begins from now on, into the namespace that is this file.
pub fn enter(space: &Path) -> io::Result<()> {
    let space = File::open(space)?;
    // SAFETY: the descriptor is open, and a namespace's.
    match unsafe { libc::setns(space.as_raw_fd(), libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes the device `name` in the namespace `space`.
fn device(space: &Path, name: &str) -> io::Result<File> {
    enter(space)?;
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
    hurry();
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
    hurry();
    for (due, packet) in from {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A device that is down takes nothing: the packet is lost.
        let _lost = to.write(&packet);
    }
}

/// Makes both devices, each named by its namespace's file and its own name, and passes packets between them for ever,
/// `delay` later each. The calling thread may end up in another namespace.
pub fn lay(near: (&Path, &str), far: (&Path, &str), delay: Duration) -> io::Result<()> {
    let (near, far) = (device(near.0, near.1)?, device(far.0, far.1)?);
    for (from, to) in [
        (near.try_clone()?, far.try_clone()?),
        (far.try_clone()?, near.try_clone()?),
    ] {
        let (sender, receiver) = sync_channel(QUEUE);
        thread::spawn(move || take(from, delay, sender));
        thread::spawn(move || give(receiver, to));
    }
    Ok(())
}
