//! Drives that are plugged in: which are the owner's, what each is known by, and where it is mounted.
//!
//! The kernel says what disks and partitions there are (`/sys`), udev what is on them (`/run/udev/data`), and both when
//! something changes. Whatever is written on a drive, its label above all, is somebody else's text until it was cleaned.

mod block;
mod database;
mod desktop;
mod file_system;
mod judge;
mod key;
mod label;
mod name;
mod netlink;
mod number;
mod roots;
mod survey;
mod table;
#[cfg(test)]
pub(in crate::intake) mod testing;
mod watch;

pub use block::Block;
pub use database::Properties;
pub use file_system::FileSystem;
pub use judge::{Verdict, is_plugged_in, judge};
pub use key::key;
pub use number::{BadDeviceNumber, DeviceNumber};
pub use roots::Roots;
pub use survey::nameless;
pub use watch::{Drives, DrivesConfig, Keeper};
