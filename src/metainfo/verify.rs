//! Whether files are what a torrent says.

use std::ops::ControlFlow;
use std::path::PathBuf;

use librqbit_sha1_wrapper::{ISha1, Sha1};

use super::Metainfo;
use super::hasher::{BUFFERS, Cancel, HASH_LENGTH, HashError, Plan};
use super::reader::{Reader, prove};
use crate::base::{Content, ErrorKind, Kind};

/// Why content is not vouched for.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A piece is not what the torrent says.
    #[error("{} is not what the torrent says, in piece {piece}{}", path.display(), beyond(*others))]
    Mismatch {
        /// The file the piece begins in.
        path: PathBuf,
        /// The first bad piece, counted from 0.
        piece: u32,
        /// More files the piece reaches into, any of which may be the bad one instead.
        others: usize,
    },
    /// The files are not as many or not as long as the torrent's.
    #[error("{} does not have the files this torrent has", root.display())]
    Layout {
        /// The content's root.
        root: PathBuf,
    },
    /// The files cannot be read, changed meanwhile, or the job was cancelled.
    #[error(transparent)]
    Hash(#[from] HashError),
}

fn beyond(others: usize) -> String {
    match others {
        0 => String::new(),
        others => format!(" (or another of the {others} files that piece reaches into)"),
    }
}

impl Kind for VerifyError {
    fn kind(&self) -> ErrorKind {
        match self {
            VerifyError::Mismatch { .. } | VerifyError::Layout { .. } => ErrorKind::Conflict,
            VerifyError::Hash(error) => error.kind(),
        }
    }
}

/// Hashes all of `content` and compares it with `metainfo`, on all cores. `on_progress` is told how many bytes were found
/// right, and how many there are.
///
/// # Errors
/// The first bad piece ends it.
pub fn verify(
    metainfo: &Metainfo,
    content: &Content,
    mut on_progress: impl FnMut(u64, u64) + Send,
    cancel: &Cancel,
) -> Result<(), VerifyError> {
    let lengths = content
        .files
        .iter()
        .map(|file| (file.length, file.identity.is_none()));
    if !lengths.eq(metainfo.files.iter().map(|file| (file.length, file.pad))) {
        return Err(VerifyError::Layout {
            root: content.root.clone(),
        });
    }
    let plan = Plan::new(content, metainfo.piece_length, BUFFERS)?;
    prove(content).map_err(HashError::from)?;
    let mut bad = None;
    plan.run(0, cancel, &mut |first, hashes| {
        let start = first as usize * HASH_LENGTH;
        let expected = &metainfo.piece_hashes[start..start + hashes.len()];
        let mut pairs = hashes.chunks(HASH_LENGTH).zip(expected.chunks(HASH_LENGTH));
        if let Some(index) = pairs.position(|(found, expected)| found != expected) {
            bad = Some(first + index as u64);
            return ControlFlow::Break(());
        }
        on_progress(
            plan.position(first + (hashes.len() / HASH_LENGTH) as u64),
            plan.total(),
        );
        ControlFlow::Continue(())
    })?;
    match bad {
        Some(piece) => Err(mismatch(
            content,
            piece,
            plan.position(piece),
            plan.position(piece + 1),
        )),
        None => Ok(prove(content).map_err(HashError::from)?),
    }
}

/// Hashes one piece of `content` and compares it with `metainfo`: a sample, where reading all would take too long.
///
/// # Errors
/// When the piece is not what the torrent says, or cannot be read.
pub fn verify_piece(metainfo: &Metainfo, content: &Content, piece: u32) -> Result<(), VerifyError> {
    let plan = Plan::new(content, metainfo.piece_length, BUFFERS)?;
    let (start, end) = (
        plan.position(u64::from(piece)),
        plan.position(u64::from(piece) + 1),
    );
    let mut bytes = vec![0; (end - start) as usize];
    let mut reader = Reader::at(content, start);
    reader.fill(&mut bytes).map_err(HashError::from)?;
    let mut digest = Sha1::new();
    digest.update(&bytes);
    let at = piece as usize * HASH_LENGTH;
    match metainfo.piece_hashes.get(at..at + HASH_LENGTH) {
        Some(expected) if digest.finish() == *expected => Ok(()),
        _ => Err(mismatch(content, u64::from(piece), start, end)),
    }
}

