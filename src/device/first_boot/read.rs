//! The files on the boot partition that say what an owner wishes: our own, and what Raspberry Pi Imager writes.
//!
//! Imager writes, as the image's entry in its list asks (`init_format`): `rpi-preseed.toml` ("rpi-preseed", Imager 2),
//! `firstrun.sh` ("systemd", Imager 1 and 2, and Imager 1 for every image that it does not know), or cloud-init's files,
//! which our entry does not ask for. `custom.toml` is what Raspberry Pi OS 12 reads, and people write by hand. A
//! script is never run: the words that it would have given to other programs are read.

use serde::Deserialize;

use super::wish::{self, Password, WishError, Wishes};
use crate::base::Secret;

/// Our own file; see `board/common/boot`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Own {
    hostname: Option<String>,
    time_zone: Option<String>,
    password: Option<String>,
    password_hash: Option<String>,
    wifi: Option<OwnWifi>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OwnWifi {
    ssid: String,
    password: Option<String>,
    country: Option<String>,
    #[serde(default)]
    hidden: bool,
}

/// Imager's TOML. It has much that is not ours, and will have more: unknown keys are none of our business.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Imager {
    system: ImagerSystem,
    wlan: ImagerWlan,
    locale: ImagerLocale,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ImagerSystem {
    hostname: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ImagerWlan {
    ssid: Option<String>,
    ssid_hex: Option<String>,
    password: Option<String>,
    hidden: bool,
    country: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ImagerLocale {
    timezone: Option<String>,
}

/// Why a file is not understood. What it says is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not the TOML that it should be.
    #[error("line {line}: {why}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// It asks for something that cannot be.
    #[error(transparent)]
    Wish(#[from] WishError),
}

impl ReadError {
    fn toml(text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start));
        // It quotes a value that it wanted of another kind: a password of digits alone, for one.
        let quotes = ["invalid type", "invalid value"];
        let why = if quotes
            .iter()
            .any(|start| error.message().starts_with(start))
        {
            "what is said here is of the wrong kind: texts stand in quotes, yes is true and no is false"
        } else {
            error.message()
        };
        ReadError::Toml {
            line: before.map_or(1, |before| before.matches('\n').count() + 1),
            why: why.to_owned(),
        }
    }
}

/// Reads `semoir.toml`. An unknown key is refused: a typing error must not go unnoticed.
pub fn own(text: &str) -> Result<Wishes, ReadError> {
    let own: Own = toml::from_str(text).map_err(|error| ReadError::toml(text, &error))?;
    let password = match (own.password, own.password_hash) {
        (Some(_), Some(_)) => return Err(WishError::TwoPasswords.into()),
        (Some(plain), None) => Some(Password::Plain(Secret::new(plain))),
        (None, Some(hash)) => Some(Password::Hash(Secret::new(hash))),
        (None, None) => None,
    };
    let wifi = own.wifi.map(|wifi| {
        let ssid = wifi.ssid.into_bytes();
        wish::wifi(
            ssid,
            wifi.password.as_deref(),
            wifi.country.as_deref(),
            wifi.hidden,
        )
    });
    Ok(Wishes {
        host_name: own.hostname.as_deref().map(wish::host_name).transpose()?,
        time_zone: own.time_zone.as_deref().map(wish::time_zone).transpose()?,
        wifi: wifi.transpose()?,
        password,
    })
}

/// Reads `rpi-preseed.toml` or `custom.toml`. The password of the account in it is for logging in to a system that has
/// accounts: its hash is of another kind than ours, and it is not taken.
pub fn imager_toml(text: &str) -> Result<Wishes, ReadError> {
    let imager: Imager = toml::from_str(text).map_err(|error| ReadError::toml(text, &error))?;
    let wlan = imager.wlan;
    let ssid = match (wlan.ssid, wlan.ssid_hex) {
        (Some(ssid), _) => Some(ssid.into_bytes()),
        (None, Some(hex)) => Some(wish::from_hex(&hex)?),
        (None, None) => None,
    };
    let (password, country) = (wlan.password.as_deref(), wlan.country.as_deref());
    let wifi = ssid.map(|ssid| wish::wifi(ssid, password, country, wlan.hidden));
    Ok(Wishes {
        host_name: imager
            .system
            .hostname
            .as_deref()
            .map(wish::host_name)
            .transpose()?,
        time_zone: imager
            .locale
            .timezone
            .as_deref()
            .map(wish::time_zone)
            .transpose()?,
        wifi: wifi.transpose()?,
        password: None,
    })
}

