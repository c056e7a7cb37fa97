use proptest::prelude::*;

use super::*;
use crate::base::Weekday;

const WEEK: [Weekday; 7] = Weekday::ALL;
const WORKDAYS: [Weekday; 5] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
];

fn window(days: &[Weekday], from: u16, to: u16, rate: u64) -> Window {
    Window {
        days: days.to_vec(),
        from,
        to,
        rate: Rate(rate),
    }
}

fn paris(windows: Vec<Window>) -> (Schedule, Zone) {
    let zone = Zone::named("Europe/Paris").unwrap();
    (Schedule::new(windows, zone.clone()), zone)
}

const fn clock(hour: u16, minute: u16) -> u16 {
    hour * 60 + minute
}

#[test]
fn a_working_day_and_its_night() {
    let (schedule, zone) = paris(vec![
        window(&WORKDAYS, clock(8, 0), clock(18, 0), 512_000),
        window(&[Weekday::Fri], clock(22, 0), clock(7, 30), 0),
    ]);
    let friday = Day::of_month(2026, 11, 27);
    let at = |days: i64, minute| zone.first(Day(friday.0 + days), minute);
    for (now, limit, until, reason) in [
        (at(0, 0), None, at(0, clock(8, 0)), ""),
        (
            at(0, clock(8, 0)),
            Some(512_000),
            at(0, clock(18, 0)),
            "the schedule: 500 KiB/s until 18:00",
        ),
        (at(0, clock(18, 0)), None, at(0, clock(22, 0)), ""),
        (
            at(0, clock(23, 59)),
            Some(0),
            at(1, clock(7, 30)),
            "the schedule: nothing is sent until 07:30 on Saturday",
        ),
        (
            at(1, clock(7, 29)),
            Some(0),
            at(1, clock(7, 30)),
            "the schedule: nothing is sent until 07:30",
        ),
        (at(1, clock(7, 30)), None, at(3, clock(8, 0)), ""),
    ] {
        let standing = schedule.at(now);
        assert_eq!(standing.limit, limit.map(Rate), "{now:?}");
        assert_eq!(standing.until, Some(until), "{now:?}");
        assert_eq!(standing.reason, reason);
        assert!(standing.holds_at(now));
        assert!(!standing.holds_at(until) && !standing.holds_at(Timestamp(now.0 - 1)));
    }
}

#[test]
fn the_smallest_of_overlapping_windows_wins_and_equal_ones_are_one() {
    let (schedule, zone) = paris(vec![
        window(&WEEK, clock(8, 0), clock(20, 0), 4000),
        window(&WEEK, clock(12, 0), clock(13, 0), 2000),
        window(&WEEK, clock(13, 0), clock(14, 0), 2000),
        window(&WEEK, clock(12, 30), clock(12, 40), 3000),
    ]);
    let today = Day::of_month(2026, 11, 27);
    let at = |minute| zone.first(today, minute);
    for (now, limit, until) in [
        (clock(11, 0), 4000, clock(12, 0)),
        (clock(12, 35), 2000, clock(14, 0)),
        (clock(14, 0), 4000, clock(20, 0)),
    ] {
        let standing = schedule.at(at(now));
        assert_eq!(
            (standing.limit, standing.until),
            (Some(Rate(limit)), Some(at(until)))
        );
    }
}

#[test]
fn the_whole_week_ends_never_and_no_windows_say_nothing() {
    let now = Timestamp(1_800_000_000);
    let (always, zone) = paris(vec![window(&WEEK, 0, 1440, 7000)]);
    let standing = always.at(now);
    assert_eq!((standing.limit, standing.until), (Some(Rate(7000)), None));
    assert_eq!(standing.reason, "the schedule: 6.8 KiB/s");
    assert!(standing.holds_at(Timestamp(now.0 + 3600)));
    assert!(!standing.holds_at(Timestamp(now.0 + RELIED_ON_SECONDS)));
    let never = Schedule::new(Vec::new(), zone);
    assert_eq!(never.at(now).limit, None);
    assert_eq!(never.at_an_unknown_hour(now).limit, None);
}

#[test]
fn at_an_unknown_hour_the_smallest_limit_of_the_week_holds() {
    let (schedule, _) = paris(vec![
        window(&WORKDAYS, 0, 60, 9000),
        window(&[Weekday::Sun], 0, 60, 5000),
    ]);
    let standing = schedule.at_an_unknown_hour(Timestamp(60));
    assert_eq!(standing.limit, Some(Rate(5000)));
    assert_eq!(
        standing.reason,
        "the schedule: 4.9 KiB/s until the box's clock is set"
    );
}

