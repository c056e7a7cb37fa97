//! What an owner hands out of a release. `publish` makes it and `admin` hands it to the owner; neither knows the other,
//! so that what they agree on stands here, and whoever puts the rooms together gives one to the other.

use std::fmt;
use std::path::PathBuf;

use super::{Authority, InfoHash, Language, Magnet, TorrentFile};

/// A release that has a torrent, and where links to it lead.
#[derive(Debug, Clone, Copy)]
pub struct Handout<'a> {
    /// Its name, byte for byte: torrents and magnets carry it so.
    pub raw_name: &'a [u8],
    /// Its name, made readable. Hostile: it comes from a drive or an upload.
    pub name: &'a str,
    /// Its swarm.
    pub info_hash: InfoHash,
    /// Bytes of content.
    pub size: u64,
    /// Its first files, with their bytes; the path of a release that is one file is empty.
    pub files: &'a [(PathBuf, u64)],
    /// Number of all files.
    pub total_files: u64,
    /// The bencoded info dictionary.
    pub info: &'a [u8],
    /// Announce URLs.
    pub trackers: &'a [String],
    /// Where the public listener is reached.
    pub public: &'a Authority,
    /// Mail address or URL of whoever answers for what is shared.
    pub contact: Option<&'a str>,
    /// The language of what is read.
    pub language: Language,
}

impl Handout<'_> {
    /// The release's page.
    pub fn page(&self) -> String {
        format!("http://{}/r/{}", self.public, self.info_hash)
    }

    /// Its `.torrent` on the public listener.
    pub fn torrent_url(&self) -> String {
        format!("http://{}/t/{}.torrent", self.public, self.info_hash)
    }

    /// Its magnet link.
    pub fn magnet(&self) -> String {
        self.magnet_with(self.raw_name, self.trackers)
    }

    /// Its magnet link without what only helps: for where there is little room.
    pub fn short_magnet(&self) -> String {
        self.magnet_with(b"", &[])
    }

    fn magnet_with(&self, name: &[u8], trackers: &[String]) -> String {
        let magnet = Magnet {
            info_hash: self.info_hash,
            name,
            size: Some(self.size),
            trackers,
        };
        magnet.to_string()
    }

    /// The bytes of its `.torrent`.
    pub fn torrent(&self) -> Vec<u8> {
        let file = TorrentFile {
            info: self.info,
            trackers: self.trackers,
            created_by: Some(super::CREATED_BY),
        };
        file.to_bytes()
    }
}

/// Makes what is handed out.
pub trait Press: fmt::Debug + Send + Sync {
    /// HTML to paste into a page of the owner's: needs nothing of that page, and no name in it gets out of its place.
    fn snippet(&self, handout: &Handout<'_>) -> String;

    /// A QR code of a text as an SVG image; none when the text is too long to be read by a telephone.
    fn qr(&self, text: &str) -> Option<String>;

    /// A page that works with no box behind it, and the `.torrent` beside it, as a ZIP archive.
    fn archive(&self, handout: &Handout<'_>) -> Vec<u8>;
}
