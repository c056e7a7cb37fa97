//! The card of each board, made of stand-in parts by the very script that Buildroot runs.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{boards, run, script, top, write};

/// Sectors in a mebibyte.
const MIB: u64 = 2048;

/// What Buildroot leaves for `post-image.sh`: small, and told from one another by their content.
pub fn stand_ins(images: &Path, board: &str) {
    let root = images.join("root");
    // Bytes that do not pack: a bundle must be larger than a page.
    let program: Vec<u8> = (0u32..16384)
        .flat_map(|n| {
            n.wrapping_mul(0x9e37_79b1)
                .rotate_left(n % 32)
                .to_le_bytes()
        })
        .collect();
    write(&root.join("usr/bin/semoir"), program);
    run(Command::new("mksquashfs")
        .arg(&root)
        .arg(images.join("rootfs.squashfs"))
        .args(["-quiet", "-no-progress"]));
    if board == "qemu" {
        write(&images.join("Image"), "kernel");
        write(&images.join("boot.scr"), "script");
        return;
    }
    write(&images.join("Image.gz"), "kernel");
    write(&images.join("bcm2711-rpi-4-b.dtb"), "tree");
    let firmware = images.join("rpi-firmware");
    write(&firmware.join("start4.elf"), "firmware");
    write(&firmware.join("overlays/miniuart-bt.dtbo"), "overlay");
    for file in ["config.txt", "cmdline.txt"] {
        std::fs::copy(
            top().join("board/raspberrypi").join(file),
            firmware.join(file),
        )
        .unwrap();
    }
}

/// Runs what Buildroot runs when root and kernel are there.
pub fn make_card(images: &Path, board: &str) {
    let key = images.join("key");
    run(script("key.sh").arg(&key));
    run(script("post-image.sh")
        .args([images.as_os_str(), board.as_ref()])
        .env("SEMOIR_CERT", key.join("cert.pem"))
        .env("SEMOIR_KEY", key.join("key.pem"))
        .env("SEMOIR_RELEASE", "1.2.3"));
}

#[test]
fn cards_have_the_map_that_is_drawn() {
    for board in boards() {
        let images = tempfile::tempdir().unwrap();
        stand_ins(images.path(), &board);
        make_card(images.path(), &board);
        check_table(&images.path().join("semoir.img"));
        let boot = images.path().join("boot.vfat");
        let read = |name: &str| {
            run(Command::new("mtype")
                .arg("-i")
                .arg(&boot)
                .arg(format!("::{name}")))
        };
        if board == "qemu" {
            assert_eq!(read("slot-a/Image"), "kernel");
            assert_eq!(read("boot.scr"), "script");
        } else {
            check_raspberry_pi(&read);
        }
        let info = run(Command::new("blkid")
            .args(["-s", "LABEL", "-s", "TYPE", "-o", "export"])
            .arg(images.path().join("data.ext4")));
        assert!(
            info.contains("TYPE=ext4") && info.contains("LABEL=semoir-data"),
            "{info}"
        );
    }
}

fn check_table(image: &Path) {
    let table: Value =
        serde_json::from_str(&run(Command::new("sfdisk").arg("-J").arg(image))).unwrap();
    let table = &table["partitiontable"];
    assert_eq!(
        (table["label"].as_str(), table["id"].as_str()),
        (Some("dos"), Some("0x5e301a7e"))
    );
    let parts: Vec<(u64, u64, &str)> = table["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| {
            (
                part["start"].as_u64().unwrap(),
                part["size"].as_u64().unwrap(),
                part["type"].as_str().unwrap(),
            )
        })
        .collect();
    let drawn = [
        (4 * MIB, 128 * MIB, "c"),
        (132 * MIB, 256 * MIB, "83"),
        (388 * MIB, 256 * MIB, "83"),
        (644 * MIB, 64 * MIB, "83"),
    ];
    assert_eq!(parts, drawn);
    // The first slot holds the root; the second waits for the first update.
    let at = |mib: u64| {
        use std::os::unix::fs::FileExt;
        let mut bytes = [0; 4];
        std::fs::File::open(image)
            .unwrap()
            .read_exact_at(&mut bytes, mib << 20)
            .unwrap();
        bytes
    };
    assert_eq!(&at(132), b"hsqs");
    assert_eq!(at(388), [0; 4]);
}

fn check_raspberry_pi(read: &dyn Fn(&str) -> String) {
    assert_eq!(read("start4.elf"), "firmware");
    assert_eq!(read("slot-a/Image.gz"), "kernel");
    assert_eq!(read("slot-a/bcm2711-rpi-4-b.dtb"), "tree");
    assert_eq!(read("slot-a/overlays/miniuart-bt.dtbo"), "overlay");
    assert!(read("slot-a/cmdline.txt").contains("rauc.slot=A"));
    let (config, tryboot) = (read("config.txt"), read("tryboot.txt"));
    assert!(config.ends_with("\nos_prefix=slot-a/\n"), "{config}");
    assert!(tryboot.ends_with("\nos_prefix=slot-b/\n"), "{tryboot}");
    let differing = config
        .lines()
        .zip(tryboot.lines())
        .filter(|(a, b)| a != b)
        .count();
    assert_eq!(differing, 1);
    // With less, the firmware asks for `start4cd.elf`, which no board's card has.
    let memory = config
        .lines()
        .find_map(|line| line.strip_prefix("gpu_mem="));
    assert!(memory.unwrap().parse::<u32>().unwrap() >= 32);
    // The firmware takes no blanks around an equals sign, and no comment behind a value.
    for line in config
        .lines()
        .filter(|line| !line.starts_with(['#', '[']) && !line.is_empty())
    {
        assert!(line.contains('=') && !line.contains([' ', '#']), "{line}");
    }
}
