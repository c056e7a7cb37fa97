//! Why a network share cannot be used, in words its owner can do something about.

use std::io;

use nix::errno::Errno;

use crate::base::{ErrorKind, Kind, ShareProtocol};

/// Why a share is not here. Each reads as a sentence after the share's name; the page has them in its languages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody mounts for us.
    #[error("network shares cannot be used: the box's mount service does not run")]
    NoHelper,
    /// Too much is being mounted at once.
    #[error("the box is busy opening others")]
    Busy,
    /// No address belongs to the server's name.
    #[error("no machine of that name was found in the network; it may be switched off")]
    NotFound,
    /// The network has no way to its address.
    #[error("the server cannot be reached; it may be switched off, or in another network")]
    Unreachable,
    /// It is there, and nothing listens.
    #[error(
        "the server refuses the connection: it does not serve shares of this kind at this port"
    )]
    Refused,
    /// Nothing came back.
    #[error("the server does not answer")]
    Silent,
    /// SMB: it did not let us in.
    #[error("wrong user or password, or the user may not use this share")]
    Login,
    /// SMB: the password was right once.
    #[error("the user's password has expired, and must be changed on the server")]
    Expired,
    /// SMB: the user may not log on any more.
    #[error("the user is disabled on the server")]
    Disabled,
    /// NFS: it does not let this box in, or the folder is for others.
    #[error("the server does not let this box read the folder")]
    Denied,
    /// SMB: there is no such share or folder in it. NFS: no such export.
    #[error("the server has no such share or folder")]
    NoSuchShare,
    /// It speaks none of the versions we do.
    #[error(
        "the server speaks only versions of the protocol that are too old (SMB 1, NFS 2) or too new"
    )]
    Version,
    /// Our own kernel cannot.
    #[error("this box's system has no client for shares of this kind")]
    NoClient,
    /// It was there, and does not answer reads any more.
    #[error("the connection to the server was lost")]
    Lost,
    /// What is mounted is not there any more on the server.
    #[error("the folder was replaced on the server; it is opened anew")]
    Stale,
    /// Anything else.
    #[error("it cannot be opened: {0}")]
    Other(String),
}

impl Kind for Fault {
    fn kind(&self) -> ErrorKind {
        match self {
            Fault::NoSuchShare | Fault::NotFound => ErrorKind::NotFound,
            Fault::Login | Fault::Expired | Fault::Disabled | Fault::Denied => ErrorKind::Forbidden,
            _ => ErrorKind::Unavailable,
        }
    }
}

impl Fault {
    /// What the kernel's refusal to mount a share says.
    pub fn of_mount(errno: i32, protocol: ShareProtocol) -> Self {
        use ShareProtocol::{Nfs, Smb};
        match (Errno::from_raw(errno), protocol) {
            // STATUS_LOGON_FAILURE and STATUS_ACCESS_DENIED come as one.
            (Errno::EACCES | Errno::EPERM | Errno::EKEYREJECTED | Errno::ENOKEY, Smb) => {
                Fault::Login
            }
            (Errno::EKEYEXPIRED, Smb) => Fault::Expired,
            (Errno::EKEYREVOKED, Smb) => Fault::Disabled,
            (Errno::EACCES | Errno::EPERM, Nfs) => Fault::Denied,
            (Errno::ENOENT | Errno::ENXIO | Errno::ENOTDIR | Errno::EREMOTE, _) => {
                Fault::NoSuchShare
            }
            (
                Errno::EPROTONOSUPPORT | Errno::EOPNOTSUPP | Errno::EPROTO | Errno::EPFNOSUPPORT,
                _,
            ) => Fault::Version,
            (Errno::ENODEV, _) => Fault::NoClient,
            (Errno::ESTALE, _) => Fault::Stale,
            (errno, _) => Fault::of_network(errno).unwrap_or_else(|| Fault::other(errno)),
        }
    }

