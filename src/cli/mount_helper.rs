//! `semoir mount-helper`: the part that runs as root.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::whole;
use crate::intake::drives::Roots;
use crate::intake::mount::helper::HelperConfig;
use crate::intake::mount::{Helper, HelperError, activation};

/// How the helper is started. systemd hands over the socket.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Obey this user, beside root, and mount so that he can read
    #[arg(long, value_name = "NAME", default_value = "semoir")]
    pub user: String,
    /// Mount below this folder
    #[arg(long, value_name = "DIR", default_value = "/run/semoir/mounts")]
    pub mounts: PathBuf,
    /// Keep the list of built-in drives that the owner approved in this file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/lib/semoir-mount/approved"
    )]
    pub approvals: PathBuf,
    /// Read udev's database in this folder
    #[arg(long, value_name = "DIR", default_value = "/run/udev")]
    pub udev: PathBuf,
    /// End when nobody asked for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub idle: u64,
    /// Be the helper that writes: format drives for uploads, and mount those that were
    #[arg(long)]
    pub writes: bool,
    /// Listen on this socket, where systemd hands over none
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Mounts and unmounts for the daemon until nobody asks any more.
///
/// # Errors
/// See [`HelperError`].
pub fn run(args: Args) -> Result<(), HelperError> {
    let handed_over = activation::listener().map_err(HelperError::Socket)?;
    let listener = match (handed_over, &args.socket) {
        (Some(listener), _) => listener,
        (None, Some(path)) => bind(path).map_err(HelperError::Socket)?,
        (None, None) => {
            let why = "systemd handed over none; name one with --socket";
            return Err(HelperError::Socket(io::Error::other(why)));
        }
    };
    let helper = Helper::new(HelperConfig {
        user: args.user,
        mounts: args.mounts,
        approvals: args.approvals,
        roots: Roots {
            udev: args.udev,
            ..Roots::default()
        },
        idle: Duration::from_secs(args.idle),
        writes: args.writes,
    })?;
    helper.serve(&listener)
}

/// A socket that all may connect to: who does, and may, the kernel tells.
fn bind(path: &Path) -> io::Result<UnixListener> {
    whole::remove(path)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(listener)
}
