//! All shell scripts of the repository.

use std::path::PathBuf;
use std::process::Command;

use semoir::device::journals::{self, Start};

use super::{output, run, top, write};

/// What begins with the line of a shell: names do not always tell.
fn shell_scripts() -> Vec<PathBuf> {
    let listed = run(Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(top()));
    let files = listed.split('\0').filter(|name| !name.is_empty());
    let is_shell = |path: &PathBuf| {
        let Ok(bytes) = std::fs::read(top().join(path)) else {
            return false;
        };
        let first = bytes
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        first.starts_with("#!") && (first.ends_with("sh") || first.ends_with("bash"))
    };
    files.map(PathBuf::from).filter(is_shell).collect()
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let scripts = shell_scripts();
    assert!(scripts.len() > 10, "{scripts:?}");
    let mut command = Command::new("shellcheck");
    // Text in single quotes that another shell is to expand, and busybox's shell in the tests' guest.
    run(command
        .args(["-x", "-e", "SC2016,SC2187"])
        .args(&scripts)
        .current_dir(top()));
}

/// `git` keeps it: a script that Buildroot or systemd starts must be one that can be started.
#[test]
fn scripts_can_be_started() {
    use std::os::unix::fs::PermissionsExt;
    let theirs = |path: &PathBuf| path.starts_with("buildroot") || path.starts_with("board");
    for path in shell_scripts().into_iter().filter(theirs) {
        let mode = std::fs::metadata(top().join(&path))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o111, 0o111, "{}", path.display());
    }
}

/// The light of the board blinks until the box serves, under whichever name the kernel has it.
#[test]
fn the_light_says_whether_the_box_serves() {
    let lights = tempfile::tempdir().unwrap();
    let light = |word: &str| {
        let mut command =
            Command::new(top().join("board/raspberrypi/overlay/usr/lib/semoir/light"));
        output(command.arg(word).env("SEMOIR_LIGHTS", lights.path()))
    };
    // A board without one starts all the same.
    assert!(light("waiting").status.success());
    for name in ["ACT", "led0"] {
        let trigger = lights.path().join(name).join("trigger");
        write(&trigger, "mmc0");
        for (word, shown) in [("waiting", "timer"), ("serving", "mmc0")] {
            assert!(light(word).status.success());
            assert_eq!(std::fs::read_to_string(&trigger).unwrap(), shown);
        }
    }
    assert!(!light("dancing").status.success());
}

/// The last two starts' journals are there, whatever the power did in between.
#[test]
fn the_journals_of_two_starts_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (bin, kept) = (dir.path().join("bin"), dir.path().join("kept"));
    std::fs::create_dir_all(&kept).unwrap();
    let keep = |words: &str| {
        write(
            &bin.join("journalctl"),
            format!("#!/bin/sh\necho {words}\n"),
        );
        run(Command::new("chmod").arg("755").arg(bin.join("journalctl")));
        let path = std::env::var("PATH").unwrap_or_default();
        run(
            Command::new(top().join("board/common/system-overlay/usr/lib/semoir/keep-journal"))
                .env("PATH", format!("{}:{path}", bin.display()))
                .env("SEMOIR_JOURNALS", &kept),
        );
    };
    let said = |name: &str| run(Command::new("gzip").arg("-dc").arg(kept.join(name)));
    for start in 1..=3 {
        keep(&format!("start {start}"));
    }
    // Under the names that the owner's page asks for.
    for start in Start::ALL {
        assert!(journals::open(&kept, start).unwrap().is_some(), "{start:?}");
    }
    assert_eq!(said("journal-last.gz"), "start 3\n");
    assert_eq!(said("journal-before.gz"), "start 2\n");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 2);
}

/// Two cards of ours have the same identifiers; the names lead to the one that the box runs from.
#[test]
fn the_disk_of_the_root_is_told_from_another_of_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let links = dir.path().join("sys/dev/block");
    std::fs::create_dir_all(&links).unwrap();
    for (number, path) in [
        ("179:0", "devices/mmc/mmcblk0"),
        ("179:2", "devices/mmc/mmcblk0/mmcblk0p2"),
        ("8:0", "devices/usb/sda"),
    ] {
        std::fs::create_dir_all(dir.path().join("sys").join(path)).unwrap();
        let to = format!("../../{path}");
        std::os::unix::fs::symlink(to, links.join(number)).unwrap();
    }
    let mounts = dir.path().join("mountinfo");
    let own = |number: &str| {
        let path = "board/common/system-overlay/usr/lib/semoir/own-disk";
        let mut command = Command::new(top().join(path));
        command.arg(number);
        command.env("SEMOIR_SYS", dir.path().join("sys"));
        output(command.env("SEMOIR_MOUNTINFO", &mounts))
            .status
            .success()
    };
    write(
        &mounts,
        "22 1 179:2 / / ro - squashfs /dev/root ro\n23 22 8:4 / /run/media rw - ext4 /dev/sda4 rw\n",
    );
    assert!(own("179:0"));
    assert!(!own("8:0"), "another card");
    assert!(!own("8:16"), "no disk");
    // A root that is on no disk.
    write(&mounts, "22 1 0:20 / / rw - tmpfs none rw\n");
    assert!(!own("179:0"));
}

/// The filter learns Ethernet and Wi-Fi, and nothing of tunnels and the loop; without a filter nothing is amiss.
#[test]
fn the_packet_filter_is_told_the_boxs_own_devices() {
    let dir = tempfile::tempdir().unwrap();
    for (device, kind, address) in [
        ("lo", "772", "00:00:00:00:00:00"),
        ("end0", "1", "d8:3a:dd:00:00:01"),
        ("wlan0", "1", "d8:3a:dd:00:00:02"),
        ("sit0", "776", "0.0.0.0"),
    ] {
        let folder = dir.path().join("sys/class/net").join(device);
        std::fs::create_dir_all(&folder).unwrap();
        write(&folder.join("type"), format!("{kind}\n"));
        write(&folder.join("address"), format!("{address}\n"));
    }
    let (filter, told) = (dir.path().join("filter"), dir.path().join("told"));
    let nft = dir.path().join("nft");
    write(
        &nft,
        "#!/bin/sh\n[ -e \"$FILTER\" ] || exit 1\n[ \"$1\" = list ] || echo \"$@\" >>\"$TOLD\"\n",
    );
    std::fs::set_permissions(&nft, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        dir.path().display(),
        std::env::var("PATH").unwrap()
    );
    let tell = || {
        let script = "board/common/system-overlay/usr/lib/semoir/own-devices";
        let mut command = Command::new(top().join(script));
        command.env("SEMOIR_SYS", dir.path().join("sys"));
        command.env("FILTER", &filter).env("TOLD", &told);
        run(command.env("PATH", &path));
    };
    tell();
    assert!(!told.exists(), "there is no filter yet");
    write(&filter, "");
    tell();
    assert_eq!(
        std::fs::read_to_string(&told).unwrap(),
        "add element inet semoir own { d8:3a:dd:00:00:01 }\nadd element inet semoir own { d8:3a:dd:00:00:02 }\n"
    );
}
