//! Which day the month's books are kept by, on a machine whose clock may be wrong.
//!
//! A board without a battery starts in 1970, or when its image was built, until the network tells it the time; a broken
//! time server may send it to 2099. A quota that believed that would begin a new month whenever somebody pulls the plug.
//! So a leap of more than a day is followed only when the clock has stood by it for a while; until then time passes from
//! the last day that was written in the books. The schedule needs no such care: it follows the clock on the wall.
//!
//! What follows for the quota ([`super::quota`]), whose sum is of all that was written from the month's first day on:
//! a clock that is behind adds to the month that it is; one that ran ahead for a moment changes nothing; and one that ran
//! ahead for long has written days to come, which count until they are brought back ([`Told::went_back`]).

use std::time::{Duration, Instant};

use crate::base::Timestamp;

/// No clock is right that shows a time before this: 2026-01-01, when there was no Semoir.
pub const EARLIEST: Timestamp = Timestamp(1_767_225_600);
/// Seconds a clock may leap by and be followed at once: a month that begins a day off does no harm.
const LEAP: i64 = 86_400;
/// How long a clock must have stood by a leap ahead: as long as a box may take that was switched off over the first of
/// the month until it begins the new one, and longer than a time server needs to be contradicted.
const AHEAD_PROVEN: Duration = Duration::from_secs(3600);
/// And by one back, which days in the books contradict: a box that is online hears the time many times a day.
const BACK_PROVEN: Duration = Duration::from_secs(86_400);
/// Seconds by which a clock that stands by what it said may differ from ours.
const STEADY: i64 = 60;

/// The time by which the books are kept.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The time at `at`; it passes from there.
    time: Timestamp,
    at: Instant,
    /// Whether nothing spoke for `time` but that it must be something.
    assumed: bool,
    /// Another time that the wall clock shows, and when it began to.
    doubted: Option<(Timestamp, Instant)>,
}

/// What time it is for the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The time.
    pub time: Timestamp,
    /// Whether it was found just now that the clock had been ahead for long: what is written under days to come was
    /// spent by today.
    pub went_back: bool,
}

impl Clock {
    /// Starts from what the wall clock shows, as far as the books do not contradict it. `written` is the beginning of
    /// the last day in them.
    pub fn new(written: Option<Timestamp>, wall: Timestamp, now: Instant) -> Self {
        let clock = |time, assumed| Self {
            time,
            at: now,
            assumed,
            doubted: None,
        };
        match written.filter(|written| *written >= EARLIEST) {
            // Switched off some time in that day, and on again within a day.
            Some(written) if (written.0 - LEAP..written.0 + 2 * LEAP).contains(&wall.0) => {
                clock(wall, false)
            }
            Some(written) => clock(written, false),
            None => clock(wall.max(EARLIEST), wall < EARLIEST),
        }
    }

    /// The time, the wall clock showing `wall`. Call it every few seconds.
    pub fn tell(&mut self, wall: Timestamp, now: Instant) -> Told {
        let time = passed(self.time, self.at, now);
        let leap = wall.0.saturating_sub(time.0);
        let mut told = Told {
            time,
            went_back: false,
        };
        if wall < EARLIEST {
            self.doubted = None;
            return told;
        }
        if leap.abs() > LEAP && !self.assumed {
            let steady = |(shown, at): &(Timestamp, Instant)| {
                passed(*shown, *at, now).0.abs_diff(wall.0) <= STEADY as u64
            };
            self.doubted.take_if(|doubted| !steady(doubted));
            let (_, since) = *self.doubted.get_or_insert((wall, now));
            let proven = if leap > 0 { AHEAD_PROVEN } else { BACK_PROVEN };
            if now.saturating_duration_since(since) < proven {
                return told;
            }
            told.went_back = leap < 0;
        }
        told.time = wall;
        (self.time, self.at) = (wall, now);
        (self.assumed, self.doubted) = (false, None);
        told
    }
}

