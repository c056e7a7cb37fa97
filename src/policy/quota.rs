//! The month's quota: how much may leave the box until it begins anew, and who may have what is left of it.
//!
//! Everything the line carries counts ([`Used`]); only payload can be withheld. So what trackers, the DHT and metadata
//! will take until the reset is foreseen from what they took, and left to them. Of the rest
//! - less than [`TAPER_FROM`] used: nothing is held back, but where little is left in bytes: no more of it may leave than
//!   would be gone in [`REACTION`], so that it is not overrun whatever the line, and however late this is asked again;
//! - more: what is left lasts for [`LASTS`], or until the reset if that is sooner. It lasts longer by being used, so that
//!   a box that is wanted too much slows down and does not stop at a stroke;
//! - all: metadata only.
//!
//! A share is kept for releases whose first copy is not out: they are what the box is for.

use std::time::Duration;

use crate::base::{Day, Rate, Size, Timestamp, Zone};

/// The share of the quota from which on what is left is made to last.
pub const TAPER_FROM: f64 = 0.75;
/// What is left then lasts this long at the rate it may leave with, or until the reset: a tenth of a month, so that a new
/// release still leaves the box in days, and yet half of it is there two days later.
pub const LASTS: Duration = Duration::from_secs(3 * 86_400);
/// What is left lasts this long whatever happens. The quota is looked at every second; when a slow disk holds that up for
/// many seconds, still little of it is gone.
pub const REACTION: Duration = Duration::from_secs(60);
/// A limit above this, in bytes per second, is none. What is left then, 2.4 GB, is more than the fastest line of a home
/// carries until the quota is looked at again. And who offers pieces would take a limit that no line reaches for the
/// uplink's speed.
pub const SWIFT: u64 = 40_000_000;
/// The least that is let through while anything is left, bytes per second: a block in two seconds. Peers give up on less,
/// and no quota that the settings take is overrun by it.
pub const LEAST_RATE: u64 = 8 << 10;
/// Seconds for which it must be known at least what goes beside: at the start much is said at once.
const FORESEEN_FROM: i64 = 3600;
/// The most of the quota that is left to what cannot be withheld.
const FORESEEN_AT_MOST: f64 = 0.25;
/// The limit is given in steps of this part of itself, so that it does not change, and nothing is painted anew, with every
/// byte.
const STEPS: u64 = 32;

/// What the owner allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Bytes on the wire per month.
    pub bytes: Size,
    /// Per cent of them that only releases may use whose first copy is not out.
    pub reserve: u8,
}

/// A month, from one reset to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// Its first day, on which the quota begins anew.
    pub first: Day,
    /// The moment at which that day begins.
    pub begins: Timestamp,
    /// The day of the next reset.
    pub next: Day,
    /// The moment at which that one begins.
    pub resets: Timestamp,
}

impl Month {
    /// The month that it is now where the quota begins anew on day `reset` of each month, at midnight; in a month that
    /// has no such day on its last.
    pub fn at(now: Timestamp, reset: u8, zone: &Zone) -> Self {
        let today = zone.day(now);
        let (year, month) = today.month();
        let in_month = |ahead| Day::of_month(year, month + ahead, reset);
        let (first, next) = match in_month(0) {
            this if this <= today => (this, in_month(1)),
            this => (in_month(-1), this),
        };
        Self {
            first,
            begins: zone.begins(first),
            next,
            resets: zone.begins(next),
        }
    }

    /// Whether it is this month now.
    pub fn contains(&self, now: Timestamp) -> bool {
        (self.begins..self.resets).contains(&now)
    }
}

/// Bytes on the wire since the month began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// All of them.
    pub total: u64,
    /// What trackers and the DHT take, which is no release's.
    pub beside: Lately,
}

/// Bytes on the wire since some moment, which need not be in this month: the longer ago, the surer what is to come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lately {
    /// So many.
    pub bytes: u64,
    /// Since then.
    pub since: Timestamp,
}

