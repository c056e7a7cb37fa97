//! One share's way from the settings to a folder that can be read, and back to it when the server went away.
//!
//! No sockets and no clock: the task asks for the next [`Step`], does it, and tells what came of it and when. One step is
//! under way at a time, and each ends within a limit of its own, so that a server which says nothing holds up nothing else.
//!
//! ```text
//!            ┌────────────── wait ◄──────────────┐
//!            ▼                                   │ failed
//!  clear → away ── reach ──► reached ── mount ──►┴─► mounted ── probe ──► here ◄─┐
//!    ▲       ▲                                          │ failed           │      │ good
//!    │       └──────────────── unmounted ◄──────────────┘                  ▼ failed
//!    └ start                              ▲     needs a new mount         lost: reach, probe, wait
//!                                         └───────────────────────────────┘
//! ```
//!
//! One that is removed is unmounted until that succeeds.
//!
//! While an NFS share is lost its mount stays: the kernel's client takes the connection up again by itself. It is mounted anew
//! only when that cannot help, or did not for [`REMOUNT_AFTER`]. An SMB share that is lost is unmounted at once: the kernel's
//! client would log on again every other second with the password it was given, which may be an old one, and so lock its
//! owner out of his own server (measured: 83 tries in 100 s).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::pace::Pace;
use crate::base::ShareProtocol;

/// How often a share that is here is looked at. One small question to the server, which answers it from memory: its disks
/// may sleep. With the time that SMB is given for an answer, an old password is tried about five times before the share is
/// unmounted; servers lock a user out after as few as that, most after ten.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How long an NFS server that takes connections again may leave reads unanswered before the share is mounted anew: after a
/// start it holds much up for 90 s to let its clients come back (`nfsd`'s grace period).
pub(super) const REMOUNT_AFTER: Duration = Duration::from_secs(120);
/// How long a share must have been here for its past failures not to count.
const STEADY: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Find the server, and connect to it; to this address if it has it still.
    Reach(Option<SocketAddr>),
    /// Mount it.
    Mount(SocketAddr),
    /// See whether it can be read.
    Probe,
    /// Unmount it, or see to it that nothing is mounted.
    Unmount,
    /// Nothing until then.
    Wait(Instant),
    /// Nothing ever again.
    Over,
}

/// How a share is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is being opened, for the first time or by its owner's wish.
    Opening,
    /// It can be read.
    Here,
    /// It cannot.
    Failing {
        /// Why.
        why: Fault,
        /// When it is tried again; none while it is.
        retry: Option<Instant>,
    },
    /// It was removed.
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Whatever is mounted from before is to go. Mounting it anew sees to that as well.
    Clearing,
    /// So is it for good: nobody comes after us who would see to it.
    Leaving {
        retry: Instant,
    },
    /// Nothing is mounted.
    Away {
        retry: Instant,
    },
    /// The server answered there.
    Reached {
        at: SocketAddr,
    },
    /// It is mounted, and was not read yet.
    Mounted {
        at: SocketAddr,
    },
    /// It was read.
    Here {
        at: SocketAddr,
        since: Instant,
        probe: Instant,
    },
    /// It is mounted, and cannot be read.
    Lost {
        at: SocketAddr,
        retry: Instant,
        /// Since when the server takes connections again.
        answers: Option<Instant>,
        /// Whether it took one since the last probe.
        reached: bool,
    },
    Over,
}

/// One share.
#[derive(Debug)]
pub(super) struct Machine {
    phase: Phase,
    /// What went wrong last; none while it is here, or nothing was tried yet.
    why: Option<Fault>,
    pace: Pace,
    /// Whether its mount stays while it is lost.
    keeps_mount: bool,
}

impl Machine {
    /// A share of which nothing is known; something may be mounted from before. The seed makes its waits its own.
    pub fn new(protocol: ShareProtocol, seed: u64) -> Self {
        Self {
            phase: Phase::Clearing,
            why: None,
            pace: Pace::new(seed),
            keeps_mount: protocol == ShareProtocol::Nfs,
        }
    }

    /// What is to be done now.
    pub fn next(&self, now: Instant) -> Step {
        let due = |at: Instant, step| if now >= at { step } else { Step::Wait(at) };
        match self.phase {
            Phase::Clearing => Step::Unmount,
            Phase::Leaving { retry } => due(retry, Step::Unmount),
            Phase::Away { retry } => due(retry, Step::Reach(None)),
            Phase::Reached { at } => Step::Mount(at),
            Phase::Mounted { .. } => Step::Probe,
            Phase::Here { probe, .. } => due(probe, Step::Probe),
            Phase::Lost { reached: true, .. } => Step::Probe,
            Phase::Lost { at, retry, .. } => due(retry, Step::Reach(Some(at))),
            Phase::Over => Step::Over,
        }
    }

    /// How it is.
    pub fn standing(&self) -> Standing {
        match (&self.phase, &self.why) {
            (Phase::Over | Phase::Leaving { .. }, _) => Standing::Over,
            (Phase::Here { .. }, _) => Standing::Here,
            (_, None) => Standing::Opening,
            (Phase::Away { retry } | Phase::Lost { retry, .. }, Some(why)) => Standing::Failing {
                why: why.clone(),
                retry: Some(*retry),
            },
            // Until it is here, the last failure is what there is to say.
            (_, Some(why)) => Standing::Failing {
                why: why.clone(),
                retry: None,
            },
        }
    }

