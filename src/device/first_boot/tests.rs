//! Files on a card, as owners and Imager leave them.

use std::os::unix::fs::PermissionsExt;

use super::wish::{Password, WifiKey};
use super::*;
use crate::base::Secret;

struct Card {
    _folder: tempfile::TempDir,
    places: Places,
}

impl Card {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let places = Places {
            boot: at("boot"),
            kept: at("var/semoir-system"),
            run: at("run/semoir-system"),
            zones: at("zones"),
            data: at("var/semoir"),
        };
        for folder in [&places.boot, &places.data, &places.zones.join("Europe")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(places.zones.join("Europe/Paris"), "TZif").unwrap();
        Self {
            _folder: folder,
            places,
        }
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.places.boot.join(name), content).unwrap();
        self
    }

    /// One start; what the daemon would be told is given.
    fn start(&self, owner: Option<&str>) -> Found {
        let found = look(&self.places);
        take(&self.places, &found, owner, "root").unwrap();
        found
    }

    fn kept(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.places.kept.join(name)).ok()
    }

    /// Names on the card.
    fn card(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.places.boot).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

const WISHES: &str = "hostname = 'garage'\r\ntime-zone = 'Europe/Paris'\r\npassword = 'correct horse'\r\n\
                      [wifi]\r\nssid = 'Home'\r\npassword = 'battery staple'\r\ncountry = 'FR'\r\n";

