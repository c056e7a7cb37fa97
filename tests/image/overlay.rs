//! The files that the image adds to Buildroot's: units, the packet filter, and who is enabled.

use std::path::Path;
use std::process::Command;

use super::{output, run, top, write};

/// What a release consists of, in the order that Buildroot lays it down.
const RELEASE: [&str; 3] = ["overlay", "system-overlay", "release-overlay"];

/// A root with the overlays, this computer's own systemd units, and something in place of each program that they start.
fn lay_down(root: &Path) {
    std::fs::create_dir_all(root.join("usr/lib/systemd")).unwrap();
    for overlay in RELEASE {
        let from = top().join("board/common").join(overlay).join(".");
        run(Command::new("cp").arg("-a").arg(from).arg(root));
    }
    // What only one family has: its drop-ins are read with the units that they add to.
    run(Command::new("cp")
        .arg("-a")
        .arg(top().join("board/raspberrypi/overlay/."))
        .arg(root));
    let theirs = ["/usr/lib/systemd/system", "/lib/systemd/system"];
    let theirs = theirs.iter().find(|path| Path::new(path).exists()).unwrap();
    // Ours win over what is here.
    run(Command::new("cp")
        .arg("-an")
        .arg(theirs)
        .arg(root.join("usr/lib/systemd/")));
    std::os::unix::fs::symlink("usr/lib", root.join("lib")).unwrap();
    // What we add to and is not here, as udev's where no devices come and go.
    for unit in units() {
        let unit = root.join("usr/lib/systemd/system").join(unit);
        if !unit.exists() {
            write(&unit, "[Service]\nType=oneshot\nExecStart=/usr/bin/sh\n");
        }
    }
    for program in [
        "usr/bin/semoir",
        "usr/bin/rauc",
        "usr/bin/sh",
        "usr/bin/systemctl",
        "usr/bin/systemd-tmpfiles",
        "usr/bin/udevadm",
        "usr/sbin/nft",
        "usr/sbin/wpa_supplicant",
    ] {
        write(&root.join(program), "#!/bin/sh\n");
        run(Command::new("chmod").arg("755").arg(root.join(program)));
    }
}

/// Names of our units, and of those of others that we add to.
fn units() -> Vec<String> {
    let mut names = Vec::new();
    for overlay in RELEASE {
        let dir = top()
            .join("board/common")
            .join(overlay)
            .join("usr/lib/systemd/system");
        let Ok(entries) = std::fs::read_dir(dir) else {
            continue;
        };
        names.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    }
    let whole = |name: String| name.strip_suffix(".d").map_or(name.clone(), str::to_owned);
    names = names.into_iter().map(whole).collect();
    names.retain(|name| name.contains('.'));
    names.sort_unstable();
    names.dedup();
    assert!(names.len() >= 6, "{names:?}");
    names
}

/// What `systemd-analyze verify` says of these units; nothing when all is well.
fn verify(root: &Path, units: &[String]) -> String {
    let mut command = Command::new("systemd-analyze");
    command
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(format!("--root={}", root.display()))
        .args(units);
    let out = output(&mut command);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    if out.status.success() && said.is_empty() {
        String::new()
    } else {
        format!("{}: {said}", out.status)
    }
}

#[test]
fn systemd_understands_every_unit() {
    let root = tempfile::tempdir().unwrap();
    lay_down(root.path());
    let said = verify(root.path(), &units());
    assert!(said.is_empty(), "{said}");

    // And would have said so.
    let wrong = root.path().join("usr/lib/systemd/system/wrong.service");
    write(
        &wrong,
        "[Service]\nExecStart=/usr/bin/semoir\nProtectSytem=strict\n",
    );
    let said = verify(root.path(), &["wrong.service".to_owned()]);
    assert!(said.contains("ProtectSytem"), "{said}");
}

/// Issue: 2.0 at most for the daemon. It is what systemd makes of the unit's lines, the better the lower. The helper that is
/// root has next to none of root's rights, and mounts nothing: it is held to the same.
#[test]
fn the_daemon_and_the_system_helper_are_well_shut_in() {
    let root = tempfile::tempdir().unwrap();
    lay_down(root.path());
    for unit in ["semoir.service", "semoir-system.service"] {
        let mut command = Command::new("systemd-analyze");
        command
            .args(["security", "--offline=yes", "--threshold=20", "--no-pager"])
            .arg(format!("--root={}", root.path().display()))
            .arg(unit);
        run(&mut command);
    }
}

