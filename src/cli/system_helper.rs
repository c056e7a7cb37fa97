//! `semoir system-helper`: updates, power and Wi-Fi, as root.

use std::path::PathBuf;
use std::time::Duration;

use super::activation;
use crate::device::running::Running;
use crate::device::system::{Helper, HelperConfig, HelperError};

/// How the helper is started. systemd hands over the socket.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Obey this user, beside root
    #[arg(long, value_name = "NAME", default_value = "semoir")]
    pub user: String,
    /// Find received updates in this data folder of his
    #[arg(long, value_name = "DIR", default_value = "/var/lib/semoir")]
    pub data: PathBuf,
    /// Keep the Wi-Fi's name and password in this folder
    #[arg(long, value_name = "DIR", default_value = "/var/lib/semoir-system")]
    pub kept: PathBuf,
    /// Make sockets in this folder
    #[arg(long, value_name = "DIR", default_value = "/run/semoir-helper")]
    pub run: PathBuf,
    /// Ask wpa_supplicant on this socket
    #[arg(long, value_name = "PATH", default_value = "/run/wpa_supplicant/wlan0")]
    pub supplicant: PathBuf,
    /// Run this to look at updates and to install them
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/rauc")]
    pub rauc: PathBuf,
    /// Its configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/rauc/system.conf")]
    pub rauc_config: PathBuf,
    /// Run this to give systemd orders
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/systemctl")]
    pub systemctl: PathBuf,
    /// End when nobody asked for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub idle: u64,
    /// Listen on this socket, where systemd hands over none
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Does what the daemon asks for until nobody asks any more.
///
/// # Errors
/// See [`HelperError`].
pub fn run(args: Args) -> Result<(), HelperError> {
    let listener = activation::listener(args.socket.as_deref()).map_err(HelperError::Socket)?;
    let helper = Helper::new(HelperConfig {
        user: args.user,
        data: args.data,
        kept: args.kept,
        run: args.run,
        supplicant: args.supplicant,
        rauc: args.rauc,
        rauc_config: args.rauc_config,
        systemctl: args.systemctl,
        running: Running::look(),
        idle: Duration::from_secs(args.idle),
    })?;
    helper.serve(&listener)
}
