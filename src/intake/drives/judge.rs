//! What a partition or disk is to the owner.

use super::{Block, FileSystem, Properties};

/// Partitions smaller than this, in bytes, with nothing that we know on them are left out: they are some system's own.
const SMALL: u64 = 64 << 20;

/// GPT types of partitions that hold no owner's files: those of the EFI, of Microsoft (reserved, recovery), of BIOS
/// booting, of Apple's recovery, and Linux's swap.
const QUIET_GPT: [&str; 6] = [
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac",
    "21686148-6449-6e6f-744e-656564454649",
    "426f6f74-0000-11aa-aa11-00306543ecac",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
];

/// The same of the older table: extended partitions, diagnostics, recovery, swap, EFI.
const QUIET_MBR: [&str; 7] = ["0x5", "0xf", "0x85", "0x12", "0x27", "0x82", "0xef"];

/// What a partition or disk is to the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There are files of his on it, in a file system that we can mount.
    Files(FileSystem),
    /// Nothing of his is on it.
    Nothing,
    /// There is, or may be; and it cannot be used. Says why, without a full stop.
    Unusable(String),
}

/// What this partition or disk is to the owner, as the kernel and udev tell. Of a disk with partitions, those are judged.
pub fn judge(block: &Block, udev: &Properties) -> Verdict {
    // An empty slot of a card reader, a disc drive, and what is made up of other devices or of memory.
    let made_up = ["dm-", "md", "zram", "ram", "sr", "fd", "nbd", "mtdblock"];
    if block.size == 0 || made_up.iter().any(|prefix| block.disk.starts_with(prefix)) {
        return Verdict::Nothing;
    }
    if is_quiet(udev) {
        return Verdict::Nothing;
    }
    match (udev.get("ID_FS_TYPE"), udev.get("ID_FS_USAGE")) {
        (Some("swap"), _) => Verdict::Nothing,
        (Some(word), usage) => match FileSystem::from_udev(word) {
            Some(known) => Verdict::Files(known),
            None => Verdict::Unusable(unusable(word, usage)),
        },
        // A disk that is divided up; and a piece of one that holds nothing worth a word.
        (None, _) if block.partition.is_none() && udev.get("ID_PART_TABLE_TYPE").is_some() => {
            Verdict::Nothing
        }
        (None, _) if block.partition.is_some() && block.size < SMALL => Verdict::Nothing,
        (None, Some("ambivalent")) => {
            Verdict::Unusable("has the marks of more than one file system".to_owned())
        }
        (None, _) => Verdict::Unusable(
            "is not formatted, or with a file system that is not known".to_owned(),
        ),
    }
}

fn is_quiet(udev: &Properties) -> bool {
    let sort = udev.get("ID_PART_ENTRY_TYPE").unwrap_or_default();
    QUIET_MBR.contains(&sort)
        || QUIET_GPT
            .iter()
            .any(|quiet| sort.eq_ignore_ascii_case(quiet))
}

/// What is wrong with a file system of that name.
fn unusable(word: &str, usage: Option<&str>) -> String {
    let group = |how: &str| {
        format!("belongs to a group of disks ({how}), which Semoir does not put together")
    };
    match (word, usage) {
        ("crypto_LUKS", _) => encrypted("LUKS"),
        ("BitLocker", _) => encrypted("BitLocker"),
        ("LVM2_member" | "LVM1_member", _) => group("LVM"),
        ("linux_raid_member", _) => group("RAID"),
        ("zfs_member", _) => group("ZFS"),
        (_, Some("crypto")) => "is encrypted, and Semoir cannot open it".to_owned(),
        (other, Some("raid")) => group(&shown(other)),
        (other, _) => format!(
            "has the file system {}, which Semoir cannot read",
            shown(other)
        ),
    }
}

fn encrypted(how: &str) -> String {
    format!("is encrypted ({how}), which Semoir cannot open")
}

fn shown(word: &str) -> String {
    super::label::clean(word).unwrap_or_else(|| "unknown".to_owned())
}

/// Whether a drive was plugged in by somebody, rather than built in: what says that its medium can be taken out, what is on
/// a USB, and SD cards.
pub fn is_plugged_in(block: &Block, udev: &Properties) -> bool {
    block.removable || block.usb || block.card || udev.get("ID_BUS") == Some("usb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::drives::DeviceNumber;

    fn block(size: u64, partition: Option<u32>) -> Block {
        Block {
            name: "sda1".to_owned(),
            number: DeviceNumber { major: 8, minor: 1 },
            disk: "sda".to_owned(),
            partition,
            size,
            sequence: None,
            removable: false,
            usb: false,
            card: false,
            held: false,
            node: "sda1".into(),
        }
    }

    fn of(block: &Block, properties: &[&str]) -> Verdict {
        judge(
            block,
            &Properties::collect(properties.iter().map(|property| property.as_bytes())),
        )
    }

    #[test]
    fn files_are_taken_and_a_systems_own_partitions_are_not() {
        let partition = block(1 << 30, Some(1));
        let disk = block(1 << 30, None);
        assert_eq!(
            of(&partition, &["ID_FS_TYPE=exfat"]),
            Verdict::Files(FileSystem::Exfat)
        );
        assert_eq!(
            of(&disk, &["ID_FS_TYPE=ext2"]),
            Verdict::Files(FileSystem::Ext)
        );
        for quiet in [
            "ID_PART_ENTRY_TYPE=C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
            "ID_PART_ENTRY_TYPE=0xef",
        ] {
            assert_eq!(
                of(&partition, &["ID_FS_TYPE=vfat", quiet]),
                Verdict::Nothing,
                "{quiet}"
            );
        }
        assert_eq!(
            of(&partition, &["ID_FS_TYPE=swap", "ID_FS_USAGE=other"]),
            Verdict::Nothing
        );
        assert_eq!(of(&disk, &["ID_PART_TABLE_TYPE=gpt"]), Verdict::Nothing);
        assert_eq!(of(&block(1 << 20, Some(2)), &[]), Verdict::Nothing, "a gap");
        assert_eq!(
            of(&block(0, None), &["ID_FS_TYPE=vfat"]),
            Verdict::Nothing,
            "an empty slot"
        );
        let mapped = Block {
            disk: "dm-0".to_owned(),
            ..disk
        };
        assert_eq!(of(&mapped, &["ID_FS_TYPE=ext4"]), Verdict::Nothing);
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let why = |properties: &[&str]| match of(&block(1 << 30, Some(1)), properties) {
            Verdict::Unusable(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            why(&["ID_FS_TYPE=crypto_LUKS", "ID_FS_USAGE=crypto"]),
            "is encrypted (LUKS), which Semoir cannot open"
        );
        assert!(why(&["ID_FS_TYPE=BitLocker"]).contains("BitLocker"));
        assert!(why(&["ID_FS_TYPE=LVM2_member", "ID_FS_USAGE=raid"]).contains("(LVM)"));
        assert!(
            why(&["ID_FS_TYPE=isw_raid_member", "ID_FS_USAGE=raid"]).contains("isw_raid_member")
        );
        assert!(why(&["ID_FS_TYPE=apfs", "ID_FS_USAGE=filesystem"]).contains("apfs"));
        assert!(why(&["ID_FS_USAGE=ambivalent"]).contains("more than one"));
        assert!(why(&[]).contains("not formatted"));
    }
}
