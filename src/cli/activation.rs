//! The socket of a helper: the one that systemd hands over (sd_listen_fds(3)), or one of our own.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{SockType, getsockopt, sockopt};

use crate::base::whole;

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;

/// The socket that systemd handed over, or one at `path`.
///
/// # Errors
/// When there is neither.
pub fn listener(path: Option<&Path>) -> io::Result<UnixListener> {
    match (from_systemd()?, path) {
        (Some(listener), _) => Ok(listener),
        (None, Some(path)) => bind(path),
        (None, None) => {
            let why = "systemd handed over none; name one with --socket";
            Err(io::Error::other(why))
        }
    }
}

/// A socket that all may connect to: who does, and may, the kernel tells.
fn bind(path: &Path) -> io::Result<UnixListener> {
    whole::remove(path)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// The listening socket that systemd handed over; none when we were started otherwise.
///
/// # Errors
/// When something else was handed over, or more than one.
fn from_systemd() -> io::Result<Option<UnixListener>> {
    let variable = |name: &str| env::var(name).ok();
    match handed_over(variable, std::process::id()) {
        0 => Ok(None),
        1 => {
            fcntl_is_open(FIRST)?;
            // SAFETY: systemd opened it for this very process, and nothing else of it takes it: this runs once, at the start.
            let socket = unsafe { OwnedFd::from_raw_fd(FIRST) };
            taken(socket).map(Some)
        }
        more => Err(io::Error::other(format!(
            "{more} sockets were handed over instead of one"
        ))),
    }
}

/// How many descriptors are handed over to the process of this number. The variables are inherited by whatever that
/// process starts, for which they do not count.
fn handed_over(variable: impl Fn(&str) -> Option<String>, pid: u32) -> u32 {
    let number = |name: &str| variable(name)?.parse::<u32>().ok();
    match number("LISTEN_PID") {
        Some(meant) if meant == pid => number("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}

fn fcntl_is_open(fd: RawFd) -> io::Result<()> {
    let path = format!("/proc/self/fd/{fd}");
    std::fs::symlink_metadata(path).map(|_| ())
}

/// The socket as a listener that no child inherits.
fn taken(socket: OwnedFd) -> io::Result<UnixListener> {
    let listening = getsockopt(&socket, sockopt::AcceptConn).unwrap_or(false);
    let stream = getsockopt(&socket, sockopt::SockType).ok() == Some(SockType::Stream);
    if !listening || !stream {
        let fd = socket.as_raw_fd();
        return Err(io::Error::other(format!(
            "descriptor {fd} is no listening stream socket"
        )));
    }
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(UnixListener::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_for_this_process_counts() {
        let ask = |set: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            handed_over(variable, 42)
        };
        assert_eq!(ask(&[("LISTEN_PID", "42"), ("LISTEN_FDS", "1")]), 1);
        assert_eq!(ask(&[("LISTEN_PID", "7"), ("LISTEN_FDS", "1")]), 0);
        assert_eq!(ask(&[("LISTEN_FDS", "1")]), 0);
        assert_eq!(ask(&[("LISTEN_PID", "42"), ("LISTEN_FDS", "many")]), 0);
    }

    #[test]
    fn anything_but_a_listening_stream_is_refused() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(taken(one.into()).is_err());
        let file = tempfile::tempfile().unwrap();
        assert!(taken(file.into()).is_err());
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        assert!(taken(listener.into()).is_ok());
    }
}
