//! One connection's place in the crowd.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::crowd::{Admission, Crowd};

/// A place in the crowd; given up when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Mutex<Crowd>>,
    id: u64,
    /// Requests ever begun.
    begun: AtomicUsize,
    /// Requests begun, and answered to the last byte as far as hyper has it.
    answered: AtomicUsize,
    /// Of these, sent.
    sent: AtomicUsize,
    /// Whether a request was answered before its body was read.
    unread: AtomicBool,
}

impl Seat {
    /// See [`Crowd::admit`].
    pub(super) fn take(
        crowd: &Arc<Mutex<Crowd>>,
        ip: IpAddr,
        now: Instant,
        leave: &CancellationToken,
    ) -> Admission<Arc<Self>> {
        match crowd.lock().admit(ip, now, leave) {
            Admission::In(id) => Admission::In(Arc::new(Self {
                crowd: crowd.clone(),
                id,
                begun: AtomicUsize::new(0),
                answered: AtomicUsize::new(0),
                sent: AtomicUsize::new(0),
                unread: AtomicBool::new(false),
            })),
            Admission::Later(at) => Admission::Later(at),
            Admission::Full => Admission::Full,
        }
    }

    /// A request begins, and is under way until what is returned is dropped and everything was [`Seat::flushed`]. None
    /// when the place was given to another meanwhile.
    pub(super) fn begin(self: &Arc<Self>) -> Option<UnderWay> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let stays = self.crowd.lock().begin(self.id);
        stays.then(|| UnderWay(self.clone()))
    }

    /// Nothing is left to be written. All calls for one connection come from its one task, so that the counts are in
    /// order.
    pub(super) fn flushed(&self, now: Instant) {
        let answered = self.answered.load(Ordering::Relaxed);
        let sent = self.sent.swap(answered, Ordering::Relaxed);
        if sent != answered && !self.is_under_way() {
            self.crowd.lock().end(self.id, now);
        }
    }

    /// Whether a request is being read, carried out or answered.
    pub(super) fn is_under_way(&self) -> bool {
        self.begun.load(Ordering::Relaxed) != self.sent.load(Ordering::Relaxed)
    }

    /// Requests ever begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// A request is answered whose body was not read.
    pub(super) fn leaves_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether the other side may still be sending what nobody reads.
    pub(super) fn left_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Gives the place up if no request is under way, and says whether it did.
    pub(super) fn dismiss(&self) -> bool {
        self.crowd.lock().dismiss(self.id)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.lock().leave(self.id);
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Seat>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::serve::http::crowd::Room;

    fn seat() -> Arc<Seat> {
        let room = Room {
            connections: 1,
            per_address: 1,
        };
        let crowd = Arc::new(Mutex::new(Crowd::new(room)));
        let ip = "192.0.2.1".parse().unwrap();
        match Seat::take(&crowd, ip, Instant::now(), &CancellationToken::new()) {
            Admission::In(seat) => seat,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pipelined_request_is_under_way_when_the_one_before_is_sent() {
        let one = seat();
        let first = one.begin().unwrap();
        drop(first);
        let second = one.begin().unwrap();
        one.flushed(Instant::now());
        assert!(one.is_under_way());
        assert!(!one.dismiss());
        drop(second);
        one.flushed(Instant::now());
        assert!(!one.is_under_way());
        assert!(one.dismiss());
    }
}
