//! A connection's socket, and how long the other side may be silent on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use super::patience::Patience;
use super::seat::Seat;

/// A timer that is made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Whether `at` has come; if not, the task is woken then.
    pub(super) fn rings(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
        let at = at.into();
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx).is_ready()
    }
}

/// Bytes that nobody asked for are read and thrown away in pieces of this size.
const DISCARD: usize = 16 << 10;

/// A socket that gives up, with `TimedOut`, on who lets us wait: for the next request, for the rest of its head, or
/// for room to write. For the body of a request see [`super::body`].
#[derive(Debug)]
pub(super) struct Line<S> {
    stream: S,
    seat: Arc<Seat>,
    /// From a request's first byte to the end of its head.
    head: Duration,
    /// From an answer to the next request's first byte.
    idle: Duration,
    /// The request we wait for, or whose head is coming: how many were begun before.
    nth: usize,
    /// When its head, or its first byte, must be here.
    due: Option<Instant>,
    head_begun: bool,
    /// How long who was answered early is read from, at the end.
    linger: Duration,
    /// When that is over.
    lingers_until: Option<Instant>,
    writing: Patience,
    reading_alarm: Alarm,
    writing_alarm: Alarm,
}

impl<S> Line<S> {
    pub(super) fn new(
        stream: S,
        seat: Arc<Seat>,
        head: Duration,
        idle: Duration,
        stall: Duration,
        linger: Duration,
    ) -> Self {
        Self {
            nth: seat.begun(),
            linger,
            lingers_until: None,
            stream,
            seat,
            head,
            idle,
            due: None,
            head_begun: false,
            writing: Patience::new(stall),
            reading_alarm: Alarm::default(),
            writing_alarm: Alarm::default(),
        }
    }

    /// When the request we wait for must be here, as far as it can be said now.
    fn due(&mut self) -> Instant {
        if self.nth != self.seat.begun() {
            self.nth = self.seat.begun();
            (self.due, self.head_begun) = (None, false);
        }
        *self.due.get_or_insert_with(|| Instant::now() + self.idle)
    }

    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => self.writing.moved(Instant::now(), bytes),
            Poll::Pending => {
                let due = self.writing.waits(Instant::now());
                if self.writing_alarm.rings(cx, due) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if this.seat.is_under_way() {
            return read;
        }
        let due = this.due();
        match read {
            Poll::Ready(_) => {
                if buf.filled().len() > before && !this.head_begun {
                    this.head_begun = true;
                    this.due = Some(Instant::now() + this.head);
                }
                read
            }
            Poll::Pending if this.reading_alarm.rings(cx, due) => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> Line<S> {
    /// Reads and forgets what still comes, until the other side has closed too or had time enough to.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let until = *self
            .lingers_until
            .get_or_insert_with(|| Instant::now() + self.linger);
        let mut bytes = [0; DISCARD];
        loop {
            if self.reading_alarm.rings(cx, until) {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            this.seat.flushed(Instant::now());
            if !this.seat.is_under_way() {
                // hyper may have asked for the next request while this one was under way: then it asks again only when
                // it is woken.
                let due = this.due();
                this.reading_alarm.rings(cx, due);
            }
        }
        flushed
    }

    /// To close a socket with bytes in it that nobody read makes the kernel reset the connection, and browsers then throw
    /// away the answer that they already have: who was refused early would be told that the line is broken.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        if shut.is_ok() && self.seat.left_unread() {
            return self.poll_discard(cx);
        }
        Poll::Ready(shut)
    }
}
