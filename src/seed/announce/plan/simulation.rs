//! Runs a plan against made-up trackers in simulated time.

use std::collections::HashMap;

use std::time::Duration;

use super::*;
use crate::seed::announce::answer::Answer;

/// What the trackers of a simulation do: the URL, the seconds since the start, and the request in; the outcome out.
pub type Behaviour = Box<dyn FnMut(&str, u64, &Request) -> Result<Answer, AnnounceError>>;

/// One request that was made.
#[derive(Debug, Clone)]
pub struct Made {
    pub second: u64,
    pub url: String,
    pub request: Request,
}

pub struct Simulation {
    pub plan: Plan,
    pub now: Instant,
    start: Instant,
    behaviour: Behaviour,
    /// How long each answer takes.
    delay: Duration,
    under_way: BTreeSet<(Instant, usize)>,
    jobs: HashMap<usize, Job>,
    pub made: Vec<Made>,
    /// Most requests under way together, in all and with one tracker.
    pub peak: (usize, usize),
}

impl Simulation {
    pub fn new(delay: Duration, behaviour: Behaviour) -> Self {
        let start = Instant::now();
        Self {
            plan: Plan::new([1; 20], 6881, false, &[], 7),
            now: start,
            start,
            behaviour,
            delay,
            under_way: BTreeSet::new(),
            jobs: HashMap::new(),
            made: Vec::new(),
            peak: (0, 0),
        }
    }

    pub fn second(&self) -> u64 {
        (self.now - self.start).as_secs()
    }

    /// Lets time pass, carrying out what the plan says.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            for job in self.plan.poll(self.now) {
                self.made.push(Made {
                    second: self.second(),
                    url: job.ticket.url.to_string(),
                    request: job.request.clone(),
                });
                let number = self.made.len();
                self.under_way.insert((self.now + self.delay, number));
                self.jobs.insert(number, job);
            }
            let mut by_url: HashMap<&str, usize> = HashMap::new();
            for job in self.jobs.values() {
                *by_url.entry(&job.ticket.url).or_default() += 1;
            }
            let most = by_url.into_values().max().unwrap_or(0);
            self.peak = (self.peak.0.max(self.jobs.len()), self.peak.1.max(most));

            let answer = self.under_way.first().map(|(when, _)| *when);
            let next = answer.into_iter().chain(self.plan.next_wake()).min();
            match next {
                Some(next) if next <= end => self.now = next.max(self.now),
                _ => break,
            }
            while let Some(&(when, number)) = self.under_way.first()
                && when <= self.now
            {
                self.under_way.pop_first();
                let job = self.jobs.remove(&number).unwrap();
                let second = self.second();
                let outcome = (self.behaviour)(&job.ticket.url, second, &job.request);
                self.plan
                    .answered(self.now, Timestamp(second as i64), &job, outcome);
            }
        }
        self.now = end;
    }

    pub fn events(&self, url: &str) -> Vec<Event> {
        let made = self.made.iter().filter(|made| made.url == url);
        made.map(|made| made.request.event).collect()
    }
}

pub fn hash(n: u16) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    InfoHash(bytes)
}

pub fn subject(n: u16, tiers: &[&[&str]]) -> Subject {
    let own = |tier: &&[&str]| tier.iter().map(|url| (*url).to_owned()).collect();
    Subject {
        info_hash: hash(n),
        tiers: tiers.iter().map(own).collect(),
        figures: Figures::default(),
    }
}

/// An answer with an interval in seconds.
pub fn every(seconds: u64) -> Result<Answer, AnnounceError> {
    Ok(Answer {
        interval: Some(Duration::from_secs(seconds)),
        ..Answer::default()
    })
}

pub const A: &str = "http://a.example/announce";
pub const B: &str = "http://b.example/announce";
pub const HOUR: Duration = Duration::from_secs(3600);
pub const SECOND: Duration = Duration::from_secs(1);
