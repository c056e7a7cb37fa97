//! Which drives are there, which are mounted, and what was said of each: no sockets, no clock.
//!
//! Each look at what is there gives what is to be said and what is to be done. At most one thing is done about a key at any
//! time: an order to unmount that comes late must not undo the mount of the drive that is back already.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::survey::{Device, Found};
use crate::intake::mount::{MountId, Reason};
use crate::intake::place::{Place, PlaceState};
use crate::store::SourceKind;

/// How long after a failure that may pass a mount is tried again, at first; each further time twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// At most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Have a drive mounted.
    Mount {
        /// Its key.
        key: MountId,
        /// The device.
        device: Device,
    },
    /// Have what is mounted as this key unmounted.
    Unmount {
        /// The key.
        key: MountId,
    },
}

/// How something that was to be done ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is mounted.
    Mounted {
        /// Where.
        path: PathBuf,
        /// What the owner should know about it.
        note: Option<String>,
        /// Whether it was formatted for uploads, and may be written to.
        writable: bool,
    },
    /// It is not.
    Failed(Failure),
    /// It is unmounted, or nothing more can be done about it.
    Unmounted,
}

/// Why a drive is not mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For us; none when the helper could not be asked.
    pub reason: Option<Reason>,
    /// For the owner.
    pub why: String,
}

impl Failure {
    /// Whether it may pass by itself.
    fn passes(&self) -> bool {
        matches!(
            self.reason,
            None | Some(
                Reason::Busy
                    | Reason::TooMany
                    | Reason::NotFound
                    | Reason::Internal
                    | Reason::Unreachable
            )
        )
    }

    /// Whether the owner need not hear of it.
    fn is_quiet(&self, found: &Found) -> bool {
        match self.reason {
            // It is being looked at, or gone in a moment.
            Some(Reason::NotFound | Reason::TooMany | Reason::System | Reason::NotAllowed) => true,
            // Images that this computer has as disks.
            Some(Reason::NotApproved) => found.device.number.major == LOOP,
            _ => false,
        }
    }
}

/// The kernel's number for images in files that it has as disks.
const LOOP: u32 = 7;

/// What is known of a key.
#[derive(Debug, Default)]
struct Known {
    found: Option<Found>,
    state: State,
    /// Something is being done about it.
    busy: bool,
    /// Once that is done, it is begun anew with.
    anew: bool,
    said: Option<Place>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum State {
    #[default]
    Untouched,
    Mounted {
        device: Device,
        path: PathBuf,
        note: Option<String>,
        writable: bool,
    },
    Failed {
        device: Device,
        failure: Failure,
        times: u32,
        again: Option<Instant>,
    },
}

/// Which drives are there, which are mounted, and what was said of each.
#[derive(Debug, Default)]
pub struct Table {
    known: BTreeMap<MountId, Known>,
}

/// What is to be said and done after a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What is to be said.
    pub places: Vec<Place>,
    /// What is to be done.
    pub jobs: Vec<Job>,
}

impl Table {
    /// The devices that have a key now, for the next look to leave it to them.
    pub fn holders(&self) -> HashMap<MountId, Device> {
        let found = self.known.iter().filter_map(|(key, known)| {
            let found = known.found.as_ref()?;
            Some((key.clone(), found.device))
        });
        found.collect()
    }

    /// Takes up what a look found, which is all there is.
    pub fn look(&mut self, found: Vec<Found>, now: Instant) -> Step {
        for known in self.known.values_mut() {
            known.found = None;
        }
        for one in found {
            let known = self.known.entry(one.key.clone()).or_default();
            known.found = Some(one);
        }
        self.step(now)
    }

    /// Takes up how something ended.
    pub fn done(
        &mut self,
        key: &MountId,
        device: Option<Device>,
        outcome: Outcome,
        now: Instant,
    ) -> Step {
        if let Some(known) = self.known.get_mut(key) {
            known.busy = false;
            known.state = match (outcome, device) {
                (
                    Outcome::Mounted {
                        path,
                        note,
                        writable,
                    },
                    Some(device),
                ) => State::Mounted {
                    device,
                    path,
                    note,
                    writable,
                },
                (Outcome::Failed(failure), Some(device)) => known.failed(device, failure, now),
                _ => State::Untouched,
            };
            if std::mem::take(&mut known.anew) {
                return self.afresh(key, now);
            }
        }
        self.step(now)
    }

    /// Has what failed tried again now: the owner did something about it. What was said of it holds until that ends.
    pub fn try_again(&mut self, now: Instant) -> Step {
        for known in self.known.values_mut() {
            if let State::Failed { again, times, .. } = &mut known.state {
                (*again, *times) = (Some(now), 0);
            }
        }
        self.step(now)
    }

