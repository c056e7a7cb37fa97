//! A box that always sends all it may.
//!
//! The deciders are the real ones; the box around them sends all it is let, is asked late, and keeps books by the day as
//! the ledger does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use semoir::base::{Day, Size, Timestamp, Zone};
use semoir::policy::clock::Clock;
use semoir::policy::quota::{self, Claim, Lately, Month, Plan, Used};

pub const GB: u64 = 1_000_000_000;
pub const DAY: i64 = 86_400;

/// Bytes that leave between two looks at most.
const UNSEEN: u64 = 2 * GB;

/// The longest between two looks, seconds, while so little leaves that it makes no difference.
const CALM: u64 = 600;

/// A release that is always asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    pub budget: Option<Size>,
    pub is_out: bool,
}

/// A box, its line and those who want something of it.
pub struct Greedy {
    pub zone: Zone,
    pub plan: Plan,
    reset: u8,
    /// Bytes per second that the line carries.
    line: u64,
    /// Bytes per second of trackers and DHT.
    pub chatter: u64,
    beside: Lately,
    pub releases: Vec<Wanted>,
    /// The longest time between two looks at the quota, seconds.
    pub late: i64,
    clock: Clock,
    pub wall: i64,
    now: Instant,
    /// What time it really is.
    pub real: i64,
    random: u64,
    /// Bytes by day and release; the last is what is no release's.
    pub books: BTreeMap<Day, Vec<u64>>,
    /// Bytes that really left by the month that it really was.
    pub truth: BTreeMap<Day, u64>,
    pub known: Option<(Month, Vec<u64>)>,
}

/// What a step did.
pub struct Step {
    pub month: Month,
    pub verdict: quota::Verdict,
    pub used: Vec<u64>,
}

impl Greedy {
    pub fn new(name: &str, start: Day, quota: u64, reset: u8, line: u64) -> Self {
        let zone = Zone::named(name).expect("a time zone");
        let (start, now) = (zone.begins(start), Instant::now());
        Self {
            zone,
            plan: Plan {
                bytes: Size(quota),
                reserve: 10,
            },
            reset,
            line,
            chatter: 0,
            beside: Lately {
                bytes: 0,
                since: start,
            },
            releases: vec![Wanted::default()],
            late: 45,
            clock: Clock::new(None, start, now),
            wall: start.0,
            now,
            real: start.0,
            random: 0x9e37_79b9_7f4a_7c15,
            books: BTreeMap::new(),
            truth: BTreeMap::new(),
            known: None,
        }
    }

    fn random(&mut self, below: i64) -> i64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below.max(1) as u64) as i64
    }

    /// The power fails; the clock shows `wall` when it is back. What is known is read from the books again.
    pub fn restart(&mut self, wall: Timestamp) {
        let last = self.books.keys().next_back();
        let written = last.map(|day| self.zone.begins(*day));
        self.clock = Clock::new(written, wall, self.now);
        self.wall = wall.0;
        self.known = None;
    }

    /// Everything written from the month's first day on, as the ledger sums it.
    fn sums(&self, month: &Month) -> Vec<u64> {
        let mut sums = vec![0; self.releases.len() + 1];
        for day in self.books.range(month.first..).map(|(_, day)| day) {
            sums.iter_mut()
                .zip(day)
                .for_each(|(sum, bytes)| *sum += bytes);
        }
        sums
    }

    pub fn step(&mut self) -> Step {
        let told = self.clock.tell(Timestamp(self.wall), self.now);
        let today = self.zone.day(told.time);
        if told.went_back {
            let later = self.books.split_off(&Day(today.0 + 1));
            let width = self.releases.len() + 1;
            let row = self.books.entry(today).or_insert_with(|| vec![0; width]);
            for day in later.into_values() {
                row.iter_mut()
                    .zip(day)
                    .for_each(|(sum, bytes)| *sum += bytes);
            }
            self.known = None;
        }
        let (month, mut used) = match self.known.take() {
            Some((month, used)) if month.contains(told.time) => (month, used),
            _ => {
                let month = Month::at(told.time, self.reset, &self.zone);
                let used = self.sums(&month);
                (month, used)
            }
        };
        let sum = Used {
            total: used.iter().sum(),
            beside: self.beside,
        };
        let verdict = quota::decide(&self.plan, &month, sum, told.time);
        let admitted: Vec<usize> = (0..self.releases.len())
            .filter(|id| {
                let wanted = self.releases[*id];
                let claim = Claim {
                    used: used[*id],
                    budget: wanted.budget,
                    is_out: wanted.is_out,
                };
                quota::admit(Some(&verdict), &claim).is_ok()
            })
            .collect();
        let limit = verdict.rate.map_or(u64::MAX, |rate| rate.0);
        let payload = self.line.min(limit).saturating_sub(self.chatter);
        let calm = payload * CALM < self.plan.bytes.0 / 500;
        // The faster the line, the sooner: no disk holds up a look for long enough to send two gigabytes.
        let late = self.late.min((UNSEEN / self.line.max(1)) as i64);
        let seconds = 1 + self.random(if calm { CALM as i64 } else { late });
        let mut sent = vec![0; used.len()];
        for id in &admitted {
            sent[*id] = payload * seconds as u64 / admitted.len() as u64;
        }
        sent[self.releases.len()] = self.chatter * seconds as u64;
        self.beside.bytes += self.chatter * seconds as u64;
        let real_month = Month::at(Timestamp(self.real), self.reset, &self.zone);
        *self.truth.entry(real_month.first).or_default() += sent.iter().sum::<u64>();
        let width = used.len();
        let row = self.books.entry(today).or_insert_with(|| vec![0; width]);
        for (id, sent) in sent.into_iter().enumerate() {
            row[id] += sent;
            used[id] += sent;
        }
        self.wall += seconds;
        self.real += seconds;
        self.now += Duration::from_secs(seconds as u64);
        self.known = Some((month.clone(), used.clone()));
        Step {
            month,
            verdict,
            used,
        }
    }

    pub fn run_until(&mut self, end: Timestamp) -> Option<Step> {
        let mut last = None;
        while self.real < end.0 {
            last = Some(self.step());
        }
        last
    }

    pub fn run(&mut self, days: i64) -> Option<Step> {
        self.run_until(Timestamp(self.real + days * DAY))
    }

    /// The largest share of the quota that really left in a month.
    pub fn worst(&self) -> f64 {
        let worst = self.truth.values().max().copied().unwrap_or(0);
        worst as f64 / self.plan.bytes.0 as f64
    }
}