fn passed(time: Timestamp, at: Instant, now: Instant) -> Timestamp {
    let seconds = now.saturating_duration_since(at).as_secs();
    Timestamp(time.0.saturating_add(seconds as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const TODAY: Timestamp = Timestamp(1_795_600_000);

    /// A machine with a clock that can be set.
    struct Machine {
        clock: Clock,
        wall: i64,
        now: Instant,
    }

    impl Machine {
        fn start(written: Option<Timestamp>, wall: Timestamp) -> Self {
            let now = Instant::now();
            Self {
                clock: Clock::new(written, wall, now),
                wall: wall.0,
                now,
            }
        }

        fn pass(&mut self, seconds: i64) -> Told {
            let mut told = None;
            for step in (0..seconds).step_by(10) {
                let step = (seconds - step).min(10);
                self.wall += step;
                self.now += Duration::from_secs(step as u64);
                let next = self.clock.tell(Timestamp(self.wall), self.now);
                let went_back = told.is_some_and(|told: Told| told.went_back);
                told = Some(Told {
                    went_back: next.went_back || went_back,
                    ..next
                });
            }
            told.expect("some time")
        }
    }

    #[test]
    fn it_follows_a_clock_that_is_set_by_hours() {
        let mut machine = Machine::start(Some(TODAY), Timestamp(TODAY.0 + 3600));
        assert_eq!(machine.pass(10).time.0, TODAY.0 + 3610);
        for by in [7200, -7200, DAY - 100, -DAY + 100] {
            machine.wall += by;
            let told = machine.pass(10);
            assert_eq!((told.time.0, told.went_back), (machine.wall, false));
        }
    }

    #[test]
    fn a_board_that_says_1970_goes_on_from_its_books_until_it_is_told() {
        let mut machine = Machine::start(Some(TODAY), Timestamp(5));
        assert_eq!(machine.pass(50 * 3600).time.0, TODAY.0 + 50 * 3600);
        machine.wall = TODAY.0 + 50 * 3600;
        assert_eq!(machine.pass(10).time.0, machine.wall);
        // It had been off for a month.
        let mut machine = Machine::start(Some(TODAY), Timestamp(5));
        machine.pass(100);
        machine.wall = TODAY.0 + 30 * DAY;
        assert_eq!(machine.pass(3000).time.0, TODAY.0 + 3100);
        assert_eq!(machine.pass(1000).time.0, machine.wall);
    }

    #[test]
    fn an_empty_box_takes_the_first_time_it_is_told() {
        let mut machine = Machine::start(None, Timestamp(5));
        assert_eq!(machine.pass(100).time.0, EARLIEST.0 + 100);
        machine.wall = TODAY.0;
        let told = machine.pass(10);
        assert_eq!((told.time.0, told.went_back), (machine.wall, false));
        assert_eq!(Machine::start(None, TODAY).pass(10).time.0, TODAY.0 + 10);
    }

    #[test]
    fn a_leap_that_is_taken_back_changes_nothing() {
        let mut machine = Machine::start(Some(TODAY), TODAY);
        for by in [40 * DAY, 30_000 * DAY, -40 * DAY] {
            machine.pass(100);
            let right = machine.wall;
            machine.wall += by;
            assert_eq!(machine.pass(3500).time.0, right + 3500);
            machine.wall = right + 3500;
            assert_eq!(machine.pass(10).time.0, right + 3510);
        }
        // One that does not know what it wants is not believed either.
        for leap in 0..2000 {
            machine.wall = TODAY.0 + (40 + leap % 2) * DAY;
            assert!(machine.pass(10).time.0 < TODAY.0 + 2 * DAY);
        }
    }

    #[test]
    fn a_clock_that_was_ahead_for_long_comes_back_after_a_day_and_says_so() {
        let mut machine = Machine::start(Some(TODAY), TODAY);
        machine.wall += 400 * DAY;
        assert_eq!(machine.pass(2 * 3600).time.0, machine.wall);
        machine.wall = TODAY.0 + 2 * 3600;
        let told = machine.pass(DAY - 100);
        assert!(told.time.0 > TODAY.0 + 400 * DAY && !told.went_back);
        let told = machine.pass(200);
        assert_eq!((told.time.0, told.went_back), (machine.wall, true));
        assert!(!machine.pass(10).went_back);
    }
}
