//! What an owner can wish for before the first start, each checked when it is read: none of it is trusted, for whoever
//! holds the card can write anything on it.

use crate::base::Secret;

/// What was found on the boot partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The box's name in the home's network, without `.local`.
    pub host_name: Option<String>,
    /// Where the box stands, as the zone database calls it: `Europe/Paris`.
    pub time_zone: Option<String>,
    /// The Wi-Fi to join.
    pub wifi: Option<Wifi>,
    /// How the owner proves to be one.
    pub password: Option<Password>,
}

impl Wishes {
    /// These, and `others` where there is none.
    pub fn or(self, others: Wishes) -> Wishes {
        Wishes {
            host_name: self.host_name.or(others.host_name),
            time_zone: self.time_zone.or(others.time_zone),
            wifi: self.wifi.or(others.wifi),
            password: self.password.or(others.password),
        }
    }
}

/// The owner's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// As it is typed.
    Plain(Secret),
    /// Its hash, a PHC string.
    Hash(Secret),
}

/// A Wi-Fi network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wifi {
    /// Its name: 1 to 32 bytes, which need not be text.
    pub ssid: Vec<u8>,
    /// What opens it.
    pub key: WifiKey,
    /// The country whose rules for radio hold, two capitals.
    pub country: Option<String>,
    /// Whether it does not tell its name.
    pub hidden: bool,
}

/// What opens a Wi-Fi network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WifiKey {
    /// Nothing.
    Open,
    /// A passphrase of 8 to 63 printable ASCII characters.
    Passphrase(Secret),
    /// The key that is made of passphrase and name, as 64 hexadecimal digits.
    Key(Secret),
}

/// A wish that cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// The name.
    #[error(
        "the host name {0:?} cannot be used: letters, digits and dashes, 63 at most, no dash at the ends"
    )]
    HostName(String),
    /// The zone.
    #[error("there is no time zone {0:?}; they are named like \"Europe/Paris\"")]
    TimeZone(String),
    /// The network's name.
    #[error("the name of a Wi-Fi has 1 to 32 bytes, and this one {0}")]
    Ssid(usize),
    /// The network's name, given by digits.
    #[error("the name of the Wi-Fi is not made of pairs of hexadecimal digits")]
    SsidDigits,
    /// The network's password.
    #[error(
        "the password of a Wi-Fi has 8 to 63 plain characters, or is a key of 64 hexadecimal digits"
    )]
    WifiPassword,
    /// The country.
    #[error("a country is two letters, like \"FR\", and not {0:?}")]
    Country(String),
    /// Two passwords.
    #[error("there are two passwords for the owner: give `password` or `password-hash`")]
    TwoPasswords,
}

/// A name for the box (RFC 1123), in small letters; `.local` at its end is what the network adds, and goes.
pub fn host_name(text: &str) -> Result<String, WishError> {
    let name = text.trim().to_ascii_lowercase();
    let name = name.strip_suffix(".local").unwrap_or(&name);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let fits = (1..=63).contains(&name.len()) && name.bytes().all(plain);
    if fits && !name.starts_with('-') && !name.ends_with('-') {
        Ok(name.to_owned())
    } else {
        Err(WishError::HostName(text.to_owned()))
    }
}

/// A zone that the zone database has: nothing else can be a path below it.
pub fn time_zone(text: &str) -> Result<String, WishError> {
    match jiff::tz::TimeZone::get(text.trim()) {
        // As the database writes it, whatever letters were typed large.
        Ok(zone) => match zone.iana_name() {
            Some(name) => Ok(name.to_owned()),
            None => Err(WishError::TimeZone(text.to_owned())),
        },
        Err(_) => Err(WishError::TimeZone(text.to_owned())),
    }
}

/// A Wi-Fi of that name, opened by `key` if there is one.
pub fn wifi(
    ssid: Vec<u8>,
    key: Option<&str>,
    country: Option<&str>,
    hidden: bool,
) -> Result<Wifi, WishError> {
    if !(1..=32).contains(&ssid.len()) {
        return Err(WishError::Ssid(ssid.len()));
    }
    let key = match key {
        None | Some("") => WifiKey::Open,
        Some(key) if key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            WifiKey::Key(Secret::new(key.to_ascii_lowercase()))
        }
        Some(key)
            if (8..=63).contains(&key.len()) && key.bytes().all(|b| (b' '..=b'~').contains(&b)) =>
        {
            WifiKey::Passphrase(Secret::new(key))
        }
        Some(_) => return Err(WishError::WifiPassword),
    };
    Ok(Wifi {
        ssid,
        key,
        country: country
            .filter(|text| !text.is_empty())
            .map(two_letters)
            .transpose()?,
        hidden,
    })
}

fn two_letters(text: &str) -> Result<String, WishError> {
    let country = text.trim().to_ascii_uppercase();
    if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(country)
    } else {
        Err(WishError::Country(text.to_owned()))
    }
}

/// Bytes of pairs of hexadecimal digits.
pub fn from_hex(text: &str) -> Result<Vec<u8>, WishError> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(WishError::SsidDigits);
    }
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    digits
        .chunks(2)
        .map(pair)
        .collect::<Option<_>>()
        .ok_or(WishError::SsidDigits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_a_network() {
        assert_eq!(host_name("Semoir").unwrap(), "semoir");
        assert_eq!(host_name(" box-2.local ").unwrap(), "box-2");
        for bad in [
            "",
            "-box",
            "box-",
            "a.b",
            "é",
            "a b",
            "a\nb",
            "$(reboot)",
            &"x".repeat(64),
        ] {
            assert!(host_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn zones_are_those_of_the_database_and_no_paths() {
        assert_eq!(time_zone("Europe/Paris").unwrap(), "Europe/Paris");
        assert_eq!(time_zone("europe/paris").unwrap(), "Europe/Paris");
        for bad in [
            "",
            "Europe/Atlantis",
            "../../etc/shadow",
            "/etc/shadow",
            "Europe/../Europe/Paris",
            "Europe/Paris\0",
        ] {
            assert!(time_zone(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_wifi_is_open_or_has_a_key_that_fits() {
        let open = wifi(b"Caf\xc3\xa9".to_vec(), None, None, false).unwrap();
        assert_eq!(open.key, WifiKey::Open);
        let with = |key: &str| wifi(b"home".to_vec(), Some(key), Some("fr"), true);
        let passphrase = with("a \"quoted\" word").unwrap();
        assert_eq!(passphrase.country.as_deref(), Some("FR"));
        assert!(matches!(passphrase.key, WifiKey::Passphrase(_)));
        assert!(matches!(
            with(&"aB".repeat(32)).unwrap().key,
            WifiKey::Key(_)
        ));
        for bad in [
            "short",
            &"x".repeat(64),
            "eight\nchars",
            "né à paris",
            &"x".repeat(63 + 2),
        ] {
            assert_eq!(with(bad), Err(WishError::WifiPassword), "{bad:?}");
        }
        assert_eq!(
            wifi(vec![0; 33], None, None, false),
            Err(WishError::Ssid(33))
        );
        assert_eq!(wifi(Vec::new(), None, None, false), Err(WishError::Ssid(0)));
        let country = wifi(b"x".to_vec(), None, Some("F\n"), false);
        assert_eq!(country, Err(WishError::Country("F\n".to_owned())));
        assert_eq!(from_hex("c3A9"), Ok(vec![0xc3, 0xa9]));
        for bad in ["c", "zz", "+1"] {
            assert_eq!(from_hex(bad), Err(WishError::SsidDigits), "{bad}");
        }
    }
}
