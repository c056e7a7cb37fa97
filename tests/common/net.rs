//! Addresses on loopback that no other test has.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};

static NEXT: AtomicU8 = AtomicU8::new(2);

/// An address in 127/8 for one client or one box, new at each call. Transmission and libtorrent know one peer per
/// address, so a swarm on a single address is none to them. Tests run in processes of their own, so the process id
/// keeps them apart; two that still meet only share addresses, never ports.
pub fn fresh_ip() -> Ipv4Addr {
    let pid = std::process::id();
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(n < 255, "a test uses more than 250 addresses");
    Ipv4Addr::new(127, (1 + (pid >> 8) % 250) as u8, (pid & 0xff) as u8, n)
}

/// A port on `ip` that nobody listens on now, for programs that cannot say which port the system gave them. They
/// have `ip` to themselves, so nobody takes it between this call and theirs.
pub fn free_port(ip: Ipv4Addr) -> u16 {
    loop {
        let tcp = TcpListener::bind((ip, 0)).expect("loopback has a free port");
        let port = tcp
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        if UdpSocket::bind((ip, port)).is_ok() {
            return port;
        }
    }
}

/// `ip:0`: the system chooses.
pub fn any_port(ip: Ipv4Addr) -> SocketAddr {
    (IpAddr::V4(ip), 0).into()
}
