//! The owner's week: windows in which less may leave the box than his rate allows.
//!
//! Outside all windows the schedule says nothing. Where windows overlap the smallest limit wins. What a window is on a
//! day whose clock is changed is [`Window::on`]'s to say.

use crate::base::{Day, Rate, Timestamp, Window, Zone};

/// How far ahead the next change is looked for: a week, after which it all comes again, and the day it begins on.
const AHEAD_DAYS: i64 = 8;
/// A window that passes midnight began yesterday, and a clock put back may make it last into the day after.
const BACK_DAYS: i64 = 2;
/// How long an answer without a change ahead is relied on: a change of the clocks may bring one that the week had not.
const RELIED_ON_SECONDS: i64 = 86_400;

/// Windows in a time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    windows: Vec<Window>,
    zone: Zone,
}

/// What the schedule says for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What may leave; none where the schedule says nothing, 0 for nothing at all.
    pub limit: Option<Rate>,
    /// Since when this is known to hold.
    pub since: Timestamp,
    /// Until when; none when it is the same all week.
    pub until: Option<Timestamp>,
    /// Why, as the owner reads it; empty where the schedule says nothing.
    pub reason: String,
}

impl Standing {
    /// Whether it can be relied on at this moment, so that the schedule need not be asked again.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        let asked_again = Timestamp(self.since.0.saturating_add(RELIED_ON_SECONDS));
        (self.since..self.until.unwrap_or(asked_again).min(asked_again)).contains(&now)
    }
}

impl Schedule {
    /// The windows of a week, by the clock of `zone`.
    pub fn new(windows: Vec<Window>, zone: Zone) -> Self {
        Self { windows, zone }
    }

    /// What it says now.
    pub fn at(&self, now: Timestamp) -> Standing {
        let today = self.zone.day(now);
        let spans = self.spans(today);
        // Past this, windows that were not looked at begin.
        let known = self.zone.begins(Day(today.0 + AHEAD_DAYS));
        let limit_at = |at: Timestamp| {
            let lasting = spans
                .iter()
                .filter(|(from, to, _)| (*from..*to).contains(&at));
            lasting.map(|(_, _, rate)| *rate).min()
        };
        let mut edges: Vec<Timestamp> = spans
            .iter()
            .flat_map(|(from, to, _)| [*from, *to])
            .filter(|edge| (now..known).contains(edge) && *edge != now)
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let limit = limit_at(now);
        let until = edges.into_iter().find(|edge| limit_at(*edge) != limit);
        let until_when = until.map(|until| self.zone.say(until, now));
        Standing {
            limit,
            since: now,
            until,
            reason: reason(limit, until_when.as_deref()),
        }
    }

    /// What it says while nobody knows what time it is: the smallest limit of the week, since that one holds at any hour.
    pub fn at_an_unknown_hour(&self, now: Timestamp) -> Standing {
        let limit = self.windows.iter().map(|window| window.rate).min();
        Standing {
            limit,
            since: now,
            until: None,
            reason: reason(limit, Some("the box's clock is set")),
        }
    }

    /// From when until when each window lasts, around `today`.
    fn spans(&self, today: Day) -> Vec<(Timestamp, Timestamp, Rate)> {
        let mut spans = Vec::new();
        for day in (today.0 - BACK_DAYS..=today.0 + AHEAD_DAYS).map(Day) {
            let weekday = day.weekday();
            let begin = self.windows.iter().filter(|w| w.days.contains(&weekday));
            spans.extend(begin.map(|window| {
                let (from, to) = window.on(day, &self.zone);
                (from, to, window.rate)
            }));
        }
        spans
    }
}

fn reason(limit: Option<Rate>, until: Option<&str>) -> String {
    let what = match limit {
        None => return String::new(),
        Some(Rate(0)) => String::from("the schedule: nothing is sent"),
        Some(rate) => format!("the schedule: {rate}"),
    };
    until.map_or(what.clone(), |until| format!("{what} until {until}"))
}

#[cfg(test)]
mod tests;
