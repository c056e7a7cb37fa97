//! A set of pieces, as the peer protocol writes it (BEP 3): high bit first, spare bits zero.

/// A fixed-size set of piece indexes that knows how many it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    bytes: Box<[u8]>,
    len: u32,
    ones: u32,
}

/// Bytes from a peer that are no bitfield for this torrent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBits {
    /// The number of bytes does not fit the number of pieces.
    #[error("a bitfield of {got} bytes where {expected} are due")]
    Length {
        /// Bytes received.
        got: usize,
        /// Bytes that the torrent's piece count asks for.
        expected: usize,
    },
    /// A bit beyond the last piece is set.
    #[error("a bitfield with bits beyond the last piece")]
    Spare,
}

impl Bits {
    /// The empty set over `len` pieces.
    pub fn new(len: u32) -> Self {
        Self {
            bytes: vec![0; (len as usize).div_ceil(8)].into(),
            len,
            ones: 0,
        }
    }

    /// Reads a BITFIELD message's body.
    ///
    /// # Errors
    /// When it has the wrong length or sets spare bits; BEP 3 says to drop such a peer.
    pub fn from_wire(len: u32, wire: &[u8]) -> Result<Self, BadBits> {
        let expected = (len as usize).div_ceil(8);
        if wire.len() != expected {
            return Err(BadBits::Length {
                got: wire.len(),
                expected,
            });
        }
        let spare = expected as u32 * 8 - len;
        if spare > 0 && wire[expected - 1].trailing_zeros() < spare {
            return Err(BadBits::Spare);
        }
        Ok(Self {
            bytes: wire.into(),
            len,
            ones: wire.iter().map(|byte| byte.count_ones()).sum(),
        })
    }

    /// Number of pieces this is a set over.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no piece is in it.
    pub fn is_empty(&self) -> bool {
        self.ones == 0
    }

    /// Whether every piece is in it.
    pub fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// How many pieces are in it.
    pub fn count(&self) -> u32 {
        self.ones
    }

    /// Whether `index` is in it; false beyond the end.
    pub fn has(&self, index: u32) -> bool {
        index < self.len && self.bytes[index as usize / 8] & (0x80 >> (index % 8)) != 0
    }

    /// Puts `index` in; true when it was not in before. Beyond the end nothing happens.
    pub fn insert(&mut self, index: u32) -> bool {
        if index >= self.len || self.has(index) {
            return false;
        }
        self.bytes[index as usize / 8] |= 0x80 >> (index % 8);
        self.ones += 1;
        true
    }

    /// Takes `index` out; true when it was in.
    pub fn remove(&mut self, index: u32) -> bool {
        if !self.has(index) {
            return false;
        }
        self.bytes[index as usize / 8] &= !(0x80 >> (index % 8));
        self.ones -= 1;
        true
    }

    /// The pieces in it, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.bytes.iter().enumerate().flat_map(|(at, &byte)| {
            (0..8u32)
                .filter(move |bit| byte & (0x80 >> bit) != 0)
                .map(move |bit| at as u32 * 8 + bit)
        })
    }

    /// The body of a BITFIELD message.
    pub fn as_wire(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_count_and_reads_back() {
        let mut bits = Bits::new(11);
        assert!(bits.insert(0) && bits.insert(10) && !bits.insert(10) && !bits.insert(11));
        assert_eq!(bits.count(), 2);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 10]);
        assert_eq!(Bits::from_wire(11, bits.as_wire()), Ok(bits.clone()));
        assert!(bits.remove(0) && !bits.remove(0));
        assert_eq!(bits.count(), 1);
        (0..11).for_each(|index| {
            bits.insert(index);
        });
        assert!(bits.is_full());
    }

    #[test]
    fn refuses_what_does_not_fit_the_torrent() {
        assert_eq!(
            Bits::from_wire(11, &[0]),
            Err(BadBits::Length {
                got: 1,
                expected: 2
            })
        );
        assert_eq!(Bits::from_wire(11, &[0, 0b0001_0000]), Err(BadBits::Spare));
        assert!(Bits::from_wire(11, &[0, 0b0010_0000]).is_ok());
        assert!(Bits::from_wire(16, &[0xff, 0xff]).unwrap().is_full());
    }
}
