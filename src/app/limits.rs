//! What may leave the box now, and which release may have of it: the deciders of [`crate::policy`] fed with the owner's
//! settings, the clock and the ledger, once a second.
//!
//! The ledger is read when a month begins, when a day does, and when the settings change; in between its sums are kept
//! here, with what was written since.

use std::collections::HashMap;
use std::time::Instant;

use super::App;
use super::overview::QuotaView;
use crate::base::{Day, ReleaseId, Size, Stage, Timestamp, Zone};
use crate::policy::clock::{Clock, EARLIEST, Told};
use crate::policy::guard::Ruling;
use crate::policy::quota::{self, Claim, Lately, Month, Plan, Used};
use crate::policy::schedule::{Schedule, Standing};
use crate::policy::upstream::{self, Verdict};
use crate::store::{ReleaseSettings, Settings, Spend, SpendBeside, SpentSince, Store, StoreError};

/// Days over which it is looked at what trackers and the DHT take, today among them.
const LATELY_DAYS: i64 = 30;
/// Bytes of no release's that are written down by themselves; fewer wait for a release's. A box that nobody visits need
/// not write every few seconds what its DHT said.
const BESIDE_ALONE: u64 = 64 << 10;

/// Everything that limits the upstream.
#[derive(Debug)]
pub(super) struct Limits {
    settings: Settings,
    /// What the owner wants of single releases.
    own: HashMap<ReleaseId, ReleaseSettings>,
    zone: Zone,
    clock: Clock,
    /// The time by which the ledger is kept.
    time: Timestamp,
    schedule: Schedule,
    /// What the schedule said last.
    standing: Option<Standing>,
    /// None as long as nobody asks for them: there is no quota and no budget.
    books: Option<Books>,
    quota: Option<quota::Verdict>,
    /// What the latency guard says; none while it is off, or nobody is reached over the uplink.
    pub guard: Option<Ruling>,
    verdict: Verdict,
    /// Bytes of no release's that are in the ledger, of those counted since the start.
    beside_written: u64,
}

/// What was used of the month.
#[derive(Debug)]
struct Books {
    month: Month,
    /// The day on which they were read.
    day: Day,
    releases: HashMap<ReleaseId, u64>,
    total: u64,
    lately: Lately,
}

/// What is to be read for the books.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    month: Month,
    day: Day,
    zone: Zone,
}

impl Wanted {
    /// Reads the sums from the ledger.
    fn read(self, store: &Store) -> Result<Books, StoreError> {
        let SpentSince { releases, beside } = store.spent_since(self.month.first)?;
        let lately = Day(self.day.0 - LATELY_DAYS + 1);
        let first = store.ledger_days()?.map_or(self.day, |(first, _)| first);
        Ok(Books {
            total: releases.values().sum::<u64>() + beside,
            releases,
            lately: Lately {
                bytes: store.spent_since(lately)?.beside,
                since: self.zone.begins(lately.max(first)),
            },
            month: self.month,
            day: self.day,
        })
    }
}

fn zone(settings: &Settings) -> Zone {
    settings.zone().unwrap_or_else(|error| {
        tracing::warn!(%error, "the schedule goes by the machine's own time zone");
        Zone::system()
    })
}

impl Limits {
    /// Limits by these settings; `written` is the last day in the ledger.
    pub fn new(
        settings: &Settings,
        own: HashMap<ReleaseId, ReleaseSettings>,
        written: Option<Day>,
        wall: Timestamp,
        now: Instant,
    ) -> Self {
        let zone = zone(settings);
        let mut clock = Clock::new(written.map(|day| zone.begins(day)), wall, now);
        Self {
            time: clock.tell(wall, now).time,
            clock,
            schedule: Schedule::new(settings.schedule.clone(), zone.clone()),
            zone,
            settings: settings.clone(),
            own,
            standing: None,
            books: None,
            quota: None,
            guard: None,
            verdict: Verdict::default(),
            beside_written: 0,
        }
    }

    /// Takes in changed settings.
    pub fn set(&mut self, settings: &Settings, own: HashMap<ReleaseId, ReleaseSettings>) {
        self.zone = zone(settings);
        self.schedule = Schedule::new(settings.schedule.clone(), self.zone.clone());
        (self.standing, self.books) = (None, None);
        self.guard = self.guard.filter(|_| settings.guard);
        self.settings = settings.clone();
        self.own = own;
    }

    /// What the owner wants of one release.
    pub fn own(&self, id: ReleaseId) -> ReleaseSettings {
        self.own.get(&id).copied().unwrap_or_default()
    }

    /// The limit in force.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The day under which is written down what is spent now.
    pub fn day(&self) -> Day {
        self.zone.day(self.time)
    }

    /// Lets time pass.
    pub fn tell(&mut self, wall: Timestamp, now: Instant) -> Told {
        let told = self.clock.tell(wall, now);
        self.time = told.time;
        if told.went_back {
            self.books = None;
        }
        told
    }

    /// What has to be read before anything can be decided; none when all is known, or need not be.
    pub fn wanted(&self) -> Option<Wanted> {
        let mut budgets = self.own.values().map(|own| own.monthly_budget);
        if self.settings.monthly_quota.is_none() && !budgets.any(|budget| budget.is_some()) {
            return None;
        }
        let day = self.day();
        let known = |books: &Books| books.month.contains(self.time) && books.day == day;
        (!self.books.as_ref().is_some_and(known)).then(|| Wanted {
            month: Month::at(self.time, self.settings.quota_reset_day, &self.zone),
            day,
            zone: self.zone.clone(),
        })
    }

