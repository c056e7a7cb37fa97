//! How long the pieces of a torrent are.

use crate::base::{ErrorKind, Kind, Size};

/// The shortest piece: one block of the peer protocol, below which a HAVE costs more than it tells. Bytes.
pub const MIN: u32 = 16 << 10;

/// The longest piece we choose ourselves: what every client takes, and a piece that fails its hash still costs
/// only 16 MiB. Bytes.
pub const MAX_CHOSEN: u32 = 16 << 20;

/// The longest piece an owner may ask for: Transmission's and qBittorrent's own limits are at or above it. Bytes.
pub const MAX_ASKED: u32 = 64 << 20;

/// More pieces than this and the piece length doubles: between half of it and all of it, a bitfield fits one
/// packet, the metadata stays below 40 KiB of hashes, and pieces are short enough to be passed on early.
const MOST_PIECES: u64 = 2000;

/// A piece length that makes no torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPieceLength {
    /// Clients expect whole blocks.
    #[error("a piece length is a power of two such as 1MiB, which {} bytes is not", .0)]
    NotPowerOfTwo(u64),
    /// Shorter than a block, or longer than clients take.
    #[error("a piece length lies between {} and {}, which {} does not", Size(MIN.into()), Size(MAX_ASKED.into()), Size(*.0))]
    OutOfRange(u64),
}

impl Kind for BadPieceLength {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadInput
    }
}

/// The piece length, in bytes, for a release of `total` bytes: the power of two that makes 1,000 to 2,000 pieces,
/// as far as [`MIN`] and [`MAX_CHOSEN`] allow.
pub fn choose(total: u64) -> u32 {
    let mut length = MIN;
    while length < MAX_CHOSEN && total.div_ceil(length.into()) > MOST_PIECES {
        length *= 2;
    }
    length
}

/// The piece length an owner asked for, if a torrent can have it: a power of two from [`MIN`] to [`MAX_ASKED`].
///
/// # Errors
/// [`BadPieceLength`] says which of the two rules was broken.
pub fn asked(size: Size) -> Result<u32, BadPieceLength> {
    match u32::try_from(size.0) {
        Ok(length) if (MIN..=MAX_ASKED).contains(&length) => {
            if length.is_power_of_two() {
                Ok(length)
            } else {
                Err(BadPieceLength::NotPowerOfTwo(size.0))
            }
        }
        _ => Err(BadPieceLength::OutOfRange(size.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_to_two_thousand_pieces_wherever_the_limits_allow() {
        assert_eq!(choose(0), MIN);
        assert_eq!(choose(1), MIN);
        assert_eq!(choose(u64::MAX), MAX_CHOSEN);
        let mut total = u64::from(MIN) * 1001;
        while total < u64::from(MAX_CHOSEN) * 2000 {
            let pieces = total.div_ceil(choose(total).into());
            assert!((1000..=2000).contains(&pieces), "{total}: {pieces}");
            assert!(choose(total).is_power_of_two());
            total += total / 7;
        }
    }

    #[test]
    fn what_is_asked_for_is_checked_and_the_refusal_says_why() {
        assert_eq!(asked(Size(16 << 10)), Ok(16 << 10));
        assert_eq!(asked(Size(64 << 20)), Ok(64 << 20));
        for (size, says) in [
            (0, "between 16 KiB and 64 MiB"),
            (8 << 10, "between"),
            (128 << 20, "between"),
            (1 << 33, "between"),
            (
                1_000_000,
                "power of two such as 1MiB, which 1000000 bytes is not",
            ),
        ] {
            let error = asked(Size(size)).unwrap_err().to_string();
            assert!(error.contains(says), "{size}: {error}");
        }
    }
}
