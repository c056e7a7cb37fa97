//! What the helper never mounts: the disk that holds this machine's system, and whatever the machine uses in another way.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::request::{Reason, Refusal};
use super::table::{self, Entry};
use crate::intake::drives::{Block, DeviceNumber, Properties, Roots};

/// Where people's desktops mount what they plug in. What is in use there is in the way, and not the system.
const PLUGGED_IN: [&str; 3] = ["/media", "/run/media", "/mnt"];

/// Refuses `block` when its disk holds the system, in whole or in part, or is used by this machine: mounted by others than
/// us, for swapping, as part of a RAID, of an LVM or of an opened encryption. `ours` is the folder of our own mounts, when
/// there are any.
///
/// # Errors
/// The refusal; also when the kernel does not tell.
pub fn check(
    roots: &Roots,
    block: &Block,
    table: &[Entry],
    ours: Option<&Path>,
) -> Result<(), Refusal> {
    let all = Block::all(roots).map_err(|error| {
        let why = format!("cannot be told from the system's own disk: {error}");
        Refusal::new(Reason::Internal, why)
    })?;
    let same: Vec<&Block> = all
        .iter()
        .filter(|other| other.disk == block.disk)
        .collect();
    let is_same = |number: DeviceNumber| same.iter().any(|other| other.number == number);
    if block.held || same.iter().any(|other| other.held) {
        return Err(system());
    }
    let mut in_the_way = None;
    for entry in table
        .iter()
        .filter(|entry| !ours.is_some_and(|ours| entry.point.starts_with(ours)))
    {
        // The file systems that have a number of their own (btrfs) say what they are on in words.
        let named = resolve(roots, Path::new(&entry.source));
        if !is_same(entry.device) && !named.is_some_and(is_same) {
            continue;
        }
        if !PLUGGED_IN
            .iter()
            .any(|folder| entry.point.starts_with(folder))
        {
            return Err(system());
        }
        in_the_way = Some(entry.point.display());
    }
    let swaps = fs::read_to_string(roots.proc.join("swaps")).unwrap_or_default();
    let swap = swaps
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next());
    if swap
        .filter_map(|path| resolve(roots, Path::new(path)))
        .any(is_same)
    {
        return Err(system());
    }
    // What the kernel was told is asked only where the table of mounts does not say it: two cards of ours have partitions of
    // the same names, and the one that is plugged in beside the system's is no more than a drive.
    let root = table::at(table, Path::new("/"));
    let is_known = root.is_some_and(|root| all.iter().any(|block| block.number == root.device));
    let line = fs::read_to_string(roots.proc.join("cmdline")).unwrap_or_default();
    let mut words = line.split_whitespace();
    if !is_known && words.any(|word| names_root(roots, word, &same)) {
        return Err(system());
    }
    match in_the_way {
        None => Ok(()),
        Some(place) => {
            let why = format!("is in use by this computer already, at {place}");
            Err(Refusal::new(Reason::Busy, why))
        }
    }
}

fn system() -> Refusal {
    let why = "holds this computer's own system, or is in use by it";
    Refusal::new(Reason::System, why)
}

/// The number of the device that a path below `/dev` leads to.
fn resolve(roots: &Roots, path: &Path) -> Option<DeviceNumber> {
    let below = path.strip_prefix("/dev").ok()?;
    match fs::metadata(roots.dev.join(below)) {
        Ok(about) if about.file_type().is_block_device() => Some(DeviceNumber::of(about.rdev())),
        _ => Some(Block::named(roots, below.to_str()?)?.number),
    }
}

/// Whether a word of the kernel's command line says that the root is on one of these: `root=/dev/sda2`,
/// `root=PARTUUID=…`. The table of mounts says only `/dev/root`, and a number of no device, of a btrfs that the kernel mounted
/// by itself.
fn names_root(roots: &Roots, word: &str, blocks: &[&Block]) -> bool {
    let Some(root) = word.strip_prefix("root=") else {
        return false;
    };
    if root.starts_with("/dev/") {
        let number = resolve(roots, Path::new(root));
        return blocks.iter().any(|block| Some(block.number) == number);
    }
    let Some((sort, value)) = root.split_once('=') else {
        return false;
    };
    let key = match sort {
        "PARTUUID" => "ID_PART_ENTRY_UUID",
        "UUID" => "ID_FS_UUID",
        "LABEL" => "ID_FS_LABEL",
        "PARTLABEL" => "ID_PART_ENTRY_NAME",
        _ => return false,
    };
    blocks.iter().any(|block| {
        let udev = Properties::of_block(roots, block.number).ok().flatten();
        let told = udev.as_ref().and_then(|udev| udev.get(key));
        told.is_some_and(|told| told.eq_ignore_ascii_case(value.trim_matches('"')))
    })
}

#[cfg(test)]
mod tests;
