//! Sets of pieces, and how a content is cut.

use bytes::Bytes;
use semoir::base::{Content, ContentFile, InfoHash};
use semoir::seed::torrent::Torrent;

/// How the simulated content is cut. Every piece is whole.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub pieces: u32,
    pub piece_length: u32,
    /// Bytes in a block; at most 64 blocks make a piece.
    pub block: u32,
}

impl Shape {
    pub fn blocks(&self) -> u32 {
        self.piece_length / self.block
    }

    pub fn total(&self) -> u64 {
        u64::from(self.pieces) * u64::from(self.piece_length)
    }

    /// The content as the engine knows it: one file.
    pub fn torrent(&self) -> Torrent {
        let file = ContentFile {
            path: "content.bin".into(),
            length: self.total(),
            identity: None,
        };
        let content = Content {
            root: "/media/x".into(),
            files: vec![file],
        };
        let info = Bytes::from(vec![b'x'; 100 + 20 * self.pieces as usize]);
        Torrent::new(InfoHash([1; 20]), info, self.piece_length, content, false)
    }

    /// A piece's blocks, as bits.
    pub fn whole(&self) -> u64 {
        u64::MAX >> (64 - self.blocks())
    }
}

/// A set of pieces, quick to intersect.
#[derive(Debug, Clone, Default)]
pub struct Set {
    words: Vec<u64>,
    ones: u32,
    len: u32,
}

impl Set {
    pub fn new(len: u32) -> Self {
        Self {
            words: vec![0; len.div_ceil(64) as usize],
            ones: 0,
            len,
        }
    }

    pub fn full(len: u32) -> Self {
        let mut set = Self::new(len);
        (0..len).for_each(|index| {
            set.insert(index);
        });
        set
    }

    pub fn has(&self, index: u32) -> bool {
        self.words[index as usize / 64] >> (index % 64) & 1 == 1
    }

    pub fn insert(&mut self, index: u32) -> bool {
        let fresh = !self.has(index);
        self.words[index as usize / 64] |= 1 << (index % 64);
        self.ones += u32::from(fresh);
        fresh
    }

    pub fn remove(&mut self, index: u32) {
        self.ones -= u32::from(self.has(index));
        self.words[index as usize / 64] &= !(1 << (index % 64));
    }

    pub fn count(&self) -> u32 {
        self.ones
    }

    pub fn is_full(&self) -> bool {
        self.ones == self.len
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(at as u32 * 64 + bit)
            })
        })
    }

    /// How many of these are not in `others`.
    pub fn lacked_by(&self, others: &Set) -> u32 {
        let words = self.words.iter().zip(&others.words);
        words.map(|(a, b)| (a & !b).count_ones()).sum()
    }

    /// Those of these that are in none of `others`.
    pub fn without<'a>(&'a self, others: [&'a Set; 2]) -> impl Iterator<Item = u32> + 'a {
        (0..self.words.len()).flat_map(move |at| {
            let mut left = self.words[at] & !others[0].words[at] & !others[1].words[at];
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(at as u32 * 64 + bit)
            })
        })
    }

    /// The body of a BITFIELD message.
    pub fn as_wire(&self) -> Box<[u8]> {
        let mut wire = vec![0u8; self.len.div_ceil(8) as usize];
        for index in self.iter() {
            wire[index as usize / 8] |= 0x80 >> (index % 8);
        }
        wire.into()
    }
}

#[test]
fn sets_count_intersect_and_go_on_the_wire() {
    let mut set = Set::new(70);
    assert!(set.insert(0) && set.insert(69) && set.insert(9) && !set.insert(9));
    let mut other = Set::new(70);
    other.insert(69);
    assert_eq!(set.lacked_by(&other), 2);
    let left: Vec<u32> = set.without([&other, &Set::new(70)]).collect();
    assert_eq!(left, [0, 9]);
    assert_eq!(set.as_wire()[..2], [0x80, 0x40]);
    set.remove(0);
    assert_eq!((set.count(), Set::full(70).is_full()), (2, true));
}
