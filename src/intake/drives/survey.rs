//! What drives there are now: one look at the kernel's list and udev's database.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::{Block, DeviceNumber, Properties, Roots, Verdict, is_plugged_in, judge, key, name};
use crate::intake::mount::{MountId, table};
use crate::store::Facts;

/// A drive that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which one it is, as long as it stays plugged in.
    pub device: Device,
    /// What it is known by when it comes back.
    pub key: MountId,
    /// What the owner sees.
    pub name: String,
    /// What else he can see.
    pub facts: Facts,
    /// Why it cannot be used, when it is known before it is mounted.
    pub unusable: Option<String>,
    /// Whether somebody plugged it in, rather than that it is built in.
    pub plugged_in: bool,
}

/// A device, as long as it stays plugged in: numbers are given again, the count is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Device {
    /// The kernel's number.
    pub number: DeviceNumber,
    /// What the kernel counted its disk as.
    pub sequence: Option<u64>,
}

/// Looks at what drives there are. Those that udev has not looked at yet are left out, and so is the disk that the running
/// system is on: on a board that is a card, which somebody plugged in, with partitions that hold nothing of the owner's. On a
/// `desktop`, which mounts by itself what its owner wants, that disk may have a partition of the owner's as well. Of two with
/// the same key, the one that `holds` it keeps it.
///
/// # Errors
/// When the kernel has no list.
pub fn survey(
    roots: &Roots,
    holders: &HashMap<MountId, Device>,
    desktop: bool,
) -> io::Result<Vec<Found>> {
    let (mut judged, mut undecided) = (Vec::new(), Vec::new());
    let blocks = Block::all(roots)?;
    let system = (!desktop).then(|| system(roots, &blocks)).flatten();
    for block in blocks {
        if system.as_ref() == Some(&block.disk) {
            continue;
        }
        let Ok(Some(udev)) = Properties::of_block(roots, block.number) else {
            undecided.extend(block.partition.map(|_| block.disk));
            continue;
        };
        match judge(&block, &udev) {
            Verdict::Nothing => {}
            verdict => judged.push((block, udev, verdict)),
        }
    }
    // Images of discs are seen twice, on the disk and on its first partition.
    let divided: Vec<String> = judged
        .iter()
        .filter(|(block, _, verdict)| {
            block.partition.is_some() && matches!(verdict, Verdict::Files(_))
        })
        .map(|(block, ..)| block.disk.clone())
        .collect();
    // Until udev has looked at the partition as well, the disk is not taken for the drive: it would be mounted, and for the
    // partition unmounted again under whoever has begun to read it.
    judged.retain(|(block, ..)| {
        let disk = &block.disk;
        block.partition.is_some() || !(divided.contains(disk) || undecided.contains(disk))
    });
    let found = judged.into_iter().filter_map(|(block, udev, verdict)| {
        let several = divided.iter().filter(|disk| **disk == block.disk).count() > 1;
        describe(&block, &udev, verdict, several)
    });
    Ok(without_copies(found.collect(), holders))
}

/// The disk that the root is on; none when that is on no disk, as where it lies in memory.
fn system(roots: &Roots, blocks: &[Block]) -> Option<String> {
    let mounts = table::read(roots).ok()?;
    let root = table::at(&mounts, Path::new("/"))?;
    let block = blocks.iter().find(|block| block.number == root.device)?;
    Some(block.disk.clone())
}

fn describe(block: &Block, udev: &Properties, verdict: Verdict, several: bool) -> Option<Found> {
    let plugged_in = is_plugged_in(block, udev);
    let (key, unusable) = match (key(block, udev), verdict) {
        // What is built in and holds no files is nobody's business.
        (_, Verdict::Unusable(_)) if !plugged_in => return None,
        (_, Verdict::Nothing) => return None,
        (Some(key), Verdict::Unusable(why)) => (key, Some(why)),
        (Some(key), Verdict::Files(_)) => (key, None),
        (None, Verdict::Unusable(why)) => (nameless(block)?, Some(why)),
        (None, Verdict::Files(_)) => {
            let why = "has no identifier, name or serial number to know it by when it comes back";
            (nameless(block)?, Some(why.to_owned()))
        }
    };
    Some(Found {
        device: Device {
            number: block.number,
            sequence: block.sequence,
        },
        key,
        name: name::name(block, udev, several),
        facts: Facts {
            file_system: udev.get("ID_FS_TYPE").and_then(super::label::clean),
            size: Some(block.size),
            model: name::model(udev),
            built_in: !plugged_in,
            ..Facts::default()
        },
        unusable,
        plugged_in,
    })
}

/// A key for what has none and is not used: good enough to say so, and to name it once when it is formatted.
pub fn nameless(block: &Block) -> Option<MountId> {
    format!("nameless-{}", block.size).parse().ok()
}

/// Gives the second of two drives with the same key another one, and says what it is.
fn without_copies(mut found: Vec<Found>, holders: &HashMap<MountId, Device>) -> Vec<Found> {
    let holds = |one: &Found| holders.get(&one.key) == Some(&one.device);
    found.sort_by_key(|one| !holds(one));
    let mut names: HashMap<MountId, (String, u32)> = HashMap::new();
    found.retain_mut(|one| {
        let Some((name, copies)) = names.get_mut(&one.key) else {
            names.insert(one.key.clone(), (one.name.clone(), 0));
            return true;
        };
        *copies += 1;
        one.unusable = Some(format!(
            "is a copy of {name}, which is plugged in at the same time"
        ));
        let key = format!("copy{copies}-{}", one.key).parse();
        key.is_ok_and(|key| {
            one.key = key;
            true
        })
    });
    found
}

#[cfg(test)]
mod tests;
