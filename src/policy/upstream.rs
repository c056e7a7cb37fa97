//! What may leave the box now: the smallest of the owner's rate, the schedule's, the quota's and the latency guard's.

use serde::Serialize;
use utoipa::ToSchema;

use super::{guard, quota, schedule};
use crate::base::Rate;

/// Which limit is in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// None is set.
    #[default]
    None,
    /// The owner's rate.
    Rate,
    /// The schedule's window.
    Schedule,
    /// The month's quota.
    Quota,
    /// The latency guard: what the line carries without others noticing.
    Guard,
}

impl LimitedBy {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Rate,
        Self::Schedule,
        Self::Quota,
        Self::Guard,
    ];

    /// Its word, as the API and monitoring programs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rate => "rate",
            Self::Schedule => "schedule",
            Self::Quota => "quota",
            Self::Guard => "guard",
        }
    }
}

/// Every limit there is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits<'a> {
    /// The owner's rate.
    pub rate: Option<Rate>,
    /// What the schedule says.
    pub schedule: Option<&'a schedule::Standing>,
    /// What the quota says.
    pub quota: Option<&'a quota::Verdict>,
    /// What the latency guard says; none while it is off, or nobody is reached over the uplink.
    pub guard: Option<guard::Ruling>,
}

/// The limit in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Which it is.
    pub by: LimitedBy,
    /// What may leave, in bytes per second on the wire; none is no limit, 0 nothing but metadata.
    pub rate: Option<Rate>,
    /// What the line is held to beside the guard, which is ten times as quick as whoever asks here. The smallest of the
    /// others that is not 0: where `rate` is 0, metadata is not withheld.
    pub cap: Option<Rate>,
    /// Why, as the owner reads it.
    pub reason: String,
}

impl Verdict {
    /// Whether payload may be given at all.
    pub fn gives(&self) -> bool {
        self.rate != Some(Rate(0))
    }
}

/// The smallest limit, and why. Of equal ones the first that the owner thinks of: his own.
pub fn decide(limits: &Limits<'_>) -> Verdict {
    let schedule = limits
        .schedule
        .and_then(|standing| Some((standing.limit?, standing)));
    let candidates = [
        limits.rate.map(|rate| (rate, LimitedBy::Rate)),
        schedule.map(|(rate, _)| (rate, LimitedBy::Schedule)),
        limits
            .quota
            .and_then(|quota| Some((quota.rate?, LimitedBy::Quota))),
        limits
            .guard
            .map(|guard| (Rate(guard.rate), LimitedBy::Guard)),
    ];
    let candidates = candidates.into_iter().flatten();
    let cap = candidates
        .clone()
        .filter(|(rate, by)| *rate > Rate(0) && *by != LimitedBy::Guard)
        .map(|(rate, _)| rate)
        .min();
    let Some((rate, by)) = candidates.min_by_key(|(rate, _)| *rate) else {
        let quota = limits.quota.map(|quota| format!("; {}", quota.reason));
        return Verdict {
            reason: format!("no limit is set{}", quota.unwrap_or_default()),
            ..Verdict::default()
        };
    };
    let reason = match by {
        LimitedBy::Schedule => schedule.map(|(_, standing)| standing.reason.clone()),
        LimitedBy::Quota => limits.quota.map(|quota| quota.reason.clone()),
        LimitedBy::Guard => limits
            .guard
            .map(|guard| format!("the latency guard: {rate}, {}", guard.reason)),
        LimitedBy::Rate | LimitedBy::None => Some(format!("your limit of {rate}")),
    };
    Verdict {
        by,
        rate: Some(rate),
        cap,
        reason: reason.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::Timestamp;

    fn standing(limit: Option<u64>) -> schedule::Standing {
        schedule::Standing {
            limit: limit.map(Rate),
            since: Timestamp(0),
            until: None,
            reason: String::from("the schedule: so it is"),
        }
    }

    fn quota(rate: u64) -> quota::Verdict {
        quota::Verdict {
            rate: Some(Rate(rate)),
            tapers: true,
            is_reserved: false,
            share: 0.8,
            reason: String::from("the month's quota: so much"),
        }
    }

    fn ruling(rate: u64) -> guard::Ruling {
        guard::Ruling {
            rate,
            delay: Duration::ZERO,
            reason: guard::Reason::Shared,
        }
    }

    #[test]
    fn the_word_is_the_apis() {
        for by in LimitedBy::ALL {
            assert_eq!(serde_json::to_value(by).unwrap(), by.as_str());
        }
    }

    #[test]
    fn the_smallest_wins_and_says_so() {
        for (rate, schedule, quota_rate, guard, by, wins, reason) in [
            (
                None,
                None,
                None,
                None,
                LimitedBy::None,
                None,
                "no limit is set",
            ),
            (
                Some(2 << 20),
                None,
                None,
                None,
                LimitedBy::Rate,
                Some(2 << 20),
                "your limit of 2 MiB/s",
            ),
            (
                Some(4000),
                Some(3000),
                Some(5000),
                Some(6000),
                LimitedBy::Schedule,
                Some(3000),
                "the schedule: so it is",
            ),
            (
                Some(4000),
                Some(3000),
                Some(2000),
                Some(6000),
                LimitedBy::Quota,
                Some(2000),
                "the month's quota: so much",
            ),
            (
                Some(4000),
                None,
                Some(2000),
                Some(1024),
                LimitedBy::Guard,
                Some(1024),
                "the latency guard: 1 KiB/s, the line is in use by others",
            ),
            (
                Some(4000),
                Some(4000),
                Some(4000),
                Some(4000),
                LimitedBy::Rate,
                Some(4000),
                "your limit of 3.9 KiB/s",
            ),
        ] {
            let (standing, quota) = (standing(schedule), quota_rate.map(quota));
            let verdict = decide(&Limits {
                rate: rate.map(Rate),
                schedule: Some(&standing),
                quota: quota.as_ref(),
                guard: guard.map(ruling),
            });
            assert_eq!(verdict.by, by);
            assert_eq!(verdict.rate, wins.map(Rate));
            let others = [rate, schedule, quota_rate].into_iter().flatten().min();
            assert_eq!(verdict.cap, others.map(Rate), "the guard keeps its own");
            assert_eq!(verdict.reason, reason);
            assert!(verdict.gives());
        }
    }

    #[test]
    fn a_quota_that_holds_nothing_back_is_still_said() {
        let idle = quota::Verdict {
            rate: None,
            ..quota(0)
        };
        let verdict = decide(&Limits {
            quota: Some(&idle),
            ..Limits::default()
        });
        assert_eq!((verdict.by, verdict.rate), (LimitedBy::None, None));
        assert_eq!(
            verdict.reason,
            "no limit is set; the month's quota: so much"
        );
    }

    #[test]
    fn where_nothing_may_leave_metadata_keeps_the_other_limits() {
        let closed = standing(Some(0));
        let verdict = decide(&Limits {
            rate: Some(Rate(4000)),
            schedule: Some(&closed),
            ..Limits::default()
        });
        assert_eq!(verdict.rate, Some(Rate(0)));
        assert_eq!(verdict.cap, Some(Rate(4000)));
        assert!(!verdict.gives());
        let alone = decide(&Limits {
            schedule: Some(&closed),
            ..Limits::default()
        });
        assert_eq!((alone.rate, alone.cap), (Some(Rate(0)), None));
    }
}