/// What the quota says now.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What may leave, bytes per second: none while nothing is held back, 0 once only metadata may.
    pub rate: Option<Rate>,
    /// Whether what is left is being made to last.
    pub tapers: bool,
    /// Whether the rest is kept for releases whose first copy is not out.
    pub is_reserved: bool,
    /// The share that is used; more than 1 when it is overrun.
    pub share: f64,
    /// Why, as the owner reads it.
    pub reason: String,
}

/// Looks at what is used of the plan. Less may leave the more is used, at any one moment.
pub fn decide(plan: &Plan, month: &Month, used: Used, now: Timestamp) -> Verdict {
    let quota = plan.bytes.0 as f64;
    let time_left = (month.resets.0 - now.0).max(0) as f64;
    let payable = quota - foreseen(quota, month, used, now);
    let left = payable - used.total as f64;
    let tapers = used.total as f64 >= TAPER_FROM * payable;
    let lasts = match tapers {
        true => LASTS.as_secs_f64().min(time_left),
        false => 0.0,
    };
    let rate = left / lasts.max(REACTION.as_secs_f64());
    let rate = match rate {
        _ if left <= 0.0 => Some(Rate(0)),
        rate if rate >= SWIFT as f64 => None,
        rate => Some(Rate(in_steps((rate as u64).max(LEAST_RATE)))),
    };
    let reserve = payable * f64::from(plan.reserve) / 100.0;
    let mut verdict = Verdict {
        rate,
        tapers,
        is_reserved: left <= reserve,
        share: used.total as f64 / quota.max(1.0),
        reason: String::new(),
    };
    verdict.reason = reason(&verdict, month.next);
    verdict
}

/// Bytes that what cannot be withheld will take until the reset, if it goes on as it did.
fn foreseen(quota: f64, month: &Month, used: Used, now: Timestamp) -> f64 {
    let known = (now.0 - used.beside.since.0).max(FORESEEN_FROM) as f64;
    let left = (month.resets.0 - now.0).max(0) as f64;
    (used.beside.bytes as f64 / known * left).min(quota * FORESEEN_AT_MOST)
}

/// Rounds down to a number with few bits.
fn in_steps(rate: u64) -> u64 {
    let step = (rate / STEPS).max(1);
    let step = 1 << step.ilog2();
    rate / step * step
}

fn reason(verdict: &Verdict, next: Day) -> String {
    // Rounded down: 100 % is said when it is so.
    let percent = (verdict.share * 100.0 + 1e-9).floor();
    let used = format!("the month's quota: {percent} % used");
    match verdict.rate {
        Some(Rate(0)) => format!("{used}, only metadata until {next}"),
        Some(rate) if verdict.is_reserved => {
            format!("{used}, {rate} until {next}, for first copies only")
        }
        Some(rate) if verdict.tapers => format!("{used}, {rate} until {next}"),
        _ => used,
    }
}

/// Why a release may have no payload now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// Its own budget for the month is used.
    Budget,
    /// The rest of the quota is for others.
    Reserve,
    /// There is nothing left of the quota.
    Quota,
}

impl Withheld {
    /// As the owner reads it.
    pub fn reason(self, month: &Month) -> String {
        let next = month.next;
        match self {
            Withheld::Budget => format!("waits until {next}: its budget for the month is used"),
            Withheld::Reserve => format!(
                "waits until {next}: the rest of the month's quota is kept for releases whose first copy is not out"
            ),
            Withheld::Quota => format!("waits until {next}: the month's quota is used"),
        }
    }
}

/// One release, as the quota sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Bytes on the wire that it used since the month began.
    pub used: u64,
    /// What it may use in a month; none is as much as the quota has.
    pub budget: Option<Size>,
    /// Whether its first copy is out.
    pub is_out: bool,
}

/// Whether a release may have payload; otherwise, why not. `quota`: none where there is none.
///
/// # Errors
/// What stands in its way.
pub fn admit(quota: Option<&Verdict>, claim: &Claim) -> Result<(), Withheld> {
    if quota.is_some_and(|quota| quota.rate == Some(Rate(0))) {
        return Err(Withheld::Quota);
    }
    if claim.budget.is_some_and(|budget| claim.used >= budget.0) {
        return Err(Withheld::Budget);
    }
    if claim.is_out && quota.is_some_and(|quota| quota.is_reserved) {
        return Err(Withheld::Reserve);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
