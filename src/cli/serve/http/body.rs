//! The bodies of requests and answers, as the server watches them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::line::Alarm;
use super::patience::Patience;
use super::seat::{Seat, UnderWay};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request's body, which fails when it does not come.
#[derive(Debug)]
pub(super) struct Asked {
    body: Incoming,
    /// Whether all of it was read.
    read: bool,
    seat: Arc<Seat>,
    patience: Patience,
    alarm: Alarm,
}

impl Asked {
    /// `stall`: how long nothing at all may come.
    pub(super) fn new(body: Incoming, seat: Arc<Seat>, stall: Duration) -> Self {
        Self {
            read: body.is_end_stream(),
            body,
            seat,
            patience: Patience::new(stall),
            alarm: Alarm::default(),
        }
    }
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.read = frame.is_none() || this.body.is_end_stream();
                let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok());
                let bytes = bytes.and_then(Frame::data_ref).map_or(0, Bytes::len);
                this.patience.moved(Instant::now(), bytes);
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let due = this.patience.waits(Instant::now());
                if this.alarm.rings(cx, due) {
                    let error = io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the rest of the request did not come in time",
                    );
                    return Poll::Ready(Some(Err(error.into())));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.read {
            self.seat.leaves_unread();
        }
    }
}

/// An answer's body. Its request is under way until it ends.
pub(super) struct Answer {
    body: Body,
    /// When it ends though it could go on, for streams that never do by themselves.
    until: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    _under_way: UnderWay,
}

impl Answer {
    pub(super) fn new(
        body: Body,
        until: Option<WaitForCancellationFutureOwned>,
        under_way: UnderWay,
    ) -> Self {
        Self {
            body,
            until: until.map(Box::pin),
            _under_way: under_way,
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(until) = &mut self.until
            && until.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
