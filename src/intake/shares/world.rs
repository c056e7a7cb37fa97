//! What a share's task does in the world.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statfs::statfs;

use super::fault::Fault;
use crate::base::ShareProtocol;
use crate::store::{Facts, Share};

/// How long a share may take to answer when it is looked at. What is asked is in the server's memory; its disks need not
/// wake up for it.
pub(super) const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// The world of one share. Each call ends within a limit of its own.
pub(super) trait World: Send + 'static {
    /// Where the share is mounted, or would be.
    fn path(&self) -> PathBuf;

    /// Finds the server and connects to it, at that address first if it has it.
    fn reach(
        &mut self,
        share: &Share,
        prefer: Option<SocketAddr>,
    ) -> impl Future<Output = Result<SocketAddr, Fault>> + Send;

    /// Mounts the share.
    fn mount(
        &mut self,
        share: &Share,
        at: SocketAddr,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Unmounts whatever is there, also while files in it are open.
    fn unmount(&mut self, share: &Share) -> impl Future<Output = ()> + Send;

    /// Looks whether it can be read, and what it is.
    fn probe(&mut self, share: &Share) -> impl Future<Output = Result<Facts, Fault>> + Send;
}

/// The kernel's numbers for what it mounts (`statfs(2)`, `linux/magic.h`), and its words.
const MAGICS: [(u32, ShareProtocol, &str); 3] = [
    (0xff53_4d42, ShareProtocol::Smb, "cifs"),
    (0xfe53_4d42, ShareProtocol::Smb, "cifs"),
    (0x6969, ShareProtocol::Nfs, "nfs"),
];

/// Looks at a mounted share: asks the server how big it is, which neither client answers from memory, and opens its folder.
/// May block for as long as the kernel's client waits.
pub(super) fn look(path: &Path, protocol: ShareProtocol) -> Result<Facts, Fault> {
    let fault = |error: io::Error| Fault::of_read(&error, protocol);
    let about = statfs(path).map_err(|errno| fault(errno.into()))?;
    // The width of the number differs by machine; its lower half is what counts.
    let magic = about.filesystem_type().0 as u32;
    let known = MAGICS
        .iter()
        .find(|(number, of, _)| *number == magic && *of == protocol);
    // It is not mounted any more: what is seen is the bare folder.
    let (_, _, file_system) = known.ok_or(Fault::Stale)?;
    if let Some(entry) = std::fs::read_dir(path).map_err(fault)?.next() {
        entry.map_err(fault)?;
    }
    let size = about
        .blocks()
        .checked_mul(about.block_size().unsigned_abs());
    Ok(Facts {
        file_system: Some((*file_system).to_owned()),
        size,
        ..Facts::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_share_is_not_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        for protocol in [ShareProtocol::Smb, ShareProtocol::Nfs] {
            assert_eq!(look(dir.path(), protocol), Err(Fault::Stale));
        }
        let missing = look(&dir.path().join("missing"), ShareProtocol::Smb);
        assert_eq!(missing, Err(Fault::Lost));
    }
}
