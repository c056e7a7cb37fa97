//! The clock on the owner's wall: days, hours and dates in a time zone, summer time included.
//!
//! Not every hour exists: where clocks are put forward an hour is left out, and where they are put back one comes twice.
//! [`Zone::first`] and [`Zone::last`] say what that makes of an hour somebody wrote down.

use std::fmt;

use jiff::civil::{Date, DateTime, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ToSpan};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;

/// Minutes in a day on the wall, however many hours it really has.
pub const DAY_MINUTES: u16 = 24 * 60;
/// Seconds in a day of 24 hours.
pub const DAY_SECONDS: i64 = 86_400;
/// Bytes in the name of a time zone; the longest there is has half as many.
const MAX_NAME: usize = 64;

/// A day of somebody's calendar, counted from 1970-01-01 there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

/// A day of the week.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// Every day of the week.
    pub const ALL: [Weekday; 7] = [
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
        Weekday::Sun,
    ];
}

impl Day {
    /// The day of this date; a day of the month past the month's end is the month's last, one below 1 its first.
    /// `month` counts from 1, and may be past December.
    pub fn of_month(year: i64, month: i64, day: u8) -> Self {
        let (year, month) = (
            year + (month - 1).div_euclid(12),
            (month - 1).rem_euclid(12) + 1,
        );
        let first = Date::new(year as i16, month as i8, 1).unwrap_or(Date::MAX);
        let last = first.days_in_month();
        let day = i64::from(day).clamp(1, last.into());
        Self::of(first.saturating_add((day - 1).days()))
    }

    /// Year, and month counted from 1.
    pub fn month(self) -> (i64, i64) {
        let date = self.date();
        (date.year().into(), date.month().into())
    }

    /// The day of the week.
    pub fn weekday(self) -> Weekday {
        Weekday::ALL[self.date().weekday().to_monday_zero_offset() as usize]
    }

    fn of(date: Date) -> Self {
        Self(date.duration_since(EPOCH).as_secs() / DAY_SECONDS)
    }

    fn date(self) -> Date {
        let since = SignedDuration::from_secs(self.0.saturating_mul(DAY_SECONDS));
        EPOCH.saturating_add(since)
    }
}

impl fmt::Display for Day {
    /// As people write a date without its year: `1 December`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date().strftime("%-d %B"))
    }
}

const EPOCH: Date = date(1970, 1, 1);

/// A time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a time zone; write it like Europe/Paris, or leave it empty for the box's own"
)]
pub struct UnknownZone(pub String);

