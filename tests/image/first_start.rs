//! The first start with a real file system, mounted read-only as on a board, and the real program.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{output, run, write};

/// A mounted boot partition; unmounted when the test ends, however it does.
struct Boot {
    at: PathBuf,
    node: PathBuf,
}

impl Boot {
    fn new(dir: &Path) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("not root here: no boot partition is mounted");
            return None;
        }
        let image = dir.join("boot.img");
        fs::File::create(&image).unwrap().set_len(40 << 20).unwrap();
        let at = dir.join("boot");
        fs::create_dir(&at).unwrap();
        let found = run(Command::new("losetup")
            .args(["--find", "--show"])
            .arg(&image));
        let node = PathBuf::from(found.trim());
        let boot = Self { at, node };
        // A test that had it before may have made it read-only, which stays.
        run(Command::new("blockdev").arg("--setrw").arg(&boot.node));
        let mount = |maker: &[&str]| {
            run(Command::new(maker[0]).args(&maker[1..]).arg(&boot.node));
            output(Command::new("mount").arg(&boot.node).arg(&boot.at))
        };
        if !mount(&["/usr/sbin/mkfs.vfat", "-F", "32"]).status.success() {
            // A kernel without FAT mounts, remounts and deletes all the same.
            println!("this kernel has no FAT: another file system stands for it");
            let out = mount(&[
                "/usr/sbin/mke2fs",
                "-q",
                "-F",
                "-t",
                "ext4",
                "-O",
                "^has_journal",
            ]);
            assert!(
                out.status.success(),
                "{}",
                String::from_utf8_lossy(&out.stderr)
            );
        }
        Some(boot)
    }

    fn read_only(&self) {
        run(Command::new("mount")
            .args(["-o", "remount,ro,nodev,nosuid,noexec,noatime"])
            .arg(&self.at));
    }

    fn options(&self) -> String {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let at = self.at.to_str().unwrap();
        let line = mounts
            .lines()
            .find(|line| line.split(' ').nth(1) == Some(at));
        line.unwrap().split(' ').nth(3).unwrap().to_owned()
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        let _ = output(Command::new("umount").arg(&self.at));
        let _ = output(Command::new("losetup").arg("--detach").arg(&self.node));
    }
}

fn semoir(dir: &Path, command: &str) -> Command {
    let mut semoir = Command::new(env!("CARGO_BIN_EXE_semoir"));
    semoir.arg(command).arg("--boot").arg(dir.join("boot"));
    semoir
}

#[test]
fn a_card_is_read_emptied_of_secrets_and_read_only_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let Some(boot) = Boot::new(dir) else { return };
    write(
        &boot.at.join("semoir.toml"),
        "hostname = 'garage'\r\npassword = 'correct horse'\r\n[wifi]\r\nssid = 'Home'\r\npassword = 'battery staple'\r\n",
    );
    write(&boot.at.join("custom.toml"), "[system\n");
    boot.read_only();
    let first_boot = || {
        // As the unit does: what it makes for others must be readable to them all the same.
        let mut command = Command::new("sh");
        command.args(["-c", "umask 077; exec \"$0\" first-boot \"$@\""]);
        command
            .arg(env!("CARGO_BIN_EXE_semoir"))
            .arg("--boot")
            .arg(&boot.at);
        command.args(["--keep-host-name", "--user", "root"]);
        for (flag, name) in [("--kept", "kept"), ("--run", "run"), ("--data", "data")] {
            command.arg(flag).arg(dir.join(name));
        }
        run(&mut command)
    };
    first_boot();
    let options = boot.options();
    for option in ["ro", "nodev", "nosuid", "noexec", "noatime"] {
        assert!(
            options.split(',').any(|it| it == option),
            "{option}: {options}"
        );
    }
    assert!(!boot.at.join("semoir.toml").exists());
    let refused = fs::read_to_string(boot.at.join("SEMOIR-ERROR.txt")).unwrap();
    assert!(
        refused.starts_with("custom.toml was not obeyed: line 1"),
        "{refused}"
    );
    let kept = |name: &str| fs::read_to_string(dir.join("kept").join(name)).unwrap();
    assert_eq!(kept("hostname"), "garage");
    let mode = fs::metadata(dir.join("kept")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(kept("owner/password-hash").starts_with("$argon2id$"));
    assert!(kept("wifi.conf").contains("psk=\"battery staple\""));
    // Nothing of the secrets is in any block of the partition.
    run(Command::new("sync").arg("-f").arg(&boot.at));
    let image = fs::read(dir.join("boot.img")).unwrap();
    for secret in [&b"correct horse"[..], b"battery staple"] {
        assert!(!image.windows(secret.len()).any(|bytes| bytes == secret));
    }
    first_boot();

    // The daemon leaves a code: it is on the card, and gone with the code.
    let code = dir.join("code");
    write(&code, "AB2C-XY9Z\n");
    let announce = || {
        let mut command = semoir(dir, "announce");
        command
            .arg("--code")
            .arg(&code)
            .args(["--consoles", "/nonexistent"]);
        run(&mut command)
    };
    announce();
    let text = fs::read_to_string(boot.at.join("SETUP-CODE.txt")).unwrap();
    assert!(text.starts_with("AB2C-XY9Z\r\n"), "{text}");
    fs::remove_file(&code).unwrap();
    announce();
    assert!(!boot.at.join("SETUP-CODE.txt").exists());
    assert!(boot.options().split(',').any(|it| it == "ro"));
}

/// Who does not want to write his password on a card writes what `semoir hash-password` prints.
#[test]
fn a_hash_that_semoir_printed_is_an_owners() {
    let hash = |typed: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_semoir"));
        command.arg("hash-password").stdin(Stdio::piped());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    };
    let out = hash("short\n");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        !out.status.success() && said.contains("8 characters"),
        "{said}"
    );

    let out = hash("correct horse\r\n");
    assert!(out.status.success());
    let printed = String::from_utf8(out.stdout).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write(
        &at("boot/semoir.toml"),
        format!("password-hash = '{}'\n", printed.trim_end()),
    );
    let mut command = semoir(dir.path(), "first-boot");
    command.args(["--keep-host-name", "--user", "root"]);
    for name in ["kept", "run", "data"] {
        command.arg(format!("--{name}")).arg(at(name));
    }
    run(&mut command);
    let kept = fs::read_to_string(at("kept/owner/password-hash")).unwrap();
    assert_eq!(kept.trim_end(), printed.trim_end());
    assert!(printed.starts_with("$argon2id$v=19$"), "{printed}");
}