    /// Decides anew. `releases` and `beside` are bytes on the wire that the ledger does not have yet; `wall` is what the
    /// clock on the wall shows, by which the schedule goes.
    pub fn decide(&mut self, releases: u64, beside: u64, wall: Timestamp) {
        if !self.standing.as_ref().is_some_and(|s| s.holds_at(wall)) {
            self.standing = Some(match wall < EARLIEST {
                true => self.schedule.at_an_unknown_hour(wall),
                false => self.schedule.at(wall),
            });
        }
        let plan = self.settings.monthly_quota.map(|bytes| Plan {
            bytes,
            reserve: self.settings.quota_reserve,
        });
        self.quota = plan.zip(self.books.as_ref()).map(|(plan, books)| {
            let used = Used {
                total: books.total + releases + beside,
                beside: Lately {
                    bytes: books.lately.bytes + beside,
                    ..books.lately
                },
            };
            quota::decide(&plan, &books.month, used, self.time)
        });
        self.verdict = upstream::decide(&upstream::Limits {
            rate: self.settings.upstream_cap,
            schedule: self.standing.as_ref(),
            quota: self.quota.as_ref(),
            guard: self.guard,
        });
    }

    /// Why a release may have no payload now, as the owner reads it; none when it may. `unwritten`: bytes on the wire
    /// that the ledger does not have yet. `is_out`: whether its first copy is.
    pub fn withheld(&self, id: ReleaseId, unwritten: u64, is_out: bool) -> Option<String> {
        if !self.verdict.gives() && self.verdict.by != upstream::LimitedBy::Quota {
            return Some(self.verdict.reason.clone());
        }
        let books = self.books.as_ref()?;
        let claim = Claim {
            used: books.releases.get(&id).copied().unwrap_or(0) + unwritten,
            budget: self.own.get(&id).and_then(|own| own.monthly_budget),
            is_out,
        };
        let admitted = quota::admit(self.quota.as_ref(), &claim);
        admitted.err().map(|withheld| withheld.reason(&books.month))
    }

    /// Bytes of no release's that are not in the ledger yet, `counted` of them since the start.
    pub fn beside_unwritten(&self, counted: u64) -> u64 {
        counted.saturating_sub(self.beside_written)
    }

    /// What is to be written down of them now.
    pub fn beside_due(&self, counted: u64, alone: bool) -> Option<SpendBeside> {
        let wire_bytes = self.beside_unwritten(counted);
        let least = if alone { BESIDE_ALONE } else { 1 };
        (wire_bytes >= least).then(|| SpendBeside {
            day: self.day(),
            wire_bytes,
        })
    }

    /// It was written down.
    pub fn wrote(&mut self, spends: &[Spend], beside: Option<SpendBeside>) {
        let beside = beside.map_or(0, |beside| beside.wire_bytes);
        self.beside_written += beside;
        let Some(books) = &mut self.books else {
            return;
        };
        for spend in spends {
            *books.releases.entry(spend.release).or_default() += spend.wire_bytes;
            books.total += spend.wire_bytes;
        }
        books.total += beside;
        books.lately.bytes += beside;
    }

    /// The quota as the owner sees it; none when there is none.
    pub fn quota_view(&self) -> Option<QuotaView> {
        let (quota, books) = (self.quota.as_ref()?, self.books.as_ref()?);
        let Size(of) = self.settings.monthly_quota?;
        Some(QuotaView {
            used: (quota.share * of as f64).round() as u64,
            of,
            share: quota.share,
            resets_at: books.month.resets,
        })
    }
}

impl App {
    /// Looks at every limit, and has the engine keep them.
    pub(super) async fn limit(&mut self) -> Result<(), StoreError> {
        let (wall, now) = (Timestamp::now(), Instant::now());
        if self.limits.tell(wall, now).went_back {
            let today = self.limits.day();
            tracing::warn!("the clock was ahead for long; what was spent then is booked today");
            self.store.run(move |store| store.bring_back(today)).await?;
        }
        if let Some(wanted) = self.limits.wanted() {
            let books = self.store.run(move |store| wanted.read(store)).await?;
            self.limits.books = Some(books);
        }
        let unwritten = self.live.values().map(|live| live.unwritten.1).sum();
        let beside = self.limits.beside_unwritten(self.tracker.beside().total());
        self.limits.decide(unwritten, beside, wall);
        let cap = self.limits.verdict().cap;
        if self.capped != cap {
            self.capped = cap;
            self.engine.set_cap(cap).await;
        }
        self.hush().await;
        Ok(())
    }

    /// Has the engine give payload of the releases that may, and of no others. The one place that says so: a release is
    /// silent that is retired or away, or whose payload the limits withhold.
    pub(super) async fn hush(&mut self) {
        let mut changed = Vec::new();
        for (id, live) in &mut self.live {
            let is_out = live.is_out();
            let withheld = self.limits.withheld(*id, live.unwritten.1, is_out);
            self.painted.is_outdated |= live.withheld != withheld;
            live.withheld = withheld;
            let silent = live.stage == Stage::Retired || live.is_away() || live.withheld.is_some();
            if live.silent != silent {
                live.silent = silent;
                changed.push((live.info_hash, silent));
            }
        }
        for (info_hash, silent) in changed {
            self.engine.silence(info_hash, silent).await;
        }
    }
}

#[cfg(test)]
mod tests;