    /// What an error while connecting says.
    pub fn of_connect(error: &io::Error) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw);
        let known = errno.and_then(Fault::of_network);
        known.unwrap_or_else(|| Fault::Other(error.to_string()))
    }

    /// What an error of something that is mounted says.
    pub fn of_read(error: &io::Error, protocol: ShareProtocol) -> Self {
        let Some(errno) = error.raw_os_error().map(Errno::from_raw) else {
            return Fault::Other(error.to_string());
        };
        match errno {
            Errno::ESTALE | Errno::EBADF => Fault::Stale,
            // What is mounted is the share itself: that it is not there means that nothing is mounted any more.
            Errno::EIO | Errno::ENOTCONN | Errno::ESHUTDOWN | Errno::ENOENT | Errno::EAGAIN => {
                Fault::Lost
            }
            Errno::ECONNREFUSED => Fault::Refused,
            Errno::EHOSTDOWN | Errno::ECONNABORTED | Errno::ECONNRESET | Errno::EPIPE => {
                Fault::Lost
            }
            other => Fault::of_mount(other as i32, protocol),
        }
    }

    fn of_network(errno: Errno) -> Option<Self> {
        Some(match errno {
            Errno::ECONNREFUSED => Fault::Refused,
            Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::ENETDOWN | Errno::EADDRNOTAVAIL => {
                Fault::Unreachable
            }
            Errno::ETIMEDOUT | Errno::EHOSTDOWN | Errno::EAGAIN | Errno::EINPROGRESS => {
                Fault::Silent
            }
            Errno::ECONNRESET | Errno::ECONNABORTED | Errno::EPIPE | Errno::ENOTCONN => Fault::Lost,
            _ => return None,
        })
    }

    fn other(errno: Errno) -> Self {
        Fault::Other(errno.desc().to_lowercase())
    }

    /// Whether what is mounted has to be mounted anew: the kernel's client does not get over it by itself, or does so
    /// with the old password.
    pub(super) fn needs_mount(&self) -> bool {
        matches!(
            self,
            Fault::Stale
                | Fault::Login
                | Fault::Expired
                | Fault::Disabled
                | Fault::Denied
                | Fault::NoSuchShare
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ShareProtocol::{Nfs, Smb};

    #[test]
    fn what_the_kernel_says_is_said_in_words() {
        for (errno, protocol, fault) in [
            (libc::EACCES, Smb, Fault::Login),
            (libc::EACCES, Nfs, Fault::Denied),
            (libc::EKEYREJECTED, Smb, Fault::Login),
            (libc::EKEYEXPIRED, Smb, Fault::Expired),
            (libc::ENOENT, Smb, Fault::NoSuchShare),
            (libc::ENOENT, Nfs, Fault::NoSuchShare),
            (libc::EPROTONOSUPPORT, Nfs, Fault::Version),
            (libc::EOPNOTSUPP, Smb, Fault::Version),
            (libc::ENODEV, Smb, Fault::NoClient),
            (libc::ECONNREFUSED, Nfs, Fault::Refused),
            (libc::EHOSTUNREACH, Smb, Fault::Unreachable),
            (libc::EHOSTDOWN, Smb, Fault::Silent),
            (libc::ETIMEDOUT, Nfs, Fault::Silent),
            (
                libc::EINVAL,
                Nfs,
                Fault::Other("invalid argument".to_owned()),
            ),
        ] {
            assert_eq!(Fault::of_mount(errno, protocol), fault, "{errno}");
        }
        let read = |errno| Fault::of_read(&io::Error::from_raw_os_error(errno), Smb);
        for (errno, fault) in [
            (libc::EHOSTDOWN, Fault::Lost),
            (libc::EIO, Fault::Lost),
            (libc::ETIMEDOUT, Fault::Silent),
            (libc::ESTALE, Fault::Stale),
            (libc::EACCES, Fault::Login),
            (libc::EKEYREJECTED, Fault::Login),
        ] {
            assert_eq!(read(errno), fault, "{errno}");
        }
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(Fault::of_connect(&refused), Fault::Refused);
    }

    #[test]
    fn a_password_that_stopped_working_is_tried_by_a_new_mount() {
        assert!(Fault::Login.needs_mount() && Fault::Stale.needs_mount());
        assert!(!Fault::Lost.needs_mount() && !Fault::Silent.needs_mount());
    }
}
