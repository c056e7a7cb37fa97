//! The system as the image has it: the board's three overlays laid over Debian's programs, finished by the scripts that
//! Buildroot runs (`post-build.sh`, `post-image.sh`, `bundle.sh`), which also make the card and the signed updates. It is a
//! Raspberry Pi 4's in everything but the processor: the kernel in its slot is Debian's for the PC that QEMU is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::parts::{CHECK_DATABASE, Parts, run};

/// The board whose files these are.
pub const BOARD: &str = "rpi4";
/// What the card holds at first.
pub const FIRST: &str = "1.0.0";

/// Folders of Debian's that nothing of the image needs: a smaller root is a faster update.
const NEEDLESS: [&str; 6] = [
    "var",
    "usr/share/doc",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/share/bash-completion",
    "usr/share/perl5",
    "usr/lib/apt",
];
/// Keeps it off the internet, and looks at the database before the box itself does.
const DROP_IN: &str = "[Service]
Environment=SEMOIR_OFFLINE=1
ExecStartPre=/usr/lib/check-database
";
/// An emulated processor on a busy machine stands still for longer than a board does: the image's 14 seconds are `hang.rs`'s.
const PATIENCE: &str = "[Manager]\nRuntimeWatchdogSec=60s\nDefaultDeviceTimeoutSec=10min\n";
/// Where that is said.
pub const PATIENCE_FILE: &str = "usr/lib/systemd/system.conf.d/test.conf";
/// The agent that runs the tests' commands, and otherwise only what the overlays name: as Buildroot, which starts nothing
/// by itself, and unlike Debian.
const PRESET: &str = "enable qemu-guest-agent.service
enable dbus-broker.service
disable *
";

/// Where roots, cards and updates are made, with one key for all of them.
pub struct Press {
    dir: PathBuf,
    root: PathBuf,
    key: PathBuf,
}

