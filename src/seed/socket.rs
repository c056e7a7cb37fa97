//! What we ask of the kernel for a peer's socket.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{self, MsgFlags, sockopt};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Bytes the kernel holds for one peer. More would only queue what could still be given to a quicker one.
const SEND_BUFFER: usize = 128 << 10;
/// DSCP "lower effort" (RFC 8622) in the type-of-service byte: routers that know it let everything else pass first.
const LOWER_EFFORT: i32 = 0x01 << 2;
/// Bytes of IPv4, TCP and timestamp headers of one segment; IPv6 headers are 20 longer.
const HEADERS_V4: u64 = 52;
const HEADERS_V6: u64 = 72;

/// Prepares a fresh socket. What the kernel does not know is no reason not to serve.
pub fn prepare(stream: &TcpStream) {
    let set = [
        socket::setsockopt(stream, sockopt::TcpNoDelay, &true),
        socket::setsockopt(stream, sockopt::SndBuf, &SEND_BUFFER),
        socket::setsockopt(stream, sockopt::Ipv4Tos, &LOWER_EFFORT),
    ];
    if stream.peer_addr().is_ok_and(|addr| addr.is_ipv6()) {
        // Fails on nothing that matters: an IPv4 peer on a dual-stack socket takes the value above.
        let _ = socket::setsockopt(stream, sockopt::Ipv6TClass, &LOWER_EFFORT);
    }
    for error in set.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "a socket option was refused");
    }
}

/// Bytes this connection put on the line so far: payload, retransmissions, headers, acknowledgements, as the kernel
/// counts them; `None` when it does not say.
pub fn wire_bytes(stream: &TcpStream) -> Option<u64> {
    // SAFETY: `tcp_info` is plain integers, for which all zeros is a value.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = mem::size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: `info` and `length` are valid for writing, and `length` says how large `info` is.
    let got = unsafe {
        libc::getsockopt(
            stream.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    let v6 = stream
        .peer_addr()
        .is_ok_and(|addr| !addr.ip().to_canonical().is_ipv4());
    let headers = if v6 { HEADERS_V6 } else { HEADERS_V4 };
    let enough = length as usize >= mem::offset_of!(libc::tcp_info, tcpi_bytes_sent) + 8;
    (got == 0 && enough).then_some(info.tcpi_bytes_sent + u64::from(info.tcpi_segs_out) * headers)
}

/// Writes all of `bytes`; `more` says that more follows at once, so that the kernel waits to fill the segment.
pub async fn write_all(stream: &TcpStream, mut bytes: &[u8], more: bool) -> io::Result<()> {
    let more = if more { libc::MSG_MORE } else { 0 };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::from_bits_retain(more);
    while !bytes.is_empty() {
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                Ok(socket::send(stream.as_fd().as_raw_fd(), bytes, flags)?)
            })
            .await?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Sends `length` bytes of `file` from `offset`, without copying them through us.
///
/// # Errors
/// `UnexpectedEof` when the file ends early: it was cut while we served it.
pub async fn send_file(
    stream: &TcpStream,
    file: &File,
    offset: u64,
    length: u64,
) -> io::Result<()> {
    let mut at = i64::try_from(offset).map_err(|_| ErrorKind::InvalidInput)?;
    let mut left = length as usize;
    while left > 0 {
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                Ok(sendfile64(stream, file, Some(&mut at), left)?)
            })
            .await?;
        if sent == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        left -= sent;
    }
    Ok(())
}
