//! Lines: what a peer can send and take, and how far away it is.

use super::clock::{Nanos, SECOND};

/// A mebibyte.
pub const MIB: u64 = 1 << 20;

/// A peer's access line.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Bytes per second it can send; `None` without limit.
    pub up: Option<u64>,
    /// Bytes per second it can take; `None` without limit.
    pub down: Option<u64>,
    /// From the peer to the middle of the net, one way.
    pub delay: Nanos,
}

impl Line {
    /// No delay, any amount down.
    pub fn up(rate: u64) -> Self {
        Self {
            up: Some(rate),
            down: None,
            delay: 0,
        }
    }

    pub fn down(self, rate: u64) -> Self {
        Self {
            down: Some(rate),
            ..self
        }
    }

    pub fn delay(self, delay: Nanos) -> Self {
        Self { delay, ..self }
    }
}

/// One direction of a line: first come, first through, each at the line's rate.
#[derive(Debug)]
pub struct Pipe {
    rate: Option<u64>,
    free_at: Nanos,
}

impl Pipe {
    pub fn new(rate: Option<u64>) -> Self {
        Self { rate, free_at: 0 }
    }

    /// When `bytes` that come at `at` are through.
    pub fn pass(&mut self, bytes: u64, at: Nanos) -> Nanos {
        let Some(rate) = self.rate else {
            return at;
        };
        self.free_at = self.free_at.max(at) + bytes * SECOND / rate.max(1);
        self.free_at
    }
}

#[test]
fn a_pipe_takes_its_time_and_makes_the_next_wait() {
    let mut pipe = Pipe::new(Some(1_000));
    assert_eq!(pipe.pass(500, 0), SECOND / 2);
    assert_eq!(pipe.pass(500, 0), SECOND);
    assert_eq!(pipe.pass(1_000, 10 * SECOND), 11 * SECOND);
    assert_eq!(Pipe::new(None).pass(u64::MAX, 7), 7);
}
