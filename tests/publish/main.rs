//! The public pages, in-process, on a real database: one file per address.

mod caching;
mod feed;
mod index;
mod listener;
mod robots;
mod share;
mod strictness;
mod torrent;

/// A name that tries to get out of wherever it stands.
const HOSTILE: &str = "<script>alert('1')</script> \"& Ünïcode\".mkv";
