use super::*;
use crate::intake::drives::testing::{SATA, STICK, Tree, USB};

fn look(tree: &Tree) -> Vec<Found> {
    survey(&tree.roots(), &HashMap::new(), false).unwrap()
}

const GIB: u64 = 1 << 21;

/// As on a board: the card was plugged in, and holds a slot of an update that no file system is in yet.
#[test]
fn the_card_that_the_system_is_on_is_no_drive_and_one_beside_it_is() {
    let tree = Tree::new();
    for (disk, number) in [("sda", 0), ("sdb", 16)] {
        let port = USB.replace("host6", &format!("host{number}"));
        tree.disk(&port, disk, &format!("8:{number}"), 4 * GIB);
        tree.attribute(disk, "removable", "1");
        tree.udev(&format!("8:{number}"), STICK, &["ID_PART_TABLE_TYPE=dos"]);
        for (index, what) in [(1, "ID_FS_TYPE=squashfs"), (2, ""), (3, "ID_FS_TYPE=ext4")] {
            let part = format!("8:{}", number + index);
            tree.partition(&port, disk, index, &part, GIB);
            tree.udev(&part, STICK, &[what, "ID_FS_UUID=1234"]);
        }
    }
    let names = |tree: &Tree| -> Vec<DeviceNumber> {
        look(tree).iter().map(|one| one.device.number).collect()
    };
    assert_eq!(names(&tree).len(), 6);
    tree.proc(
        "self/mountinfo",
        "27 1 8:1 / / ro - squashfs /dev/root ro\n",
    );
    let found = names(&tree);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|number| number.minor > 16), "{found:?}");
    // A desktop's disk has partitions of its owner's beside the system's.
    let all = survey(&tree.roots(), &HashMap::new(), true).unwrap();
    assert_eq!(all.len(), 6);
}

#[test]
fn a_stick_is_found_and_what_is_not_the_owners_is_not() {
    let tree = Tree::new();
    tree.disk(USB, "sda", "8:0", 60 * GIB);
    tree.attribute("sda", "removable", "1");
    tree.udev("8:0", STICK, &["ID_PART_TABLE_TYPE=gpt"]);
    tree.partition(USB, "sda", 1, "8:1", GIB);
    let esp = "ID_PART_ENTRY_TYPE=c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
    tree.udev(
        "8:1",
        STICK,
        &["ID_FS_TYPE=vfat", "ID_FS_UUID=1234-ABCD", esp],
    );
    tree.partition(USB, "sda", 2, "8:2", 59 * GIB);
    assert_eq!(look(&tree), [], "udev has not looked at it");
    let label = "ID_FS_LABEL_ENC=Ada\\x27s\\x20films";
    tree.udev(
        "8:2",
        STICK,
        &["ID_FS_TYPE=exfat", "ID_FS_UUID=0A1B-2C3D", label],
    );
    tree.disk(SATA, "sdb", "8:16", 60 * GIB);
    tree.udev("8:16", "", &["ID_FS_TYPE=crypto_LUKS"]);

    let found = look(&tree);
    assert_eq!(found.len(), 1, "{found:?}");
    let stick = &found[0];
    assert_eq!(stick.name, "Ada's films");
    assert_eq!(
        stick.key.as_str(),
        "exfat-0A1B-2C3D-63350767616-4C530001230101117391"
    );
    assert_eq!(stick.facts.model.as_deref(), Some("SanDisk Ultra"));
    assert_eq!(stick.facts.file_system.as_deref(), Some("exfat"));
    assert_eq!(stick.facts.size, Some(59 << 30));
    assert!(stick.plugged_in && stick.unusable.is_none());
    assert_eq!(stick.device.sequence, Some(3));

    // In another port, as another disk: the same drive.
    let key = stick.key.clone();
    for (name, number) in [("sda", "8:0"), ("sda1", "8:1"), ("sda2", "8:2")] {
        tree.unplug(name, number);
    }
    assert_eq!(look(&tree), []);
    let port = "pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host7/target7:0:0/7:0:0:0";
    tree.disk(port, "sdc", "8:32", 60 * GIB);
    tree.partition(port, "sdc", 2, "8:34", 59 * GIB);
    tree.udev(
        "8:34",
        STICK,
        &[
            "ID_FS_TYPE=exfat",
            "ID_FS_UUID=0A1B-2C3D",
            "ID_FS_LABEL_ENC=renamed",
        ],
    );
    let found = look(&tree);
    assert_eq!(
        (found[0].key.clone(), found[0].name.as_str()),
        (key, "renamed")
    );
}

