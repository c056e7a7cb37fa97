//! Opening the box's listening sockets, which peers and browsers share the rules of.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Connections the kernel keeps for us while we are busy.
const BACKLOG: u32 = 1024;

/// Opens a listening TCP socket. Where the machine has no IPv6, `[::]` becomes `0.0.0.0`; ask the socket for its
/// address to know. Must be called within a tokio runtime.
///
/// # Errors
/// When the address is taken, not this machine's, or not for us to have.
pub fn tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    tcp_or_v4(addr, open)
}

fn open(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart must not wait for the connections of its predecessor to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

fn tcp_or_v4<T>(addr: SocketAddr, open: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    match open(addr) {
        Err(error) if addr.is_ipv6() && addr.ip().is_unspecified() && no_such_family(&error) => {
            open((Ipv4Addr::UNSPECIFIED, addr.port()).into())
        }
        result => result,
    }
}

fn no_such_family(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_ipv6_everywhere_means_everywhere_in_ipv4() {
        let no_ipv6 = |addr: SocketAddr| match addr {
            SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
            SocketAddr::V4(_) => Ok(addr),
        };
        let opened = |addr: &str| tcp_or_v4(addr.parse().unwrap(), no_ipv6);
        assert_eq!(
            opened("[::]:6880").unwrap(),
            "0.0.0.0:6880".parse().unwrap()
        );
        // Another address was meant as it was said.
        assert!(opened("[::1]:6880").is_err());
    }

    #[test]
    fn a_taken_port_is_not_taken_in_ipv4_instead() {
        let taken = |addr: SocketAddr| match addr {
            SocketAddr::V6(_) => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
            SocketAddr::V4(_) => Ok(()),
        };
        let error = tcp_or_v4("[::]:6880".parse().unwrap(), taken).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_second_listener_on_a_port_is_refused() {
        let first = tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = tcp(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
