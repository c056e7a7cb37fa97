//! What a drive is known by when it comes back.
//!
//! The key is the file system's sort and identifier, and the serial number of the hardware when that tells one: the same
//! drive in another port, renamed or relabelled, has the same key, and its clone on another drive has another. Drives
//! behind a card reader or a dock are told apart by the reader's serial number and their own identifier; a card that moves
//! to another reader with a serial number of its own is another drive to us.
//!
//! FAT and exFAT have identifiers of only 32 bits, made from the time of day, and makers of sticks copy one image onto
//! thousands: there the size of the partition is part of the key. Two sticks of one size, with the same identifier, and both
//! with no serial number cannot be told apart by anything that is cheap to read, and are one drive to us: when both are in
//! at once, the second is refused as a copy; one after the other, the files' sizes and times show what is different. By
//! chance that is one pair in four thousand million.

use super::{Block, FileSystem, Properties};
use crate::intake::mount::{MountId, request::MAX_ID};

/// The longest part of a key, in characters. A UUID has 36, serial numbers up to 32 or so.
const MAX_PART: usize = 36;

/// The key of a drive; none when nothing tells it from others: no identifier, no label and no serial number.
pub fn key(block: &Block, udev: &Properties) -> Option<MountId> {
    let sort = part(udev.get("ID_FS_TYPE").unwrap_or("unknown"));
    let identifier = udev.get("ID_FS_UUID").map(part);
    let serial = serial(udev).map(part);
    let short = FileSystem::from_udev(&sort).is_some_and(FileSystem::has_short_identifier);
    let mut parts = vec![sort];
    let weak = match identifier {
        Some(identifier) => {
            parts.push(identifier);
            short
        }
        None => {
            let label = udev.get("ID_FS_LABEL").map(part);
            if label.is_none() && serial.is_none() {
                return None;
            }
            parts.push("none".to_owned());
            parts.extend(label);
            // Several of one disk have its serial number in common.
            parts.extend(block.partition.map(|number| format!("p{number}")));
            true
        }
    };
    if weak {
        parts.push(block.size.to_string());
    }
    parts.extend(serial);
    let mut key = parts.join("-");
    key.truncate(MAX_ID);
    key.parse().ok()
}

/// The serial number of the drive's hardware.
pub fn serial(udev: &Properties) -> Option<&str> {
    let told = udev.get("ID_SERIAL_SHORT").or_else(|| {
        // udev makes up `ID_SERIAL` of maker and model where a USB tells no number; on SD cards it is the number.
        let serial = udev.get("ID_SERIAL")?;
        serial.starts_with("0x").then_some(serial)
    })?;
    // Makers who do not number their drives send this.
    let means_something = told
        .bytes()
        .any(|byte| byte.is_ascii_alphanumeric() && byte != b'0');
    means_something.then_some(told)
}

/// As much of `text` as may be part of a key: what is not a letter or a digit becomes `_`, but for the dashes of identifiers.
fn part(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    text.chars().take(MAX_PART).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::intake::drives::DeviceNumber;

    fn block(size: u64, minor: u32) -> Block {
        Block {
            name: format!("sd{minor}"),
            number: DeviceNumber { major: 8, minor },
            disk: "sda".to_owned(),
            partition: Some(1),
            size,
            sequence: None,
            removable: true,
            usb: true,
            card: false,
            held: false,
            node: "sda1".into(),
        }
    }

    fn udev(properties: &[&str]) -> Properties {
        Properties::collect(properties.iter().map(|property| property.as_bytes()))
    }

    const UUID: &str = "ID_FS_UUID=0a1b2c3d-0000-4000-8000-00805f9b34fb";

    #[test]
    fn a_drive_keeps_its_key_and_its_clone_has_another() {
        let ext4 = |more: &[&str]| {
            let all = [&["ID_FS_TYPE=ext4", UUID], more].concat();
            key(&block(1 << 30, 1), &udev(&all)).unwrap()
        };
        let first = ext4(&["ID_SERIAL_SHORT=4C53", "ID_FS_LABEL=a"]);
        assert_eq!(
            first.as_str(),
            "ext4-0a1b2c3d-0000-4000-8000-00805f9b34fb-4C53"
        );
        assert_eq!(
            ext4(&[
                "ID_SERIAL_SHORT=4C53",
                "ID_FS_LABEL=renamed",
                "ID_PATH=other"
            ]),
            first
        );
        assert_ne!(ext4(&["ID_SERIAL_SHORT=4C54"]), first, "a clone");
        assert_ne!(ext4(&[]), first);
        // A number that is none, and a name that udev made up.
        for none in ["ID_SERIAL_SHORT=000000", "ID_SERIAL=Generic_Flash_Disk-0:0"] {
            assert_eq!(ext4(&[none]), ext4(&[]), "{none}");
        }
        assert_ne!(ext4(&["ID_SERIAL=0x1234abcd"]), ext4(&[]), "an SD card's");
    }

    #[test]
    fn a_short_identifier_counts_with_the_size() {
        let vfat = |size| {
            key(
                &block(size, 1),
                &udev(&["ID_FS_TYPE=vfat", "ID_FS_UUID=1A2B-3C4D"]),
            )
            .unwrap()
        };
        assert_eq!(vfat(1 << 30), vfat(1 << 30));
        assert_ne!(vfat(1 << 30), vfat(1 << 31));
    }

    #[test]
    fn without_an_identifier_name_or_number_will_do() {
        let of = |properties: &[&str], size| key(&block(size, 1), &udev(properties));
        assert_eq!(of(&["ID_FS_TYPE=hfsplus"], 1), None);
        let labelled = of(&["ID_FS_TYPE=hfsplus", "ID_FS_LABEL=../Ada's"], 1).unwrap();
        assert_eq!(labelled.as_str(), "hfsplus-none-___Ada_s-p1-1");
        assert_ne!(
            of(&["ID_FS_TYPE=hfsplus", "ID_FS_LABEL=../Ada's"], 2),
            Some(labelled)
        );
        assert!(of(&["ID_FS_TYPE=hfsplus", "ID_SERIAL_SHORT=1"], 1).is_some());
    }

    proptest! {
        #[test]
        fn any_text_gives_a_key_or_none(sort in ".{1,60}", uuid in ".{0,60}", label in ".{0,60}", serial in ".{0,60}") {
            let all = [
                format!("ID_FS_TYPE={sort}"),
                format!("ID_FS_UUID={uuid}"),
                format!("ID_FS_LABEL={label}"),
                format!("ID_SERIAL_SHORT={serial}"),
            ];
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let _ = key(&block(u64::MAX, 1), &udev(&all));
        }
    }
}
