//! Trees as the kernel and udev have them, for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use super::Roots;

/// Where a stick on a USB is in the kernel's tree.
pub const USB: &str = "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0";
/// Where a disk that is built in is.
pub const SATA: &str = "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0";

/// udev's record of a stick of a known maker, but for what is on it (as of udev 252; serial number made up).
pub const STICK: &str = "S:disk/by-id/usb-SanDisk_Ultra_4C530001230101117391-0:0
I:4382911
E:ID_BUS=usb
E:ID_MODEL=Ultra
E:ID_MODEL_ENC=Ultra\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20\\x20
E:ID_MODEL_ID=5581
E:ID_SERIAL=SanDisk_Ultra_4C530001230101117391-0:0
E:ID_SERIAL_SHORT=4C530001230101117391
E:ID_VENDOR=SanDisk
E:ID_VENDOR_ENC=SanDisk\\x20
E:ID_VENDOR_ID=0781
E:ID_REVISION=1.00
E:ID_TYPE=disk
E:ID_INSTANCE=0:0
E:ID_USB_INTERFACES=:080650:
E:ID_USB_DRIVER=usb-storage
E:ID_PATH=pci-0000:00:14.0-usb-0:1:1.0-scsi-0:0:0:0
";

/// A tree.
pub struct Tree(TempDir);

impl Tree {
    pub fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for folder in [
            "sys/class/block",
            "sys/dev/block",
            "udev/data",
            "dev",
            "proc/self",
        ] {
            fs::create_dir_all(tree.path(folder)).unwrap();
        }
        tree.proc("self/mountinfo", "");
        tree
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    pub fn roots(&self) -> Roots {
        Roots {
            sys: self.path("sys"),
            udev: self.path("udev"),
            dev: self.path("dev"),
            proc: self.path("proc"),
        }
    }

    /// A disk at a place in the kernel's tree.
    pub fn disk(&self, at: &str, name: &str, number: &str, sectors: u64) {
        self.block(
            &format!("sys/devices/{at}/block/{name}"),
            name,
            number,
            sectors,
        );
        let folder = self.path(&format!("sys/devices/{at}/block/{name}"));
        fs::write(folder.join("removable"), "0\n").unwrap();
        fs::write(folder.join("diskseq"), format!("{}\n", name.len())).unwrap();
    }

    pub fn partition(&self, at: &str, disk: &str, index: u32, number: &str, sectors: u64) {
        let name = format!("{disk}{index}");
        let folder = format!("sys/devices/{at}/block/{disk}/{name}");
        self.block(&folder, &name, number, sectors);
        fs::write(self.path(&folder).join("partition"), format!("{index}\n")).unwrap();
    }

    fn block(&self, folder: &str, name: &str, number: &str, sectors: u64) {
        let folder = self.path(folder);
        fs::create_dir_all(folder.join("holders")).unwrap();
        fs::write(folder.join("dev"), format!("{number}\n")).unwrap();
        fs::write(folder.join("size"), format!("{sectors}\n")).unwrap();
        fs::write(folder.join("uevent"), format!("DEVNAME={name}\n")).unwrap();
        symlink(&folder, self.path("sys/class/block").join(name)).unwrap();
        symlink(&folder, self.path("sys/dev/block").join(number)).unwrap();
    }

    /// Writes a file in the folder of a disk or partition.
    pub fn attribute(&self, name: &str, attribute: &str, value: &str) {
        let path = self.path("sys/class/block").join(name).join(attribute);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value).unwrap();
    }

    pub fn unplug(&self, name: &str, number: &str) {
        fs::remove_file(self.path("sys/class/block").join(name)).unwrap();
        fs::remove_file(self.path("sys/dev/block").join(number)).unwrap();
    }

    /// Writes udev's record: what it has of the hardware, and properties of what is on it.
    pub fn udev(&self, number: &str, hardware: &str, properties: &[&str]) {
        let lines: String = properties
            .iter()
            .map(|property| format!("E:{property}\n"))
            .collect();
        fs::write(
            self.path("udev/data").join(format!("b{number}")),
            format!("{hardware}{lines}"),
        )
        .unwrap();
    }

    /// Writes a table of the kernel's.
    pub fn proc(&self, name: &str, text: &str) {
        fs::write(self.path("proc").join(name), text).unwrap();
    }
}
