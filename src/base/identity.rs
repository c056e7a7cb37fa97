//! Whether a file is still the one that was listed.

use std::fs::File;
use std::path::Path;

use nix::sys::statfs::{fstatfs, statfs};

use crate::base::FileIdentity;

/// File systems whose inode numbers the kernel makes up when it looks a file up, and makes up anew once it has forgotten it:
/// FAT, exFAT, FUSE (NTFS-3G among them), and shares of servers that tell no numbers (SMB, two dialects). The drives
/// people plug in are mostly these.
const MADE_UP_INODES: [u32; 5] = [0x4d44, 0x2011_bab0, 0x6573_5546, 0xff53_4d42, 0xfe53_4d42];

/// File systems that ask a server or a process about what they have cached: NFS, SMB by two dialects, FUSE, 9P, Ceph, AFS.
const ASKING: [u32; 7] = [
    0x6969,
    0xff53_4d42,
    0xfe53_4d42,
    0x6573_5546,
    0x0102_1997,
    0x00c3_6400,
    0x5346_414f,
];

/// Whether reading this file may wait for another machine or process, even where it was read before.
pub fn asks_elsewhere(file: &File) -> bool {
    fstatfs(file).is_ok_and(|fs| ASKING.contains(&(fs.filesystem_type().0 as u32)))
}

/// Whether the file at `path`, which was `listed` and is `now`, is the same in the same state. An inode number tells a file
/// from one that took its place with the same size and time, except where numbers change by themselves: hours of hashing
/// there would fail because memory ran short for a moment.
pub fn is_same(listed: &FileIdentity, now: &FileIdentity, path: &Path) -> bool {
    let same_state = (listed.size, listed.mtime_ns) == (now.size, now.mtime_ns);
    same_state && (listed.inode == now.inode || has_made_up_inodes(path))
}

fn has_made_up_inodes(path: &Path) -> bool {
    // What cannot be asked is not trusted. The magic numbers are 32 bits, whatever width a system gives them.
    statfs(path).is_ok_and(|fs| MADE_UP_INODES.contains(&(fs.filesystem_type().0 as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::statfs::{FUSE_SUPER_MAGIC, MSDOS_SUPER_MAGIC, NFS_SUPER_MAGIC};

    #[test]
    fn inodes_count_where_they_mean_something() {
        let dir = tempfile::tempdir().unwrap();
        let listed = FileIdentity {
            size: 1,
            mtime_ns: 2,
            inode: 3,
        };
        assert!(is_same(&listed, &listed, dir.path()));
        for other in [
            FileIdentity { size: 9, ..listed },
            FileIdentity {
                mtime_ns: 9,
                ..listed
            },
            FileIdentity { inode: 9, ..listed },
        ] {
            assert!(!is_same(&listed, &other, dir.path()), "{other:?}");
        }
        for known in [MSDOS_SUPER_MAGIC, FUSE_SUPER_MAGIC] {
            assert!(MADE_UP_INODES.contains(&(known.0 as u32)));
        }
        for known in [NFS_SUPER_MAGIC, FUSE_SUPER_MAGIC] {
            assert!(ASKING.contains(&(known.0 as u32)));
        }
        let local = File::open(dir.path()).unwrap();
        assert!(!asks_elsewhere(&local));
    }
}
