//! In what state a file system was left, read from its first blocks, before it is mounted.
//!
//! Only what is cheap: one or two small reads. A state that cannot be read is no state: the mount itself will say more.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::request::{Reason, Refusal};
use crate::intake::drives::FileSystem;

/// It was not unmounted: what a journal or a cache still had is not there.
const UNCLEAN: &str = "was pulled out while something was being written to it: what was written last may be missing or broken";
/// The file system noted that it is not in order.
const ERRORS: &str = "has errors in its file system and should be checked on a computer: some of it may be missing or broken";
/// The medium itself fails.
const FAILING: &str =
    "has noted that its medium is failing: copy what is on it while it can be read";

/// What the owner should know of the state that a file system was left in.
///
/// # Errors
/// When it cannot be used for what its first blocks say: a btrfs on several devices.
pub fn of(file_system: FileSystem, device: &File) -> Result<Option<&'static str>, Refusal> {
    if file_system == FileSystem::Btrfs && btrfs_devices(device).is_some_and(|devices| devices > 1)
    {
        return Err(Refusal::new(
            Reason::Unsupported,
            "belongs to a group of disks (btrfs), which Semoir does not put together",
        ));
    }
    Ok(match file_system {
        FileSystem::Ext => ext(device),
        FileSystem::Vfat => fat(device),
        FileSystem::Exfat => exfat(device),
        FileSystem::Ntfs => ntfs(device),
        FileSystem::Btrfs => btrfs(device),
        FileSystem::Hfsplus => hfsplus(device),
        FileSystem::Xfs | FileSystem::Iso9660 | FileSystem::Udf => None,
    })
}

/// What is still to be said of such a state once the journal was replayed.
pub fn after_replay(state: Option<&'static str>) -> Option<&'static str> {
    state.filter(|state| *state != UNCLEAN)
}

/// `N` bytes at `offset`, read from the device.
fn bytes<const N: usize>(device: &File, offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let read: io::Result<()> = device.read_exact_at(&mut bytes, offset);
    read.ok().map(|()| bytes)
}

fn le16(block: &[u8], at: usize) -> Option<u16> {
    let bytes = block.get(at..at + 2)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn le32(block: &[u8], at: usize) -> Option<u32> {
    let bytes = block.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn le64(block: &[u8], at: usize) -> Option<u64> {
    let bytes = block.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// The superblock is at 1,024; its state has 1 for unmounted and 2 for errors, its features 4 for a journal to be replayed.
fn ext(device: &File) -> Option<&'static str> {
    let block: [u8; 1024] = bytes(device, 1024)?;
    let state = le16(&block, 58)?;
    let journal = le32(&block, 92)? & 4 != 0;
    let replay = le32(&block, 96)? & 4 != 0;
    if state & 2 != 0 {
        Some(ERRORS)
    } else if replay || (!journal && state & 1 == 0) {
        Some(UNCLEAN)
    } else {
        None
    }
}

/// Linux notes "in use" in the boot sector, Windows in the second entry of the table, where it also notes read errors.
fn fat(device: &File) -> Option<&'static str> {
    let boot: [u8; 512] = bytes(device, 0)?;
    let sector = u64::from(le16(&boot, 11)?);
    let table = u64::from(le16(&boot, 14)?) * sector;
    // FAT32 has its tables' length elsewhere than the smaller ones.
    let is_32 = le16(&boot, 22)? == 0;
    let in_use = boot[if is_32 { 65 } else { 37 }] & 1 != 0;
    let entries: [u8; 8] = bytes(device, table)?;
    let clusters =
        u64::from(le16(&boot, 19)?).max(u64::from(le32(&boot, 32)?)) / u64::from(boot[13].max(1));
    let (clean, sound) = if is_32 {
        let entry = le32(&entries, 4)?;
        (entry & 0x0800_0000 != 0, entry & 0x0400_0000 != 0)
    } else if clusters >= 4085 {
        let entry = le16(&entries, 2)?;
        (entry & 0x8000 != 0, entry & 0x4000 != 0)
    } else {
        // FAT12 has no room for it.
        (true, true)
    };
    if !sound {
        Some(FAILING)
    } else if in_use || !clean {
        Some(UNCLEAN)
    } else {
        None
    }
}

/// The volume's flags: 2 for in use, 4 for a medium that fails.
fn exfat(device: &File) -> Option<&'static str> {
    let boot: [u8; 512] = bytes(device, 0)?;
    let flags = le16(&boot, 106)?;
    if flags & 4 != 0 {
        Some(FAILING)
    } else if flags & 2 != 0 {
        Some(UNCLEAN)
    } else {
        None
    }
}

/// Record 3 of the master file table is the volume's, and its attribute 0x70 has the flags: 1 for in use.
fn ntfs(device: &File) -> Option<&'static str> {
    let boot: [u8; 512] = bytes(device, 0)?;
    let sector = u64::from(le16(&boot, 11)?);
    // Counts above 0x80 are powers of two, negated.
    let cluster = match boot[13] {
        count @ 0..=0x80 => u64::from(count) * sector,
        power => sector.checked_shl(u32::from(power.wrapping_neg()))?,
    };
    let record = match i8::from_le_bytes([boot[64]]) {
        power @ i8::MIN..=-1 => 1_u64.checked_shl(u32::from(power.unsigned_abs()))?,
        count => u64::try_from(count).ok()?.checked_mul(cluster)?,
    };
    let table = le64(&boot, 48)?.checked_mul(cluster)?;
    let volume: [u8; 1024] = bytes(device, table.checked_add(record.checked_mul(3)?)?)?;
    let mut at = usize::from(le16(&volume, 20)?);
    loop {
        let (sort, length) = (
            le32(&volume, at)?,
            usize::try_from(le32(&volume, at + 4)?).ok()?,
        );
        match sort {
            0x70 => {
                let value = at + usize::from(le16(&volume, at + 20)?);
                return (le16(&volume, value + 10)? & 1 != 0).then_some(UNCLEAN);
            }
            0xffff_ffff => return None,
            _ if length < 8 => return None,
            _ => at += length,
        }
    }
}

/// The superblock at 64 KiB, when there is one.
fn btrfs_superblock(device: &File) -> Option<[u8; 512]> {
    let block: [u8; 512] = bytes(device, 64 << 10)?;
    (block[64..72] == *b"_BHRfS_M").then_some(block)
}

fn btrfs_devices(device: &File) -> Option<u64> {
    le64(&btrfs_superblock(device)?, 136)
}

/// A tree of what was synced since the last commit is there only when the file system was not unmounted.
fn btrfs(device: &File) -> Option<&'static str> {
    (le64(&btrfs_superblock(device)?, 96)? != 0).then_some(UNCLEAN)
}

/// The volume's attributes (the highest byte first): 0x100 for unmounted, 0x800 for errors.
fn hfsplus(device: &File) -> Option<&'static str> {
    let block: [u8; 512] = bytes(device, 1024)?;
    if !matches!(&block[..2], b"H+" | b"HX") {
        return None;
    }
    let attributes = u32::from_be_bytes(block[4..8].try_into().ok()?);
    if attributes & 0x800 != 0 {
        Some(ERRORS)
    } else if attributes & 0x100 == 0 {
        Some(UNCLEAN)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
