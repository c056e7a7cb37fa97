//! `semoir mount-helper`: the part that runs as root.

use std::path::PathBuf;
use std::time::Duration;

use super::activation;
use crate::intake::drives::Roots;
use crate::intake::mount::helper::HelperConfig;
use crate::intake::mount::{Helper, HelperError};

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
    let listener = activation::listener(args.socket.as_deref()).map_err(HelperError::Socket)?;
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
