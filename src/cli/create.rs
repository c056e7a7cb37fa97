//! `semoir create`: a `.torrent` of a file or folder.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use url::Url;

use super::progress;
use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind, Size};
use crate::metainfo::{
    Cancel, HashError, HashJob, ListingError, Metainfo, MetainfoError, Options, hash, list,
    piece_length,
};

/// Skipped files named one by one; a folder of ten thousand links needs no ten thousand lines.
const SKIPPED_NAMED: usize = 20;

/// The longest name file systems take. Bytes.
const LONGEST_NAME: usize = 255;

/// What `semoir create` is asked to do.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The file or folder to make a torrent of
    pub path: PathBuf,
    /// Where to write it [default: NAME.torrent in the current folder]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite the output if it is there
    #[arg(short, long)]
    pub force: bool,
    /// Bytes per piece, a power of two from 16KiB to 64MiB [default: what makes 1,000 to 2,000 pieces, up to 16MiB]
    #[arg(long, value_name = "SIZE")]
    pub piece_length: Option<Size>,
    /// A tracker to announce to (http, https or udp); several are tried in order
    #[arg(short, long = "tracker", value_name = "URL")]
    pub trackers: Vec<String>,
    /// Peers come from the trackers only: no DHT, no peer exchange
    #[arg(long)]
    pub private: bool,
    /// A comment that clients show
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
    /// A web server that has the same files (http or https)
    #[arg(long = "web-seed", value_name = "URL")]
    pub web_seeds: Vec<String>,
}

