use super::*;
use crate::intake::drives::testing::{SATA, Tree, USB};
use crate::intake::mount::table;

const SECTORS: u64 = 1 << 21;

/// A built-in disk with three partitions, and a stick with one.
fn machine() -> Tree {
    let tree = Tree::new();
    tree.disk(SATA, "sda", "8:0", 3 * SECTORS);
    for index in 1..=3 {
        tree.partition(SATA, "sda", index, &format!("8:{index}"), SECTORS);
    }
    tree.disk(USB, "sdb", "8:16", SECTORS);
    tree.partition(USB, "sdb", 1, "8:17", SECTORS);
    tree
}

/// What becomes of a device, with these mounts beside our own.
fn of(tree: &Tree, name: &str, mounts: &str) -> Option<Reason> {
    let roots = tree.roots();
    let block = Block::named(&roots, name).unwrap();
    let table = table::parse(mounts.as_bytes());
    let ours = Some(Path::new("/run/semoir/mounts"));
    check(&roots, &block, &table, ours)
        .err()
        .map(|refusal| refusal.reason)
}

#[test]
fn the_whole_disk_that_holds_the_system_is_refused() {
    let tree = machine();
    let root = "27 1 8:2 / / rw - ext4 /dev/root rw";
    for name in ["sda", "sda1", "sda2", "sda3"] {
        assert_eq!(of(&tree, name, root), Some(Reason::System), "{name}");
    }
    assert_eq!(of(&tree, "sdb1", root), None);
    // The system may be on the stick.
    let root = "27 1 8:17 / / rw - ext4 /dev/sdb1 rw";
    assert_eq!(of(&tree, "sdb1", root), Some(Reason::System));
    assert_eq!(of(&tree, "sdb", root), Some(Reason::System));
    assert_eq!(of(&tree, "sda1", root), None);
    for point in ["/boot/firmware", "/data", "/var/lib/semoir", "/home"] {
        let mounts = format!("27 1 8:17 / {point} rw - ext4 /dev/sdb1 rw");
        assert_eq!(of(&tree, "sdb1", &mounts), Some(Reason::System), "{point}");
    }
}

#[test]
fn a_root_with_a_number_of_its_own_is_known_by_its_source_or_the_kernels_command_line() {
    let tree = machine();
    let btrfs = "27 1 0:31 /@ / rw - btrfs /dev/sda2 rw,subvol=/@";
    assert_eq!(of(&tree, "sda3", btrfs), Some(Reason::System));
    assert_eq!(of(&tree, "sdb1", btrfs), None);
    let unnamed = "27 1 0:31 / / rw - btrfs /dev/root rw";
    assert_eq!(of(&tree, "sdb1", unnamed), None);
    for line in [
        "quiet root=/dev/sdb1 rw",
        "root=PARTUUID=6C586E13-01 ro",
        "root=LABEL=semoir",
    ] {
        tree.udev(
            "8:17",
            "",
            &["ID_PART_ENTRY_UUID=6c586e13-01", "ID_FS_LABEL=semoir"],
        );
        tree.proc("cmdline", line);
        assert_eq!(of(&tree, "sdb1", unnamed), Some(Reason::System), "{line}");
        assert_eq!(of(&tree, "sdb", unnamed), Some(Reason::System), "{line}");
        assert_eq!(of(&tree, "sda1", unnamed), None, "{line}");
    }
}

/// Every card of ours calls its partitions by the same identifiers.
#[test]
fn a_card_that_is_named_as_the_systems_is_a_drive_beside_it() {
    let tree = machine();
    for number in ["8:2", "8:17"] {
        tree.udev(number, "", &["ID_PART_ENTRY_UUID=5e301a7e-02"]);
    }
    tree.proc("cmdline", "root=PARTUUID=5e301a7e-02 ro");
    let root = "27 1 8:2 / / ro - squashfs /dev/root ro";
    assert_eq!(of(&tree, "sdb1", root), None);
    assert_eq!(of(&tree, "sda1", root), Some(Reason::System));
}

#[test]
fn what_is_swapped_to_or_part_of_something_else_is_refused() {
    let tree = machine();
    tree.proc(
        "swaps",
        "Filename\tType\tSize\tUsed\tPriority\n/dev/sda3 partition 1048572 0 -2\n",
    );
    assert_eq!(of(&tree, "sda1", ""), Some(Reason::System));
    assert_eq!(of(&tree, "sdb1", ""), None);
    tree.proc("swaps", "");
    assert_eq!(of(&tree, "sda1", ""), None);
    // An opened encryption, an LVM or a RAID is made of the third partition.
    tree.attribute("sda3", "holders/dm-0", "");
    for name in ["sda", "sda1", "sda3"] {
        assert_eq!(of(&tree, name, ""), Some(Reason::System), "{name}");
    }
}

#[test]
fn our_own_mounts_are_not_in_the_way_and_a_desktops_are() {
    let tree = machine();
    let ours = "27 1 8:17 / /run/semoir/mounts/ext4-1 ro - ext4 /dev/sdb1 ro";
    assert_eq!(of(&tree, "sdb1", ours), None);
    for point in ["/media/ada/films", "/run/media/ada/films", "/mnt"] {
        let mounts = format!("27 1 8:17 / {point} rw - ext4 /dev/sdb1 rw");
        assert_eq!(of(&tree, "sdb1", &mounts), Some(Reason::Busy), "{point}");
        assert_eq!(of(&tree, "sdb", &mounts), Some(Reason::Busy), "{point}");
    }
    assert_eq!(
        of(
            &tree,
            "sdb1",
            "27 1 8:17 / /mediaeval rw - ext4 /dev/sdb1 rw"
        ),
        Some(Reason::System)
    );
    // Both at once: the system counts.
    let both = "1 1 8:17 / /mnt rw - ext4 /dev/sdb1 rw\n2 1 8:17 / / rw - ext4 /dev/sdb1 rw";
    assert_eq!(of(&tree, "sdb1", both), Some(Reason::System));
}
