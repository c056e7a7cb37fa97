//! `semoir first-boot`: what the owner wrote on the boot partition, at each start of the device.

use std::path::PathBuf;

use crate::admin::{self, AuthError};
use crate::device::first_boot::wish::Password;
use crate::device::first_boot::{self, FirstBootError, Places};
use crate::device::running::Running;

/// Where everything is; systemd starts it as root, before there is a network.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Read the owner's wishes from this folder
    #[arg(long, value_name = "DIR", default_value = "/boot")]
    pub boot: PathBuf,
    /// Keep them in this folder
    #[arg(long, value_name = "DIR", default_value = "/var/lib/semoir-system")]
    pub kept: PathBuf,
    /// Make what is made of them at each start in this folder
    #[arg(long, value_name = "DIR", default_value = "/run/semoir-system")]
    pub run: PathBuf,
    /// Find time zones in this folder
    #[arg(long, value_name = "DIR", default_value = "/usr/share/zoneinfo")]
    pub zones: PathBuf,
    /// The daemon's state, for the owner who orders a factory reset
    #[arg(long, value_name = "DIR", default_value = "/var/lib/semoir")]
    pub data: PathBuf,
    /// The user that the daemon runs as
    #[arg(long, value_name = "NAME", default_value = "semoir")]
    pub user: String,
    /// Leave the machine's name as it is
    #[arg(long)]
    pub keep_host_name: bool,
}

/// Reads, keeps and applies them.
///
/// # Errors
/// See [`FirstBootError`]. What is kept is applied all the same.
pub fn run(args: Args) -> Result<(), FirstBootError> {
    let places = Places {
        boot: args.boot,
        kept: args.kept,
        run: args.run,
        zones: args.zones,
        data: args.data,
    };
    let mut found = first_boot::look(&places);
    let owner = match found.wishes.password.as_ref().map(hash).transpose() {
        Ok(owner) => owner,
        Err(error) => {
            // Whoever gave a password that cannot be used must not be left with a box that takes none: the setup code is.
            found
                .refused
                .push(("the owner's password", error.to_string()));
            None
        }
    };
    for name in &found.files {
        tracing::info!(file = name, "the owner's wishes were read");
    }
    for (name, why) in &found.refused {
        tracing::warn!(file = name, why, "a wish of the owner's is not obeyed");
    }
    if let Some(uploads) = found.reset {
        tracing::warn!(
            ?uploads,
            "a factory reset was ordered on the boot partition"
        );
    }
    let taken = first_boot::take(&places, &found, owner.as_deref(), &args.user);
    // The system before an update reads that this one came so far (device/update).
    if let Some(slot) = Running::look().slot
        && let Err(error) = first_boot::started(&places.kept, slot)
    {
        tracing::warn!(%error, "that this system was started cannot be written down");
    }
    if let Some(name) = first_boot::apply(&places)?
        && !args.keep_host_name
    {
        first_boot::set_host_name(&name)?;
    }
    taken
}

fn hash(password: &Password) -> Result<String, AuthError> {
    match password {
        Password::Plain(plain) => admin::hash_owner_password(plain.reveal()),
        Password::Hash(hash) => {
            let hash = hash.reveal().trim();
            admin::check_owner_hash(hash).map(|()| hash.to_owned())
        }
    }
}
