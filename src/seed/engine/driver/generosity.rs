//! Which torrents are given more of than a first copy and what their swarms lack.

use std::collections::HashMap;

use super::Driver;
use crate::base::InfoHash;

/// The owner's word, for all and for some.
#[derive(Debug)]
pub(super) struct Generosity {
    all: bool,
    /// The torrents for which another answer was given than for all.
    own: HashMap<InfoHash, bool>,
}

impl Generosity {
    pub fn new(all: bool) -> Self {
        Self {
            all,
            own: HashMap::new(),
        }
    }

    /// The answer for one torrent.
    pub fn of(&self, hash: InfoHash) -> bool {
        self.own.get(&hash).copied().unwrap_or(self.all)
    }

    /// Forgets a torrent that is gone.
    pub fn forget(&mut self, hash: InfoHash) {
        self.own.remove(&hash);
    }
}

impl Driver {
    /// The owner's word for all torrents of which nothing else was said.
    pub(super) fn set_generous(&mut self, generous: bool) {
        self.generosity.all = generous;
        let awake: Vec<InfoHash> = self.seedings.keys().copied().collect();
        awake.into_iter().for_each(|hash| self.tell_generous(hash));
    }

    /// The owner's word for one; none is as for all.
    pub(super) fn set_generous_of(&mut self, hash: InfoHash, generous: Option<bool>) {
        match generous {
            Some(generous) => self.generosity.own.insert(hash, generous),
            None => self.generosity.own.remove(&hash),
        };
        self.tell_generous(hash);
    }

    fn tell_generous(&mut self, hash: InfoHash) {
        let generous = self.generosity.of(hash);
        if let Some(seeding) = self.seedings.get_mut(&hash) {
            seeding.swarm.set_generous(generous);
        }
    }
}
