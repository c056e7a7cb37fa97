//! One torrent's trackers, in tiers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::endpoint::Endpoints;
use super::{Slot, Ticket};
use crate::base::{InfoHash, Timestamp};
use crate::seed::announce::answer::{AnnounceError, Answer, Event, Figures, Scraped};
use crate::seed::announce::{MAX_TRACKERS, Subject, TrackerState};

#[derive(Debug)]
pub(super) struct Tracker {
    pub url: Arc<str>,
    /// Why it is never asked.
    pub skipped: Option<AnnounceError>,
    /// Whether it knows of us: it accepted an announce, and no `stopped` since.
    pub announced: bool,
    /// Whether it was told that we lack something, and no `completed` since.
    pub told_lacking: bool,
    /// Refusals in a row.
    pub refusals: u8,
    /// Not before, after a refusal.
    pub retry_at: Option<Instant>,
    pub tracker_id: Option<Box<[u8]>>,
    last_ok: Option<Timestamp>,
    last_error: Option<Box<str>>,
    complete: Option<u32>,
    incomplete: Option<u32>,
    external_ip: Option<IpAddr>,
}

impl Tracker {
    fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            skipped: None,
            announced: false,
            told_lacking: false,
            refusals: 0,
            retry_at: None,
            tracker_id: None,
            last_ok: None,
            last_error: None,
            complete: None,
            incomplete: None,
            external_ip: None,
        }
    }

    pub fn accept(&mut self, wall: Timestamp, ticket: &Ticket, answer: &Answer) {
        self.announced = true;
        self.told_lacking |= ticket.lacking;
        if ticket.event == Event::Completed {
            self.told_lacking = false;
        }
        self.refusals = 0;
        self.retry_at = None;
        self.last_ok = Some(wall);
        self.last_error = answer
            .warning
            .as_deref()
            .map(|text| format!("the tracker warns: {text}").into());
        self.complete = answer.complete.or(self.complete);
        self.incomplete = answer.incomplete.or(self.incomplete);
        self.external_ip = answer.external_ip.or(self.external_ip);
        if answer.tracker_id.is_some() {
            self.tracker_id.clone_from(&answer.tracker_id);
        }
    }

    /// Seeds, as it counted last.
    pub fn seeds(&self) -> Option<u32> {
        self.complete
    }

    /// Takes what it counted.
    pub fn count(&mut self, counted: &Scraped) {
        self.complete = Some(counted.complete);
        self.incomplete = Some(counted.incomplete);
    }

    pub fn refuse(&mut self, retry_at: Instant, error: &AnnounceError) {
        self.refusals = self.refusals.saturating_add(1);
        self.retry_at = Some(retry_at);
        self.last_error = Some(error.to_string().into());
    }
}

#[derive(Debug)]
pub(super) struct Tier {
    /// The one that worked last comes first.
    pub trackers: Vec<Tracker>,
    pub due: Option<Instant>,
    /// Whether a request is under way.
    pub asking: bool,
    /// Whether it is in the queue of a busy tracker.
    pub waiting: bool,
}

/// What to do about a tier that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Ask the tracker at this place.
    Ask(usize),
    /// All are in trouble or refuse; look again then.
    Later(Instant),
    /// None of them may be asked.
    Never,
}

impl Tier {
    pub fn choose(&self, now: Instant, endpoints: &Endpoints) -> Choice {
        let mut soonest: Option<Instant> = None;
        for (at, tracker) in self.trackers.iter().enumerate() {
            if tracker.skipped.is_some() {
                continue;
            }
            let ready_at = tracker.retry_at.max(endpoints.ready_at(&tracker.url));
            match ready_at.filter(|ready_at| *ready_at > now) {
                None => return Choice::Ask(at),
                Some(ready_at) => soonest = Some(soonest.map_or(ready_at, |s| s.min(ready_at))),
            }
        }
        soonest.map_or(Choice::Never, Choice::Later)
    }
}

#[derive(Debug)]
pub(super) struct Torrent {
    pub serial: u64,
    pub key: u32,
    pub figures: Figures,
    /// Whether a download of ours was completed.
    pub completed: bool,
    pub tiers: Vec<Tier>,
}

