//! Where the kernel and udev tell of drives.

use std::path::PathBuf;

/// Where the kernel and udev tell of drives. Elsewhere only in tests, which make trees of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// The kernel's tree of devices.
    pub sys: PathBuf,
    /// udev's folder; what it knows of each device is below `data`.
    pub udev: PathBuf,
    /// Device nodes.
    pub dev: PathBuf,
    /// The kernel's tables.
    pub proc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            sys: "/sys".into(),
            udev: "/run/udev".into(),
            dev: "/dev".into(),
            proc: "/proc".into(),
        }
    }
}
