//! The readers of one device, and whether it lets them wait.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Pieces read at a time from one device: two keep a disk busy, more make it seek.
const READS: u32 = 2;
/// A call that takes longer was waiting rather than reading: it reads 4 MiB at most, and what is attached by USB 2 reads
/// them in a fifth of this.
const LATE: Duration = Duration::from_secs(2);
/// So long a device is not relied upon once it was late: disks that spin down when they are idle do it again, and a dying
/// one has more bad places.
const WARY: Duration = Duration::from_secs(10 * 60);

/// One device, or one network share.
#[derive(Debug)]
pub struct Device {
    turns: Arc<Semaphore>,
    calls: Mutex<Calls>,
}

/// The calls that read from it.
#[derive(Debug, Default)]
struct Calls {
    /// When those that did not end yet began.
    begun: Vec<Instant>,
    /// When the last one ended that was late.
    late: Option<Instant>,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(READS as usize)),
            calls: Mutex::default(),
        }
    }
}

impl Device {
    /// Runs `read` where blocking is allowed, once one of the readers is free; `alone`, once all of them are.
    ///
    /// # Errors
    /// When the system stops; `read` says in what it gives back whether it could.
    pub async fn run<T: Send + 'static>(
        &self,
        alone: bool,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let turns = if alone { READS } else { 1 };
        // Never closed.
        let turn = Arc::clone(&self.turns).acquire_many_owned(turns).await;
        let turn = turn.map_err(io::Error::other)?;
        let read = tokio::task::spawn_blocking(move || {
            let result = read();
            drop(turn);
            result
        });
        read.await.map_err(io::Error::other)
    }

    /// Makes one call that waits for the device, and sees how long it takes.
    pub fn call<T>(&self, call: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        self.calls.lock().begin(begun);
        let result = call();
        self.calls.lock().end(begun, Instant::now());
        result
    }

    /// Whether it lets its readers wait, or did lately: what it holds may not be read on a thread that has other work.
    pub fn is_late(&self) -> bool {
        self.calls.lock().are_late(Instant::now())
    }

    /// Has it be one that was late a moment ago.
    #[cfg(test)]
    pub fn be_late(&self) {
        self.calls.lock().late = Some(Instant::now());
    }
}

impl Calls {
    fn begin(&mut self, now: Instant) {
        self.begun.push(now);
    }

    fn end(&mut self, begun: Instant, now: Instant) {
        if let Some(ours) = self.begun.iter().position(|other| *other == begun) {
            self.begun.swap_remove(ours);
        }
        if now - begun > LATE {
            self.late = Some(now);
        }
    }

    fn are_late(&self, now: Instant) -> bool {
        let waits = self.begun.iter().any(|begun| now - *begun > LATE);
        waits || self.late.is_some_and(|late| now - late < WARY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn a_device_that_lets_a_call_wait_is_late_at_once_and_for_a_while_after() {
        let (mut calls, begun) = (Calls::default(), Instant::now());
        calls.begin(begun);
        assert!(!calls.are_late(begun + LATE));
        let hangs = begun + LATE + MOMENT;
        assert!(calls.are_late(hangs), "while it hangs");
        calls.begin(hangs);
        calls.end(hangs, hangs);
        assert!(calls.are_late(hangs), "another one did not");
        let over = begun + Duration::from_secs(30);
        calls.end(begun, over);
        assert!(calls.are_late(over + WARY - MOMENT), "it may do so again");
        assert!(!calls.are_late(over + WARY));
    }

    #[test]
    fn a_device_that_answers_is_never_late() {
        let (mut calls, mut now) = (Calls::default(), Instant::now());
        for _ in 0..1000 {
            let begun = now;
            calls.begin(begun);
            now += LATE;
            assert!(!calls.are_late(now));
            calls.end(begun, now);
            assert!(!calls.are_late(now));
        }
        assert!(calls.begun.is_empty());
    }
}