/// The URLs of a subject, blank ones and repeated ones left out, at most [`MAX_TRACKERS`].
fn tidy(subject: &Subject) -> Vec<Vec<&str>> {
    let mut seen: Vec<&str> = Vec::new();
    let mut tiers = Vec::new();
    for tier in &subject.tiers {
        let mut urls = Vec::new();
        for url in tier.iter().map(|url| url.trim()) {
            if !url.is_empty() && seen.len() < MAX_TRACKERS && !seen.contains(&url) {
                seen.push(url);
                urls.push(url);
            }
        }
        if !urls.is_empty() {
            tiers.push(urls);
        }
    }
    tiers
}

impl Torrent {
    pub fn new(subject: &Subject, serial: u64, key: u32) -> Self {
        let tier = |urls: Vec<&str>| Tier {
            trackers: urls.into_iter().map(Tracker::new).collect(),
            due: None,
            asking: false,
            waiting: false,
        };
        Self {
            serial,
            key,
            figures: subject.figures,
            completed: false,
            tiers: tidy(subject).into_iter().map(tier).collect(),
        }
    }

    /// Whether the subject has the same trackers in the same tiers.
    pub fn is_of(&self, subject: &Subject) -> bool {
        let sorted = |mut urls: Vec<&str>| {
            urls.sort_unstable();
            urls.join("\n")
        };
        let ours = self.tiers.iter().map(|tier| {
            let urls = tier.trackers.iter().map(|tracker| &*tracker.url);
            sorted(urls.collect())
        });
        ours.eq(tidy(subject).into_iter().map(sorted))
    }

    pub fn slots(&self, info_hash: InfoHash) -> impl Iterator<Item = Slot> + use<> {
        (0..self.tiers.len() as u8).map(move |tier| Slot { info_hash, tier })
    }

    pub fn slots_owing_completed(&self, info_hash: InfoHash) -> Vec<Slot> {
        let owes = |slot: &Slot| {
            let tier = &self.tiers[usize::from(slot.tier)];
            tier.trackers
                .first()
                .is_some_and(|tracker| tracker.told_lacking)
        };
        self.slots(info_hash).filter(owes).collect()
    }

    pub fn event_for(&self, tracker: &Tracker) -> Event {
        if !tracker.announced {
            Event::Started
        } else if self.completed && tracker.told_lacking {
            Event::Completed
        } else {
            Event::None
        }
    }

    /// Notes that a tracker has forgotten us; the tiers it is in come back.
    pub fn forget_greeting(&mut self, url: &str) -> Vec<u8> {
        let mut tiers = Vec::new();
        for (number, tier) in self.tiers.iter_mut().enumerate() {
            for tracker in tier
                .trackers
                .iter_mut()
                .filter(|tracker| *tracker.url == *url)
            {
                if tracker.announced {
                    tracker.announced = false;
                    tiers.push(number as u8);
                }
            }
        }
        tiers
    }

    pub fn external_ips(&self) -> impl Iterator<Item = IpAddr> {
        let trackers = self.tiers.iter().flat_map(|tier| &tier.trackers);
        trackers.filter_map(|tracker| tracker.external_ip)
    }

    pub fn states(
        &self,
        now: Instant,
        wall: Timestamp,
        endpoints: &Endpoints,
    ) -> Vec<TrackerState> {
        let mut states = Vec::new();
        for tier in &self.tiers {
            let next = match tier.choose(now, endpoints) {
                Choice::Ask(at) => Some((at, tier.due.unwrap_or(now))),
                Choice::Later(when) => Some((0, when)),
                Choice::Never => None,
            };
            for (at, tracker) in tier.trackers.iter().enumerate() {
                let skipped = tracker.skipped.as_ref().map(ToString::to_string);
                let trouble = endpoints.trouble(&tracker.url).map(str::to_owned);
                let own = tracker.last_error.as_deref().map(str::to_owned);
                let when = next.filter(|(asked, _)| *asked == at).map(|(_, when)| {
                    let wait = when.saturating_duration_since(now).as_secs();
                    Timestamp(wall.0.saturating_add_unsigned(wait))
                });
                states.push(TrackerState {
                    url: tracker.url.to_string(),
                    last_ok: tracker.last_ok,
                    last_error: skipped.or(trouble).or(own),
                    next: when,
                    complete: tracker.complete,
                    incomplete: tracker.incomplete,
                });
            }
        }
        states
    }
}
