//! A torrent's metainfo (BEP 3): what a `.torrent` file says.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use bytes::Bytes;
use librqbit_bencode::{ByteBuf, bencode_serialize_to_writer, raw_value::RawValue};
use librqbit_core::torrent_metainfo::{TorrentMetaV1File, TorrentMetaV1Info};
use serde::Serialize;

use super::hasher::PieceHashes;
use super::names::{readable, readable_paths};
use super::parse::{MAX_URL, MAX_URLS, ParseError, is_taken};
use crate::base::{Content, ContentFile, ErrorKind, InfoHash, Kind, Timestamp};

/// The longest `.torrent` we write or read: 16 TiB in 16 MiB pieces with room for names, and what bounds the memory a
/// stranger's torrent costs. Bytes.
pub const MAX_TORRENT: usize = 32 << 20;

/// What a `.torrent` file says. Two of them are equal when their files say the same, the info dictionary byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    /// The bencoded info dictionary, exactly as it was written or read: what BEP 9 hands out.
    pub info: Bytes,
    /// SHA-1 of [`info`](Self::info).
    pub info_hash: InfoHash,
    /// What the release is called; a replacement character stands for what is not UTF-8.
    pub name: String,
    /// Bytes per piece; the last may be shorter.
    pub piece_length: u32,
    /// 20 bytes per piece.
    pub piece_hashes: Bytes,
    /// The files, in the order in which their bytes follow one another; by position the files of a [`Content`].
    pub files: Vec<MetainfoFile>,
    /// Whether the torrent is one file, rather than a folder that may hold only one.
    pub single_file: bool,
    /// Whether peers may come from its trackers only (BEP 27).
    pub private: bool,
    /// Tracker URLs in tiers (BEP 12), none of them empty.
    pub trackers: Vec<Vec<String>>,
    /// URLs that serve the same bytes over HTTP (BEP 19).
    pub web_seeds: Vec<String>,
    /// Free text.
    pub comment: Option<String>,
    /// The program that wrote it.
    pub created_by: Option<String>,
    /// When it was written.
    pub creation_date: Option<Timestamp>,
}

/// A file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetainfoFile {
    /// Path below the release's root, as the torrent writes it; empty when the torrent is a single file. Never
    /// absolute, never upwards.
    pub path: PathBuf,
    /// Bytes.
    pub length: u64,
    /// Padding (BEP 47): no file, zeros.
    pub pad: bool,
}

/// What a torrent says beside its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What the release is called; `None`: what its root is called on disk.
    pub name: Option<String>,
    /// Tracker URLs in tiers (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// URLs that serve the same bytes over HTTP (BEP 19).
    pub web_seeds: Vec<String>,
    /// Free text.
    pub comment: Option<String>,
    /// The program that writes it.
    pub created_by: Option<String>,
    /// When it is written. `None` by default, so that the same files make the same `.torrent`, byte by byte.
    pub creation_date: Option<Timestamp>,
    /// Whether peers may come from its trackers only (BEP 27). Part of the info hash.
    pub private: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            comment: None,
            created_by: Some(concat!("Semoir/", env!("CARGO_PKG_VERSION")).to_owned()),
            creation_date: None,
            private: false,
        }
    }
}

/// Why a release makes no torrent.
#[derive(Debug, thiserror::Error)]
pub enum MetainfoError {
    /// The root has no name of its own, as `/` has none.
    #[error("{} has no name to call the torrent by", .0.display())]
    NoName(PathBuf),
    /// The torrent would be longer than [`MAX_TORRENT`].
    #[error(
        "the torrent would take {0} bytes, more than clients load: longer pieces or fewer files make it smaller"
    )]
    TooLong(usize),
    /// A tracker or web seed that no reader takes.
    #[error(
        "{0:?} is not a URL a torrent can carry: it is empty, longer than {MAX_URL} bytes, or holds control characters"
    )]
    Url(String),
    /// More than [`MAX_URLS`] trackers, or as many web seeds.
    #[error("a torrent carries {MAX_URLS} trackers and {MAX_URLS} web seeds at most")]
    TooManyUrls,
    /// What was put together breaks our own rules for torrents: files and hashes do not belong together.
    #[error("the torrent would not be valid: {0}")]
    Invalid(#[from] ParseError),
}

impl Kind for MetainfoError {
    fn kind(&self) -> ErrorKind {
        match self {
            MetainfoError::Invalid(error) if !matches!(error, ParseError::Name(_)) => {
                ErrorKind::Internal
            }
            _ => ErrorKind::BadInput,
        }
    }
}