/// The program of Raspberry Pi OS whose calls in `firstrun.sh` say it all.
const IMAGER_CUSTOM: &str = "/usr/lib/raspberrypi-sys-mods/imager_custom";

/// Reads `firstrun.sh`.
pub fn first_run(text: &str) -> Result<Wishes, ReadError> {
    let mut wishes = Wishes::default();
    for line in text.lines() {
        let Some(words) = words(line) else { continue };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [IMAGER_CUSTOM, "set_hostname", name] => {
                wishes.host_name = Some(wish::host_name(name)?);
            }
            [IMAGER_CUSTOM, "set_timezone", zone] => {
                wishes.time_zone = Some(wish::time_zone(zone)?);
            }
            [IMAGER_CUSTOM, "set_wlan", ref rest @ ..] => {
                let (hidden, rest) = match rest {
                    ["-h", rest @ ..] => (true, rest),
                    rest => (false, rest),
                };
                if let [ssid, key, more @ ..] = rest {
                    let country = more.first().copied();
                    wishes.wifi = Some(wish::wifi(
                        ssid.as_bytes().to_vec(),
                        Some(key),
                        country,
                        hidden,
                    )?);
                }
            }
            _ => {}
        }
    }
    Ok(wishes)
}

/// The words of a shell's line, without quotes; nothing where a quote does not end on it. Nothing is expanded.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        letter => word.push(letter),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => word.push(letters.next()?),
                        letter => word.push(letter),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::super::wish::WifiKey;
    use super::*;

    fn key(wishes: &Wishes) -> &WifiKey {
        &wishes.wifi.as_ref().unwrap().key
    }

    #[test]
    fn our_own_file_says_it_all() {
        let wishes = own(
            "hostname = 'Garage'\ntime-zone = 'Europe/Paris'\npassword = 'correct horse'\n\
             [wifi]\nssid = 'Café \"2\"'\npassword = 'battery staple'\ncountry = 'fr'\nhidden = true\n",
        )
        .unwrap();
        assert_eq!(wishes.host_name.as_deref(), Some("garage"));
        assert_eq!(wishes.time_zone.as_deref(), Some("Europe/Paris"));
        assert_eq!(
            wishes.password,
            Some(Password::Plain(Secret::new("correct horse")))
        );
        assert_eq!(wishes.wifi.as_ref().unwrap().ssid, "Café \"2\"".as_bytes());
        assert_eq!(
            key(&wishes),
            &WifiKey::Passphrase(Secret::new("battery staple"))
        );
        assert_eq!(own("").unwrap(), Wishes::default());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_without_a_secret() {
        for (text, part) in [
            (
                "hostname = 'a'\npasword = 'hunter22'",
                "line 2: unknown field `pasword`",
            ),
            ("\n\npassword = 'hunter22", "line 3"),
            (
                "password = 'hunter22'\npassword-hash = 'x'",
                "two passwords",
            ),
            ("[wifi]\npassword = 'hunter22'", "missing field `ssid`"),
            ("[wifi]\nssid = 'x'\npassword = 48756E74", "line 3"),
            (
                "[wifi]\nssid = 'x'\nhidden = 'hunter22'",
                "line 3: what is said here is of the wrong kind",
            ),
            (
                "[wifi]\nssid = 'x'\npassword = 'hunter\\n'\ncountry = 'France'",
                "not \"France\"",
            ),
        ] {
            let said = own(text).unwrap_err().to_string();
            assert!(
                said.contains(part) && !said.contains("hunter"),
                "{text:?}: {said}"
            );
        }
    }

    /// As Imager 2 writes it (`generateRpiPreseedToml`).
    #[test]
    fn imagers_own_file_is_understood() {
        let wishes = imager_toml(&format!(
            "config_version = \"1.0\"\n\n[system]\nhostname = \"semoir\"\n\n[user]\nname = \"pi\"\npassword = \"$5$a$b\"\n\
             password_encrypted = true\ngroups = [\"sudo\"]\n\n[ssh]\nenabled = true\nauthorized_keys = [\n  \"ssh-ed25519 A\",\n]\n\n\
             [wlan]\nssid_hex = \"ff00\"\npassword = \"{}\"\npassword_encrypted = true\nhidden = false\ncountry = \"GB\"\n\n\
             [locale]\nkeymap = \"gb\"\ntimezone = \"Europe/London\"\n\n[interfaces]\ni2c = true\n",
            "0a".repeat(32)
        ))
        .unwrap();
        assert_eq!(wishes.host_name.as_deref(), Some("semoir"));
        assert_eq!(wishes.time_zone.as_deref(), Some("Europe/London"));
        assert_eq!(wishes.wifi.as_ref().unwrap().ssid, [0xff, 0]);
        assert_eq!(key(&wishes), &WifiKey::Key(Secret::new("0a".repeat(32))));
        assert_eq!(wishes.password, None, "an account's hash is not ours");
        assert_eq!(imager_toml("").unwrap(), Wishes::default());
    }

    /// As Imager 1 and 2 write it (`generateSystemdScript`), quotes in a name included.
    #[test]
    fn imagers_script_is_read_and_not_run() {
        let key_of = "1f".repeat(32);
        let script = format!(
            "#!/bin/sh\n\nset +e\n\nCURRENT_HOSTNAME=$(cat /etc/hostname | tr -d \" \\t\\n\\r\")\n\
             if [ -f {IMAGER_CUSTOM} ]; then\n   {IMAGER_CUSTOM} set_hostname garage\nelse\n   echo garage >/etc/hostname\nfi\n\
             if [ -f {IMAGER_CUSTOM} ] && true; then\n   {IMAGER_CUSTOM} set_wlan  -h 'Anne'\"'\"'s home' '{key_of}' 'FR'\nelse\n\
             cat >/etc/wpa_supplicant/wpa_supplicant.conf <<'WPAEOF'\ncountry=FR\nWPAEOF\nfi\n\
             if [ -f {IMAGER_CUSTOM} ]; then\n   {IMAGER_CUSTOM} set_keymap 'fr'\n   {IMAGER_CUSTOM} set_timezone 'Europe/Paris'\nfi\n\
             rm -f /boot/firstrun.sh\nsed -i 's| systemd.run.*||g' /boot/cmdline.txt\nexit 0\n"
        );
        let wishes = first_run(&script).unwrap();
        assert_eq!(wishes.host_name.as_deref(), Some("garage"));
        assert_eq!(wishes.time_zone.as_deref(), Some("Europe/Paris"));
        let wifi = wishes.wifi.as_ref().unwrap();
        assert_eq!(
            (wifi.ssid.as_slice(), wifi.hidden),
            (&b"Anne's home"[..], true)
        );
        assert_eq!(key(&wishes), &WifiKey::Key(Secret::new(key_of)));
        let evil = format!("{IMAGER_CUSTOM} set_hostname '$(reboot)'");
        assert!(first_run(&evil).is_err());
        assert_eq!(first_run("echo 'no end\n\\").unwrap(), Wishes::default());
    }

    proptest::proptest! {
        /// Whatever is on the card: no panic, and nothing comes through that was not checked.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|([a-z]+ ?= ?[\"'\\[a-z\\n]*){0,9}", quoted in ".*") {
            for wishes in [own(&text), imager_toml(&text), first_run(&text), first_run(&format!("{IMAGER_CUSTOM} set_wlan {quoted}"))] {
                let Ok(Wishes { wifi: Some(wifi), .. }) = wishes else { continue };
                assert!((1..=32).contains(&wifi.ssid.len()));
            }
        }
    }
}
