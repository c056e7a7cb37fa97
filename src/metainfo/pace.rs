//! How hard the hasher may work: as hard as it can, or gently, on a board that is strained.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::hasher::Cancel;

/// A gentle hasher rests so many times as long as it worked: a quarter of its speed. A drive draws the most while it seeks and
/// reads, and a processor while it hashes; both average over seconds, which is what a weak supply and a small heat sink need.
pub const REST: u32 = 3;

/// The longest rest after one read: a drive that took half a minute for it was not working all that time.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// How long it takes at most until a rest ends that need not go on.
const NOTICE: Duration = Duration::from_millis(50);

/// The pace of some work; clones set the same one.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<AtomicBool>);

impl Pace {
    /// Works gently from now on, or as hard as it can.
    pub fn set_gentle(&self, gentle: bool) {
        self.0.store(gentle, Ordering::Relaxed);
    }

    /// Whether it works gently.
    pub fn is_gentle(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits as is due after so much work; not at all when it need not be gentle. Ends early when the work is cancelled or may
    /// be hard again.
    pub(super) fn rest(&self, worked: Duration, cancel: &Cancel) {
        if !self.is_gentle() {
            return;
        }
        let until = Instant::now() + (worked * REST).min(LONGEST_REST);
        while self.is_gentle() && !cancel.is_cancelled() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(NOTICE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKED: Duration = Duration::from_millis(40);

    #[test]
    fn only_a_gentle_one_rests_and_for_as_long_as_is_due() {
        let (pace, cancel) = (Pace::default(), Cancel::default());
        let rested = |pace: &Pace| {
            let began = Instant::now();
            pace.rest(WORKED, &cancel);
            began.elapsed()
        };
        let hard = rested(&pace);
        pace.clone().set_gentle(true);
        let gentle = rested(&pace);
        assert!(gentle >= WORKED * REST, "{gentle:?}");
        assert!(hard < gentle, "{hard:?}");
    }

    #[test]
    fn a_rest_that_need_not_go_on_ends() {
        let long = LONGEST_REST * 100;
        let (pace, cancel) = (Pace::default(), Cancel::default());
        pace.set_gentle(true);
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| pace.rest(long, &cancel));
            pace.set_gentle(false);
        });
        pace.set_gentle(true);
        cancel.cancel();
        pace.rest(long, &cancel);
        assert!(began.elapsed() < LONGEST_REST);
    }
}
