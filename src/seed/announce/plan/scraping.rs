//! Scrapes: whose turn it is, and what comes of it.

use std::time::Instant;

use super::Plan;
use crate::base::InfoHash;
use crate::seed::announce::answer::{AnnounceError, Scraped};
use crate::seed::announce::scrape::{Scrape, has_fallen};

impl Plan {
    /// The tracker that is to be asked for its counts now, and of which torrents: all that it knows of us. To be followed by
    /// [`Plan::scraped`].
    pub fn next_scrape(&mut self, now: Instant) -> Option<Scrape> {
        if self.closing {
            return None;
        }
        let endpoints = &self.endpoints;
        self.scrapes.retain(|url| endpoints.target(url).is_some());
        while let Some(url) = self.scrapes.next(now) {
            let trouble = self.endpoints.ready_at(&url).is_some_and(|at| at > now);
            let hashes: Vec<InfoHash> = match trouble {
                true => Vec::new(),
                false => self.known_to(&url),
            };
            match self.endpoints.target(&url).filter(|_| !hashes.is_empty()) {
                Some(target) => {
                    return Some(Scrape {
                        url,
                        target,
                        hashes,
                    });
                }
                None => self.scrapes.answered(&url, Ok(()), now, &mut self.rng),
            }
        }
        None
    }

    /// When [`Plan::next_scrape`] has something to say next.
    pub fn scrape_due(&self) -> Option<Instant> {
        self.scrapes.next_due().filter(|_| !self.closing)
    }

    /// Takes what came of a scrape.
    pub fn scraped(
        &mut self,
        now: Instant,
        scrape: &Scrape,
        outcome: Result<Vec<Option<Scraped>>, AnnounceError>,
    ) {
        let ended = outcome.as_ref().map(|_| ());
        self.scrapes
            .answered(&scrape.url, ended, now, &mut self.rng);
        let Ok(counts) = outcome else {
            return;
        };
        if !scrape.target.is_loopback() {
            self.answered_at = Some(now);
        }
        for (hash, counted) in scrape.hashes.iter().zip(counts) {
            let (Some(torrent), Some(counted)) = (self.torrents.get_mut(hash), counted) else {
                continue;
            };
            let trackers = torrent.tiers.iter_mut().flat_map(|t| &mut t.trackers);
            for tracker in trackers.filter(|tracker| tracker.url == scrape.url) {
                if has_fallen(tracker.seeds(), &counted) {
                    self.fallen.insert(*hash);
                }
                tracker.count(&counted);
            }
        }
    }

    /// The torrents of which a tracker counts fewer who hold everything than it did, since this was asked last.
    pub fn take_fallen(&mut self) -> Vec<InfoHash> {
        std::mem::take(&mut self.fallen).into_iter().collect()
    }

    /// When a tracker beyond this machine last answered.
    pub fn answered_at(&self) -> Option<Instant> {
        self.answered_at
    }

    /// The torrents that this tracker was told of.
    fn known_to(&self, url: &str) -> Vec<InfoHash> {
        let torrents = self.torrents.iter().filter(|(_, torrent)| {
            let mut trackers = torrent.tiers.iter().flat_map(|tier| &tier.trackers);
            trackers.any(|tracker| *tracker.url == *url && tracker.announced)
        });
        torrents.map(|(hash, _)| *hash).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::Timestamp;
    use crate::seed::announce::Subject;
    use crate::seed::announce::answer::{Answer, Figures};

    const HOUR: Duration = Duration::from_secs(3600);

    fn hash(n: u8) -> InfoHash {
        InfoHash([n; 20])
    }

    /// A plan with three torrents, two of which this tracker accepted.
    fn plan(start: Instant, url: &str) -> Plan {
        let mut plan = Plan::new([1; 20], 6881, false, &[], 7);
        for n in 1..=3 {
            plan.add(
                start,
                Subject {
                    info_hash: hash(n),
                    tiers: vec![vec![url.to_owned()]],
                    figures: Figures::default(),
                },
            );
        }
        for job in plan.poll(start) {
            let refused = AnnounceError::Refused {
                reason: "no".to_owned(),
                retry: None,
            };
            let outcome = match job.request.info_hash == hash(3) {
                true => Err(refused),
                false => Ok(Answer {
                    complete: Some(5),
                    ..Answer::default()
                }),
            };
            plan.answered(start, Timestamp(1), &job, outcome);
        }
        plan
    }

    fn counted(complete: u32) -> Option<Scraped> {
        Some(Scraped {
            complete,
            ..Scraped::default()
        })
    }

    #[test]
    fn one_request_asks_for_all_that_the_tracker_accepted() {
        let start = Instant::now();
        let mut plan = plan(start, "http://t.example/announce");
        assert!(plan.next_scrape(start).is_none());
        let due = plan.scrape_due().unwrap();
        let mut scrape = plan.next_scrape(due).unwrap();
        assert!(plan.next_scrape(due).is_none());
        scrape.hashes.sort_unstable();
        assert_eq!(scrape.hashes, [hash(1), hash(2)]);
        plan.scraped(due, &scrape, Ok(vec![counted(5), counted(4)]));
        assert_eq!(plan.take_fallen(), [hash(2)]);
        assert!(plan.take_fallen().is_empty());
        let state = &plan.states(due, Timestamp(1), hash(2))[0];
        assert_eq!(state.complete, Some(4));
        assert!(plan.scrape_due().unwrap() > due + HOUR / 4);
    }

    #[test]
    fn a_count_that_falls_in_an_announce_is_noticed_as_well() {
        let start = Instant::now();
        let mut plan = plan(start, "http://t.example/announce");
        let now = start + HOUR;
        for job in plan.poll(now) {
            let fewer = u32::from(job.request.info_hash == hash(1));
            let answer = Answer {
                complete: Some(5 - fewer),
                ..Answer::default()
            };
            plan.answered(now, Timestamp(1), &job, Ok(answer));
        }
        assert_eq!(plan.take_fallen(), [hash(1)]);
        assert_eq!(plan.answered_at(), Some(now));
    }

    #[test]
    fn nothing_is_asked_where_nothing_was_accepted_or_all_was_removed() {
        let start = Instant::now();
        let url = "http://t.example/announce";
        let mut silent = Plan::new([1; 20], 6881, false, &[], 7);
        silent.add(
            start,
            Subject {
                info_hash: hash(1),
                tiers: vec![vec![url.to_owned()]],
                figures: Figures::default(),
            },
        );
        assert!(silent.next_scrape(start + HOUR).is_none());
        let mut plan = plan(start, url);
        (1..=3).for_each(|n| plan.remove(hash(n)));
        for job in plan.poll(start) {
            plan.answered(start, Timestamp(1), &job, Ok(Answer::default()));
        }
        assert!(plan.next_scrape(start + HOUR).is_none());
        assert_eq!(plan.scrape_due(), None);
        // Nor does a box that is offline ask anybody far away.
        let mut offline = Plan::new([1; 20], 6881, true, &[], 7);
        offline.add(
            start,
            Subject {
                info_hash: hash(1),
                tiers: vec![vec![url.to_owned()]],
                figures: Figures::default(),
            },
        );
        assert_eq!(offline.scrape_due(), None);
    }
}