impl Metainfo {
    /// The torrent of `content`, whose pieces of `piece_length` bytes hash to `hashes`. Names that are not UTF-8 are
    /// written readably (see `readable_paths`); files keep their position, so that `content` still finds them.
    ///
    /// # Errors
    /// Everything a reader would refuse is refused here too: what is returned parses.
    pub fn create(
        content: &Content,
        piece_length: u32,
        hashes: PieceHashes,
        options: &Options,
    ) -> Result<Self, MetainfoError> {
        check_urls(options.trackers.iter().flatten())?;
        check_urls(options.web_seeds.iter())?;
        let name = match (&options.name, content.root.file_name()) {
            (Some(name), _) => readable(name.as_bytes()),
            (None, Some(name)) => readable(name.as_bytes()),
            (None, None) => return Err(MetainfoError::NoName(content.root.clone())),
        };
        let info = info_bytes(content, &name, piece_length, &hashes, options.private);
        let mut metainfo = Self::from_info(info.into())?;
        metainfo.trackers = options.trackers.clone();
        metainfo.trackers.retain(|tier| !tier.is_empty());
        metainfo.web_seeds = options.web_seeds.clone();
        metainfo.comment = options.comment.clone();
        metainfo.created_by = options.created_by.clone();
        metainfo.creation_date = options.creation_date;
        match metainfo.to_torrent().len() {
            length if length > MAX_TORRENT => Err(MetainfoError::TooLong(length)),
            _ => Ok(metainfo),
        }
    }

    /// The `.torrent` file: keys sorted, nothing in it that the same metainfo would not give again.
    pub fn to_torrent(&self) -> Vec<u8> {
        let announce = self.trackers.iter().flatten().next();
        let alone = self.trackers.iter().map(Vec::len).sum::<usize>() <= 1;
        written(&Torrent {
            announce: announce.map(String::as_str),
            announce_list: if alone { &[] } else { &self.trackers },
            comment: self.comment.as_deref(),
            created_by: self.created_by.as_deref(),
            creation_date: self.creation_date.map(|date| date.0),
            info: RawValue(&self.info),
            url_list: &self.web_seeds,
        })
    }

    /// Bytes of all files together, padding included.
    pub fn total(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// How many pieces there are.
    pub fn pieces(&self) -> u32 {
        // The hashes are shorter than `MAX_TORRENT`.
        (self.piece_hashes.len() / super::hasher::HASH_LENGTH) as u32
    }
}

/// What a `.torrent` holds, in the order in which its keys sort.
#[derive(Serialize)]
struct Torrent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    announce: Option<&'a str>,
    #[serde(rename = "announce-list", skip_serializing_if = "<[_]>::is_empty")]
    announce_list: &'a [Vec<String>],
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    #[serde(rename = "created by", skip_serializing_if = "Option::is_none")]
    created_by: Option<&'a str>,
    #[serde(rename = "creation date", skip_serializing_if = "Option::is_none")]
    creation_date: Option<i64>,
    info: RawValue<&'a Bytes>,
    #[serde(rename = "url-list", skip_serializing_if = "<[_]>::is_empty")]
    url_list: &'a [String],
}

fn check_urls<'a>(urls: impl Iterator<Item = &'a String> + Clone) -> Result<(), MetainfoError> {
    match urls.clone().find(|url| !is_taken(url)) {
        Some(url) => Err(MetainfoError::Url(url.clone())),
        None if urls.count() > MAX_URLS => Err(MetainfoError::TooManyUrls),
        None => Ok(()),
    }
}

fn info_bytes(
    content: &Content,
    name: &str,
    piece_length: u32,
    hashes: &PieceHashes,
    private: bool,
) -> Vec<u8> {
    let paths = readable_paths(&content.files);
    let single = content.is_single_file();
    let file = |(file, path)| -> TorrentMetaV1File<ByteBuf<'_>> {
        let (file, path): (&ContentFile, &PathBuf) = (file, path);
        TorrentMetaV1File {
            length: file.length,
            path: path.iter().map(|part| ByteBuf(part.as_bytes())).collect(),
            attr: file.identity.is_none().then_some(ByteBuf(b"p")),
            sha1: None,
            symlink_path: None,
        }
    };
    written(&TorrentMetaV1Info {
        name: Some(ByteBuf(name.as_bytes())),
        pieces: ByteBuf(&hashes.0),
        piece_length,
        length: single.then(|| content.total()),
        attr: None,
        sha1: None,
        symlink_path: None,
        md5sum: None,
        files: (!single).then(|| content.files.iter().zip(&paths).map(file).collect()),
        private,
    })
}

fn written(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail, and neither type holds what bencode has no word for (floats, units, nulls).
    bencode_serialize_to_writer(value, &mut bytes).expect("bencode has a word for every field");
    bytes
}

#[cfg(test)]
#[path = "torrent/tests.rs"]
mod tests;
