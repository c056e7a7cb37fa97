//! What the engine seeds: the metainfo's bytes and where the content lies.

use std::path::PathBuf;

use bytes::Bytes;

use super::announce::bencode::Value;
use super::wire::{BLOCK_LENGTH, Block, MAX_BLOCK_LENGTH};
use crate::base::{Content, FileIdentity, InfoHash};

/// A torrent with its content.
#[derive(Debug, Clone)]
pub struct Torrent {
    /// The swarm's name.
    pub info_hash: InfoHash,
    /// The bencoded info dictionary, served to those who have only a magnet (BEP 9).
    pub info: Bytes,
    /// Bytes in a piece.
    pub piece_length: u32,
    /// The files, in torrent order.
    pub content: Content,
    /// BEP 27: no DHT, no LSD, no PEX.
    pub private: bool,
    /// Where each file begins in the torrent, so that a block is found without walking ten thousand files.
    starts: Vec<u64>,
}

/// A file of a torrent on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanFile {
    /// The release's file or folder.
    pub root: PathBuf,
    /// Where the file is.
    pub path: PathBuf,
    /// What it was when it was hashed.
    pub hashed: FileIdentity,
}

/// A run of bytes in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The file; `None` for padding, which reads as zeros (BEP 47).
    pub file: Option<SpanFile>,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Torrent {
    /// Puts a torrent and its content together; `info` must describe `content`.
    pub fn new(
        info_hash: InfoHash,
        info: Bytes,
        piece_length: u32,
        content: Content,
        private: bool,
    ) -> Self {
        let starts = content.files.iter().scan(0, |at, file| {
            let start = *at;
            *at += file.length;
            Some(start)
        });
        let starts = starts.collect();
        Self {
            info_hash,
            info,
            piece_length,
            content,
            private,
            starts,
        }
    }

    /// Bytes of content.
    pub fn total(&self) -> u64 {
        let last = self.starts.last().zip(self.content.files.last());
        last.map_or(0, |(start, file)| start + file.length)
    }

    /// Number of pieces.
    pub fn pieces(&self) -> u32 {
        self.total().div_ceil(u64::from(self.piece_length)) as u32
    }

    /// Bytes in piece `index`; 0 beyond the end.
    pub fn length_of(&self, index: u32) -> u32 {
        let start = u64::from(index) * u64::from(self.piece_length);
        let left = self.total().saturating_sub(start);
        left.min(u64::from(self.piece_length)) as u32
    }

    /// Whether a peer may ask for this block: inside the piece, not empty, not too long.
    pub fn has_block(&self, block: Block) -> bool {
        let end = block.begin.checked_add(block.length);
        block.length > 0
            && block.length <= MAX_BLOCK_LENGTH
            && end.is_some_and(|end| end <= self.length_of(block.index))
    }

    /// The block of piece `index` that begins at `begin`, at most as long as everybody's blocks.
    pub fn block_at(&self, index: u32, begin: u32) -> Block {
        let left = self.length_of(index).saturating_sub(begin);
        Block {
            index,
            begin,
            length: left.min(BLOCK_LENGTH),
        }
    }

    /// SHA-1 of piece `index`, as the info dictionary has it; none when that cannot be read.
    pub fn piece_hash(&self, index: u32) -> Option<[u8; 20]> {
        let info = Value::read(&self.info)?;
        let hashes = info.get(b"pieces")?.bytes()?;
        hashes.as_chunks().0.get(index as usize).copied()
    }

    /// Where the bytes of a block lie, in order.
    pub fn spans(&self, block: Block) -> Vec<Span> {
        let start = u64::from(block.index) * u64::from(self.piece_length) + u64::from(block.begin);
        let end = start + u64::from(block.length);
        let mut spans = Vec::with_capacity(1);
        let first = self
            .starts
            .partition_point(|at| *at <= start)
            .saturating_sub(1);
        for (file, &at) in self.content.files.iter().zip(&self.starts).skip(first) {
            if at >= end {
                break;
            }
            let (from, to) = (at.max(start), (at + file.length).min(end));
            if from < to {
                let on_disk = |hashed| SpanFile {
                    root: self.content.root.clone(),
                    path: self.content.absolute(file),
                    hashed,
                };
                spans.push(Span {
                    file: file.identity.map(on_disk),
                    offset: from - at,
                    length: to - from,
                });
            }
        }
        spans
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::ContentFile;

    pub fn torrent(lengths: &[u64], piece_length: u32) -> Torrent {
        let file = |(i, length): (usize, &u64)| ContentFile {
            path: format!("f{i}").into(),
            length: *length,
            identity: Some(FileIdentity {
                size: *length,
                mtime_ns: 0,
                inode: 0,
            }),
        };
        let content = Content {
            root: "/media/x".into(),
            files: lengths.iter().enumerate().map(file).collect(),
        };
        let info = Bytes::from(vec![b'x'; 40_000]);
        Torrent::new(InfoHash([1; 20]), info, piece_length, content, false)
    }

    #[test]
    fn blocks_span_files_and_end_with_the_content() {
        let torrent = torrent(&[10, 0, 5, 20_000], 16 << 10);
        assert_eq!(torrent.pieces(), 2);
        assert_eq!(torrent.length_of(1), 20_015 - 16_384);
        assert_eq!(torrent.length_of(2), 0);
        let block = Block {
            index: 0,
            begin: 8,
            length: 10,
        };
        let spans = torrent.spans(block);
        let lengths: Vec<_> = spans.iter().map(|s| (s.offset, s.length)).collect();
        assert_eq!(lengths, [(8, 2), (0, 5), (0, 3)]);
        let path = |span: &Span| span.file.clone().unwrap().path;
        assert_eq!(path(&spans[2]), PathBuf::from("/media/x/f3"));
    }

    #[test]
    fn impossible_blocks_are_refused() {
        let torrent = torrent(&[20_000], 16 << 10);
        let block = |index, begin, length| Block {
            index,
            begin,
            length,
        };
        assert!(torrent.has_block(block(0, 0, 16 << 10)));
        assert!(torrent.has_block(block(1, 0, 20_000 - 16_384)));
        for bad in [
            block(1, 0, 16 << 10),
            block(0, 1, 16 << 10),
            block(2, 0, 1),
            block(u32::MAX, 0, 1),
            block(0, u32::MAX, 2),
            block(0, 0, 0),
            block(0, 0, 1 << 30),
        ] {
            assert!(!torrent.has_block(bad), "{bad:?}");
        }
    }
}
