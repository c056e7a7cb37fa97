//! What a virtual machine is made of.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files that QEMU is given. Those that do not change are made by `tests/vm/build.sh`.
pub struct Parts {
    /// The emulator.
    pub qemu: PathBuf,
    /// The guest's kernel.
    pub kernel: PathBuf,
    /// What finds its root.
    pub initrd: PathBuf,
    /// Debian, read-only.
    pub base: PathBuf,
    /// What is tested, read-only, laid over it.
    pub top: PathBuf,
}

/// Keeps the guest off the internet, and looks at the database before the box itself does.
const DROP_IN: &str = "[Service]
Environment=SEMOIR_OFFLINE=1
ExecStartPre=/usr/lib/check-database
";
/// Prints what the database finds when it checks itself.
pub const CHECK_DATABASE: &str = "#!/bin/sh
cd /var/lib/semoir && test -e semoir.db || exit 0
echo \"integrity:$(sqlite3 semoir.db 'pragma integrity_check' 2>&1)\"
";

impl Parts {
    /// Where what is made once is kept.
    pub fn folder() -> PathBuf {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
        target.expect("a target folder").join("vm")
    }

    /// Those below `target`, and the overlay and the program of this build, laid together in `dir`.
    pub fn new(dir: &Path) -> Parts {
        let vm = Self::folder();
        let guest = vm.join("guest");
        assert!(
            guest.join("made-of").exists() && vm.join("qemu").exists(),
            "no guest in {}; `make vm-test` makes it",
            vm.display()
        );
        Parts {
            qemu: vm.join("qemu"),
            kernel: guest.join("vmlinuz"),
            initrd: guest.join("initrd"),
            base: guest.join("root.squashfs"),
            top: top(dir),
        }
    }
}

/// The image's overlay and the program, with what only the test needs.
fn top(dir: &Path) -> PathBuf {
    let root = dir.join("top");
    let overlay = Path::new(env!("CARGO_MANIFEST_DIR")).join("board/common/overlay");
    run(Command::new("cp").arg("-R").arg(&overlay).arg(&root));
    std::fs::create_dir_all(root.join("usr/bin")).expect("a folder can be made");
    std::fs::copy(env!("CARGO_BIN_EXE_semoir"), root.join("usr/bin/semoir"))
        .expect("the program can be copied");
    let drop_in = root.join("etc/systemd/system/semoir.service.d");
    std::fs::create_dir_all(&drop_in).expect("a folder can be made");
    std::fs::write(drop_in.join("test.conf"), DROP_IN).expect("a file can be written");
    let check = root.join("usr/lib/check-database");
    std::fs::write(&check, CHECK_DATABASE).expect("a file can be written");
    std::fs::set_permissions(&check, Permissions::from_mode(0o755)).expect("it is ours");
    let image = dir.join("top.squashfs");
    // Not compressed: it is read once, by an emulated processor.
    run(Command::new("mksquashfs")
        .arg(&root)
        .arg(&image)
        .args(["-all-root", "-noD", "-noI", "-noF", "-noX"])
        .args(["-noappend", "-quiet", "-no-progress"]));
    std::fs::remove_dir_all(&root).expect("a folder can be removed");
    image
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| {
        panic!("{command:?} does not start ({error}); `make vm-test` installs it")
    });
    assert!(output.status.success(), "{command:?}: {output:?}");
}
