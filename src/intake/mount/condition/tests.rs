use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

use super::*;

/// A new file system, made by its own program; none where that is missing, which it is not in CI.
fn made(program: &str, arguments: &[&str], size: u64) -> Option<NamedTempFile> {
    let image = NamedTempFile::new().unwrap();
    image.as_file().set_len(size).unwrap();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(image.path())
        .env("PATH", path())
        .stdin(Stdio::null());
    match command.output() {
        Ok(output) => {
            assert!(output.status.success(), "{program}: {output:?}");
            Some(image)
        }
        Err(error) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "{program}: {error}; `make test` installs it"
            );
            eprintln!("skipped: there is no {program} here");
            None
        }
    }
}

/// Programs that make file systems are root's, and not in everybody's path.
fn path() -> String {
    format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    )
}

fn state(file_system: FileSystem, image: &Path) -> Option<&'static str> {
    of(file_system, &File::open(image).unwrap()).unwrap()
}

/// Changes bytes of an image, and says what is then found.
fn with(
    image: &NamedTempFile,
    file_system: FileSystem,
    offset: u64,
    change: impl Fn(u8) -> u8,
) -> Option<&'static str> {
    let file = image.as_file();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[change(byte[0])], offset).unwrap();
    let found = state(file_system, image.path());
    file.write_all_at(&byte, offset).unwrap();
    found
}

#[test]
fn ext() {
    let Some(image) = made("mkfs.ext4", &["-q", "-F"], 16 << 20) else {
        return;
    };
    let of = FileSystem::Ext;
    assert_eq!(state(of, image.path()), None);
    assert_eq!(with(&image, of, 1024 + 96, |byte| byte | 4), Some(UNCLEAN));
    assert_eq!(with(&image, of, 1024 + 58, |byte| byte | 2), Some(ERRORS));
    assert_eq!(
        with(&image, of, 1024 + 58, |byte| byte & !1),
        None,
        "a journal says more"
    );
    let Some(image) = made("mkfs.ext2", &["-q", "-F"], 16 << 20) else {
        return;
    };
    assert_eq!(state(of, image.path()), None);
    assert_eq!(with(&image, of, 1024 + 58, |byte| byte & !1), Some(UNCLEAN));
}

#[test]
fn fat_of_each_width() {
    let of = FileSystem::Vfat;
    for (width, size, in_use) in [
        ("32", 64 << 20, 65),
        ("16", 32 << 20, 37),
        ("12", 2 << 20, 37),
    ] {
        let Some(image) = made("mkfs.vfat", &["-F", width], size) else {
            return;
        };
        assert_eq!(state(of, image.path()), None, "FAT{width}");
        assert_eq!(
            with(&image, of, in_use, |byte| byte | 1),
            Some(UNCLEAN),
            "FAT{width}"
        );
        let mut reserved = [0; 2];
        image.as_file().read_exact_at(&mut reserved, 14).unwrap();
        let table = u64::from(u16::from_le_bytes(reserved)) * 512;
        // As Windows marks it: the highest bits of the second entry.
        match width {
            "32" => {
                assert_eq!(with(&image, of, table + 7, |byte| byte & !8), Some(UNCLEAN));
                assert_eq!(with(&image, of, table + 7, |byte| byte & !4), Some(FAILING));
            }
            "16" => {
                assert_eq!(
                    with(&image, of, table + 3, |byte| byte & !0x80),
                    Some(UNCLEAN)
                );
                assert_eq!(
                    with(&image, of, table + 3, |byte| byte & !0x40),
                    Some(FAILING)
                );
            }
            _ => {}
        }
    }
}

#[test]
fn exfat_and_btrfs() {
    if let Some(image) = made("mkfs.exfat", &["-q"], 32 << 20) {
        let of = FileSystem::Exfat;
        assert_eq!(state(of, image.path()), None);
        assert_eq!(with(&image, of, 106, |byte| byte | 2), Some(UNCLEAN));
        assert_eq!(with(&image, of, 106, |byte| byte | 4), Some(FAILING));
    }
    if let Some(image) = made("mkfs.btrfs", &["-q"], 128 << 20) {
        let superblock = 64 << 10;
        assert_eq!(state(FileSystem::Btrfs, image.path()), None);
        assert_eq!(
            with(&image, FileSystem::Btrfs, superblock + 97, |_| 1),
            Some(UNCLEAN)
        );
        image
            .as_file()
            .write_all_at(&[2], superblock + 136)
            .unwrap();
        let refusal = of(FileSystem::Btrfs, image.as_file()).unwrap_err();
        assert_eq!(refusal.reason, Reason::Unsupported);
    }
}

#[test]
fn ntfs() {
    let Some(image) = made("mkfs.ntfs", &["-q", "-F", "-Q"], 32 << 20) else {
        return;
    };
    let of = FileSystem::Ntfs;
    assert_eq!(state(of, image.path()), None);
    // The volume's version, 3.1, is before its flags, in the third record of a table at the fourth cluster.
    let mut record = [0; 1024];
    let at = 4 * 4096 + 3 * 1024;
    image.as_file().read_exact_at(&mut record, at).unwrap();
    assert_eq!(&record[..4], b"FILE");
    let version = record
        .windows(4)
        .position(|bytes| bytes == [3, 1, 0, 0])
        .unwrap();
    let flags = at + u64::try_from(version).unwrap() + 2;
    assert_eq!(with(&image, of, flags, |byte| byte | 1), Some(UNCLEAN));
}

#[test]
fn hfsplus() {
    let image = NamedTempFile::new().unwrap();
    let header = |attributes: u32| {
        let mut block = [0; 512];
        block[..2].copy_from_slice(b"H+");
        block[4..8].copy_from_slice(&attributes.to_be_bytes());
        image.as_file().write_all_at(&block, 1024).unwrap();
        state(FileSystem::Hfsplus, image.path())
    };
    assert_eq!(header(0x100), None);
    assert_eq!(header(0x2000), Some(UNCLEAN));
    assert_eq!(header(0x900), Some(ERRORS));
}

proptest::proptest! {
    #[test]
    fn any_first_blocks_are_read(seed in proptest::collection::vec(proptest::num::u8::ANY, 1..4096)) {
        let image = NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = seed.iter().copied().cycle().take(70_000).collect();
        image.as_file().write_all_at(&bytes, 0).unwrap();
        image.as_file().write_all_at(b"_BHRfS_M", (64 << 10) + 64).unwrap();
        for file_system in [FileSystem::Ext, FileSystem::Vfat, FileSystem::Exfat, FileSystem::Ntfs, FileSystem::Btrfs, FileSystem::Hfsplus] {
            let _ = of(file_system, image.as_file());
        }
    }
}
