//! Calls that may block for long, on a thread of their own: one at a time, whatever happens.
//!
//! A `statfs` of a share whose server is away blocks until the kernel's client gives up, and nothing can take it back. On
//! the runtime's pool it would sit beside the reads of all other sources, and one more with every try.

use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// A place for one call at a time. While one that took too long still blocks, no other is begun.
#[derive(Debug)]
pub(super) struct Errand<T> {
    name: &'static str,
    out: Option<oneshot::Receiver<T>>,
}

impl<T: Send + 'static> Errand<T> {
    /// A place whose threads have that name (15 bytes at most are shown).
    pub fn new(name: &'static str) -> Self {
        Self { name, out: None }
    }

    /// Makes a call and waits for what it returns; none when it takes longer than that. The limit includes the rest of an
    /// older call that still blocks.
    pub async fn run(
        &mut self,
        limit: Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        timeout(limit, self.begin(call)).await.ok().flatten()
    }

    async fn begin(&mut self, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        if let Some(older) = &mut self.out {
            // What it says is of another time.
            let _ = older.await;
        }
        let (tell, told) = oneshot::channel();
        self.out = None;
        let thread = thread::Builder::new().name(self.name.to_owned());
        let begun = thread.spawn(move || {
            // Nobody may be waiting any more.
            let _ = tell.send(call());
        });
        if let Err(error) = begun {
            tracing::error!(%error, "no thread can be had");
            return None;
        }
        let out = self.out.insert(told);
        let result = out.await.ok();
        self.out = None;
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;

    #[tokio::test]
    async fn a_call_that_hangs_is_the_only_one() {
        let (let_go, held) = mpsc::channel::<()>();
        let mut errand = Errand::new("test");
        let short = Duration::from_millis(20);
        let hang = move || {
            let _ = held.recv();
            1
        };
        assert_eq!(errand.run(short, hang).await, None);
        let begun = Arc::new(AtomicU32::new(0));
        for _ in 0..50 {
            let begun = Arc::clone(&begun);
            let call = move || {
                begun.fetch_add(1, Ordering::SeqCst);
                2
            };
            assert_eq!(errand.run(Duration::from_millis(1), call).await, None);
        }
        assert_eq!(
            begun.load(Ordering::SeqCst),
            0,
            "another was begun beside it"
        );
        drop(let_go);
        let long = Duration::from_secs(20);
        assert_eq!(errand.run(long, || 3).await, Some(3));
        assert_eq!(errand.run(long, || 4).await, Some(4));
    }

    #[tokio::test]
    async fn a_call_that_panics_answers_nothing() {
        let mut errand = Errand::<u8>::new("test");
        let long = Duration::from_secs(20);
        assert_eq!(errand.run(long, || panic!("on purpose")).await, None);
        assert_eq!(errand.run(long, || 1).await, Some(1));
    }
}
