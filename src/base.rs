//! Words every room shares: units, identifiers, what a release consists of, links to it, kinds of error.

pub mod announce;
pub mod authority;
pub mod bencode;
pub mod beneath;
pub mod beside;
pub mod bits;
pub mod content;
pub mod disposition;
pub mod error;
pub mod id;
pub mod identity;
pub mod listen;
pub mod magnet;
pub mod stage;
pub mod time;
pub mod torrent_file;
pub mod units;
pub mod window;
pub mod zone;

pub use authority::{Authority, Host};
pub use beside::Beside;
pub use bits::Bits;
pub use content::{Content, ContentFile, FileIdentity};
pub use error::{ErrorKind, Kind};
pub use id::{InfoHash, PeerKey, ReleaseId, SourceId};
pub use magnet::Magnet;
pub use stage::Stage;
pub use time::Timestamp;
pub use torrent_file::TorrentFile;
pub use units::{Rate, Size};
pub use window::Window;
pub use zone::{Day, Weekday, Zone};
