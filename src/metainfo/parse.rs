//! Reading torrents, which strangers write.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use librqbit_bencode::{BencodeValueOwned, ByteBuf, DeserializeError, WithRawBytes, from_bytes};
use librqbit_sha1_wrapper::{ISha1, Sha1};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::bencode::{Malformed, check};
use super::hasher::HASH_LENGTH;
use super::torrent::{MAX_TORRENT, Metainfo, MetainfoFile};
use crate::base::{ErrorKind, InfoHash, Kind, Timestamp};

/// The longest piece we read a torrent of: above any client's own limit. Bytes.
const MAX_PIECE: i64 = 256 << 20;

/// Tracker and web seed URLs taken from one torrent; the rest is dropped. Each one is a connection somebody else chose.
pub const MAX_URLS: usize = 100;

/// The longest URL taken; what web servers take. Bytes.
pub const MAX_URL: usize = 2048;

/// Why bytes are no torrent that we take.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Longer than [`MAX_TORRENT`].
    #[error("a torrent of {0} bytes is longer than we read ({MAX_TORRENT} bytes)")]
    TooLong(usize),
    /// Not bencode.
    #[error("this is not a torrent: {0}")]
    Malformed(#[from] Malformed),
    /// Bencode, but not a torrent's: a key is missing or holds something else.
    #[error("this is not a torrent: {0}")]
    Shape(#[from] DeserializeError),
    /// BitTorrent v2 without the v1 part.
    #[error("this torrent is for BitTorrent v2 only; Semoir takes v1 and hybrid torrents")]
    OnlyV2,
    /// Neither or both of `length` and `files`.
    #[error("this torrent does not say whether it is one file or a folder")]
    Layout,
    /// A symbolic link (BEP 47).
    #[error("this torrent holds a symbolic link, {0:?}, which Semoir does not follow")]
    Symlink(PathBuf),
    /// A piece length of zero, below or beyond reason.
    #[error("{0} bytes is no piece length")]
    PieceLength(i64),
    /// Negative, or more than 63 bits hold.
    #[error("the files of this torrent have impossible lengths")]
    Length,
    /// No bytes at all.
    #[error("this torrent is empty: its files hold no bytes")]
    Empty,
    /// Too few or too many piece hashes.
    #[error("this torrent holds {found} bytes of piece hashes where its files need {needed}")]
    Pieces {
        /// Bytes there are.
        found: usize,
        /// Bytes there should be.
        needed: u64,
    },
    /// A name that leads out of its folder, is empty, or holds a separator or a zero byte.
    #[error("this torrent holds a name no file may have: {0:?}")]
    Name(String),
    /// Two files of one path, or a file where another needs a folder.
    #[error("this torrent holds {0:?} twice")]
    Twice(PathBuf),
    /// Something other than 0 or 1.
    #[error("this torrent's `private` flag is {0}, neither 0 nor 1")]
    Private(i64),
}

impl Kind for ParseError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadInput
    }
}

#[derive(Deserialize)]
struct Torrent<'a> {
    #[serde(borrow)]
    info: WithRawBytes<IgnoredAny, ByteBuf<'a>>,
    announce: Option<BencodeValueOwned>,
    #[serde(rename = "announce-list")]
    announce_list: Option<BencodeValueOwned>,
    #[serde(rename = "url-list")]
    url_list: Option<BencodeValueOwned>,
    comment: Option<ByteBuf<'a>>,
    #[serde(rename = "created by")]
    created_by: Option<ByteBuf<'a>>,
    #[serde(rename = "creation date")]
    creation_date: Option<i64>,
}