impl Zone {
    /// The zone of an IANA name, such as `Europe/Paris`.
    ///
    /// # Errors
    /// When neither the system nor we know it.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone(name.chars().take(MAX_NAME).collect());
        if name.len() > MAX_NAME {
            return Err(unknown());
        }
        TimeZone::get(name).map(Self).map_err(|_| unknown())
    }

    /// The machine's own; UTC where it does not say.
    pub fn system() -> Self {
        Self(TimeZone::system())
    }

    /// The day it is there.
    pub fn day(&self, at: Timestamp) -> Day {
        Day::of(self.clock(at).date())
    }

    /// The first moment of a day: midnight, or where midnight is left out, the moment after.
    pub fn begins(&self, day: Day) -> Timestamp {
        self.first(day, 0)
    }

    /// The first moment at which the clock shows this minute of the day, or where that is left out, a later one.
    /// [`DAY_MINUTES`] is the end of the day.
    pub fn first(&self, day: Day, minute: u16) -> Timestamp {
        self.moment(day, minute, false)
    }

    /// Like [`Zone::first`], but the second time where the clock shows it twice.
    pub fn last(&self, day: Day, minute: u16) -> Timestamp {
        self.moment(day, minute, true)
    }

    fn moment(&self, day: Day, minute: u16, last: bool) -> Timestamp {
        let day = Day(day.0.saturating_add(i64::from(minute / DAY_MINUTES)));
        let minute = minute % DAY_MINUTES;
        let clock = day
            .date()
            .at((minute / 60) as i8, (minute % 60) as i8, 0, 0);
        let ambiguous = self.0.to_ambiguous_timestamp(clock);
        let moment = match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => ambiguous.earlier().map(|before| {
                // Counted from after the gap, what is in it lies before the clocks are put forward.
                let change = self.0.following(before).next();
                change.map_or(before, |change| change.timestamp())
            }),
            _ if last => ambiguous.later(),
            _ => ambiguous.earlier(),
        };
        // Fails only at the ends of time.
        Timestamp(moment.map_or(day.0.saturating_mul(DAY_SECONDS), |moment| {
            moment.as_second()
        }))
    }

    fn clock(&self, at: Timestamp) -> DateTime {
        let seconds = at.0.clamp(
            jiff::Timestamp::MIN.as_second(),
            jiff::Timestamp::MAX.as_second(),
        );
        self.0
            .to_datetime(jiff::Timestamp::from_second(seconds).unwrap_or_default())
    }

    /// A moment to come as people say it `now`: `18:00`, `midnight`, `07:00 on Monday`, `07:00 on 1 December`.
    pub fn say(&self, moment: Timestamp, now: Timestamp) -> String {
        let (then, days) = (self.clock(moment), self.day(moment).0 - self.day(now).0);
        let format = match days {
            1 if (then.hour(), then.minute()) == (0, 0) => "midnight",
            0 => "%H:%M",
            1..=6 => "%H:%M on %A",
            _ => "%H:%M on %-d %B",
        };
        then.strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::named(name).unwrap()
    }

    fn day(year: i64, month: i64, day: u8) -> Day {
        Day::of_month(year, month, day)
    }

    #[test]
    fn days_and_dates_go_both_ways() {
        assert_eq!(day(1970, 1, 1), Day(0));
        assert_eq!(day(2026, 11, 25), Day(20_782));
        assert_eq!(Day(20_782).weekday(), Weekday::Wed);
        assert_eq!(Day(20_782).month(), (2026, 11));
        assert_eq!(Day(20_788).to_string(), "1 December");
        assert_eq!(Day(-1).month(), (1969, 12));
        for (given, clamped) in [
            ((2026, 2, 31), (2026, 2, 28)),
            ((2028, 2, 30), (2028, 2, 29)),
            ((2026, 4, 31), (2026, 4, 30)),
            ((2026, 13, 5), (2027, 1, 5)),
            ((2026, 0, 5), (2025, 12, 5)),
            ((2026, 5, 0), (2026, 5, 1)),
        ] {
            let of = |(y, m, d)| day(y, m, d);
            assert_eq!(of(given), of(clamped), "{given:?}");
        }
        for day in [i64::MIN, i64::MAX] {
            Day(day).weekday();
        }
    }

    #[test]
    fn a_day_begins_at_the_owners_midnight() {
        let paris = zone("Europe/Paris");
        let day = day(2026, 3, 29);
        let midnight = paris.begins(day);
        assert_eq!(midnight, Timestamp(1_774_738_800));
        assert_eq!(paris.day(midnight), day);
        assert_eq!(paris.day(Timestamp(midnight.0 - 1)), Day(day.0 - 1));
        // Clocks are put forward this day and back on 25 October.
        let hours = |day: Day| (paris.begins(Day(day.0 + 1)).0 - paris.begins(day).0) / 3600;
        assert_eq!(hours(day), 23);
        assert_eq!(hours(Day::of_month(2026, 10, 25)), 25);
        // Here the hour that is left out is the first of the day.
        let beirut = zone("Asia/Beirut");
        let begins = beirut.begins(day);
        assert_eq!(beirut.day(begins), day);
        assert_eq!(beirut.day(Timestamp(begins.0 - 1)), Day(day.0 - 1));
    }

    #[test]
    fn an_hour_left_out_is_the_moment_after_and_one_that_comes_twice_has_two() {
        let paris = zone("Europe/Paris");
        let spring = day(2026, 3, 29);
        let change = Timestamp(1_774_746_000);
        for minute in [120, 150, 180] {
            assert_eq!(paris.first(spring, minute), change, "{minute}");
            assert_eq!(paris.last(spring, minute), change, "{minute}");
        }
        assert_eq!(paris.first(spring, 119), Timestamp(change.0 - 60));
        let autumn = day(2026, 10, 25);
        let first = paris.first(autumn, 150);
        assert_eq!(paris.last(autumn, 150).0 - first.0, 3600);
        assert_eq!(paris.first(autumn, 181), paris.last(autumn, 181));
        assert_eq!(
            paris.first(autumn, DAY_MINUTES),
            paris.begins(Day(autumn.0 + 1))
        );
    }

    #[test]
    fn moments_are_said_as_people_say_them() {
        let paris = zone("Europe/Paris");
        let wednesday = day(2026, 11, 25);
        let at = |days: i64, minute| paris.first(Day(wednesday.0 + days), minute);
        let now = at(0, 600);
        for (days, minute, said) in [
            (0, 1080, "18:00"),
            (1, 0, "midnight"),
            (1, 420, "07:00 on Thursday"),
            (2, 0, "00:00 on Friday"),
            (6, 420, "07:00 on Tuesday"),
            (7, 420, "07:00 on 2 December"),
        ] {
            assert_eq!(paris.say(at(days, minute), now), said);
        }
    }

    #[test]
    fn zones_are_known_by_their_names_and_others_are_not() {
        for name in ["", "Paris", "../../etc/passwd", "a/b", &"x".repeat(1000)] {
            let unknown = Zone::named(name).unwrap_err();
            assert!(unknown.0.len() <= MAX_NAME, "{name}");
        }
        assert_eq!(zone("UTC").day(Timestamp(-1)), Day(-1));
        assert_ne!(zone("Europe/Paris"), zone("America/New_York"));
        for at in [i64::MIN, i64::MAX] {
            Zone::system().day(Timestamp(at));
        }
    }
}
