//! A torrent nobody is connected to, as the engine keeps it: enough to answer the door and to say what was spent.
//!
//! A swarm holds something for each piece of its torrent, and the torrent's info dictionary a hash for each: tens of KiB
//! for a film. So both are there only while there are peers. What has to outlive a swarm is here: counts and addresses;
//! [`crate::seed::swarm::Swarm::may_rest`] keeps a swarm awake while it knows more than that.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use super::TorrentReport;
use crate::base::InfoHash;
use crate::seed::connection::Greeted;
use crate::seed::dial::AddressBook;
use crate::seed::sightings::Sightings;
use crate::seed::torrent::Torrent;

/// Why a torrent cannot be had from its shelf.
pub type ShelfError = Box<dyn std::error::Error + Send + Sync>;

/// Where torrents are kept that the engine does not hold in memory.
pub trait Shelf: Debug + Send + Sync {
    /// Reads a torrent. Called where blocking is allowed.
    ///
    /// # Errors
    /// When it is not there or cannot be read; whoever came for it is sent away, and the next one tries again.
    fn read(&self, info_hash: InfoHash) -> Result<Torrent, ShelfError>;
}

/// Where a torrent is while nobody is there for it.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Held(Arc<Torrent>),
    Shelved(Arc<dyn Shelf>),
}

#[derive(Debug)]
pub(super) struct Resting {
    pub source: Source,
    pub device: u64,
    pub silent: bool,
    /// Bytes since it was added: of content, and on the wire.
    pub payload: u64,
    pub wire: f64,
    pub book: AddressBook,
    pub sightings: Sightings,
    /// When the engine looks for one of them next.
    pub look_at: Option<Instant>,
    /// There while it is read from its shelf.
    pub waking: Option<Box<Waking>>,
}

/// Those who came for a torrent that is being read.
#[derive(Debug)]
pub(super) struct Waking {
    /// Tells this reading from one for a torrent that was removed and added again meanwhile.
    pub ticket: u64,
    pub peers: Vec<Greeted>,
}

impl Resting {
    pub fn new(source: Source, device: u64, silent: bool) -> Self {
        Self {
            source,
            device,
            silent,
            payload: 0,
            wire: 0.0,
            book: AddressBook::default(),
            sightings: Sightings::default(),
            look_at: None,
            waking: None,
        }
    }

    pub fn report(&self, info_hash: InfoHash) -> TorrentReport {
        TorrentReport {
            info_hash,
            payload: self.payload,
            wire: self.wire.max(0.0) as u64,
            rate: 0,
            peers: 0,
            relays: self.sightings.relays(),
            witnesses: self.sightings.witnesses(),
            copies: 0.0,
            stuck: 0,
            stuck_since: None,
            unreadable: None,
        }
    }
}