#[test]
fn a_whole_disk_and_the_image_of_a_disc_are_found_once() {
    let tree = Tree::new();
    tree.disk(USB, "sda", "8:0", 4 * GIB);
    let iso = [
        "ID_FS_TYPE=iso9660",
        "ID_FS_UUID=2026-02-01-10-00-00-00",
        "ID_FS_LABEL_ENC=Debian\\x2013",
    ];
    tree.udev(
        "8:0",
        STICK,
        &[&iso[..], &["ID_PART_TABLE_TYPE=dos"]].concat(),
    );
    assert_eq!(look(&tree)[0].device.number, "8:0".parse().unwrap());
    tree.partition(USB, "sda", 1, "8:1", 3 * GIB);
    assert_eq!(look(&tree), [], "which of the two it is shows in a moment");
    tree.udev("8:1", STICK, &iso);
    tree.partition(USB, "sda", 2, "8:2", 20_000);
    tree.udev(
        "8:2",
        STICK,
        &["ID_FS_TYPE=vfat", "ID_PART_ENTRY_TYPE=0xef"],
    );
    let found = look(&tree);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].device.number, "8:1".parse().unwrap());
}

#[test]
fn a_copy_of_a_drive_is_said_to_be_one_whichever_is_seen_first() {
    let tree = Tree::new();
    let other = USB.replace("2-1", "2-2");
    for (at, name, number) in [(USB, "sda", "8:0"), (&other, "sdb", "8:16")] {
        tree.disk(at, name, number, GIB);
        tree.udev(
            number,
            STICK,
            &[
                "ID_FS_TYPE=ext4",
                "ID_FS_UUID=0a1b2c3d",
                "ID_FS_LABEL_ENC=films",
            ],
        );
    }
    let found = look(&tree);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].unusable, None);
    assert_eq!(
        found[1].unusable.as_deref(),
        Some("is a copy of films, which is plugged in at the same time")
    );
    assert_ne!(found[0].key, found[1].key);
    // The one that was there first stays what it is.
    let second = Device {
        number: "8:16".parse().unwrap(),
        sequence: Some(3),
    };
    let holders = HashMap::from([(found[0].key.clone(), second)]);
    let found = survey(&tree.roots(), &holders, false).unwrap();
    assert_eq!((found[0].device, found[0].unusable.clone()), (second, None));
    // On hardware with another serial number, it is a drive of its own.
    let clone = STICK.replace("4C530001230101117391", "4C530001230101117392");
    tree.udev("8:16", &clone, &["ID_FS_TYPE=ext4", "ID_FS_UUID=0a1b2c3d"]);
    assert!(look(&tree).iter().all(|one| one.unusable.is_none()));
}

#[test]
fn what_is_plugged_in_and_cannot_be_used_is_said() {
    let tree = Tree::new();
    tree.disk(USB, "sda", "8:0", GIB);
    let why = |properties: &[&str]| {
        tree.udev("8:0", STICK, properties);
        look(&tree).pop().and_then(|one| one.unusable)
    };
    assert!(
        why(&["ID_FS_TYPE=crypto_LUKS", "ID_FS_UUID=1"])
            .unwrap()
            .contains("LUKS")
    );
    assert!(why(&[]).unwrap().contains("not formatted"));
    assert_eq!(why(&["ID_PART_TABLE_TYPE=dos"]), None);
    tree.udev("8:0", "", &["ID_FS_TYPE=hfsplus"]);
    assert!(
        look(&tree)[0]
            .unusable
            .as_ref()
            .unwrap()
            .contains("no identifier")
    );
    // An SD card is plugged in, a chip that is soldered in is not.
    for (sort, plugged_in) in [("SD", true), ("MMC", false)] {
        let tree = Tree::new();
        let at = "platform/soc/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa";
        tree.disk(at, "mmcblk0", "179:0", GIB);
        tree.attribute("mmcblk0", "device/type", &format!("{sort}\n"));
        tree.udev(
            "179:0",
            "E:ID_NAME=SC32G\nE:ID_SERIAL=0x1234abcd\n",
            &["ID_FS_TYPE=vfat", "ID_FS_UUID=1234-ABCD"],
        );
        let found = look(&tree);
        assert_eq!(found[0].plugged_in, plugged_in, "{sort}");
        assert_eq!(found[0].name, "SC32G, 1.1 GB");
    }
}
