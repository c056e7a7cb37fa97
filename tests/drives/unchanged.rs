//! Whatever state a file system was left in: it is mounted, read, unmounted, and not one bit of it is another.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use semoir::intake::mount::{Answer, Reason, Request};

use crate::bench::{Bench, Loop, hash, image, is_root, run};

/// The file that every image has.
const TEXT: &[u8] = b"a film, or a part of one";

fn format(file_system: &str, image: &Path) {
    let image = image.to_str().unwrap();
    match file_system {
        "ext4" => run("mkfs.ext4", &["-q", "-F", image]),
        "xfs" => run("mkfs.xfs", &["-q", "-f", image]),
        "btrfs" => run("mkfs.btrfs", &["-q", "-f", image]),
        other => panic!("{other}"),
    };
}

/// A copy of a file system as a power cut would leave it: taken while it is mounted and something in it was just synced.
fn cut_off(bench: &Bench, file_system: &str) -> PathBuf {
    let dir = bench.dir.path();
    // As small as each can be made.
    let size = match file_system {
        "xfs" => 300 << 20,
        "btrfs" => 128 << 20,
        _ => 32 << 20,
    };
    let whole = image(&dir.join(format!("{file_system}.img")), size);
    format(file_system, &whole);
    let device = Loop::attach(&whole);
    let point = dir.join("written");
    fs::create_dir(&point).unwrap();
    let (node, at) = (device.node.to_str().unwrap(), point.to_str().unwrap());
    run("mount", &["-t", file_system, node, at]);
    fs::write(point.join("film.mkv"), TEXT).unwrap();
    run("umount", &[at]);
    run("mount", &["-t", file_system, node, at]);
    // The rest is in the journal alone.
    fs::create_dir(point.join("new")).unwrap();
    for number in 0..20 {
        let mut file = fs::File::create(point.join(format!("new/{number}"))).unwrap();
        file.write_all(TEXT).unwrap();
        file.sync_all().unwrap();
    }
    run("sync", &[whole.to_str().unwrap()]);
    let cut = dir.join(format!("{file_system}-cut.img"));
    run(
        "cp",
        &[
            "--sparse=always",
            whole.to_str().unwrap(),
            cut.to_str().unwrap(),
        ],
    );
    run("umount", &[at]);
    fs::remove_dir(&point).unwrap();
    drop(device);
    cut
}

/// Whether a file system is changed when it is mounted read-only and nothing else is said.
fn is_changed_by_others(bench: &Bench, file_system: &str, cut: &Path) -> bool {
    let copy = bench.dir.path().join("copy.img");
    run(
        "cp",
        &[
            "--sparse=always",
            cut.to_str().unwrap(),
            copy.to_str().unwrap(),
        ],
    );
    let before = hash(&copy);
    let device = Loop::attach(&copy);
    let point = bench.dir.path().join("plain");
    fs::create_dir(&point).unwrap();
    let (node, at) = (device.node.to_str().unwrap(), point.to_str().unwrap());
    run("mount", &["-t", file_system, "-o", "ro", node, at]);
    run("umount", &[at]);
    fs::remove_dir(&point).unwrap();
    drop(device);
    let changed = hash(&copy) != before;
    fs::remove_file(copy).unwrap();
    changed
}

fn nothing_changes(file_system: &str, note: Option<&str>) {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let cut = cut_off(&bench, file_system);
    assert!(
        is_changed_by_others(&bench, file_system, &cut),
        "there is nothing to be replayed: this test shows nothing"
    );
    let before = hash(&cut);
    let device = Loop::attach(&cut);
    bench.approve(&device);
    let (id, path, said) = bench.mount(device.number);
    match note {
        Some(note) => assert!(said.unwrap().contains(note)),
        None => assert_eq!(said, None),
    }
    assert_eq!(fs::read(path.join("film.mkv")).unwrap(), TEXT);
    // Not even by root.
    let error = fs::write(path.join("more"), b"x").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EROFS));
    let written = fs::OpenOptions::new().write(true).open(&device.node);
    let error = written
        .and_then(|written| written.write_at(&[0], 0))
        .unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::PermissionDenied,
        "the device can be written to: {error}"
    );
    // Asked again, it is the same.
    assert_eq!(bench.mount(device.number).1, path);
    bench.unmount(&id);
    bench.unmount(&id);
    assert!(!path.exists());
    assert_eq!(hash(&device.node), before);
    drop(device);
    assert_eq!(hash(&cut), before);
}