impl Press {
    /// Lays the overlays and the program of this build over Debian, in `dir`.
    pub fn new(dir: &Path) -> Press {
        let base = system().join("root.squashfs");
        assert!(base.exists(), "no system; `make vm-test` makes it");
        let root = dir.join("root");
        run(Command::new("unsquashfs")
            .args(["-quiet", "-no-progress", "-no-xattrs", "-d"])
            .arg(&root)
            .arg(&base));
        for needless in NEEDLESS {
            let _ = fs::remove_dir_all(root.join(needless));
        }
        for overlay in ["overlay", "system-overlay", "release-overlay"] {
            let from = top().join("board/common").join(overlay).join(".");
            run(Command::new("cp").arg("-a").arg(from).arg(&root));
        }
        // What it says of itself for a debugger is half of it.
        run(Command::new("strip")
            .arg("-o")
            .arg(root.join("usr/bin/semoir"))
            .arg(env!("CARGO_BIN_EXE_semoir")));
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            fs::write(path, text).expect("a file can be written");
        };
        write("etc/systemd/system/semoir.service.d/test.conf", DROP_IN);
        write("usr/lib/systemd/system-preset/99-test.preset", PRESET);
        write("usr/lib/check-database", CHECK_DATABASE);
        write(PATIENCE_FILE, PATIENCE);
        fs::set_permissions(
            root.join("usr/lib/check-database"),
            Permissions::from_mode(0o755),
        )
        .expect("it is ours");
        // As Buildroot's: a name of its own, and no number, since the root is everybody's.
        write("etc/hostname", "semoir\n");
        write("etc/machine-id", "");
        run(Command::new("systemd-sysusers").arg(format!("--root={}", root.display())));
        let key = dir.join("key");
        run(&mut script("key.sh", &[&key]));
        Press {
            dir: dir.to_owned(),
            root,
            key,
        }
    }

    /// Packs the root of a release, with what `alter` does to it, and the folder of its slot, in a folder of that name.
    fn pack(&self, release: &str, alter: impl FnOnce(&Path)) -> PathBuf {
        let (images, root) = (self.dir.join(release), self.dir.join("altered"));
        let firmware = images.join("rpi-firmware");
        fs::create_dir_all(&firmware).expect("a folder can be made");
        run(Command::new("cp").arg("-a").arg(&self.root).arg(&root));
        run(script("post-build.sh", &[&root, Path::new(BOARD)])
            .env("SEMOIR_RELEASE", release)
            .env("SEMOIR_KEYRING", self.key.join("cert.pem")));
        alter(&root);
        run(Command::new("systemctl")
            .arg(format!("--root={}", root.display()))
            .args(["--quiet", "preset-all"]));
        run(Command::new("mksquashfs")
            .arg(&root)
            .arg(images.join("rootfs.squashfs"))
            .args(["-all-root", "-comp", "lz4", "-noappend"])
            .args(["-quiet", "-no-progress"]));
        fs::remove_dir_all(&root).expect("a folder can be removed");
        fs::copy(system().join("vmlinuz"), images.join("Image.gz")).expect("a kernel");
        fs::write(images.join("bcm2711-rpi-4-b.dtb"), "tree").expect("a file can be written");
        for file in ["config.txt", "cmdline.txt"] {
            let from = top().join("board/raspberrypi").join(file);
            fs::copy(from, firmware.join(file)).expect("a file can be copied");
        }
        images
    }

    /// Makes the card as it is flashed, with what `alter` does to its root.
    pub fn make_card(&self, alter: impl FnOnce(&Path)) {
        let images = self.pack(FIRST, alter);
        run(self
            .signed(&mut script("post-image.sh", &[&images, Path::new(BOARD)]))
            .env("SEMOIR_RELEASE", FIRST));
    }

    /// The card that was made.
    pub fn image(&self) -> PathBuf {
        self.dir.join(FIRST).join("semoir.img")
    }

    /// A signed update to a release.
    pub fn update(&self, release: &str, alter: impl FnOnce(&Path)) -> PathBuf {
        let images = self.pack(release, alter);
        let slot = images.join("boot");
        run(&mut {
            let mut boot = Command::new(top().join("board/raspberrypi/boot.sh"));
            boot.arg(&images).arg(&slot);
            boot
        });
        let bundle = self.dir.join(format!("{release}.raucb"));
        self.bundle(&images, release, &self.key, &bundle);
        fs::remove_dir_all(&images).expect("a folder can be removed");
        bundle
    }

    /// The system that the card has, as an update that somebody else signed.
    pub fn of_a_stranger(&self) -> PathBuf {
        let stranger = self.dir.join("stranger");
        run(&mut script("key.sh", &[&stranger]));
        let bundle = self.dir.join("stranger.raucb");
        self.bundle(&self.dir.join(FIRST), FIRST, &stranger, &bundle);
        bundle
    }

    fn bundle(&self, images: &Path, release: &str, key: &Path, bundle: &Path) {
        run(script("bundle.sh", &[images, Path::new(BOARD), bundle])
            .env("SEMOIR_RELEASE", release)
            .env("SEMOIR_CERT", key.join("cert.pem"))
            .env("SEMOIR_KEY", key.join("key.pem")));
    }

    fn signed<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("SEMOIR_CERT", self.key.join("cert.pem"))
            .env("SEMOIR_KEY", self.key.join("key.pem"))
    }
}

/// Adds a unit to a root, and has it started at `target`.
pub fn add_unit(root: &Path, name: &str, target: &str, text: &str) {
    let units = root.join("usr/lib/systemd/system");
    let wants = units.join(format!("{target}.wants"));
    fs::create_dir_all(&wants).expect("a folder can be made");
    fs::write(units.join(name), text).expect("a file can be written");
    symlink(format!("../{name}"), wants.join(name)).expect("a link can be made");
}

/// What does not change, made by `tests/vm/build.sh`.
pub fn system() -> PathBuf {
    Parts::folder().join("system")
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One of the image's scripts.
fn script(name: &str, arguments: &[&Path]) -> Command {
    let mut command = Command::new(top().join("buildroot/scripts").join(name));
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .args(arguments)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}
