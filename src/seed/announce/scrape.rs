//! Asking trackers for their counts now and then (BEP 48), all torrents of a tracker in a few requests.
//!
//! Pure, as the plan is. What a tracker counts decides nothing: everybody may announce that he holds everything. It is
//! shown, and when it falls, that is a reason to look for those who were seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use super::answer::{AnnounceError, Scraped};
use super::target::Target;
use crate::base::InfoHash;

/// Between two scrapes of one tracker. As long as most trackers want between announces, which bring the same counts for
/// the torrents whose turn it is; the others' are asked for here.
const EVERY: Duration = Duration::from_secs(30 * 60);
/// Before the first: announces come first, and bring counts.
const FIRST: Duration = Duration::from_secs(5 * 60);
/// The pause after a failure; it doubles with each, ...
const FIRST_PAUSE: Duration = Duration::from_secs(30 * 60);
/// ... to this: a tracker that cannot be scraped may learn it one day.
const LAST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// One tracker's turn.
#[derive(Debug)]
struct Turn {
    due: Instant,
    failures: u8,
    asking: bool,
}

/// A scrape to carry out.
#[derive(Debug, Clone)]
pub(super) struct Scrape {
    pub url: Arc<str>,
    pub target: Arc<Target>,
    pub hashes: Vec<InfoHash>,
}

/// When each tracker is scraped, by its URL.
#[derive(Debug, Default)]
pub(super) struct Scrapes(HashMap<Arc<str>, Turn>);

impl Scrapes {
    /// A tracker is used by some torrent.
    pub fn enter(&mut self, url: &Arc<str>, now: Instant, rng: &mut StdRng) {
        self.0.entry(url.clone()).or_insert_with(|| Turn {
            due: now + FIRST.mul_f64(rng.random_range(0.75..1.25)),
            failures: 0,
            asking: false,
        });
    }

    /// Drops the trackers that nobody uses any more.
    pub fn retain(&mut self, is_used: impl Fn(&str) -> bool) {
        self.0.retain(|url, turn| turn.asking || is_used(url));
    }

    /// The tracker whose turn it is.
    pub fn next(&mut self, now: Instant) -> Option<Arc<str>> {
        let due = self.0.iter_mut().filter(|(_, t)| !t.asking && t.due <= now);
        let (url, turn) = due.min_by_key(|(_, turn)| turn.due)?;
        turn.asking = true;
        Some(url.clone())
    }

    /// When the next turn is.
    pub fn next_due(&self) -> Option<Instant> {
        let waiting = self.0.values().filter(|turn| !turn.asking);
        waiting.map(|turn| turn.due).min()
    }

    /// A scrape ended. One that was not made for want of torrents counts as made.
    pub fn answered(
        &mut self,
        url: &str,
        outcome: Result<(), &AnnounceError>,
        now: Instant,
        rng: &mut StdRng,
    ) {
        let Some(turn) = self.0.get_mut(url) else {
            return;
        };
        turn.asking = false;
        let pause = match outcome {
            Ok(()) => {
                turn.failures = 0;
                EVERY
            }
            Err(AnnounceError::NoScrape) => LAST_PAUSE,
            Err(_) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << turn.failures.min(16));
                turn.failures = turn.failures.saturating_add(1);
                pause.min(LAST_PAUSE)
            }
        };
        turn.due = now + pause.mul_f64(rng.random_range(0.75..1.25));
    }
}

/// What a tracker counted of one torrent, and whether it counts fewer who hold everything than before.
pub(super) fn has_fallen(before: Option<u32>, now: &Scraped) -> bool {
    before.is_some_and(|before| now.complete < before)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// When a tracker is scraped in a day, if each scrape ends so.
    fn day(outcome: Result<(), &AnnounceError>) -> Vec<Duration> {
        let mut rng = StdRng::seed_from_u64(1);
        let start = Instant::now();
        let mut scrapes = Scrapes::default();
        let url: Arc<str> = "http://t/announce".into();
        scrapes.enter(&url, start, &mut rng);
        let mut made = Vec::new();
        while let Some(due) = scrapes.next_due().filter(|due| *due < start + 24 * HOUR) {
            assert_eq!(scrapes.next(due), Some(url.clone()));
            assert_eq!(scrapes.next(due), None, "one at a time");
            made.push(due - start);
            scrapes.enter(&url, due, &mut rng);
            scrapes.answered(&url, outcome, due, &mut rng);
        }
        made
    }

    #[test]
    fn a_tracker_is_scraped_every_half_hour() {
        let made = day(Ok(()));
        assert!((40..60).contains(&made.len()), "{} in a day", made.len());
        assert!(made[0] >= FIRST.mul_f64(0.75));
    }

    #[test]
    fn one_that_fails_is_asked_ever_more_seldom() {
        let made = day(Err(&AnnounceError::Timeout));
        assert!((5..8).contains(&made.len()), "{made:?}");
        let never = day(Err(&AnnounceError::NoScrape));
        assert!(never.len() <= 2, "{never:?}");
    }

    #[test]
    fn a_tracker_nobody_uses_is_forgotten() {
        let mut rng = StdRng::seed_from_u64(1);
        let now = Instant::now();
        let mut scrapes = Scrapes::default();
        for url in ["http://a/announce", "http://b/announce"] {
            scrapes.enter(&url.into(), now, &mut rng);
        }
        scrapes.retain(|url| url == "http://b/announce");
        assert_eq!(
            scrapes.next(now + HOUR).as_deref(),
            Some("http://b/announce")
        );
        assert_eq!(scrapes.next(now + HOUR), None);
    }

    #[test]
    fn fewer_seeds_than_before_are_fewer() {
        let counted = |complete| Scraped {
            complete,
            ..Scraped::default()
        };
        assert!(!has_fallen(None, &counted(0)));
        assert!(!has_fallen(Some(3), &counted(3)));
        assert!(has_fallen(Some(3), &counted(2)));
    }
}
