//! From files to torrents: listing, piece length, hashing, `.torrent` and magnet writing.
