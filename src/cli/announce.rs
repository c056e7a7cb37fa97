//! `semoir announce`: shows the setup code to whoever stands before the device.

use std::io;
use std::path::PathBuf;

use crate::device::announce::{self, Places};

/// Where everything is; systemd starts it as root, when the daemon has started.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that the daemon leaves its setup code in
    #[arg(long, value_name = "FILE", default_value = "/run/semoir-code/code")]
    pub code: PathBuf,
    /// Write it to this folder
    #[arg(long, value_name = "DIR", default_value = "/boot")]
    pub boot: PathBuf,
    /// Where the kernel lists its consoles
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/sys/class/tty/console/active"
    )]
    pub consoles: PathBuf,
    /// Where their devices are
    #[arg(long, value_name = "DIR", default_value = "/dev")]
    pub dev: PathBuf,
}

/// Why the code is not on the card.
#[derive(Debug, thiserror::Error)]
#[error("the setup code cannot be written to {}: {error}", boot.display())]
pub struct AnnounceError {
    boot: PathBuf,
    error: io::Error,
}

/// Shows it.
///
/// # Errors
/// When the card does not take it.
pub fn run(args: Args) -> Result<(), AnnounceError> {
    let name = nix::unistd::gethostname().ok();
    let name = name.and_then(|name| name.into_string().ok());
    let places = Places {
        code: args.code,
        boot: args.boot,
        consoles: args.consoles,
        dev: args.dev,
    };
    let shown = announce::announce(&places, name.as_deref().unwrap_or("semoir"));
    shown.map_err(|error| AnnounceError {
        boot: places.boot,
        error,
    })
}