#[test]
fn wishes_are_kept_applied_and_gone_from_the_card() {
    let card = Card::new()
        .with("semoir.toml", WISHES)
        .with("config.txt", "arm_64bit=1");
    let found = look(&card.places);
    assert_eq!(found.files, ["semoir.toml"]);
    assert_eq!(
        found.wishes.password,
        Some(Password::Plain(Secret::new("correct horse")))
    );
    // Giving a file away needs root.
    let owner = nix::unistd::geteuid()
        .is_root()
        .then_some("$argon2id$the-hash");
    take(&card.places, &found, owner, "root").unwrap();
    assert_eq!(card.card(), ["config.txt"]);
    assert_eq!(card.kept("hostname").as_deref(), Some("garage"));
    let wifi = card.kept("wifi.conf").unwrap();
    let expected = "country=FR\nctrl_interface=/run/wpa_supplicant\nsae_pwe=2\n\
                    network={\n\tssid=486f6d65\n\tpsk=\"battery staple\"\n\tpriority=1\n\
                    \tkey_mgmt=WPA-PSK WPA-PSK-SHA256\n\tieee80211w=1\n}\n\
                    network={\n\tssid=486f6d65\n\tpsk=\"battery staple\"\n\tkey_mgmt=SAE\n\tieee80211w=2\n}\n";
    assert_eq!(wifi, expected);
    let mode = |name: &str| {
        fs::metadata(card.places.kept.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("wifi.conf"), 0o600);
    if owner.is_some() {
        assert_eq!(card.kept("owner/password-hash").as_deref(), owner);
        assert_eq!((mode("owner"), mode("owner/password-hash")), (0o700, 0o600));
    }

    assert_eq!(apply(&card.places).unwrap().as_deref(), Some("garage"));
    let zone = fs::read_link(card.places.run.join("localtime")).unwrap();
    assert_eq!(zone, card.places.zones.join("Europe/Paris"));
    // The next starts find nothing, write nothing, and apply the same.
    let before = fs::metadata(&card.places.boot).unwrap().modified().unwrap();
    assert!(card.start(None).files.is_empty());
    assert_eq!(apply(&card.places).unwrap().as_deref(), Some("garage"));
    assert_eq!(
        fs::metadata(&card.places.boot).unwrap().modified().unwrap(),
        before
    );
}

/// The example on the card, with each wish taken up.
#[test]
fn the_example_says_what_is_understood() {
    let example = include_str!("../../../board/common/boot/semoir-example.toml");
    let wishes = |left_out: &str| {
        let taken = example.lines().filter_map(|line| line.strip_prefix('#'));
        let taken =
            taken.filter(|line| !line.starts_with([' ', '\r']) && !line.starts_with(left_out));
        read::own(
            &taken
                .collect::<Vec<_>>()
                .join("\n")
                .replace("password = \"...\"", "password = \"correct horse\""),
        )
    };
    let all = wishes("password-hash").unwrap();
    assert_eq!(
        (all.host_name.as_deref(), all.time_zone.as_deref()),
        (Some("garage"), Some("Europe/Paris"))
    );
    assert!(matches!(all.password, Some(Password::Plain(_))) && all.wifi.is_some());
    assert!(matches!(
        wishes("password =").unwrap().password,
        Some(Password::Hash(_))
    ));
    assert!(wishes("nothing").is_err(), "two passwords");
    assert_eq!(read::own(example).unwrap(), wish::Wishes::default());
}

/// Nothing of the card's files may be on the disk afterwards; the file is overwritten before it is deleted.
#[test]
fn a_secret_is_overwritten_where_it_lay() {
    let card = Card::new().with("semoir.toml", WISHES);
    let path = card.places.boot.join("semoir.toml");
    // Whoever has it open still sees its blocks.
    let mut open = File::open(&path).unwrap();
    boot_partition::wipe(&path).unwrap();
    let mut left = Vec::new();
    open.read_to_end(&mut left).unwrap();
    assert_eq!(left, vec![0; WISHES.len()]);
}

#[test]
fn our_own_file_wins_over_imagers_which_fills_the_gaps() {
    let card = Card::new()
        .with("semoir.toml", "hostname = 'ours'")
        .with(
            "rpi-preseed.toml",
            "[system]\nhostname = 'theirs'\n[wlan]\nssid = 'Home'\n",
        )
        .with("firstrun.sh", "#!/bin/sh\nreboot\n");
    let found = card.start(None);
    assert_eq!(
        found.files,
        ["semoir.toml", "rpi-preseed.toml", "firstrun.sh"]
    );
    assert_eq!(card.kept("hostname").as_deref(), Some("ours"));
    assert_eq!(found.wishes.wifi.unwrap().key, WifiKey::Open);
    assert!(card.kept("wifi.conf").unwrap().contains("key_mgmt=NONE"));
    assert!(card.card().is_empty());
}

#[test]
fn what_is_not_understood_stays_with_the_reason_and_is_tried_again() {
    let card = Card::new()
        .with("semoir.toml", "hostnam = 'x'\npassword = 'hunter22'")
        .with("custom.toml", "[locale]\ntimezone = 'Europe/Paris'");
    card.start(None);
    assert_eq!(card.card(), ["SEMOIR-ERROR.txt", "semoir.toml"]);
    let said = fs::read_to_string(card.places.boot.join("SEMOIR-ERROR.txt")).unwrap();
    assert!(
        said.contains("semoir.toml was not obeyed: line 1: unknown field `hostnam`"),
        "{said}"
    );
    assert!(!said.contains("hunter"), "{said}");
    assert_eq!(card.kept("time-zone").as_deref(), Some("Europe/Paris"));
    // The same again writes nothing: cards wear.
    let before = fs::metadata(&card.places.boot).unwrap().modified().unwrap();
    card.start(None);
    assert_eq!(
        fs::metadata(&card.places.boot).unwrap().modified().unwrap(),
        before
    );
    let card = card.with("semoir.toml", "hostname = 'x'");
    card.start(None);
    assert!(card.card().is_empty());
    assert_eq!(card.kept("hostname").as_deref(), Some("x"));
}

#[test]
fn hostile_files_are_refused_and_harm_nothing() {
    let card = Card::new()
        .with("semoir.toml", vec![b'#'; (MAX_FILE + 1) as usize])
        .with("custom.toml", b"\xff\xfe")
        .with("network-config", "network:\n  version: 2\n");
    fs::create_dir(card.places.boot.join("firstrun.sh")).unwrap();
    fs::create_dir(card.places.boot.join("FACTORY-RESET.txt")).unwrap();
    let found = card.start(None);
    let names: Vec<&str> = found.refused.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "semoir.toml",
            "custom.toml",
            "firstrun.sh",
            "network-config"
        ]
    );
    assert!(found.files.is_empty() && found.reset.is_none());
    assert!(!card.places.kept.exists());
    // Without a boot partition there are no wishes, and what was kept is applied.
    fs::remove_dir_all(&card.places.boot).unwrap();
    assert!(card.start(None).refused.is_empty());
    assert_eq!(apply(&card.places).unwrap(), None);
}

