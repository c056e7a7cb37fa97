//! Mounting a folder of another machine, by the kernel's own clients for SMB and NFS.
//!
//! `fsconfig(2)` takes each option by itself, name and value apart: a comma in a password or a folder is a comma, and nothing
//! an owner or a server wrote becomes an option of its own. (`mount(2)` takes them all as one text.) What is asked is checked
//! here again, since the helper believes nobody.
//!
//! Both clients are told to give up (`soft`) after [`SILENCE_SECONDS`]. Told not to, they would wait for a dead server for
//! ever, and with them every thread of the daemon that reads from it, unstoppable; for who only reads, an error that comes
//! late is better. Data written is what `soft` endangers, and none is.

mod options;

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::MntFlags;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};

use super::helper::Helper;
use super::point::internal;
use super::request::{MountId, Mounted, Protocol, Reason, Refusal, ShareRequest};
use crate::base::{Secret, ShareAddress, ShareLogin, ShareProtocol};
use options::{Attempt, attempts};

/// How long a server may say nothing before reads from it fail, in seconds. A disk that wakes up takes ten or fifteen.
const SILENCE_SECONDS: u32 = 30;

/// What the names of all shares begin with, so that none is taken for a drive.
const PREFIX: &str = "share-";

/// Symbolic links on it are not followed: `MOUNT_ATTR_NOSYMFOLLOW` (Linux 5.14).
const NO_SYMLINKS: MountAttrFlags = MountAttrFlags::from_bits_retain(0x0020_0000);

/// Whether that is the name of a share, and of no drive.
pub fn is_share(id: &MountId) -> bool {
    id.as_str().starts_with(PREFIX)
}

/// Mounts a share; what is mounted as its name already goes first, and nothing of it is left to whoever comes later.
///
/// # Errors
/// When what is asked cannot be, or the server or the kernel refuses.
pub fn mount(helper: &Helper, share: &ShareRequest) -> Result<Mounted, Refusal> {
    let (address, login) = check(share)?;
    unmount(helper, &share.id)?;
    let point = helper.points.make(&share.id).map_err(|error| {
        internal(format!(
            "cannot be mounted: its folder cannot be made: {error}"
        ))
    })?;
    let mut refused = None;
    for attempt in attempts(&address, share.at, &login, helper.user) {
        match mount_by(&attempt, &point) {
            Ok(()) => {
                tracing::info!(share = %address, how = attempt.name, "mounted");
                return Ok(Mounted {
                    writable: false,
                    id: share.id.clone(),
                    path: point,
                    note: None,
                });
            }
            Err(failure) => {
                let errno = Errno::from_raw(failure.errno);
                tracing::info!(share = %address, how = attempt.name, %errno, said = failure.said, "not mounted");
                let goes_on = attempt.goes_on(errno);
                // Of several, the first that says more than that a version is not spoken.
                if refused.is_none_or(is_version) {
                    refused = Some(errno);
                }
                if !goes_on {
                    break;
                }
            }
        }
    }
    // Kept by nothing: nothing is mounted on it.
    let _ = std::fs::remove_dir(&point);
    Err(refusal(refused.unwrap_or(Errno::EINVAL)))
}

/// Unmounts a share, also while files in it are open: whoever waits for its server gets an error (`MNT_FORCE`), whoever has
/// files keeps them, and nobody new finds them. Nothing to unmount is no error.
///
/// # Errors
/// What the kernel says.
pub fn unmount(helper: &Helper, id: &MountId) -> Result<(), Refusal> {
    let flags = MntFlags::MNT_FORCE | MntFlags::MNT_DETACH;
    let unmounted = helper.points.unmount_by(id, flags);
    unmounted.map_err(|error| internal(format!("cannot be unmounted: {}", error.desc())))
}

/// What is asked, if it can be.
fn check(share: &ShareRequest) -> Result<(ShareAddress, ShareLogin), Refusal> {
    let malformed = |error: crate::base::BadShare| {
        let why = format!("is not asked for properly: {error}");
        Refusal::new(Reason::Malformed, why)
    };
    let protocol = match share.protocol {
        Protocol::Smb => ShareProtocol::Smb,
        Protocol::Nfs => ShareProtocol::Nfs,
    };
    let address = ShareAddress::new(protocol, &share.server, &share.folder).map_err(malformed)?;
    let login = ShareLogin {
        user: share.user.clone(),
        domain: share.domain.clone(),
        password: share
            .password
            .as_ref()
            .map(|password| Secret::new(password.reveal())),
    };
    login.check(protocol).map_err(malformed)?;
    let is_odd = |at: SocketAddr| at.port() != address.port() || at.ip().is_unspecified();
    if is_odd(share.at) {
        let why = "is not asked for properly: its server is said to be where it cannot be";
        return Err(Refusal::new(Reason::Malformed, why));
    }
    Ok((address, login))
}

/// A mount that failed.
struct Failure {
    errno: i32,
    /// What the kernel's client said of it, for the log.
    said: String,
}

impl Failure {
    fn of(errno: rustix::io::Errno, context: Option<OwnedFd>) -> Self {
        Self {
            errno: errno.raw_os_error(),
            said: context.map(said).unwrap_or_default(),
        }
    }
}

fn mount_by(attempt: &Attempt, point: &Path) -> Result<(), Failure> {
    let context = fsopen(attempt.driver, FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|errno| Failure::of(errno, None))?;
    let configure = || {
        for (key, value) in &attempt.options {
            match value {
                Some(value) => fsconfig_set_string(&context, *key, value.reveal())?,
                None => fsconfig_set_flag(&context, *key)?,
            }
        }
        fsconfig_create(&context)
    };
    if let Err(errno) = configure() {
        return Err(Failure::of(errno, Some(context)));
    }
    // Nothing on it is a program, a device or a way to other rights, and nothing is written to it.
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_NOATIME
        | NO_SYMLINKS;
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).and_then(|mount| {
        move_mount(
            &mount,
            "",
            CWD,
            point,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
    });
    mounted.map_err(|errno| Failure::of(errno, Some(context)))
}

/// What the kernel's client said while it was configured: one line for each read.
fn said(context: OwnedFd) -> String {
    let mut file = File::from(context);
    let (mut lines, mut line) = (Vec::new(), [0; 512]);
    while let Ok(length @ 1..) = file.read(&mut line) {
        lines.push(String::from_utf8_lossy(&line[..length]).trim().to_owned());
    }
    lines.join("; ")
}

/// Whether the kernel says no more than that the server does not speak this version, or ours does not.
fn is_version(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EPROTONOSUPPORT | Errno::EOPNOTSUPP | Errno::EPROTO | Errno::EPFNOSUPPORT
    )
}

/// The kernel's refusal. What it means the daemon says: it knows the share.
fn refusal(errno: Errno) -> Refusal {
    let reason = match errno {
        Errno::EACCES
        | Errno::EPERM
        | Errno::EKEYREJECTED
        | Errno::EKEYEXPIRED
        | Errno::EKEYREVOKED => Reason::Credentials,
        Errno::ENOENT | Errno::ENXIO | Errno::ENOTDIR => Reason::NotFound,
        Errno::ENODEV => Reason::Unsupported,
        errno if is_version(errno) => Reason::Unsupported,
        Errno::EINVAL | Errno::ENOMEM => Reason::Internal,
        _ => Reason::Unreachable,
    };
    Refusal {
        reason,
        why: format!("cannot be opened: {}", errno.desc()),
        errno: Some(errno as i32),
    }
}

#[cfg(test)]
mod tests;