#[test]
fn a_cut_off_ext4_is_read_and_not_one_bit_changes() {
    nothing_changes("ext4", Some("pulled out while something was being written"));
}

#[test]
fn a_cut_off_xfs_is_read_and_not_one_bit_changes() {
    nothing_changes("xfs", None);
}

#[test]
fn a_cut_off_btrfs_is_read_and_not_one_bit_changes() {
    nothing_changes(
        "btrfs",
        Some("pulled out while something was being written"),
    );
}

/// FAT, exFAT and NTFS: where the kernel has them they are read; where not, it is said.
#[test]
fn what_the_kernel_cannot_read_is_said_and_the_rest_does_not_change() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    for (program, driver, arguments) in [
        ("mkfs.vfat", "vfat", &["-n", "FILMS"][..]),
        ("mkfs.exfat", "exfat", &["-L", "FILMS"]),
        ("mkfs.ntfs", "ntfs3", &["-q", "-F", "-Q", "-L", "FILMS"]),
    ] {
        let image = image(&bench.dir.path().join(driver), 64 << 20);
        run(program, &[arguments, &[image.to_str().unwrap()]].concat());
        let before = hash(&image);
        let device = Loop::attach(&image);
        bench.approve(&device);
        match bench.ask(&Request::MountDrive {
            device: device.number,
        }) {
            Answer::Mounted(mounted) => {
                assert_eq!(mounted.note, None, "{driver}");
                fs::read_dir(&mounted.path).unwrap();
                bench.unmount(&mounted.id);
            }
            Answer::Refused(refusal) => {
                assert_eq!(refusal.reason, Reason::Unsupported, "{driver}: {refusal}");
                assert!(refusal.why.contains(driver), "{refusal}");
            }
            other => panic!("{driver}: {other:?}"),
        }
        drop(device);
        assert_eq!(hash(&image), before, "{driver}");
    }
}

#[test]
fn a_damaged_file_system_is_said_to_be() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let image = image(&bench.dir.path().join("ext4.img"), 32 << 20);
    format("ext4", &image);
    let file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    // The descriptors of its groups, which the first block's checksum is not over.
    file.write_all_at(&[0xa5; 30_000], 2048).unwrap();
    drop(file);
    let device = Loop::attach(&image);
    bench.approve(&device);
    let refusal = bench.refused(&Request::MountDrive {
        device: device.number,
    });
    assert_eq!(refusal.reason, Reason::Damaged, "{refusal}");
    assert!(
        !bench
            .dir
            .path()
            .join("mounts")
            .read_dir()
            .unwrap()
            .any(|_| true),
        "a folder is left"
    );
}

/// On ext4, what its owner kept to himself is not the daemon's to read, and it is said.
#[test]
fn what_only_its_owner_may_read_is_said_to_be_left_out() {
    if !is_root() {
        return;
    }
    let bench = Bench::start();
    let root = bench.dir.path().join("files");
    fs::create_dir_all(root.join("private")).unwrap();
    fs::create_dir_all(root.join("open")).unwrap();
    fs::write(root.join("secret"), TEXT).unwrap();
    run("chmod", &["700", root.join("private").to_str().unwrap()]);
    run("chmod", &["600", root.join("secret").to_str().unwrap()]);
    run("chmod", &["755", root.to_str().unwrap()]);
    let image = image(&bench.dir.path().join("ext4.img"), 32 << 20);
    run(
        "mkfs.ext4",
        &[
            "-q",
            "-F",
            "-d",
            root.to_str().unwrap(),
            image.to_str().unwrap(),
        ],
    );
    let device = Loop::attach(&image);
    bench.approve(&device);
    let (id, _, note) = bench.mount(device.number);
    assert!(
        note.unwrap()
            .starts_with("holds 2 files and folders that only their owner")
    );
    bench.unmount(&id);
}
