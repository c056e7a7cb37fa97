//! What a drive is called before its owner.

use super::label::{clean, decode};
use super::{Block, Properties};

/// The drive's name: its label; or who made it, how large it is, and which partition when its disk has `several`.
pub fn name(block: &Block, udev: &Properties, several: bool) -> String {
    let label = udev.get("ID_FS_LABEL_ENC").map(decode);
    if let Some(label) = label.and_then(|label| clean(&label)) {
        return label;
    }
    let model = model(udev).unwrap_or_else(|| "Drive".to_owned());
    let mut name = format!("{model}, {}", decimal(block.size));
    if let (true, Some(number)) = (several, block.partition) {
        name.push_str(&format!(", partition {number}"));
    }
    name
}

/// Who made the drive, and what he calls it.
pub fn model(udev: &Properties) -> Option<String> {
    let text = |encoded: &str, plain: &str| {
        let told = udev.get(encoded).map(decode);
        // Without an encoded form, udev has underscores in the place of blanks.
        let told = told.or_else(|| udev.get(plain).map(|text| text.replace('_', " ")))?;
        clean(&told)
    };
    // What the adapter calls itself is no maker.
    let vendor = text("ID_VENDOR_ENC", "ID_VENDOR")
        .filter(|vendor| !matches!(vendor.as_str(), "ATA" | "USB"));
    let model = text("ID_MODEL_ENC", "ID_MODEL").or_else(|| text("ID_NAME", "ID_NAME"));
    match (vendor, model) {
        (Some(vendor), Some(model)) if model.starts_with(&vendor) => Some(model),
        (Some(vendor), Some(model)) => Some(format!("{vendor} {model}")),
        (one, other) => one.or(other),
    }
}

/// A size as it is printed on drives, in powers of 1000.
fn decimal(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 {
        value /= 1000.0;
        unit += 1;
    }
    if value < 9.95 && unit > 0 {
        format!("{value:.1} {}", units[unit])
    } else {
        format!("{value:.0} {}", units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udev(properties: &[&str]) -> Properties {
        Properties::collect(properties.iter().map(|property| property.as_bytes()))
    }

    #[test]
    fn a_drive_is_called_by_its_label_or_by_what_it_is() {
        let block = Block {
            name: "sda2".to_owned(),
            number: "8:2".parse().unwrap(),
            disk: "sda".to_owned(),
            partition: Some(2),
            size: 31_914_983_424,
            sequence: None,
            removable: true,
            usb: true,
            card: false,
            held: false,
            node: "sda2".into(),
        };
        let stick = [
            "ID_VENDOR=SanDisk",
            "ID_VENDOR_ENC=SanDisk\\x20",
            "ID_MODEL_ENC=Ultra\\x20USB\\x203.0\\x20",
        ];
        assert_eq!(
            name(&block, &udev(&stick), false),
            "SanDisk Ultra USB 3.0, 32 GB"
        );
        assert_eq!(
            name(&block, &udev(&stick), true),
            "SanDisk Ultra USB 3.0, 32 GB, partition 2"
        );
        let labelled = [
            &stick[..],
            &[
                "ID_FS_LABEL=Ada_s",
                "ID_FS_LABEL_ENC=Ada\\x27s\\x20\\xc3\\xa9t\\xc3\\xa9",
            ],
        ]
        .concat();
        assert_eq!(name(&block, &udev(&labelled), true), "Ada's été");
        let hostile = [&stick[..], &["ID_FS_LABEL_ENC=\\x1b\\x0a"]].concat();
        assert_eq!(
            name(&block, &udev(&hostile), false),
            "SanDisk Ultra USB 3.0, 32 GB"
        );
        assert_eq!(name(&block, &udev(&[]), false), "Drive, 32 GB");
        let ata = ["ID_VENDOR=ATA", "ID_MODEL=WDC_WD10EZEX"];
        assert_eq!(model(&udev(&ata)).unwrap(), "WDC WD10EZEX");
        assert_eq!(model(&udev(&["ID_NAME=SC32G"])).unwrap(), "SC32G");
    }

    #[test]
    fn sizes_read_as_on_the_package() {
        for (bytes, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (1_500_000, "1.5 MB"),
            (999_600_000, "1.0 GB"),
            (7_990_000_000, "8.0 GB"),
            (2_000_398_934_016, "2.0 TB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(decimal(bytes), text);
        }
    }
}
