//! The kernel's number of a device.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kernel's number of a block device, as text `major:minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceNumber {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// Not a device number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no device number")]
pub struct BadDeviceNumber(pub String);

impl DeviceNumber {
    /// The number in the form of `stat(2)`.
    pub fn of(device: u64) -> Self {
        Self {
            major: libc::major(device),
            minor: libc::minor(device),
        }
    }
}

impl FromStr for DeviceNumber {
    type Err = BadDeviceNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let read = || {
            let (major, minor) = text.split_once(':')?;
            let (major, minor) = (
                digits(major).then_some(major)?,
                digits(minor).then_some(minor)?,
            );
            Some(Self {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
            })
        };
        read().ok_or_else(|| BadDeviceNumber(text.to_owned()))
    }
}

impl TryFrom<String> for DeviceNumber {
    type Error = BadDeviceNumber;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DeviceNumber> for String {
    fn from(number: DeviceNumber) -> Self {
        number.to_string()
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nothing_else_are_device_numbers() {
        let number = DeviceNumber {
            major: 259,
            minor: 3,
        };
        assert_eq!("259:3".parse(), Ok(number));
        assert_eq!(number.to_string(), "259:3");
        assert_eq!(DeviceNumber::of(libc::makedev(259, 3)), number);
        for text in [
            "",
            ":",
            "8",
            "8:",
            ":1",
            "8:1:2",
            "+8:1",
            "-8:1",
            " 8:1",
            "8:4294967296",
            "/dev/sda",
        ] {
            assert!(text.parse::<DeviceNumber>().is_err(), "{text:?}");
        }
    }
}
