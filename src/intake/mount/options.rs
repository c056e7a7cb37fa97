//! How each file system is mounted, so that nothing is ever written to it and the daemon can read what is on it.
//!
//! A read-only mount is not enough: ext4, XFS and btrfs replay their journal onto the drive even then, unless they are told
//! not to. What was in the journal only is then missing, or some files are as they were before; the owner is told
//! ([`super::condition`]). NTFS and HFS+ do not replay when mounted read-only.
//!
//! FAT, exFAT, NTFS, HFS+, ISO 9660 and UDF know no owners, or not ours: there all files are the daemon's. On ext4, XFS and
//! btrfs the owners and modes on the drive hold: what their owner kept to himself there (mode 0600, 0700) the daemon cannot
//! read, and [`super::drive`] says how much that is. It could be made to: with a right to read everything, which a process
//! that talks to strangers must not have; or by mapping the owner's number to the daemon's, which shows a private folder
//! to the world because its owner plugged the drive in. What is not shared on his computer is not shared here either.

use nix::mount::MsFlags;

use super::helper::DaemonUser;
use crate::intake::drives::FileSystem;

/// Symbolic links on it are not followed (Linux 5.10; older kernels pass over it). `nix` has no name for it.
const NO_SYMLINKS: MsFlags = MsFlags::from_bits_retain(256);

/// What a drive that was formatted for uploads has: all that others have, and it can be written to.
pub fn writable_flags() -> MsFlags {
    flags() - MsFlags::MS_RDONLY
}

/// Its driver's own options. Its journal is replayed, as it was ours to write.
pub const WRITABLE_DATA: &str = "errors=remount-ro";

/// What every mount of ours has: read-only, and nothing on it is a program, a device or a way to other rights.
pub fn flags() -> MsFlags {
    MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOEXEC
        | MsFlags::MS_NOATIME
        | NO_SYMLINKS
}

/// The options of the file system's own driver.
pub fn data(file_system: FileSystem, user: DaemonUser) -> String {
    let DaemonUser { uid, gid } = user;
    let masks = format!("uid={uid},gid={gid},fmask=0177,dmask=0077");
    match file_system {
        // The drive's own choice of what to do on an error may be to stop this machine.
        FileSystem::Ext => "norecovery,errors=remount-ro".to_owned(),
        // A clone on other hardware has the same identifier, and is another drive to us.
        FileSystem::Xfs => "norecovery,nouuid".to_owned(),
        // An older root (`usebackuproot`) is not asked for: part of its blocks may have been given to others since.
        FileSystem::Btrfs => "rescue=nologreplay".to_owned(),
        // FAT has local times; read as UTC they do not change with this machine's zone and summer time, and a file that is
        // the same has the time it had.
        FileSystem::Vfat => format!("{masks},utf8,tz=UTC"),
        FileSystem::Exfat | FileSystem::Ntfs => format!("{masks},iocharset=utf8"),
        FileSystem::Hfsplus => format!("uid={uid},gid={gid},umask=0077"),
        FileSystem::Iso9660 => {
            format!("uid={uid},gid={gid},mode=0400,dmode=0500,overriderockperm,iocharset=utf8")
        }
        FileSystem::Udf => format!("uid={uid},gid={gid},mode=0400,dmode=0500,iocharset=utf8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_journal_is_replayed_and_nothing_can_be_written() {
        assert!(flags().contains(
            MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC
        ));
        assert!(flags().contains(writable_flags()));
        assert_eq!(flags() - writable_flags(), MsFlags::MS_RDONLY);
        let user = DaemonUser { uid: 990, gid: 991 };
        for (file_system, option) in [
            (FileSystem::Ext, "norecovery"),
            (FileSystem::Xfs, "norecovery"),
            (FileSystem::Btrfs, "rescue=nologreplay"),
            (FileSystem::Vfat, "tz=UTC"),
            (FileSystem::Ntfs, "uid=990"),
            (FileSystem::Udf, "gid=991"),
        ] {
            let data = data(file_system, user);
            assert!(data.split(',').any(|given| given == option), "{data}");
        }
    }
}
