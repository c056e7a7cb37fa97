//! From a path to a torrent with its content: given and verified, or made.

use std::io;
use std::path::{Path, PathBuf};

use super::memory::Memory;
use crate::base::error::io_kind;
use crate::base::{Content, ErrorKind, Kind};
use crate::cli::progress;
use crate::metainfo::{
    Cancel, ContentError, HashError, HashJob, ListingError, MAX_TORRENT, Metainfo, MetainfoError,
    Options, ParseError, VerifyError, hash, list, piece_length, verify,
};

/// Why there is nothing to seed.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A path that leads nowhere.
    #[error("cannot look at {}: {error}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The torrent is none.
    #[error("{} is no torrent: {error}", path.display())]
    Torrent {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ParseError,
    },
    /// The content is not the torrent's.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The content's bytes are not the torrent's.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The path makes no release.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// The files cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The files make no torrent.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
}

impl Kind for PrepareError {
    fn kind(&self) -> ErrorKind {
        match self {
            PrepareError::Io { error, .. } => io_kind(error),
            PrepareError::Torrent { .. } => ErrorKind::BadInput,
            PrepareError::Content(error) => error.kind(),
            PrepareError::Verify(error) => error.kind(),
            PrepareError::Listing(error) => error.kind(),
            PrepareError::Hash(error) => error.kind(),
            PrepareError::Metainfo(error) => error.kind(),
        }
    }
}

/// Reads and verifies, or makes, the torrent. Blocks for as long as reading everything takes.
pub(super) fn prepare(
    path: &Path,
    torrent: Option<&Path>,
    trackers: &[String],
    memory: &Memory,
) -> Result<(Metainfo, Content), PrepareError> {
    let root = std::fs::canonicalize(path).map_err(|error| PrepareError::Io {
        path: path.to_owned(),
        error,
    })?;
    let (mut metainfo, content) = match torrent {
        Some(torrent) => given(&root, torrent, memory)?,
        None => made(&root, memory)?,
    };
    for tracker in trackers {
        if !metainfo
            .trackers
            .iter()
            .flatten()
            .any(|known| known == tracker)
        {
            metainfo.trackers.push(vec![tracker.clone()]);
        }
    }
    Ok((metainfo, content))
}

fn given(
    root: &Path,
    torrent: &Path,
    memory: &Memory,
) -> Result<(Metainfo, Content), PrepareError> {
    let failed = |error| PrepareError::Io {
        path: torrent.to_owned(),
        error,
    };
    let length = std::fs::metadata(torrent).map_err(failed)?.len();
    if length > MAX_TORRENT as u64 {
        return Err(failed(io::Error::other("it is too long for a torrent")));
    }
    let bytes = std::fs::read(torrent).map_err(failed)?;
    let metainfo = Metainfo::parse(&bytes).map_err(|error| PrepareError::Torrent {
        path: torrent.to_owned(),
        error,
    })?;
    let content = metainfo.content(&content_root(root, &metainfo))?;
    if !memory.is_verified(metainfo.info_hash, &content) {
        let bar = progress::bar(metainfo.total());
        let verified = verify(
            &metainfo,
            &content,
            |done, _| bar.set_position(done),
            &Cancel::default(),
        );
        bar.finish_and_clear();
        verified?;
    }
    Ok((metainfo, content))
}

/// The content itself, or what is called as the torrent says in the folder that was given.
fn content_root(path: &Path, metainfo: &Metainfo) -> PathBuf {
    let fits = |path: &Path| path.exists() && path.is_file() == metainfo.single_file;
    let is_itself = fits(path)
        && path
            .file_name()
            .is_some_and(|name| name == metainfo.name.as_str());
    let inside = path.join(&metainfo.name);
    match fits(&inside) && !is_itself {
        true => inside,
        false => path.to_owned(),
    }
}

fn made(root: &Path, memory: &Memory) -> Result<(Metainfo, Content), PrepareError> {
    let content = list(root)?.content;
    if let Some(metainfo) = memory.torrent(&content) {
        return Ok((metainfo, content));
    }
    let piece_length = piece_length::choose(content.total());
    let job = HashJob {
        content,
        piece_length,
        done: Vec::new(),
    };
    let bar = progress::bar(job.content.total());
    let hashes = hash(&job, |p| bar.set_position(p.hashed), &Cancel::default());
    bar.finish_and_clear();
    let metainfo = Metainfo::create(&job.content, piece_length, hashes?, &Options::default())?;
    Ok((metainfo, job.content))
}
