//! A card, as the board and its owner's computer have it: read and written here while no machine uses it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::parts::run;

const MIB: u64 = 1 << 20;
// The map, as board/common/genimage.cfg draws it; the data partition has what is behind these.
const BOOT: u64 = 4 * MIB;
const BOOT_SIZE: u64 = 128 * MIB;
const DATA: u64 = 644 * MIB;
/// The data partition as it is flashed.
pub const DATA_SIZE: u64 = 64 * MIB;
/// Where the table says how long the fourth partition is, in sectors.
const FOURTH_LENGTH: u64 = 446 + 3 * 16 + 12;
const SECTOR: u64 = 512;

/// A card in a file.
pub struct Card {
    /// The file.
    pub image: PathBuf,
}

/// What the firmware gives the processor to do.
#[derive(Debug)]
pub struct Choice {
    /// The slot: A or B.
    pub slot: char,
    /// The kernel, taken off the card.
    pub kernel: PathBuf,
    /// Its command line.
    pub words: String,
}

impl Card {
    /// A card of `size` bytes that the image was written to.
    pub fn flash(image: &Path, to: PathBuf, size: u64) -> Card {
        run(Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .arg(image)
            .arg(&to));
        let file = File::options().write(true).open(&to);
        let sized = file.and_then(|file| file.set_len(size));
        sized.expect("an image can be made larger");
        Card { image: to }
    }

    /// One of the mtools, which read and write FAT where it lies.
    fn mtool(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(name);
        command
            .arg("-i")
            .arg(format!("{}@@{BOOT}", self.image.display()))
            .args(arguments)
            .env("MTOOLS_SKIP_CHECK", "1");
        let output = command.output();
        output.unwrap_or_else(|error| panic!("{name} does not start ({error}): install mtools"))
    }

    /// A file on the boot partition; none when it is not there.
    pub fn read(&self, name: &str) -> Option<String> {
        let read = self.mtool("mtype", &[&format!("::{name}")]);
        let text = String::from_utf8_lossy(&read.stdout).into_owned();
        read.status.success().then_some(text)
    }

    /// Writes a file to the boot partition, as an owner's computer does.
    pub fn write(&self, name: &str, text: &str) {
        let from = self.image.with_extension("file");
        fs::write(&from, text).expect("a file can be written");
        let from = from.to_str().expect("plain names");
        let wrote = self.mtool("mcopy", &["-o", from, &format!("::{name}")]);
        assert!(wrote.status.success(), "{wrote:?}");
    }

    /// What the Raspberry Pi's firmware does at power-on, or, when the reboot asked for it, at a try: the last `os_prefix` of
    /// the one configuration or the other says where kernel and command line are.
    pub fn firmware(&self, is_try: bool, scratch: &Path) -> Choice {
        let file = if is_try { "tryboot.txt" } else { "config.txt" };
        let config = self.read(file);
        let config = config.unwrap_or_else(|| panic!("there is no {file} on the card"));
        let value = |key: &str| {
            let mut lines = config.lines().rev();
            let found = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("no {key} in {file}: {config}"))
        };
        let (prefix, name) = (value("os_prefix"), value("kernel"));
        let slot = match prefix {
            "slot-a/" => 'A',
            "slot-b/" => 'B',
            other => panic!("{file} chooses {other}"),
        };
        let kernel = scratch.join("kernel");
        let to = kernel.to_str().expect("plain names");
        let copied = self.mtool("mcopy", &["-o", &format!("::{prefix}{name}"), to]);
        assert!(copied.status.success(), "{prefix}{name}: {copied:?}");
        let words = self.read(&format!("{prefix}cmdline.txt"));
        let words = words.unwrap_or_else(|| panic!("{prefix} has no command line"));
        // The firmware puts the serial line's own name there.
        let words = words.trim_end().replace("serial0,115200", "ttyS0");
        Choice {
            slot,
            kernel,
            words,
        }
    }

    /// Whether these bytes are anywhere on the boot partition, in files or in what files left behind.
    pub fn has(&self, secret: &str) -> bool {
        let mut bytes = vec![0; BOOT_SIZE as usize];
        let file = File::open(&self.image).expect("the card opens");
        file.read_exact_at(&mut bytes, BOOT)
            .expect("a whole partition");
        let secret = secret.as_bytes();
        bytes.windows(secret.len()).any(|found| found == secret)
    }

    /// How long the table says that the data partition is, in bytes.
    pub fn data_length(&self) -> u64 {
        let mut length = [0; 4];
        let file = File::open(&self.image).expect("the card opens");
        file.read_exact_at(&mut length, FOURTH_LENGTH)
            .expect("a table");
        u64::from(u32::from_le_bytes(length)) * SECTOR
    }

    /// Fails the test when the file system of the boot partition or of the data is not whole: as it is after an orderly
    /// end, and after what the next start does first where there was none.
    pub fn assert_whole(&self) {
        let copy = self.image.with_extension("copy");
        let part = self.image.with_extension("part");
        run(Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .arg(&self.image)
            .arg(&copy));
        // The journal first, as every mount does.
        let data = format!("{}?offset={DATA}", copy.display());
        let check = |arguments: &[&str], file: &str| {
            let mut command = Command::new(arguments[0]);
            let path = std::env::var("PATH").unwrap_or_default();
            command.args(&arguments[1..]).arg(file);
            command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
            command.output().expect("a checker starts")
        };
        check(&["e2fsck", "-E", "journal_only", "-y"], &data);
        let found = check(&["e2fsck", "-f", "-n"], &data);
        assert!(found.status.success(), "the data: {found:?}");
        run(Command::new("dd")
            .arg(format!("if={}", copy.display()))
            .arg(format!("of={}", part.display()))
            .args(["bs=1M", "skip=4", "count=128", "status=none"]));
        let found = check(&["fsck.vfat", "-n"], part.to_str().expect("plain names"));
        assert!(found.status.success(), "the boot partition: {found:?}");
        for file in [copy, part] {
            fs::remove_file(file).expect("a file can be removed");
        }
    }
}
