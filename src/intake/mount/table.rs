//! The kernel's table of what is mounted where (`mountinfo`, proc(5)).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::intake::drives::{DeviceNumber, Roots};

/// One thing that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The device; of file systems on none, and of btrfs, a number that stands for it.
    pub device: DeviceNumber,
    /// Which folder of the file system is seen.
    pub root: PathBuf,
    /// Where.
    pub point: PathBuf,
    /// The file system in the kernel's word.
    pub file_system: String,
    /// What was mounted, as whoever mounted it said: a device's path, a server's folder, any word.
    pub source: OsString,
    /// Whether it can be written to through this mount, or at all.
    pub read_only: bool,
}

/// Everything that is mounted where we are; a later one hides an earlier one of the same place.
///
/// # Errors
/// When the kernel does not tell.
pub fn read(roots: &Roots) -> io::Result<Vec<Entry>> {
    let text = fs::read(roots.proc.join("self/mountinfo"))?;
    Ok(parse(&text))
}

/// Reads the table; lines that are not understood are passed over.
pub fn parse(text: &[u8]) -> Vec<Entry> {
    text.split(|&byte| byte == b'\n').filter_map(line).collect()
}

/// What is mounted at that place, seen from the top.
pub fn at<'a>(table: &'a [Entry], point: &Path) -> Option<&'a Entry> {
    table.iter().rev().find(|entry| entry.point == point)
}

fn line(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&byte| byte == b' ').skip(2);
    let mut next = || fields.next();
    let device = std::str::from_utf8(next()?).ok()?.parse().ok()?;
    let root = path(next()?);
    let point = path(next()?);
    let options = next()?;
    // Any number of optional fields, up to a dash.
    while next()? != b"-" {}
    let file_system = String::from_utf8_lossy(next()?).into_owned();
    let source = unescape(next()?);
    let of_all = next().unwrap_or_default();
    let says_so = |options: &[u8]| {
        options
            .split(|&byte| byte == b',')
            .any(|word| word == b"ro")
    };
    Some(Entry {
        device,
        root,
        point,
        file_system,
        source: OsString::from_vec(source),
        read_only: says_so(options) || says_so(of_all),
    })
}

fn path(field: &[u8]) -> PathBuf {
    OsString::from_vec(unescape(field)).into()
}

/// Undoes the kernel's escapes: a backslash and three octal digits for blanks, line ends, backslashes and `#`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let octal = match rest {
            [b'\\', a, b, c, ..] if [a, b, c].iter().all(|digit| (b'0'..=b'7').contains(digit)) => {
                let value = [a, b, c]
                    .iter()
                    .fold(0_u32, |sum, digit| sum * 8 + u32::from(**digit - b'0'));
                u8::try_from(value).ok()
            }
            _ => None,
        };
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = r"22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw,discard
90 27 8:17 / /media/My\040Films ro,nosuid,nodev shared:40 master:3 - vfat /dev/sdb1 rw,fmask=0022
91 27 0:45 /@home /home rw - btrfs /dev/sda2 rw,subvol=/@home
92 27 8:18 / /a\134\012 rw - ext4 /dev/sdb2 ro
nonsense
93 27 8:19 / /broken rw shared:1";

    #[test]
    fn the_table_is_read_with_its_escapes() {
        let table = parse(TABLE.as_bytes());
        assert_eq!(table.len(), 5);
        let films = at(&table, Path::new("/media/My Films")).unwrap();
        assert_eq!(
            films.device,
            DeviceNumber {
                major: 8,
                minor: 17
            }
        );
        assert_eq!(
            (films.file_system.as_str(), films.read_only),
            ("vfat", true)
        );
        assert_eq!(films.source, "/dev/sdb1");
        assert_eq!(table[3].root, Path::new("/@home"));
        assert!(!table[3].read_only);
        assert_eq!(table[4].point, Path::new("/a\\\n"));
        assert!(table[4].read_only, "by the file system's own option");
        assert!(!read(&Roots::default()).unwrap().is_empty());
    }

    #[test]
    fn the_last_one_mounted_at_a_place_is_the_one_that_is_seen() {
        let twice = "1 1 8:1 / /a rw - ext4 /dev/a rw\n2 1 8:2 / /a rw - ext4 /dev/b rw";
        let table = parse(twice.as_bytes());
        assert_eq!(at(&table, Path::new("/a")).unwrap().device.minor, 2);
        assert_eq!(at(&table, Path::new("/b")), None);
    }

    proptest! {
        #[test]
        fn any_table_is_read(text in prop::collection::vec(prop::sample::select(b"18:/ -\\04\nro,a".to_vec()), 0..400)) {
            let lines = text.split(|&byte| byte == b'\n').count();
            prop_assert!(parse(&text).len() <= lines);
        }
    }
}