/// How many seconds of these days a limit of nothing holds.
fn closed(schedule: &Schedule, zone: &Zone, from: Day, days: i64) -> i64 {
    let (mut now, end) = (zone.begins(from), zone.begins(Day(from.0 + days)));
    let mut closed = 0;
    while now < end {
        let standing = schedule.at(now);
        let until = standing.until.unwrap_or(end).min(end);
        assert!(until > now);
        if standing.limit.is_some() {
            closed += until.0 - now.0;
        }
        now = until;
    }
    closed
}

#[test]
fn windows_on_days_whose_clock_is_changed() {
    let spring = Day::of_month(2026, 3, 29);
    let autumn = Day::of_month(2026, 10, 25);
    for (from, to, in_spring, in_autumn) in [
        // The hour that is left out, and that comes twice.
        (clock(2, 0), clock(3, 0), 0, 7200),
        // It begins in it.
        (clock(2, 30), clock(4, 0), 3600, 9000),
        // It ends in it; the second time.
        (clock(1, 0), clock(2, 30), 3600, 9000),
        // It is around it.
        (clock(1, 0), clock(4, 0), 7200, 14_400),
        (0, 1440, 23 * 3600, 25 * 3600),
        // It began the evening before.
        (clock(22, 0), clock(8, 0), 9 * 3600, 11 * 3600),
    ] {
        let (schedule, zone) = paris(vec![window(&WEEK, from, to, 0)]);
        for (day, expected) in [(spring, in_spring), (autumn, in_autumn)] {
            // An ordinary night before it is not counted.
            let (start, days) = if to > from {
                (day, 1)
            } else {
                (Day(day.0 - 1), 2)
            };
            let mut seconds = closed(&schedule, &zone, start, days);
            if to <= from {
                let ordinary = 10 * 3600;
                assert_eq!(closed(&schedule, &zone, Day(day.0 - 20), 2), 2 * ordinary);
                seconds -= ordinary;
            }
            assert_eq!(seconds, expected, "{from} to {to} on {day}");
        }
    }
}

prop_compose! {
    fn any_window()(
        days in proptest::sample::subsequence(WEEK.to_vec(), 1..=7),
        from in 0..1440_u16,
        length in 1..1440_u16,
        rate in prop_oneof![Just(0), 1024..10_000_u64],
    ) -> Window {
        Window { days, from, to: (from + length) % 1440, rate: Rate(rate) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Against the clock itself, read minute by minute.
    #[test]
    fn whatever_the_clock_shows_is_in_its_windows(
        windows in prop::collection::vec(any_window(), 0..5),
        name in prop::sample::select(&["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "UTC"]),
        start in 1_767_225_600..1_830_000_000_i64,
        minutes in prop::collection::vec(0..3 * 1440_i64, 40),
    ) {
        let zone = Zone::named(name).unwrap();
        let schedule = Schedule::new(windows.clone(), zone.clone());
        for minute in minutes {
            let now = Timestamp(start - start % 60 + minute * 60);
            let standing = schedule.at(now);
            let day = zone.day(now);
            let shown = zone.say(now, now);
            let (hour, rest) = shown.split_at(2);
            let shown: u16 = hour.parse::<u16>().unwrap() * 60 + rest[1..].parse::<u16>().unwrap();
            let smallest = windows.iter().filter(|w| {
                let (today, yesterday) = (day.weekday(), Day(day.0 - 1).weekday());
                let evening = shown >= w.from && w.days.contains(&today);
                match w.to > w.from {
                    true => evening && shown < w.to,
                    false => evening || (shown < w.to && w.days.contains(&yesterday)),
                }
            }).map(|w| w.rate).min();
            if let Some(smallest) = smallest {
                prop_assert!(standing.limit.is_some_and(|limit| limit <= smallest), "{now:?}: {standing:?}");
            }
            let until = standing.until.unwrap_or(Timestamp(now.0 + 86_400));
            prop_assert!(until > now);
            let between = Timestamp(now.0 + (until.0 - now.0) / 2);
            prop_assert_eq!(schedule.at(between).limit, standing.limit);
            prop_assert_eq!(schedule.at(Timestamp(until.0 - 1)).limit, standing.limit);
            if standing.until.is_some() {
                prop_assert_ne!(schedule.at(until).limit, standing.limit);
            }
        }
    }
}