/// Why there is no torrent.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The path does not lead anywhere.
    #[error("cannot look at {}: {source}", path.display())]
    Path {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A piece length no torrent has.
    #[error(transparent)]
    PieceLength(#[from] piece_length::BadPieceLength),
    /// A tracker nobody could announce to.
    #[error("{url:?} is no tracker: {why}")]
    Tracker {
        /// The URL as it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A web seed nobody could fetch from.
    #[error("{url:?} is no web seed: {why}")]
    WebSeed {
        /// The URL as it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The output is there already.
    #[error("{} exists already; --force overwrites it", .0.display())]
    Exists(PathBuf),
    /// The files make no release.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// The files cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The files make no torrent.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
    /// The output cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Kind for CreateError {
    fn kind(&self) -> ErrorKind {
        match self {
            CreateError::Path { source, .. } | CreateError::Write { source, .. } => io_kind(source),
            CreateError::Exists(_) => ErrorKind::Conflict,
            CreateError::Listing(error) => error.kind(),
            CreateError::Hash(error) => error.kind(),
            CreateError::Metainfo(error) => error.kind(),
            CreateError::PieceLength(_)
            | CreateError::Tracker { .. }
            | CreateError::WebSeed { .. } => ErrorKind::BadInput,
        }
    }
}

/// Makes the torrent: info hash and magnet on stdout, what was skipped on stderr, progress on a terminal.
///
/// A path that is a symbolic link, `.` or `..` stands for what it leads to, and the torrent is named after that: the owner
/// named it himself. Links below it are not followed.
///
/// # Errors
/// See [`CreateError`]; the output is then not there, or still what it was.
pub fn run(args: Args) -> Result<(), CreateError> {
    let stdout = &mut io::stdout().lock();
    let made = create(&args, &mut io::stderr())?;
    let report = writeln!(
        stdout,
        "Info hash: {}\nMagnet: {}",
        made.metainfo.info_hash,
        made.metainfo.magnet()
    );
    // The torrent is written; a reader that went away (`| head`) changes nothing about that.
    match report {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CreateError::Write {
            path: "the standard output".into(),
            source: error,
        }),
        _ => Ok(()),
    }
}

/// What was made, and where it was written.
#[derive(Debug)]
pub struct Made {
    /// The torrent.
    pub metainfo: Metainfo,
    /// Its file.
    pub output: PathBuf,
}

/// As [`run`], without the report on stdout; what was skipped is told to `notes`.
pub fn create(args: &Args, notes: &mut impl Write) -> Result<Made, CreateError> {
    let asked = args.piece_length.map(piece_length::asked).transpose()?;
    let options = options(args)?;
    let root = fs::canonicalize(&args.path).map_err(|source| CreateError::Path {
        path: args.path.clone(),
        source,
    })?;
    let output = match (&args.output, root.file_name()) {
        (Some(output), _) => output.clone(),
        (None, Some(name)) => default_output(name).into(),
        (None, None) => return Err(MetainfoError::NoName(root).into()),
    };
    // Before the hours of hashing as well as after.
    if !args.force && output.symlink_metadata().is_ok() {
        return Err(CreateError::Exists(output));
    }
    let folder = parent(&output);
    let folder = fs::canonicalize(folder).map_err(|source| CreateError::Write {
        path: output.clone(),
        source,
    })?;
    let listing = list(&root)?;
    let mut note = |text: std::fmt::Arguments<'_>| {
        // Notes nobody can read any more are no reason to stop.
        let _ = writeln!(notes, "{text}");
    };
    for skipped in listing.skipped.iter().take(SKIPPED_NAMED) {
        note(format_args!(
            "left out: {:?}: {}",
            skipped.path, skipped.reason
        ));
    }
    if let more @ 1.. = listing.skipped.len().saturating_sub(SKIPPED_NAMED) {
        note(format_args!("left out: {more} more"));
    }
    if folder.starts_with(&root) {
        note(format_args!(
            "note: {} lies within what it describes; made again, the torrent would include it",
            output.display()
        ));
    }
    if args.private && args.trackers.is_empty() {
        note(format_args!(
            "note: a private torrent finds peers through its trackers only, and this one names none"
        ));
    }
    let total = listing.content.total();
    let piece_length = asked.unwrap_or_else(|| piece_length::choose(total));
    let job = HashJob {
        content: listing.content,
        piece_length,
        done: Vec::new(),
    };
    let bar = progress::bar(total);
    let hashes = hash(
        &job,
        |progress| bar.set_position(progress.hashed),
        &Cancel::default(),
    );
    bar.finish_and_clear();
    let metainfo = Metainfo::create(&job.content, piece_length, hashes?, &options)?;
    write_whole(&output, &metainfo.to_torrent(), args.force)?;
    Ok(Made { metainfo, output })
}

fn options(args: &Args) -> Result<Options, CreateError> {
    for url in &args.trackers {
        check_url(url, &["http", "https", "udp"]).map_err(|why| CreateError::Tracker {
            url: url.clone(),
            why,
        })?;
    }
    for url in &args.web_seeds {
        check_url(url, &["http", "https"]).map_err(|why| CreateError::WebSeed {
            url: url.clone(),
            why,
        })?;
    }
    Ok(Options {
        trackers: args.trackers.iter().map(|url| vec![url.clone()]).collect(),
        web_seeds: args.web_seeds.clone(),
        comment: args.comment.clone(),
        private: args.private,
        ..Options::default()
    })
}

fn check_url(text: &str, schemes: &[&str]) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("it is not a URL ({error})"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!(
            "it begins with {}:, not with one of {}",
            url.scheme(),
            schemes.join(", ")
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it names no host".into());
    }
    if url.scheme() == "udp" && url.port().is_none() {
        return Err("a udp tracker needs a port, as in udp://host:6969/announce".into());
    }
    Ok(())
}

/// `NAME.torrent`, the name shortened where that would be longer than a file's name can be.
fn default_output(name: &OsStr) -> OsString {
    const EXTENSION: &[u8] = b".torrent";
    let raw = name.as_bytes();
    let mut end = raw.len().min(LONGEST_NAME - EXTENSION.len());
    if let Some(text) = name.to_str() {
        end = text.floor_char_boundary(end);
    }
    OsStr::from_bytes(&[&raw[..end], EXTENSION].concat()).to_owned()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Writes `bytes` beside `output` and moves them there, so that a torrent is there whole or not at all.
fn write_whole(output: &Path, bytes: &[u8], force: bool) -> Result<(), CreateError> {
    let failed = |source| CreateError::Write {
        path: output.to_owned(),
        source,
    };
    let temporary = parent(output).join(format!(".semoir-{}.tmp", std::process::id()));
    let written = File::create_new(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let moved = written.map_err(failed).and_then(|()| {
        if force {
            fs::rename(&temporary, output).map_err(failed)
        } else {
            move_to_free(&temporary, output)
        }
    });
    if moved.is_err() {
        // What matters is the first error; this file may not even have come to be.
        let _ = fs::remove_file(&temporary);
    }
    moved
}

/// Moves a file to a name that is free, also if somebody took it a moment ago.
fn move_to_free(from: &Path, to: &Path) -> Result<(), CreateError> {
    let failed = |source| CreateError::Write {
        path: to.to_owned(),
        source,
    };
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::EEXIST) => Err(CreateError::Exists(to.to_owned())),
        // Some network file systems cannot promise that; looking first is the best there is.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) if to.symlink_metadata().is_ok() => {
            Err(CreateError::Exists(to.to_owned()))
        }
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
            fs::rename(from, to).map_err(failed)
        }
        Err(errno) => Err(failed(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_and_the_refusal_says_why() {
        let tracker = |url: &str| check_url(url, &["http", "https", "udp"]);
        for good in [
            "http://a/announce",
            "https://[::1]:1/x",
            "udp://tracker.example:6969",
        ] {
            assert_eq!(tracker(good), Ok(()), "{good}");
        }
        for (bad, says) in [
            ("tracker.example", "not a URL"),
            ("ftp://a/", "begins with ftp:"),
            ("tracker.example:80", "begins with tracker.example:"),
            ("http://", "not a URL"),
            ("udp:a", "no host"),
            ("udp://a", "needs a port"),
        ] {
            let why = tracker(bad).unwrap_err();
            assert!(why.contains(says), "{bad}: {why}");
        }
    }

    #[test]
    fn the_default_output_is_a_name_a_file_can_have() {
        assert_eq!(default_output(OsStr::new("a.mkv")), "a.mkv.torrent");
        let long = "é".repeat(127);
        let output = default_output(OsStr::new(&long)).into_string().unwrap();
        assert!(
            output.len() <= LONGEST_NAME && output.ends_with("é.torrent"),
            "{output}"
        );
    }

    #[test]
    fn a_name_that_was_taken_meanwhile_stays_whose_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("x.torrent");
        write_whole(&output, b"one", false).unwrap();
        let error = write_whole(&output, b"two", false).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("exists already; --force overwrites it"),
            "{error}"
        );
        assert_eq!(fs::read(&output).unwrap(), b"one");
        write_whole(&output, b"three", true).unwrap();
        assert_eq!(fs::read(&output).unwrap(), b"three");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