    /// Begins anew with a key: what is mounted as it is unmounted, and mounted again if that may still be; and how it is
    /// then is said, whatever was said before.
    pub fn afresh(&mut self, key: &MountId, now: Instant) -> Step {
        let mut step = Step::default();
        match self.known.get_mut(key) {
            Some(known) if known.busy => known.anew = true,
            Some(known) => {
                known.said = None;
                if matches!(known.state, State::Mounted { .. }) {
                    known.busy = true;
                    step.jobs.push(Job::Unmount { key: key.clone() });
                }
                known.state = State::Untouched;
            }
            None => {}
        }
        let next = self.step(now);
        step.places.extend(next.places);
        step.jobs.extend(next.jobs);
        step
    }

    /// When something is to be tried again, at the earliest.
    pub fn due(&self) -> Option<Instant> {
        let due = |known: &Known| match known.state {
            State::Failed { again, .. } if !known.busy => again,
            _ => None,
        };
        self.known.values().filter_map(due).min()
    }

    fn step(&mut self, now: Instant) -> Step {
        let mut step = Step::default();
        for (key, known) in &mut self.known {
            step.jobs.extend(known.job(key, now));
            step.places.extend(known.news(key));
        }
        self.known
            .retain(|_, known| known.found.is_some() || known.busy);
        // What goes is said before what comes: a key may have moved from one to the other.
        step.places
            .sort_by_key(|place| place.state != PlaceState::Gone);
        step
    }
}

impl Known {
    fn failed(&self, device: Device, failure: Failure, now: Instant) -> State {
        let times = match &self.state {
            State::Failed {
                device: same,
                times,
                ..
            } if *same == device => times + 1,
            _ => 1,
        };
        let pause = FIRST_PAUSE
            .saturating_mul(1 << (times - 1).min(16))
            .min(LONGEST_PAUSE);
        State::Failed {
            device,
            again: failure.passes().then(|| now + pause),
            failure,
            times,
        }
    }

    /// What is to be done next, if anything; it is then being done.
    fn job(&mut self, key: &MountId, now: Instant) -> Option<Job> {
        if self.busy {
            return None;
        }
        let wanted = self
            .found
            .as_ref()
            .filter(|found| found.unusable.is_none())
            .map(|found| found.device);
        let job = match (&self.state, wanted) {
            (State::Mounted { device, .. }, Some(wanted)) if *device == wanted => return None,
            (State::Mounted { .. }, _) => {
                // From now on nobody is to read it, also when the drive is back before it is done.
                self.state = State::Untouched;
                Job::Unmount { key: key.clone() }
            }
            (State::Failed { device, again, .. }, Some(wanted))
                if *device == wanted && again.is_none_or(|again| again > now) =>
            {
                return None;
            }
            (_, Some(device)) => Job::Mount {
                key: key.clone(),
                device,
            },
            (_, None) => return None,
        };
        self.busy = true;
        Some(job)
    }

    /// What is to be said of it, when it is news.
    fn news(&mut self, key: &MountId) -> Option<Place> {
        let place = |found: &Found, state| Place {
            kind: SourceKind::Drive,
            key: key.as_str().into(),
            name: found.name.clone(),
            state,
            facts: found.facts.clone(),
        };
        let now = match (&self.found, &self.state) {
            (Some(found), _) if found.unusable.is_some() => {
                let why = sentence(found.unusable.as_deref().unwrap_or_default());
                Some(place(found, PlaceState::Unusable { why }))
            }
            (
                Some(found),
                State::Mounted {
                    device,
                    path,
                    note,
                    writable,
                },
            ) if *device == found.device => {
                let (path, note) = (path.clone(), note.as_deref().map(sentence));
                let mut place = place(found, PlaceState::Here { path, note });
                place.facts.for_uploads = *writable;
                Some(place)
            }
            (
                Some(found),
                State::Failed {
                    device, failure, ..
                },
            ) if *device == found.device => {
                let why = sentence(&failure.why);
                (!failure.is_quiet(found)).then(|| place(found, PlaceState::Unusable { why }))
            }
            _ => None,
        };
        let news = match (now, &self.said) {
            (Some(now), said) if said.as_ref() != Some(&now) => now,
            (None, Some(said)) if said.state != PlaceState::Gone => Place {
                state: PlaceState::Gone,
                ..said.clone()
            },
            _ => return None,
        };
        self.said = Some(news.clone());
        Some(news)
    }
}

/// What is said of a drive ("is encrypted"), as a sentence.
fn sentence(what: &str) -> String {
    format!("it {what}")
}

#[cfg(test)]
mod tests;
