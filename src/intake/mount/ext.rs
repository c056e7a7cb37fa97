//! What tells one ext4 file system from all others, in its superblock.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where the superblock is, in bytes.
const SUPERBLOCK: u64 = 1024;
/// Where in it the mark of the ext file systems is.
const MAGIC: usize = 0x38;
/// Where its identifier is, which everybody sees.
const UUID: usize = 0x68;
/// Where the seed of its folders' hashes is, which nothing shows but a read of the device.
const SEED: usize = 0xec;

/// What tells an ext4 file system from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Its identifier, as udev writes it.
    pub uuid: String,
    /// The seed of its hashes: 128 bits that `mkfs` drew, in hex.
    pub seed: String,
}

/// Reads the marks; an error when there is no such file system.
pub fn marks(device: &File) -> io::Result<Marks> {
    let mut block = [0_u8; 1024];
    device.read_exact_at(&mut block, SUPERBLOCK)?;
    if block[MAGIC..MAGIC + 2] != [0x53, 0xef] {
        return Err(io::Error::other("there is no ext4 on it"));
    }
    let hex = |at: usize| -> String {
        let bytes = &block[at..at + 16];
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let plain = hex(UUID);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &plain[part]);
    Ok(Marks {
        uuid: parts.join("-"),
        seed: hex(SEED),
    })
}
