//! How a share is mounted: the options of the kernel's clients, as `fs/smb/client/fs_context.c` and `fs/nfs/fs_context.c`
//! read them, and which versions are tried.

use std::net::SocketAddr;

use nix::errno::Errno;

use super::{SILENCE_SECONDS, is_version};
use crate::base::{Secret, ShareAddress, ShareLogin, ShareProtocol};
use crate::intake::mount::DaemonUser;

/// Seconds between two questions whether an SMB server is there. The client gives a connection up after three of them
/// without a word (`server_unresponsive`).
const ECHO_SECONDS: u32 = SILENCE_SECONDS / 3;
/// Times an NFS question is asked again before an error comes of it (`retrans`).
const NFS_RETRIES: u32 = 2;
/// How long an NFS answer may take before the question is asked again, in tenths of a second (`timeo`): over TCP the waits
/// are added up (`xprt_calc_majortimeo`: the first and one for each retry).
const NFS_PATIENCE: u32 = SILENCE_SECONDS * 10 / (1 + NFS_RETRIES);

/// One way to mount a share.
#[derive(Debug)]
pub struct Attempt {
    /// What it is called in the log.
    pub name: &'static str,
    /// The kernel's word for the file system.
    pub driver: &'static str,
    /// Names and values, in their order; a name alone is a flag. The values are kept as secrets: a password is among them.
    pub options: Vec<(&'static str, Option<Secret>)>,
    /// Whether another way may work where this one met that error.
    next: fn(Errno) -> bool,
}

impl Attempt {
    /// Whether the next way is to be tried after that error.
    pub fn goes_on(&self, errno: Errno) -> bool {
        (self.next)(errno)
    }

    /// Any file system with any options.
    #[cfg(test)]
    pub fn of(driver: &'static str, options: Vec<(&'static str, Option<Secret>)>) -> Self {
        Self {
            name: driver,
            driver,
            options,
            next: |_| false,
        }
    }

    /// What is said of an option; empty for a flag.
    #[cfg(test)]
    pub fn value(&self, key: &str) -> Option<&str> {
        let found = self.options.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| value.as_ref().map_or("", Secret::reveal))
    }
}

/// The ways to mount a share, the best first.
pub fn attempts(
    address: &ShareAddress,
    at: SocketAddr,
    login: &ShareLogin,
    user: DaemonUser,
) -> Vec<Attempt> {
    match address.protocol() {
        ShareProtocol::Smb => smb(address, at, login, user),
        ShareProtocol::Nfs => nfs(address, at),
    }
}

fn smb(
    address: &ShareAddress,
    at: SocketAddr,
    login: &ShareLogin,
    user: DaemonUser,
) -> Vec<Attempt> {
    let attempt = |name, user_name: &str, next| {
        let mut options = vec![
            text("source", address.device()),
            text("ip", at.ip().to_string()),
            // Without it a second one, the one of thirty years ago, is tried as well.
            text("port", at.port().to_string()),
            // From 2.1 to 3.1.1, as the two agree. SMB 1 is not spoken.
            text("vers", "default"),
            text("username", user_name),
            text(
                "password",
                login.password.as_ref().map_or("", Secret::reveal),
            ),
            // All files are the daemon's, whoever's they are there: the server has looked who we are.
            text("uid", user.uid.to_string()),
            text("gid", user.gid.to_string()),
            text("file_mode", "0400"),
            text("dir_mode", "0500"),
            text("iocharset", "utf8"),
            text("echo_interval", ECHO_SECONDS.to_string()),
            flag("forceuid"),
            flag("forcegid"),
            flag("soft"),
            // A connection of its own: what holds up one share of a server holds up no other, and a new password is not
            // taken for the old one's session.
            flag("nosharesock"),
            // A server that sends us on to another is not followed there.
            flag("nodfs"),
            flag("ro"),
        ];
        if let Some(domain) = &login.domain {
            options.push(text("domain", domain.as_str()));
        }
        Attempt {
            name,
            driver: "cifs",
            options,
            next,
        }
    };
    match &login.user {
        Some(user) => vec![attempt("as a user", user, |_| false)],
        // Some servers take guests by a name that they do not know, others by none at all.
        None => vec![
            attempt("as a guest", "guest", |errno| {
                matches!(errno, Errno::EACCES | Errno::EPERM)
            }),
            attempt("as nobody", "", |_| false),
        ],
    }
}

fn nfs(address: &ShareAddress, at: SocketAddr) -> Vec<Attempt> {
    let transport = if at.is_ipv4() { "tcp" } else { "tcp6" };
    let attempt = |name, version, next| Attempt {
        name,
        driver: "nfs",
        options: vec![
            text("source", address.device()),
            text("vers", version),
            text("addr", at.ip().to_string()),
            text("port", at.port().to_string()),
            text("proto", transport),
            // Of version 3: where its mount protocol is spoken the client asks by itself, at the same address.
            text("mountproto", transport),
            flag("soft"),
            text("timeo", NFS_PATIENCE.to_string()),
            text("retrans", NFS_RETRIES.to_string()),
            // Of version 3: locks would need a daemon, and nobody locks what he only reads.
            flag("nolock"),
            flag("ro"),
        ],
        next,
    };
    // The client itself tries no other version than it is told.
    vec![
        attempt("by NFS 4.2", "4.2", is_version_or_unknown),
        attempt("by NFS 4.1", "4.1", is_version_or_unknown),
        attempt("by NFS 4.0", "4.0", is_version_or_unknown),
        attempt("by NFS 3", "3", |_| false),
    ]
}

/// Whether an older version may do better. Our own kernel says `EINVAL` of one that it was built without; what version 4 does
/// not find may be there in version 3, which knows no common root.
fn is_version_or_unknown(errno: Errno) -> bool {
    is_version(errno) || matches!(errno, Errno::EINVAL | Errno::ENOENT)
}

fn text(key: &'static str, value: impl Into<String>) -> (&'static str, Option<Secret>) {
    (key, Some(Secret::new(value)))
}

fn flag(key: &'static str) -> (&'static str, Option<Secret>) {
    (key, None)
}