fn mismatch(content: &Content, piece: u64, start: u64, end: u64) -> VerifyError {
    let mut position = 0;
    let mut reached = content.files.iter().filter(|file| {
        let begins = position;
        position += file.length;
        file.identity.is_some() && file.length > 0 && begins < end && position > start
    });
    VerifyError::Mismatch {
        path: reached
            .next()
            .map_or_else(|| content.root.clone(), |file| content.absolute(file)),
        // There are as many pieces as a torrent of bounded length has hashes.
        piece: piece as u32,
        others: reached.count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::{HashJob, Options, hash, list};
    use std::fs;
    use std::os::unix::fs::FileExt;

    fn made(files: &[(&str, usize)]) -> (tempfile::TempDir, Metainfo) {
        let dir = tempfile::tempdir().unwrap();
        for (name, length) in files {
            fs::write(dir.path().join(name), vec![7; *length]).unwrap();
        }
        let content = list(dir.path()).unwrap().content;
        let job = HashJob {
            content,
            piece_length: 1000,
            done: Vec::new(),
        };
        let hashes = hash(&job, |_| {}, &Cancel::default()).unwrap();
        let options = Options {
            name: Some("x".into()),
            ..Options::default()
        };
        let metainfo = Metainfo::create(&job.content, 1000, hashes, &options).unwrap();
        (dir, metainfo)
    }

    fn spoil(dir: &tempfile::TempDir, name: &str, at: u64) {
        let file = fs::File::options()
            .write(true)
            .open(dir.path().join(name))
            .unwrap();
        file.write_all_at(b"!", at).unwrap();
    }

    #[test]
    fn right_content_passes_and_the_first_bad_piece_is_named() {
        let (dir, metainfo) = made(&[("a", 2500), ("b", 0), ("c", 100), ("d", 5000)]);
        let check = || {
            let content = metainfo.content(dir.path()).unwrap();
            let mut last = (0, 0);
            let result = verify(
                &metainfo,
                &content,
                |now, all| last = (now, all),
                &Cancel::default(),
            );
            (result, last)
        };
        let (result, last) = check();
        result.unwrap();
        assert_eq!(last, (7600, 7600));

        spoil(&dir, "d", 4999);
        spoil(&dir, "d", 1000);
        let error = check().0.unwrap_err();
        let expected = format!(
            "{}/d is not what the torrent says, in piece 3",
            dir.path().display()
        );
        assert_eq!(error.to_string(), expected);

        spoil(&dir, "c", 0);
        let error = check().0.unwrap_err();
        assert!(
            matches!(&error, VerifyError::Mismatch { piece: 2, others: 2, path } if path.ends_with("a")),
            "{error}"
        );
    }

    #[test]
    fn one_piece_can_be_told_from_the_others() {
        let (dir, metainfo) = made(&[("a", 2500), ("b", 0), ("c", 100), ("d", 5001)]);
        spoil(&dir, "c", 0);
        spoil(&dir, "d", 5000);
        let content = metainfo.content(dir.path()).unwrap();
        let bad = |piece: &u32| verify_piece(&metainfo, &content, *piece).is_err();
        assert_eq!((0..8).filter(bad).collect::<Vec<_>>(), [2, 7]);
    }

    #[test]
    fn other_content_is_refused_before_it_is_read() {
        let (_dir, metainfo) = made(&[("a", 2500)]);
        let (other, _) = made(&[("a", 2501)]);
        let content = list(other.path()).unwrap().content;
        let error = verify(&metainfo, &content, |_, _| {}, &Cancel::default()).unwrap_err();
        assert!(matches!(error, VerifyError::Layout { .. }), "{error}");
    }
}
