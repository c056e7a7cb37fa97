//! The system helper: what a box that is a whole system has done as root. It looks at updates and installs them (RAUC), ends
//! the machine (systemd), and writes down which Wi-Fi to join. The daemon itself may do nothing of it.
//!
//! The daemon asks over a Unix socket, one request for each connection ([`request`]). The helper believes nothing of what it
//! is told: there are few requests, none names a file, and who is at the other end is what the kernel says (`SO_PEERCRED`):
//! the daemon's user or root. A received update lies in a file that the daemon's user writes; the helper opens it without
//! following links, and hands RAUC what it opened. RAUC checks the signature each time, and what is installed is read through
//! a tree of sums that is signed (bundle format "verity"), so that nothing is gained by changing the file meanwhile.
//!
//! It keeps no state, ends when nobody asked for a while, and is started again by the next request.

mod client;
pub mod fault;
pub mod helper;
mod program;
mod rauc;
pub mod request;
mod wifi;

pub use client::{Client, ClientError};
pub use fault::Fault;
pub use helper::{Helper, HelperConfig, HelperError};
pub use request::{
    Answer, Bundle, Password, Power, Refusal, Request, Status, WifiLink, WifiRequest, WifiState,
};

/// The folder of updates, in the daemon's data folder.
pub const UPDATES: &str = "update";

/// The update that was received whole, in that folder.
pub const BUNDLE: &str = "bundle.raucb";

/// The most bytes that an update may have: what a slot for a root (256 MiB) and the boot partition (128 MiB) hold together; see
/// `board/common/genimage.cfg`.
pub const MAX_BUNDLE: u64 = 384 << 20;

/// What the names of the files begin with that say that a slot's system was started since it was installed; the slot's letter
/// follows. In the folder of [`crate::device::first_boot::Places::kept`].
pub const STARTED: &str = "started-";