#[test]
fn a_broken_write_changes_nothing_and_a_turned_bit_is_not_obeyed() {
    let card = Card::new().with(
        "semoir.toml",
        "hostname = 'garage'\ntime-zone = 'Europe/Paris'",
    );
    card.start(None);
    // A power cut left a draft, and another a half of something.
    fs::write(card.places.kept.join("hostname.part"), "half").unwrap();
    fs::write(card.places.kept.join("time-zone"), "../../../etc/shadow").unwrap();
    let card = card.with("semoir.toml", "hostname = 'cellar'");
    card.start(None);
    assert_eq!(apply(&card.places).unwrap().as_deref(), Some("cellar"));
    assert!(!card.places.run.join("localtime").exists());
    fs::write(card.places.kept.join("hostname"), "cel\0ar").unwrap();
    assert_eq!(apply(&card.places).unwrap(), None);
}

#[test]
fn a_reset_forgets_what_was_kept_and_is_ordered_of_the_daemon() {
    for (words, ordered) in [
        ("", Uploaded::Kept),
        ("Delete uploads\r\n", Uploaded::Deleted),
    ] {
        let card = Card::new().with("semoir.toml", "hostname = 'garage'");
        card.start(None);
        let card = card.with("FACTORY-RESET.txt", words);
        assert_eq!(card.start(None).reset, Some(ordered));
        assert!(card.card().is_empty() && card.kept("hostname").is_none());
        assert_eq!(
            reset::obey(&card.places.data, &[], "update", "uploads").unwrap(),
            Some(ordered)
        );
    }
}

/// What a power cut leaves of files that were being taken off: some are gone, and one is overwritten.
#[test]
fn a_power_cut_while_the_card_is_cleared_changes_no_wish() {
    const OURS: &str = "hostname = 'garage'\n";
    const THEIRS: &str = "[system]\nhostname = 'theirs'\n[wlan]\nssid = 'Home'\n";
    const ORDER: &str = "delete uploads";
    // As they are taken off.
    let files = [
        ("FACTORY-RESET.txt", ORDER),
        ("rpi-preseed.toml", THEIRS),
        ("semoir.toml", OURS),
    ];
    for gone in 0..=files.len() {
        for overwritten in [false, true] {
            let card = files
                .iter()
                .fold(Card::new(), |card, (name, text)| card.with(name, text));
            let found = look(&card.places);
            take(&card.places, &found, None, "root").unwrap();
            assert!(card.card().is_empty());
            // The same card, as it would be if the power had gone on the way.
            let mut left = files[gone..].iter();
            let mut card = card;
            if let Some((name, text)) = left.clone().next().filter(|_| overwritten) {
                card = card.with(name, vec![0; text.len()]);
                left.next();
            }
            let card = left.fold(card, |card, (name, text)| card.with(name, text));
            card.start(None);
            let case = format!("{gone} gone, the next overwritten: {overwritten}");
            assert!(card.card().is_empty(), "{case}: {:?}", card.card());
            assert_eq!(card.kept("hostname").as_deref(), Some("garage"), "{case}");
            assert!(card.kept("wifi.conf").is_some(), "{case}");
            assert_eq!(
                reset::obey(&card.places.data, &[], "update", "uploads").unwrap(),
                Some(Uploaded::Deleted),
                "{case}"
            );
        }
    }
}