/// An info dictionary with its numbers as signed 64 bits, which is what [`check`] has made sure of: the types of
/// `librqbit-core` would wrap a larger one.
#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    name: Option<ByteBuf<'a>>,
    pieces: Option<ByteBuf<'a>>,
    #[serde(rename = "piece length")]
    piece_length: i64,
    length: Option<i64>,
    attr: Option<ByteBuf<'a>>,
    files: Option<Vec<InfoFile<'a>>>,
    private: Option<i64>,
    #[serde(rename = "file tree")]
    file_tree: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct InfoFile<'a> {
    length: i64,
    #[serde(borrow)]
    path: Vec<ByteBuf<'a>>,
    attr: Option<ByteBuf<'a>>,
}

impl Metainfo {
    /// Reads a `.torrent` file, whoever wrote it. Keys we do not know are ignored, dictionaries may be unsorted; the
    /// info dictionary is kept byte by byte. URLs that are not text, or too many, are dropped.
    ///
    /// # Errors
    /// Whatever could lead a reader astray: see [`ParseError`].
    pub fn parse(torrent: &[u8]) -> Result<Self, ParseError> {
        if torrent.len() > MAX_TORRENT {
            return Err(ParseError::TooLong(torrent.len()));
        }
        check(torrent)?;
        let outer: Torrent<'_> = from_bytes(torrent).map_err(|error| error.into_kind())?;
        let mut metainfo =
            Self::from_checked(Bytes::copy_from_slice(outer.info.raw_bytes.as_ref()))?;
        metainfo.trackers = tiers(outer.announce, outer.announce_list);
        metainfo.web_seeds = outer.url_list.as_ref().map_or_else(Vec::new, urls);
        metainfo.comment = outer.comment.map(text);
        metainfo.created_by = outer.created_by.map(text);
        metainfo.creation_date = outer.creation_date.map(Timestamp);
        Ok(metainfo)
    }

    /// Reads a bencoded info dictionary, as the database and BEP 9 hold it. What only the `.torrent` around it says
    /// (trackers, web seeds, comment) is left empty.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_info(info: Bytes) -> Result<Self, ParseError> {
        if info.len() > MAX_TORRENT {
            return Err(ParseError::TooLong(info.len()));
        }
        check(&info)?;
        Self::from_checked(info)
    }

    fn from_checked(raw: Bytes) -> Result<Self, ParseError> {
        let info: Info<'_> = from_bytes(&raw).map_err(|error| error.into_kind())?;
        let pieces = match info.pieces {
            Some(pieces) => pieces,
            None if info.file_tree.is_some() => return Err(ParseError::OnlyV2),
            None => {
                return Err(ParseError::Pieces {
                    found: 0,
                    needed: HASH_LENGTH as u64,
                });
            }
        };
        let piece_length = match info.piece_length {
            length @ 1..=MAX_PIECE => length as u32,
            length => return Err(ParseError::PieceLength(length)),
        };
        let name = info.name.unwrap_or_default();
        component(name.as_ref())?;
        let (single_file, files) = match (info.length, info.files) {
            (Some(length), None) => (true, vec![file(length, &[], info.attr.as_ref())?]),
            (None, Some(files)) => (false, folder(files)?),
            _ => return Err(ParseError::Layout),
        };
        let total = total(&files)?;
        let needed = total
            .div_ceil(piece_length.into())
            .saturating_mul(HASH_LENGTH as u64);
        if pieces.as_ref().len() as u64 != needed {
            return Err(ParseError::Pieces {
                found: pieces.as_ref().len(),
                needed,
            });
        }
        let private = match info.private {
            None | Some(0) => false,
            Some(1) => true,
            Some(other) => return Err(ParseError::Private(other)),
        };
        let mut digest = Sha1::new();
        digest.update(&raw);
        Ok(Self {
            info_hash: InfoHash(digest.finish()),
            name: text(name),
            piece_length,
            piece_hashes: raw.slice_ref(pieces.as_ref()),
            files,
            single_file,
            private,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            comment: None,
            created_by: None,
            creation_date: None,
            info: raw.clone(),
        })
    }
}

