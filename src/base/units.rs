//! Sizes and rates, read and written as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Size(pub u64);

/// A rate in bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(pub u64);

/// A size or rate that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUnit {
    /// Not a number followed by a unit of size.
    #[error("{0:?} is not a size; write it like 16MiB, 512k or 1048576")]
    Size(String),
    /// Not a number followed by a unit of rate.
    #[error("{0:?} is not a rate; write it like 4MiB/s, 800kbit/s or 1048576")]
    Rate(String),
}

/// Bytes in one unit of `name`: `k`, `kB`, `KiB`, `M`, …; decimal letters are powers of 1000, `i` makes them 1024.
fn bytes_per(name: &str) -> Option<f64> {
    let name = name.to_ascii_lowercase();
    let prefix = name.strip_suffix('b').unwrap_or(&name);
    let (letter, base) = match prefix.strip_suffix('i') {
        Some(letter) => (letter, 1024.0_f64),
        None => (prefix, 1000.0_f64),
    };
    let power = match (letter, base as u32) {
        ("", 1000) => 0,
        ("k", _) => 1,
        ("m", _) => 2,
        ("g", _) => 3,
        ("t", _) => 4,
        _ => return None,
    };
    Some(base.powi(power))
}

fn split_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    Some((number, text[end..].trim()))
}

/// Rounds to whole bytes, refusing what does not fit.
fn whole(bytes: f64) -> Option<u64> {
    (bytes.is_finite() && bytes >= 0.0 && bytes < u64::MAX as f64).then(|| bytes.round() as u64)
}

impl FromStr for Size {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        split_number(text)
            .and_then(|(number, unit)| whole(number * bytes_per(unit)?))
            .map(Size)
            .ok_or_else(|| BadUnit::Size(text.to_owned()))
    }
}

impl FromStr for Rate {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (number, unit) = split_number(text)?;
            let unit = unit.to_ascii_lowercase();
            let bits = |prefix: &str| bytes_per(prefix).map(|per| per / 8.0);
            let per = if let Some(prefix) = unit.strip_suffix("bit/s") {
                bits(prefix)?
            } else if let Some(prefix) = unit.strip_suffix("bps") {
                bits(prefix)?
            } else {
                bytes_per(unit.strip_suffix("/s").unwrap_or(&unit))?
            };
            whole(number * per)
        };
        read()
            .map(Rate)
            .ok_or_else(|| BadUnit::Rate(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let digits = usize::from(unit > 0 && value.fract() >= 0.05);
        write!(f, "{value:.digits$} {}", UNITS[unit])
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Size(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("16MiB", 16 << 20),
            ("16 mib", 16 << 20),
            ("512k", 512_000),
            ("512KiB", 512 << 10),
            ("1.5GB", 1_500_000_000),
            ("2TiB", 2 << 40),
            ("7B", 7),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1.2.3",
            "4MiB/s",
            "1e9",
            "9 bananas",
            "ib",
            "1ib",
            "99999999999TiB",
        ] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn rates_read_in_bytes_and_in_bits() {
        for (text, rate) in [
            ("4MiB/s", 4 << 20),
            ("800kbit/s", 100_000),
            ("20Mbit/s", 2_500_000),
            ("20 mbps", 2_500_000),
            ("1048576", 1 << 20),
            ("100k", 100_000),
            ("64kB/s", 64_000),
        ] {
            assert_eq!(text.parse(), Ok(Rate(rate)), "{text}");
        }
        for text in ["", "fast", "4MiB/h", "/s", "bit/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_short() {
        assert_eq!(Size(0).to_string(), "0 B");
        assert_eq!(Size(1536).to_string(), "1.5 KiB");
        assert_eq!(Size(16 << 20).to_string(), "16 MiB");
        assert_eq!(Rate(4 << 20).to_string(), "4 MiB/s");
    }
}