/// What is enabled is what the presets name: a unit that nobody enabled is a unit that is not there.
#[test]
fn presets_enable_what_can_be_enabled_and_no_way_in() {
    let root = tempfile::tempdir().unwrap();
    lay_down(root.path());
    let run_systemctl = |args: &[&str]| {
        let mut command = Command::new("systemctl");
        command
            .arg(format!("--root={}", root.path().display()))
            .args(args);
        output(&mut command)
    };
    let ours = [
        "semoir.service",
        "semoir-mount.socket",
        "semoir-system.socket",
        "semoir-firewall.service",
        "semoir-grow.service",
        "semoir-wifi.service",
        "semoir-first-boot.service",
        "semoir-announce.service",
        "semoir-announce.path",
        "semoir-settle.service",
        "semoir-trial.timer",
        "semoir-journal.service",
    ];
    for unit in ours {
        let out = run_systemctl(&["preset", unit]);
        assert!(
            out.status.success(),
            "{unit}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        let out = run_systemctl(&["is-enabled", unit]);
        assert_eq!(
            String::from_utf8_lossy(&out.stdout).trim(),
            "enabled",
            "{unit}"
        );
    }
    for way_in in [
        "getty@.service",
        "serial-getty@.service",
        "debug-shell.service",
        "console-getty.service",
    ] {
        let out = run_systemctl(&["is-enabled", way_in]);
        assert_eq!(
            String::from_utf8_lossy(&out.stdout).trim(),
            "masked",
            "{way_in}"
        );
    }
}

/// Loads the filter in a network name space of its own, where one may be made.
#[test]
fn the_packet_filter_loads_whole_and_twice() {
    if !nix::unistd::geteuid().is_root() {
        println!("not root here: the packet filter is not loaded");
        return;
    }
    let system = top().join("board/common/system-overlay/usr/lib/semoir");
    let dir = tempfile::tempdir().unwrap();
    let rules = std::fs::read_to_string(system.join("firewall.nft")).unwrap();
    let developer = top().join("board/common/developer-overlay/usr/lib/semoir/firewall.d");
    for (name, extras) in [
        ("release", system.join("firewall.d")),
        ("developer", developer),
    ] {
        let file = dir.path().join(name);
        write(
            &file,
            rules.replace("/usr/lib/semoir/firewall.d", extras.to_str().unwrap()),
        );
        let twice = format!(
            "nft -f {0} && nft -f {0} && nft list ruleset",
            file.display()
        );
        let listed = run(Command::new("unshare").args(["--net", "sh", "-c", &twice]));
        assert!(listed.contains("policy drop"), "{listed}");
        // The owner's page is nowhere but in the home's chain.
        let (world, home) = listed.split_once("chain home_input").unwrap();
        assert!(
            !world.contains("dport 80") && home.contains("dport 80"),
            "{listed}"
        );
        assert_eq!(listed.contains("dport 22"), name == "developer", "{listed}");
    }
}

/// The map of the card, the kernel's command line, U-Boot's script and the mounts agree on what the disk is called.
#[test]
fn all_who_name_the_disk_name_the_same() {
    let read = |path: &str| std::fs::read_to_string(top().join("board").join(path)).unwrap();
    let map = read("common/genimage.cfg");
    let id = map
        .lines()
        .find_map(|line| line.trim().strip_prefix("disk-signature = 0x"))
        .unwrap()
        .to_owned();
    for (file, parts) in [
        ("raspberrypi/cmdline.txt", &["02"][..]),
        ("qemu/boot.cmd", &["02", "03"]),
        ("common/rauc.conf", &["01", "02", "03"]),
        ("common/system-overlay/etc/fstab", &["01", "04"]),
        (
            "common/system-overlay/usr/lib/systemd/system/semoir-grow.service",
            &["04"],
        ),
        (
            "common/system-overlay/usr/lib/udev/rules.d/61-semoir-own-disk.rules",
            &["*"],
        ),
    ] {
        let text = read(file);
        for part in parts {
            let name = format!("{id}-{part}");
            assert!(
                text.replace("\\x2d", "-").contains(&name),
                "{file} does not name {name}"
            );
        }
    }
}
