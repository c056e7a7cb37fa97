//! What the boards' configurations are put together of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{boards, output, run, script, top};

/// A copy of Buildroot, where one is: what `BUILDROOT` names, or what `make image` got.
fn buildroot() -> Option<PathBuf> {
    let release = std::fs::read_to_string(top().join("buildroot/release")).unwrap();
    let version = release
        .lines()
        .find_map(|line| line.strip_prefix("version="))
        .unwrap();
    let got = || top().join(format!("target/image/buildroot-{version}"));
    let named = std::env::var_os("BUILDROOT").filter(|name| !name.is_empty());
    let dir = named.map_or_else(got, PathBuf::from);
    dir.join("Makefile").exists().then_some(dir)
}

#[test]
fn boards_ask_for_what_buildroot_accepted() {
    run(&mut script("check-config.sh"));
}

#[test]
fn buildroot_loses_no_symbol() {
    match buildroot() {
        Some(dir) => {
            let said = run(script("check-config.sh").arg("--against").arg(dir));
            assert!(said.contains("every symbol"), "{said}");
        }
        None => println!(
            "no Buildroot here: what it accepted was recorded, and is compared by another test"
        ),
    }
}

#[test]
fn a_board_that_is_none_is_refused_with_the_names_of_those_that_are() {
    let out = output(script("config.sh").arg("rpi1"));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && said.contains("rpi4"), "{said}");
}

#[test]
fn a_developer_build_adds_a_way_in_and_a_release_has_none() {
    for board in boards() {
        let release = run(script("config.sh").arg(&board));
        assert!(
            release.contains("# BR2_TARGET_ENABLE_ROOT_LOGIN is not set"),
            "{board}"
        );
        assert!(!release.contains("BR2_PACKAGE_DROPBEAR=y"), "{board}");
        assert!(!release.contains("developer-overlay"), "{board}");
        let developer = run(script("config.sh").arg(&board).arg("developer"));
        assert!(developer.contains("BR2_PACKAGE_DROPBEAR=y"), "{board}");
        assert!(!developer.contains("release-overlay"), "{board}");
    }
}

#[test]
fn a_later_line_replaces_an_earlier_one_of_the_same_symbol() {
    for board in boards() {
        let mut seen = BTreeMap::new();
        for line in run(script("config.sh").arg(&board).arg("developer")).lines() {
            let symbol = line
                .trim_start_matches("# ")
                .split(['=', ' '])
                .next()
                .unwrap();
            assert_eq!(
                seen.insert(symbol.to_owned(), line.to_owned()),
                None,
                "{board}: {line}"
            );
        }
    }
}

/// Buildroot's Rust must build us; its release says which it has (`buildroot/release`), Cargo.toml what we need.
#[test]
fn the_pinned_release_names_a_rust_that_builds_us() {
    let release = std::fs::read_to_string(top().join("buildroot/release")).unwrap();
    let number = |text: &str| -> Vec<u32> {
        let plain = text.trim_matches(|c: char| !c.is_ascii_digit());
        plain.split('.').map(|part| part.parse().unwrap()).collect()
    };
    let has = release
        .split("Its Rust is ")
        .nth(1)
        .unwrap()
        .split([',', ' '])
        .next()
        .unwrap();
    let cargo = std::fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let needs = cargo
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap();
    assert!(
        number(has) >= number(needs),
        "{has} does not build what needs {needs}"
    );
    if let Some(dir) = buildroot() {
        let rust = std::fs::read_to_string(dir.join("package/rust/rust.mk")).unwrap();
        let really = rust
            .lines()
            .find_map(|line| line.strip_prefix("RUST_VERSION = "))
            .unwrap();
        assert_eq!(really, has);
    }
}

/// Kernel fragments are merged in order, and a later one wins: two that disagree are a mistake of ours.
#[test]
fn kernel_fragments_do_not_contradict_one_another() {
    for kernel in ["raspberrypi", "qemu"] {
        let mut files: Vec<_> = std::fs::read_dir(top().join("board/common/kernel"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.push(top().join("board").join(kernel).join("kernel.config"));
        let mut asked: BTreeMap<String, String> = BTreeMap::new();
        for file in files {
            for line in std::fs::read_to_string(&file).unwrap().lines() {
                let line = line.trim();
                let Some(symbol) = line
                    .strip_prefix("# ")
                    .unwrap_or(line)
                    .strip_prefix("CONFIG_")
                else {
                    assert!(
                        line.is_empty() || line.starts_with('#'),
                        "{}: {line}",
                        file.display()
                    );
                    continue;
                };
                let symbol = symbol.split(['=', ' ']).next().unwrap().to_owned();
                let before = asked.insert(symbol, line.to_owned());
                assert!(
                    before.is_none() || before.as_deref() == Some(line),
                    "{}: {line} and {before:?}",
                    file.display()
                );
            }
        }
        assert!(asked.contains_key("NTFS3_FS") && asked.contains_key("WATCHDOG"));
    }
}

/// Raspberry Pi's own kernel configurations pack each module with xz, which nothing in the image unpacks: no Wi-Fi, no exFAT.
#[test]
fn a_kernel_that_is_not_as_it_was_asked_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config");
    let kernel = top().join("board/common/kernel");
    let mut asked = std::fs::read_to_string(top().join("board/raspberrypi/kernel.config")).unwrap();
    for fragment in std::fs::read_dir(kernel).unwrap() {
        asked += &std::fs::read_to_string(fragment.unwrap().path()).unwrap();
    }
    let check = |config_text: &str| {
        std::fs::write(&config, config_text).unwrap();
        output(script("check-kernel.sh").arg("rpi4").arg(&config))
    };
    assert!(check(&asked).status.success());
    for (has, lost) in [
        (
            format!("{asked}CONFIG_MODULE_COMPRESS=y\n"),
            "CONFIG_MODULE_COMPRESS",
        ),
        (
            asked.replace("CONFIG_LSM=\"yama\"", "CONFIG_LSM=\"\""),
            "CONFIG_LSM",
        ),
    ] {
        let out = check(&has);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && said.contains(lost), "{said}");
    }
}
