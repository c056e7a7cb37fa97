//! USB sticks: image files that are plugged into the machine, and the films on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::workshop;
use crate::common::content::{self, Tree};

/// What is on a stick: one file of a known name and known bytes.
pub struct Film {
    /// Its file name, which is the release's title.
    pub name: String,
    seed: u64,
}

impl Film {
    /// In bytes.
    pub const SIZE: u64 = 24 << 20;

    /// The film on the stick of that name. Every stick has another one: the same content would be one release.
    pub fn of(stick: &str) -> Film {
        let seed = stick.bytes().fold(17_u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        Film {
            name: format!("A film on {stick} – café.mkv"),
            seed,
        }
    }

    /// Writes it into a folder, which is made.
    pub fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder can be made");
        content::write(&folder.join(&self.name), Self::SIZE, self.seed);
    }

    /// The same on this machine, to compare with.
    pub fn tree(&self) -> Tree {
        Tree::file(&self.name, Self::SIZE, self.seed)
    }
}

/// A stick.
pub struct Stick {
    /// QEMU's name for it.
    pub id: String,
    /// Its content.
    pub image: PathBuf,
    /// The serial number that it tells its host.
    pub serial: String,
    /// The bytes that it may be read at per second; no limit when 0.
    pub rate: u64,
    was: String,
}

impl Stick {
    /// A copy in `dir` of the stick that the recipe of that name makes.
    pub fn new(name: &str, dir: &Path) -> Stick {
        let original = workshop::sticks().join(name);
        Self::copy(&original, name, dir)
    }

    /// Another stick with the same bytes, under a serial number of its own.
    pub fn clone_as(&self, id: &str) -> Stick {
        let dir = self.image.parent().expect("an image lies in a folder");
        Self::copy(&self.image, id, dir)
    }

    /// A copy in `dir` of a file, under a name that is its own there.
    pub fn copy(from: &Path, id: &str, dir: &Path) -> Stick {
        let image = dir.join(format!("{id}.stick"));
        let copied = Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .arg(from)
            .arg(&image)
            .status();
        assert!(copied.is_ok_and(|status| status.success()), "{from:?}");
        Stick {
            id: id.to_owned(),
            serial: format!("SN-{id}"),
            was: sha256(&image),
            rate: 0,
            image,
        }
    }

    /// The same stick, read at so many bytes per second at most.
    pub fn slowed(mut self, rate: u64) -> Stick {
        self.rate = rate;
        self
    }

    /// Fails the test unless every byte is as it was before the stick was ever plugged in.
    pub fn assert_unchanged(&self) {
        assert_eq!(sha256(&self.image), self.was, "{} was written to", self.id);
    }
}

/// The SHA-256 of a file, in hexadecimal.
pub fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output();
    let output = output.expect("sha256sum starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(' ').next().unwrap_or_default().to_owned()
}
