//! The mount helper: the one part of Semoir that runs as root, and the only one that mounts anything.
//!
//! It runs in two forms, each with its socket. The everyday one mounts drives and shares read-only, and systemd gives it no
//! right to write to a block device: whatever is wrong with it, or with who asks it, no drive changes. The one that writes
//! (`--writes`) formats drives for uploads and mounts those that were ([`seals`]), refuses everything else, and runs only
//! while it does that. The everyday one says which drives are the other's ([`Reason::ForUploads`]).
//!
//! The daemon asks over a Unix socket, one request for each connection, and gets one answer ([`request`]). The helper
//! believes nothing of what it is told: a request names a device by its number, and what that device is the helper reads
//! from the kernel and from udev by itself ([`guard`]). Who is at the other end is what the kernel says (`SO_PEERCRED`):
//! the daemon's user or root.
//!
//! It keeps no state beside the list of drives that the owner approved; what is mounted is what the kernel's table says.
//! So it may end at any time, and does when nobody asked for a while: systemd starts it again for the next request.

pub mod approvals;
pub mod client;
mod condition;
mod drive;
mod ext;
mod format;
pub mod guard;
pub mod helper;
mod keep;
mod options;
mod point;
pub mod request;
mod seals;
mod share;
pub mod table;

pub use client::{Client, ClientError};
pub use format::{MAX_LABEL, is_label};
pub use helper::{DaemonUser, Helper, HelperError};
pub use request::{
    Answer, FormatRequest, Formatted, MountId, Mounted, Protocol, Reason, Refusal, Request, Secret,
    ShareRequest,
};
