//! Words every room shares: units, identifiers, what a release consists of, kinds of error.

pub mod authority;
pub mod content;
pub mod error;
pub mod id;
pub mod stage;
pub mod time;
pub mod units;

pub use authority::{Authority, Host};
pub use content::{Content, ContentFile, FileIdentity};
pub use error::{ErrorKind, Kind};
pub use id::{InfoHash, ReleaseId, SourceId};
pub use stage::Stage;
pub use time::Timestamp;
pub use units::{Rate, Size};
