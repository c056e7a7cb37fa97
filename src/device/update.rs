//! An update as the daemon handles it: received into a folder of its own ([`Incoming`]), and written down from the installation
//! to what became of it ([`Trial`]).
//!
//! What is written down lies on the data partition, which the old system and the new one share: so the old one, when it runs
//! again, can tell its owner how far the new one came.

mod incoming;
mod note;
mod reached;
mod trial;

pub use incoming::{Incoming, IncomingError, clear, is_there};
pub use note::{Note, Phase};
pub use reached::{Reached, Step};
pub use trial::{Trial, Why};
