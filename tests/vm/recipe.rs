//! How each sort of stick is made: lines of shell that a guest runs on an empty disk.

/// Where the file system begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// At the start of the disk, which has no partitions.
    Whole,
    /// In the only partition of a table of this sort ("gpt", "dos"), of this type.
    Table(&'static str, &'static str),
}

/// What a stick goes through after it was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is unmounted.
    Clean,
    /// The power is cut while somebody writes to it.
    Cut,
}

/// A sort of stick.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// What it is called, here and on its label.
    pub name: &'static str,
    /// The whole disk, in MiB.
    pub size: u64,
    /// Where the file system begins.
    pub layout: Layout,
    /// Makes the file system on `$part`, with the label `$label`. Where it takes its content from `$content` itself, it is
    /// not mounted afterwards.
    pub make: &'static str,
    /// The kernel's name of it and the options to fill it with; none where it is filled, or cannot be.
    pub mount: Option<&'static str>,
    /// What it goes through at the end.
    pub ending: Ending,
}

/// The linear layouts of Windows' and Macs' formatters, and the whole-disk ones that people make by hand.
const LINUX: Layout = Layout::Table("gpt", "linux");
const WINDOWS: Layout = Layout::Table("dos", "7");
const FAT: Layout = Layout::Table("dos", "c");
const MAC: Layout = Layout::Table("gpt", "48465300-0000-11AA-AA11-00306543ECAC");

const MAKE_EXT4: &str = "mke2fs -q -F -t ext4 -L $label $part";
const MAKE_EXFAT: &str = "mkfs.exfat -q -L $label $part";
const MAKE_FAT32: &str = "mkfs.vfat -F 32 -n $label $part";
const MAKE_NTFS: &str = "mkntfs -q -Q -L $label $part";
const MAKE_BTRFS: &str = "mkfs.btrfs -q -f -L $label $part";
const MAKE_XFS: &str = "mkfs.xfs -q -f -L $label $part";

const fn clean(
    name: &'static str,
    size: u64,
    layout: Layout,
    make: &'static str,
    mount: Option<&'static str>,
) -> Recipe {
    Recipe {
        name,
        size,
        layout,
        make,
        mount,
        ending: Ending::Clean,
    }
}

const fn cut(
    name: &'static str,
    size: u64,
    layout: Layout,
    make: &'static str,
    mount: &'static str,
) -> Recipe {
    Recipe {
        name,
        size,
        layout,
        make,
        mount: Some(mount),
        ending: Ending::Cut,
    }
}

/// The sticks whose content can be shared. Sizes are the least that each file system's maker takes, or somewhat more than
/// the content.
pub const SOUND: [Recipe; 10] = [
    clean("ext4", 96, LINUX, MAKE_EXT4, Some("ext4")),
    clean("exfat", 96, WINDOWS, MAKE_EXFAT, Some("exfat")),
    clean("fat32", 96, FAT, MAKE_FAT32, Some("vfat -o utf8")),
    clean("ntfs", 96, WINDOWS, MAKE_NTFS, Some("ntfs3")),
    clean("btrfs", 160, Layout::Whole, MAKE_BTRFS, Some("btrfs")),
    clean("xfs", 320, LINUX, MAKE_XFS, Some("xfs")),
    // Journaled, as a Mac makes it; Linux writes to it when forced to.
    clean(
        "hfsplus",
        96,
        MAC,
        "mkfs.hfsplus -J -v $label $part",
        Some("hfsplus -o force"),
    ),
    clean(
        "iso",
        64,
        Layout::Whole,
        "xorriso -as mkisofs -quiet -R -J -V $label -o /tmp/iso $content && dd if=/tmp/iso of=$part bs=1M conv=notrunc \
         status=none && rm /tmp/iso",
        None,
    ),
    clean(
        "udf",
        96,
        Layout::Whole,
        "mkudffs --media-type=hd --blocksize=512 --label=$label $part >/dev/null",
        Some("udf"),
    ),
    clean("ext4-whole", 96, Layout::Whole, MAKE_EXT4, Some("ext4")),
];

/// The sticks that were pulled out of somebody's computer while it wrote to them.
pub const DIRTY: [Recipe; 6] = [
    cut("ext4-cut", 96, LINUX, MAKE_EXT4, "ext4"),
    cut("exfat-cut", 96, WINDOWS, MAKE_EXFAT, "exfat"),
    cut("fat32-cut", 96, FAT, MAKE_FAT32, "vfat -o utf8"),
    cut("ntfs-cut", 96, WINDOWS, MAKE_NTFS, "ntfs3"),
    cut("btrfs-cut", 160, Layout::Whole, MAKE_BTRFS, "btrfs"),
    cut("xfs-cut", 320, LINUX, MAKE_XFS, "xfs"),
];

/// An encrypted stick.
pub const LUKS: Recipe = clean(
    "luks",
    32,
    Layout::Table("gpt", "linux"),
    "echo secret | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $part -",
    None,
);

impl Recipe {
    /// Every recipe.
    pub fn all() -> impl Iterator<Item = Recipe> {
        SOUND.into_iter().chain(DIRTY).chain([LUKS])
    }

    /// The recipe of that name.
    pub fn named(name: &str) -> Recipe {
        let found = Recipe::all().find(|recipe| recipe.name == name);
        found.unwrap_or_else(|| panic!("no recipe makes {name}"))
    }

    /// What udev's names of its file system end with.
    pub fn partition(&self) -> &'static str {
        match self.layout {
            Layout::Whole => "0:0",
            Layout::Table(..) => "0:0-part1",
        }
    }

    /// The lines that make it on the guest's disk with its name as the serial number, from what lies below /content.
    pub fn script(&self) -> String {
        let Recipe { name, make, .. } = self;
        let label: String = name.to_uppercase().replace('-', "_");
        let disk = format!("disk=$(readlink -f /dev/disk/by-id/virtio-{name})");
        let (part, table) = match self.layout {
            Layout::Whole => ("part=$disk", String::new()),
            Layout::Table(table, kind) => (
                "part=${disk}1",
                format!(
                    "echo type={kind} | sfdisk -q --label {table} $disk && udevadm settle -t 20"
                ),
            ),
        };
        let fill = match self.mount {
            None => String::new(),
            Some(mount) => format!(
                "mkdir -p /mnt/{name} && mount -t {mount} $part /mnt/{name} && cp -r $content/. /mnt/{name}/ && umount /mnt/{name}"
            ),
        };
        [
            "set -e".to_owned(),
            format!("label={label} content=/content/{name}"),
            disk,
            part.to_owned(),
            table,
            (*make).to_owned(),
            fill,
        ]
        .join("\n")
    }

    /// The lines that leave it in the middle of being written to: the machine is to be cut off after them.
    pub fn write_on(&self) -> Option<String> {
        let mount = self.mount.filter(|_| self.ending == Ending::Cut)?;
        let Recipe { name, .. } = self;
        let part = match self.layout {
            Layout::Whole => "",
            Layout::Table(..) => "-part1",
        };
        // At the end nothing but one file is written out: to write out all is what clears the mark of being in use.
        Some(format!(
            "mount -t {mount} /dev/disk/by-id/virtio-{name}{part} /mnt/{name} && cd /mnt/{name} && mkdir 'half written' && \
             for n in 1 2 3 4; do head -c 300000 /dev/urandom >\"half written/$n\"; done && sync -f . && rm 'half written/2' && \
             mv 'half written/3' 'half written/5' && head -c 500000 /dev/urandom >'half written/6' && \
             sync 'half written/6' && head -c 100000 /dev/urandom >>'half written/1'"
        ))
    }
}
