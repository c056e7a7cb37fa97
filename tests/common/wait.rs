//! Waiting for conditions, never for time.

use std::time::{Duration, Instant};

/// Between two looks at a condition.
pub const PAUSE: Duration = Duration::from_millis(50);

/// Looks until `look` gives something; panics, saying what was awaited, when `bound` has passed.
pub fn wait_for<T>(what: &str, bound: Duration, look: impl FnMut() -> Option<T>) -> T {
    wait_pausing(PAUSE, what, bound, look)
}

/// The same with another pause between two looks, where whoever is looked at pays for each.
pub fn wait_pausing<T>(
    pause: Duration,
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {bound:?}");
        std::thread::sleep(pause);
    }
}

/// Calls `look` every `period` for `time`: for measurements, where time itself is what is observed.
pub fn observe(time: Duration, period: Duration, mut look: impl FnMut(Duration)) {
    let start = Instant::now();
    let mut next = start;
    while start.elapsed() < time {
        look(start.elapsed());
        next += period;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
