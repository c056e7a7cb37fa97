//! From files to torrents: listing, piece length, hashing, `.torrent` and magnet writing; and back, from torrents that
//! strangers wrote to files.

mod content;
pub mod hasher;
pub mod listing;
mod magnet;
mod names;
pub mod pace;
pub mod parse;
pub mod piece_length;
pub mod queue;
mod reader;
pub mod torrent;
pub mod verify;

pub use content::ContentError;
pub use hasher::{Cancel, HashError, HashJob, PieceHashes, Progress, hash};
pub use listing::{Listing, ListingError, SkipReason, Skipped, list};
pub use parse::ParseError;
pub use queue::{HashEvent, HashQueue, SubmitError};
pub use reader::ReadError;
pub use torrent::{MAX_TORRENT, Metainfo, MetainfoError, MetainfoFile, Options};
pub use verify::{VerifyError, verify, verify_piece};
