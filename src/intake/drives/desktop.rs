//! Where there is no mount helper: drives that somebody else has mounted, as desktops do with what is plugged in.
//!
//! They are read where they are. That nothing is written to them is then our behaviour only, not the kernel's.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::survey::Found;
use super::{Block, Roots};
use crate::intake::mount::table::{self, Entry};
use crate::intake::mount::{Reason, guard};

/// Waits for changes of the kernel's table of mounts.
#[derive(Debug)]
pub struct Mounts(AsyncFd<File>);

impl Mounts {
    /// Watches from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel has no table for us.
    pub fn open(roots: &Roots) -> io::Result<Self> {
        let file = File::open(roots.proc.join("self/mountinfo"))?;
        // SAFETY: it has the file to itself, and closes it when it is dropped.
        let watched = unsafe { AsyncFd::register_with_interest(file, Interest::PRIORITY)? };
        Ok(Self(watched))
    }

    /// Waits until something was mounted or unmounted.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub async fn changed(&self) -> io::Result<()> {
        self.0.ready(Interest::PRIORITY).await?.clear_ready();
        Ok(())
    }
}

/// The drives among `found` that are mounted by others, as what is plugged in is, each with where it is.
pub fn mounted(roots: &Roots, found: Vec<Found>) -> Vec<(Found, PathBuf)> {
    let table = table::read(roots).unwrap_or_default();
    let with_place = found.into_iter().filter_map(|one| {
        let place = place(roots, &one, &table)?;
        Some((one, place))
    });
    with_place.collect()
}

fn place(roots: &Roots, found: &Found, table: &[Entry]) -> Option<PathBuf> {
    if !found.plugged_in || found.unusable.is_some() {
        return None;
    }
    let block = Block::of(roots, found.device.number)?;
    // The system may be on a stick as well.
    let used = guard::check(roots, &block, table, None);
    if !used.is_err_and(|refusal| refusal.reason == Reason::Busy) {
        return None;
    }
    let node = Path::new("/dev").join(&block.node);
    let mounted = table
        .iter()
        .find(|entry| entry.device == block.number || Path::new(&entry.source) == node);
    mounted.map(|entry| entry.point.clone())
}
