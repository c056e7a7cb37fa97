//! What `semoir seed` remembers between two starts: which content it verified, and what it spent.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::{Content, FileIdentity, InfoHash};
use crate::metainfo::Metainfo;

/// The file in the state folder.
const FILE: &str = "seed.json";
/// The torrent in the state folder.
const TORRENT: &str = "seed.torrent";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    info_hash: Option<InfoHash>,
    files: Vec<Option<FileIdentity>>,
    payload: u64,
    wire: u64,
}

/// The memory; forgets everything at the end where there is no state folder.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    folder: Option<PathBuf>,
    kept: Kept,
    /// Spent before this start.
    before: (u64, u64),
}

impl Memory {
    /// Reads what was kept. What cannot be read is as if it had never been: then the content is read again.
    pub fn open(folder: Option<PathBuf>) -> Self {
        let read = |folder: &PathBuf| std::fs::read(folder.join(FILE)).ok();
        let text = folder.as_ref().and_then(read);
        let kept: Kept = text
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self {
            before: (kept.payload, kept.wire),
            folder,
            kept,
        }
    }

    /// The torrent made of this very content at an earlier start.
    pub fn torrent(&self, content: &Content) -> Option<Metainfo> {
        let bytes = std::fs::read(self.folder.as_ref()?.join(TORRENT)).ok()?;
        let metainfo = Metainfo::parse(&bytes).ok()?;
        self.is_verified(metainfo.info_hash, content)
            .then_some(metainfo)
    }

    /// Whether this content was found to be that torrent's at an earlier start, and did not change since.
    pub fn is_verified(&self, info_hash: InfoHash, content: &Content) -> bool {
        let now = content.files.iter().map(|file| file.identity);
        self.kept.info_hash == Some(info_hash) && now.eq(self.kept.files.iter().copied())
    }

    /// Remembers that it was.
    pub fn verified(&mut self, metainfo: &Metainfo, content: &Content) {
        if self.kept.info_hash != Some(metainfo.info_hash) {
            self.before = (0, 0);
        }
        self.kept.info_hash = Some(metainfo.info_hash);
        self.kept.files = content.files.iter().map(|file| file.identity).collect();
        if let Some(folder) = &self.folder {
            let torrent = folder.join(TORRENT);
            let written = std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(torrent, metainfo.to_torrent()));
            if let Err(error) = written {
                tracing::warn!(folder = %folder.display(), %error, "nothing is remembered");
            }
        }
        self.write();
    }

    /// Adds what this start spent so far.
    pub fn spent(&mut self, payload: u64, wire: u64) {
        self.kept.payload = self.before.0 + payload;
        self.kept.wire = self.before.1 + wire;
    }

    /// Payload and wire bytes, earlier starts included.
    pub fn totals(&self) -> (u64, u64) {
        (self.kept.payload, self.kept.wire)
    }

    /// Writes it down, whole or not at all.
    pub fn write(&self) {
        let Some(folder) = &self.folder else {
            return;
        };
        let temporary = folder.join(format!("{FILE}.tmp"));
        let text = serde_json::to_vec(&self.kept).unwrap_or_default();
        let written = std::fs::write(&temporary, text)
            .and_then(|()| std::fs::rename(&temporary, folder.join(FILE)));
        if let Err(error) = written {
            tracing::warn!(folder = %folder.display(), %error, "nothing is remembered");
        }
    }
}