fn folder(files: Vec<InfoFile<'_>>) -> Result<Vec<MetainfoFile>, ParseError> {
    let read = |entry: &InfoFile<'_>| {
        if entry.path.is_empty() {
            return Err(ParseError::Name(String::new()));
        }
        file(entry.length, &entry.path, entry.attr.as_ref())
    };
    let files = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // In path order a folder comes right before what lies in it, so neighbours tell all. Padding names no file.
    let mut paths: Vec<&Path> = files
        .iter()
        .filter(|f| !f.pad)
        .map(|f| f.path.as_path())
        .collect();
    paths.sort_unstable();
    match paths.windows(2).find(|pair| pair[1].starts_with(pair[0])) {
        Some(pair) => Err(ParseError::Twice(pair[0].to_owned())),
        None => Ok(files),
    }
}

fn file(
    length: i64,
    path: &[ByteBuf<'_>],
    attr: Option<&ByteBuf<'_>>,
) -> Result<MetainfoFile, ParseError> {
    let mut below = PathBuf::new();
    for part in path {
        component(part.as_ref())?;
        below.push(OsStr::from_bytes(part.as_ref()));
    }
    let has = |flag: u8| attr.is_some_and(|attr| attr.as_ref().contains(&flag));
    if has(b'l') {
        return Err(ParseError::Symlink(below));
    }
    Ok(MetainfoFile {
        path: below,
        length: u64::try_from(length).map_err(|_| ParseError::Length)?,
        pad: has(b'p'),
    })
}

/// A name that is one step down, and nothing else, on any system.
fn component(name: &[u8]) -> Result<(), ParseError> {
    let astray = matches!(name, b"" | b"." | b"..");
    if astray || name.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0)) {
        return Err(ParseError::Name(
            String::from_utf8_lossy(name).chars().take(255).collect(),
        ));
    }
    Ok(())
}

fn total(files: &[MetainfoFile]) -> Result<u64, ParseError> {
    let sum = files
        .iter()
        .try_fold(0_u64, |sum, file| sum.checked_add(file.length));
    let sum = sum
        .filter(|&sum| sum <= i64::MAX as u64)
        .ok_or(ParseError::Length)?;
    // Padding alone is nothing to share either.
    if files.iter().all(|file| file.pad || file.length == 0) {
        return Err(ParseError::Empty);
    }
    Ok(sum)
}

fn text(bytes: ByteBuf<'_>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}

/// The trackers in tiers: `announce-list` where there is one (BEP 12), else `announce`.
fn tiers(announce: Option<BencodeValueOwned>, list: Option<BencodeValueOwned>) -> Vec<Vec<String>> {
    let mut left = MAX_URLS;
    let mut tiers: Vec<Vec<String>> = match &list {
        // Some programs write a flat list: one tier each.
        Some(BencodeValueOwned::List(tiers)) => tiers.iter().map(urls).collect(),
        _ => Vec::new(),
    };
    for tier in &mut tiers {
        tier.truncate(left);
        left -= tier.len();
    }
    tiers.retain(|tier| !tier.is_empty());
    if tiers.is_empty() {
        tiers.extend(announce.as_ref().map(urls).filter(|tier| !tier.is_empty()));
    }
    tiers
}

/// Whether we take `url` from a torrent at all; whether anybody listens there is for others to find out.
pub(super) fn is_taken(url: &str) -> bool {
    (1..=MAX_URL).contains(&url.len()) && !url.contains(char::is_control)
}

/// The URLs in a string or a list of strings.
fn urls(value: &BencodeValueOwned) -> Vec<String> {
    let values = match value {
        BencodeValueOwned::List(values) => values.as_slice(),
        alone => std::slice::from_ref(alone),
    };
    let url = |value: &BencodeValueOwned| match value {
        BencodeValueOwned::Bytes(bytes) => {
            let url = std::str::from_utf8(bytes.as_ref()).ok()?;
            is_taken(url).then(|| url.to_owned())
        }
        _ => None,
    };
    values.iter().filter_map(url).take(MAX_URLS).collect()
}

#[cfg(test)]
#[path = "parse/tests.rs"]
mod tests;
