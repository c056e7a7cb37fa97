//! What we ask of the kernel for a peer's socket.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{self, MsgFlags, sockopt};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::shaper::on_the_wire;
use crate::base::PeerKey;
use crate::policy::guard::Sample;

/// Bytes the kernel takes from us for one peer before it has sent them, where there is a limit: one block. More would
/// only queue what could still be given to a quicker one, and could not be called back when the limit is lowered.
/// What it has sent and keeps until it is acknowledged does not count, so that a peer far away is not held back.
const UNSENT: u64 = 16 << 10;
/// The same where nothing limits us: enough to be written in few and large strokes.
const UNSENT_UNLIMITED: u64 = 128 << 10;
/// DSCP "lower effort" (RFC 8622) in the type-of-service byte: routers that know it let everything else pass first.
const LOWER_EFFORT: i32 = 0x01 << 2;
/// Bytes of the IPv4 and TCP headers of one segment; IPv6 headers are 20 longer, timestamps (nearly always) 12 more.
const HEADERS: u64 = 40;
const HEADERS_V6: u64 = 20;
const TIMESTAMPS: u64 = 12;
/// `TCPI_OPT_TIMESTAMPS` of linux/tcp.h.
const HAS_TIMESTAMPS: u8 = 1;

/// Prepares a fresh socket. What the kernel does not know is no reason not to serve.
pub fn prepare(stream: &TcpStream) {
    let set = [
        socket::setsockopt(stream, sockopt::TcpNoDelay, &true),
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

/// Has the kernel say that there is something to read once there are so many bytes.
pub fn wake_for(stream: &TcpStream, bytes: usize) {
    let bytes = bytes as libc::c_int;
    set(stream, libc::SOL_SOCKET, libc::SO_RCVLOWAT, &bytes);
}

/// Bytes of payload in a full segment.
pub fn segment(stream: &TcpStream) -> Option<u64> {
    let segment = socket::getsockopt(stream, sockopt::TcpMaxSeg);
    segment.ok().map(u64::from)
}

/// Tells the kernel of a limit: to take little ahead of what it sends, and to send no faster than `rate` bytes of payload
/// per second, evenly.
pub fn pace(stream: &TcpStream, rate: Option<u64>) {
    let unsent = if rate.is_some() {
        UNSENT
    } else {
        UNSENT_UNLIMITED
    };
    let rate = rate.map_or(libc::c_ulong::MAX, |rate| rate.max(1) as libc::c_ulong);
    let unsent = unsent as libc::c_int;
    set(stream, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, &rate);
    set(stream, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, &unsent);
}

/// Sets an option that nix does not know.
fn set<T>(stream: &TcpStream, level: libc::c_int, option: libc::c_int, value: &T) {
    let length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is valid for reading `length` bytes.
    let set = unsafe {
        let value = std::ptr::from_ref(value).cast();
        libc::setsockopt(stream.as_raw_fd(), level, option, value, length)
    };
    if set != 0 {
        let error = io::Error::last_os_error();
        tracing::debug!(option, %error, "a socket option was refused");
    }
}

/// What the kernel did with what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Bytes put on the wire so far: payload, retransmissions, headers, acknowledgements.
    pub wire: u64,
    /// Bytes on the wire that it will take to send what it was given and has not sent yet.
    pub unsent: u64,
}

/// What this connection sent so far, as the kernel counts it; `None` when it does not say.
pub fn sent(stream: &TcpStream, v6: bool) -> Option<Sent> {
    let info = info(stream)?;
    let stamped = info.tcpi_options & HAS_TIMESTAMPS != 0;
    let headers = HEADERS + if v6 { HEADERS_V6 } else { 0 } + if stamped { TIMESTAMPS } else { 0 };
    Some(Sent {
        wire: info.tcpi_bytes_sent + u64::from(info.tcpi_segs_out) * headers,
        unsent: on_the_wire(u64::from(info.tcpi_notsent_bytes)),
    })
}

/// What the kernel knows of this connection's path; `None` when it does not say.
pub fn sample(stream: &TcpStream, peer: PeerKey) -> Option<Sample> {
    let info = info(stream)?;
    let micros = |micros: u32| Duration::from_micros(micros.into());
    Some(Sample {
        peer,
        rtt: micros(info.tcpi_rtt),
        min_rtt: micros(info.tcpi_min_rtt),
        acked: info.tcpi_bytes_acked,
        segments_in: info.tcpi_segs_in,
        mss: info.tcpi_snd_mss,
        unsent: info.tcpi_notsent_bytes,
        segments_out: info.tcpi_data_segs_out,
        resent: info.tcpi_total_retrans,
    })
}

fn info(stream: &TcpStream) -> Option<libc::tcp_info> {
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
    // The last field that we read; all others come before it.
    let enough = length as usize >= mem::offset_of!(libc::tcp_info, tcpi_bytes_sent) + 8;
    (got == 0 && enough).then_some(info)
}

/// Writes some of `bytes`; `more` says that more follows at once, so that the kernel waits to fill the segment.
///
/// # Errors
/// `WouldBlock` when the kernel takes nothing now; wait for the stream to be writable then.
pub fn write(stream: &TcpStream, bytes: &[u8], more: bool) -> io::Result<usize> {
    let more = if more { libc::MSG_MORE } else { 0 };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::from_bits_retain(more);
    stream.try_io(Interest::WRITABLE, || {
        Ok(socket::send(stream.as_raw_fd(), bytes, flags)?)
    })
}

/// Writes all of `bytes`.
pub async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(stream, bytes, false) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sends at most `length` bytes of `file` from `offset`, without copying them through us; returns how many.
///
/// # Errors
/// `WouldBlock` as [`write`]; `UnexpectedEof` when the file ends early: it was cut while we served it.
pub fn send_file(stream: &TcpStream, file: &File, offset: u64, length: u64) -> io::Result<usize> {
    let mut at = i64::try_from(offset).map_err(|_| ErrorKind::InvalidInput)?;
    let sent = stream.try_io(Interest::WRITABLE, || {
        Ok(sendfile64(stream, file, Some(&mut at), length as usize)?)
    })?;
    if sent == 0 && length > 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(sent)
}