    /// The server was looked for.
    pub fn reached(&mut self, result: Result<SocketAddr, Fault>, now: Instant) {
        match (&mut self.phase, result) {
            (Phase::Away { .. }, Ok(at)) => self.phase = Phase::Reached { at },
            // It has another address now: what is mounted asks the old one for ever.
            (Phase::Lost { at, .. }, Ok(found)) if *at != found => {
                self.pace.succeed();
                self.clear();
            }
            (
                Phase::Lost {
                    answers, reached, ..
                },
                Ok(_),
            ) => {
                answers.get_or_insert(now);
                *reached = true;
            }
            (Phase::Lost { answers, .. }, Err(why)) => {
                *answers = None;
                self.fail(why, now);
            }
            (Phase::Away { .. }, Err(why)) => self.fail(why, now),
            _ => {}
        }
    }

    /// It was mounted, or not.
    pub fn mounted(&mut self, result: Result<(), Fault>, now: Instant) {
        let Phase::Reached { at } = self.phase else {
            return;
        };
        match result {
            Ok(()) => self.phase = Phase::Mounted { at },
            Err(why) => self.fail(why, now),
        }
    }

    /// It was read, or not.
    pub fn probed(&mut self, result: Result<(), Fault>, now: Instant) {
        let at = match self.phase {
            Phase::Mounted { at } | Phase::Here { at, .. } | Phase::Lost { at, .. } => at,
            _ => return,
        };
        match (self.phase.clone(), result) {
            (Phase::Here { since, .. }, Ok(())) => {
                if now >= since + STEADY {
                    self.pace.succeed();
                }
                let probe = now + PROBE_EVERY;
                self.phase = Phase::Here { at, since, probe };
            }
            (_, Ok(())) => {
                let probe = now + PROBE_EVERY;
                self.why = None;
                self.phase = Phase::Here {
                    at,
                    since: now,
                    probe,
                };
            }
            (Phase::Mounted { .. }, Err(why)) => {
                self.why = Some(why);
                self.clear();
            }
            (_, Err(why)) if why.needs_mount() || !self.keeps_mount => {
                self.why = Some(why);
                self.clear();
            }
            (Phase::Lost { answers, .. }, Err(why)) => {
                if answers.is_some_and(|since| now >= since + REMOUNT_AFTER) {
                    self.why = Some(why);
                    self.clear();
                } else {
                    self.fail(why, now);
                }
            }
            (_, Err(why)) => {
                self.why = Some(why);
                // At once: whether the server is there says what to tell the owner.
                self.phase = Phase::Lost {
                    at,
                    retry: now,
                    answers: None,
                    reached: false,
                };
            }
        }
    }

    /// It was unmounted, or not: a mount that was given up may still be under way, and nothing else is done about it then.
    pub fn unmounted(&mut self, result: Result<(), Fault>, now: Instant) {
        match (&self.phase, result) {
            (Phase::Leaving { .. }, Ok(())) => self.phase = Phase::Over,
            // Left to the kernel, it would stay until the box restarts, and its password with it.
            (Phase::Leaving { .. }, Err(why)) => {
                let retry = now + self.pace.fail(&why);
                self.phase = Phase::Leaving { retry };
            }
            (Phase::Clearing, _) => {
                let retry = match &self.why {
                    // Who was here and needs a new mount gets it soon, and not in a circle.
                    Some(why) => now + self.pace.fail(&why.clone()),
                    None => now,
                };
                self.phase = Phase::Away { retry };
            }
            _ => {}
        }
    }

    /// Its settings are others now: begins anew, at once.
    pub fn changed(&mut self, protocol: ShareProtocol) {
        self.keeps_mount = protocol == ShareProtocol::Nfs;
        self.why = None;
        self.pace.succeed();
        if !matches!(self.standing(), Standing::Over) {
            self.clear();
        }
    }

    /// Its owner wants it tried now, or somebody met an error who read from it.
    pub fn try_now(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Away { retry } | Phase::Lost { retry, .. } => {
                *retry = now;
                self.pace.succeed();
            }
            Phase::Here { probe, .. } => *probe = now,
            _ => {}
        }
    }

    /// It is not wanted any more.
    pub fn remove(&mut self, now: Instant) {
        if self.standing() != Standing::Over {
            self.pace.succeed();
            self.phase = Phase::Leaving { retry: now };
        }
    }

    fn clear(&mut self) {
        self.phase = Phase::Clearing;
    }

    fn fail(&mut self, why: Fault, now: Instant) {
        let retry = now + self.pace.fail(&why);
        self.why = Some(why);
        match &mut self.phase {
            Phase::Lost {
                retry: at, reached, ..
            } => (*at, *reached) = (retry, false),
            phase => *phase = Phase::Away { retry },
        }
    }
}

#[cfg(test)]
mod tests;
