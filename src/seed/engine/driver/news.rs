//! What the engine says of itself: everything, or what may have changed.

use std::collections::HashSet;
use std::time::Instant;

use super::Driver;
use crate::base::InfoHash;
use crate::base::world::is_near;
use crate::seed::engine::Report;
use crate::seed::engine::seeding::Seeding;

impl Driver {
    pub(super) fn report(&self) -> Report {
        self.figures(self.resting.keys())
    }

    /// The figures that may not be those told last, and the resting torrents that need not be told of again.
    pub(super) fn news(&mut self) -> (HashSet<InfoHash>, Report) {
        let told = std::mem::take(&mut self.untold);
        let news = self.figures(&told);
        (told, news)
    }

    /// The figures of all that are awake, and of these if they rest.
    fn figures<'a>(&self, resting: impl IntoIterator<Item = &'a InfoHash>) -> Report {
        let now = Instant::now();
        let rates = self.seedings.values().map(Seeding::rate);
        let awake = self.seedings.values().map(|seeding| seeding.report(now));
        let resting = resting
            .into_iter()
            .filter_map(|hash| Some(self.resting.get(hash)?.report(*hash)));
        let mut links = self.seedings.values().flat_map(|s| s.links.values());
        let beyond = links.any(|link| !is_near(link.addr.ip()));
        Report {
            cap: self.shaper.cap(),
            guard: self.ruling(),
            rate: rates.sum::<f64>() as u64,
            in_touch: self.looks.is_in_touch(now) || beyond,
            outside: self.outside.seen(),
            torrents: awake.chain(resting).collect(),
        }
    }
}
