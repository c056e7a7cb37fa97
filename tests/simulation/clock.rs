//! Simulated time, and what is due when.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Nanoseconds since a simulation began, or a span of them.
pub type Nanos = u64;

pub const MILLISECOND: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000 * MILLISECOND;

/// A span given in seconds.
pub fn seconds(seconds: f64) -> Nanos {
    (seconds * SECOND as f64) as Nanos
}

/// A span in seconds.
pub fn as_seconds(span: Nanos) -> f64 {
    span as f64 / SECOND as f64
}

#[derive(Debug)]
struct Due<E> {
    at: Nanos,
    order: u64,
    event: E,
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Due<E> {}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Due<E> {
    /// The earliest is the greatest, as the heap gives out the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// Events in the order of their time; those of one moment in the order in which they were put in.
#[derive(Debug)]
pub struct Agenda<E> {
    due: BinaryHeap<Due<E>>,
    put: u64,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self {
            due: BinaryHeap::new(),
            put: 0,
        }
    }
}

impl<E> Agenda<E> {
    pub fn put(&mut self, at: Nanos, event: E) {
        let order = self.put;
        self.put += 1;
        self.due.push(Due { at, order, event });
    }

    pub fn next(&mut self) -> Option<(Nanos, E)> {
        self.due.pop().map(|due| (due.at, due.event))
    }
}

#[test]
fn events_come_by_time_and_within_a_moment_as_they_were_put() {
    let mut agenda = Agenda::default();
    for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b')] {
        agenda.put(at, event);
    }
    let order: String = std::iter::from_fn(|| agenda.next())
        .map(|(_, event)| event)
        .collect();
    assert_eq!(order, "abcd");
}
