//! The file systems that are mounted: those of the kernel's own drivers that people have on drives.

/// A file system that is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileSystem {
    /// ext2, ext3 and ext4, which one driver reads.
    Ext,
    /// exFAT.
    Exfat,
    /// FAT12, FAT16 and FAT32, with long names.
    Vfat,
    /// NTFS.
    Ntfs,
    /// btrfs, on one device.
    Btrfs,
    /// XFS.
    Xfs,
    /// HFS+.
    Hfsplus,
    /// ISO 9660, as on images of discs.
    Iso9660,
    /// UDF.
    Udf,
}

impl FileSystem {
    /// The file system that udev has this word for; none when it is not one that we mount.
    pub fn from_udev(word: &str) -> Option<Self> {
        Some(match word {
            "ext2" | "ext3" | "ext4" => FileSystem::Ext,
            "exfat" => FileSystem::Exfat,
            "vfat" => FileSystem::Vfat,
            "ntfs" => FileSystem::Ntfs,
            "btrfs" => FileSystem::Btrfs,
            "xfs" => FileSystem::Xfs,
            "hfsplus" => FileSystem::Hfsplus,
            "iso9660" => FileSystem::Iso9660,
            "udf" => FileSystem::Udf,
            _ => return None,
        })
    }

    /// The kernel's word for its driver.
    pub fn driver(self) -> &'static str {
        match self {
            FileSystem::Ext => "ext4",
            FileSystem::Exfat => "exfat",
            FileSystem::Vfat => "vfat",
            FileSystem::Ntfs => "ntfs3",
            FileSystem::Btrfs => "btrfs",
            FileSystem::Xfs => "xfs",
            FileSystem::Hfsplus => "hfsplus",
            FileSystem::Iso9660 => "iso9660",
            FileSystem::Udf => "udf",
        }
    }

    /// Whether each file on it has an owner and a mode of its own, which decide who may read it.
    pub fn has_owners(self) -> bool {
        matches!(self, FileSystem::Ext | FileSystem::Btrfs | FileSystem::Xfs)
    }

    /// Whether its identifier is a number of 32 bits that a program made of the time of day.
    pub fn has_short_identifier(self) -> bool {
        matches!(self, FileSystem::Exfat | FileSystem::Vfat)
    }
}
