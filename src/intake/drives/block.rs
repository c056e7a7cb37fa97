//! Disks and partitions, as the kernel has them in `/sys`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{DeviceNumber, Roots};

/// Bytes of a sector in the kernel's figures, whatever the disk's own are.
const SECTOR: u64 = 512;

/// The most block devices that are looked at; a desk computer with many small images mounted has a hundred.
const MAX_BLOCKS: usize = 4096;

/// A disk or a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The kernel's name, such as `sda1`.
    pub name: String,
    /// The kernel's number.
    pub number: DeviceNumber,
    /// The name of its disk, which is its own when it is no partition.
    pub disk: String,
    /// The partition's number on its disk.
    pub partition: Option<u32>,
    /// Bytes.
    pub size: u64,
    /// What the kernel counted the disk as when it came, never twice the same; none on kernels older than 5.15.
    pub sequence: Option<u64>,
    /// Whether the disk says that its medium can be taken out.
    pub removable: bool,
    /// Whether the disk is on a USB.
    pub usb: bool,
    /// Whether the disk is an SD card; chips that are soldered in are none.
    pub card: bool,
    /// Whether another device (RAID, LVM, an opened encryption) is made of it.
    pub held: bool,
    /// Its node below `/dev`, relative to that.
    pub node: PathBuf,
}

impl Block {
    /// All disks and partitions. One that goes away meanwhile is left out.
    ///
    /// # Errors
    /// When there is no list of them.
    pub fn all(roots: &Roots) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(roots.sys.join("class/block"))?.take(MAX_BLOCKS) {
            let path = entry?.path();
            all.extend(Self::read(&path));
        }
        all.sort_by(|a: &Self, b| (&a.disk, a.partition).cmp(&(&b.disk, b.partition)));
        Ok(all)
    }

    /// The disk or partition of that number; none when there is none.
    pub fn of(roots: &Roots, number: DeviceNumber) -> Option<Self> {
        Self::read(&roots.sys.join("dev/block").join(number.to_string()))
    }

    /// The one of that name.
    pub fn named(roots: &Roots, name: &str) -> Option<Self> {
        let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
        plain.then(|| Self::read(&roots.sys.join("class/block").join(name)))?
    }

    fn read(link: &Path) -> Option<Self> {
        let path = fs::canonicalize(link).ok()?;
        let name = path.file_name()?.to_str()?.to_owned();
        let number = read_text(&path.join("dev"))?.parse().ok()?;
        let partition = read_number(&path.join("partition")).and_then(|n| u32::try_from(n).ok());
        let disk = match partition {
            Some(_) => path.parent()?,
            None => &path,
        };
        let uevent = uevent(&path);
        let node = PathBuf::from(uevent.get("DEVNAME").unwrap_or(&name));
        let inside = node
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        let held = |path: &Path| {
            fs::read_dir(path.join("holders")).is_ok_and(|mut holders| holders.next().is_some())
        };
        Some(Self {
            disk: disk.file_name()?.to_str()?.to_owned(),
            size: read_number(&path.join("size"))?.checked_mul(SECTOR)?,
            sequence: read_number(&disk.join("diskseq")),
            removable: read_number(&disk.join("removable")) == Some(1),
            usb: disk.iter().any(|part| is_usb(part.to_str())),
            card: read_text(&disk.join("device/type")).as_deref() == Some("SD"),
            held: held(&path) || held(disk),
            node: inside.then_some(node)?,
            name,
            number,
            partition,
        })
    }
}

/// Whether this is the folder of a USB in the kernel's tree: `usb1`, `usb2`, ….
fn is_usb(folder: Option<&str>) -> bool {
    let number = folder.and_then(|name| name.strip_prefix("usb"));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read_text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn read_number(path: &Path) -> Option<u64> {
    read_text(path)?.parse().ok()
}

fn uevent(path: &Path) -> HashMap<String, String> {
    let text = fs::read_to_string(path.join("uevent")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
