//! udev's database: a small text file for each device, which says what is on it.
//!
//! Each line is a letter, a colon and a value; `E:` has a property. The file is udev's own, yet much in it was copied from
//! the drive: lengths and counts are bounded, and whatever is shown is cleaned first.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};

use super::{DeviceNumber, Roots};

/// The longest record that is read, in bytes; usual ones have 2,000.
const MAX_RECORD: u64 = 64 << 10;

/// The most properties of a device that are kept; usual devices have 50.
const MAX_PROPERTIES: usize = 512;

/// What udev knows of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(HashMap<String, String>);

impl Properties {
    /// What udev knows of the block device of that number; none when it does not know it (yet), or there is no udev.
    ///
    /// # Errors
    /// When the record is there and cannot be read.
    pub fn of_block(roots: &Roots, number: DeviceNumber) -> io::Result<Option<Self>> {
        let path = roots.udev.join("data").join(format!("b{number}"));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut record = Vec::new();
        file.take(MAX_RECORD).read_to_end(&mut record)?;
        Ok(Some(Self::parse(&record)))
    }

    /// Reads a record. Whatever is no property is passed over.
    pub fn parse(record: &[u8]) -> Self {
        let lines = record.split(|&byte| byte == b'\n');
        Self::collect(lines.filter_map(|line| line.strip_prefix(b"E:")))
    }

    /// Properties of the form `KEY=value`; the last of each key counts, as with udev.
    pub(super) fn collect<'a>(properties: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut read = HashMap::new();
        for property in properties.take(MAX_PROPERTIES) {
            let text = String::from_utf8_lossy(property);
            if let Some((key, value)) = text.split_once('=') {
                read.insert(key.to_owned(), value.to_owned());
            }
        }
        Self(read)
    }

    /// The same with another value of one property; none when it is to have none.
    pub fn with(mut self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.0.insert(key.to_owned(), value.to_owned()),
            None => self.0.remove(key),
        };
        self
    }

    /// The value of a property that is there and not empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?;
        (!value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn properties_are_read_and_all_else_is_passed_over() {
        let record = b"S:disk/by-id/usb-x\nI:1234\nE:ID_BUS=usb\nE:ID_FS_LABEL=a=b\nE:EMPTY=\nE:nothing\nG:systemd\n\
            E:ID_BUS=ata\nE:BAD=\xff\nV:1\n";
        let read = Properties::parse(record);
        assert_eq!(read.get("ID_BUS"), Some("ata"));
        assert_eq!(read.get("ID_FS_LABEL"), Some("a=b"));
        assert_eq!(read.get("BAD"), Some("\u{fffd}"));
        for none in ["EMPTY", "nothing", "S", "ID_MODEL"] {
            assert_eq!(read.get(none), None, "{none}");
        }
        let many: String = (0..2000).map(|n| format!("E:K{n}=v\n")).collect();
        assert_eq!(Properties::parse(many.as_bytes()).0.len(), MAX_PROPERTIES);
    }

    #[test]
    fn no_record_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots {
            udev: dir.path().to_owned(),
            ..Roots::default()
        };
        let number = DeviceNumber { major: 8, minor: 1 };
        assert_eq!(Properties::of_block(&roots, number).unwrap(), None);
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::write(dir.path().join("data/b8:1"), "E:ID_BUS=usb\n").unwrap();
        let read = Properties::of_block(&roots, number).unwrap().unwrap();
        assert_eq!(read.get("ID_BUS"), Some("usb"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(record in prop::collection::vec(any::<u8>(), 0..2000)) {
            let read = Properties::parse(&record);
            prop_assert!(read.0.len() <= record.len());
        }
    }
}
