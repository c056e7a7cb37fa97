//! How the box's root helpers are asked: over a Unix socket, by the daemon's user or root and nobody else (`SO_PEERCRED`), one
//! request for each connection ([`frame`]), so many at once, and until nobody asks any more.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame;

/// How long whoever connects may take to say what he wants, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a helper looks whether it is idle.
const LOOK: Duration = Duration::from_millis(500);

/// Why somebody is turned away.
#[derive(Debug)]
pub enum TurnedAway {
    /// He is neither the daemon's user nor root, and is not listened to.
    Stranger,
    /// Too much is being done already.
    TooMany,
    /// What he says is not understood, for this reason.
    Malformed(String),
}

/// What a helper does.
pub trait Helps: Send + Sync + 'static {
    /// What it is asked.
    type Request: DeserializeOwned;
    /// What it answers.
    type Answer: Serialize;

    /// The user who is obeyed, beside root.
    fn uid(&self) -> u32;

    /// Does what is asked; what is said on the way goes to `stream`.
    fn answer_to(&self, request: Self::Request, stream: &UnixStream) -> Self::Answer;

    /// What those hear for whom nothing is done.
    fn turn_away(&self, why: TurnedAway) -> Self::Answer;
}

/// Takes requests, at most `most` at once, until nobody has asked for as long as `idle`.
///
/// # Errors
/// When the socket breaks down.
pub fn serve<H: Helps>(
    helper: &Arc<H>,
    listener: &UnixListener,
    most: usize,
    idle: Duration,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::MAX);
    let workers = Places::new(most);
    let mut asked = Instant::now();
    loop {
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        match listener.accept() {
            Ok((stream, _)) => {
                asked = Instant::now();
                take(helper, &workers, stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The one who asked is gone already, or there is no descriptor left just now.
            Err(error) => tracing::warn!(%error, "a request could not be taken"),
        }
        if workers.any_taken() {
            asked = Instant::now();
        } else if asked.elapsed() >= idle {
            return Ok(());
        }
    }
}

/// Has a request worked on in a thread of its own, if there is room.
fn take<H: Helps>(helper: &Arc<H>, workers: &Places, stream: UnixStream) {
    // A stranger costs nothing but this.
    let asker = getsockopt(&stream, sockopt::PeerCredentials).map(|peer| peer.uid());
    if !asker.is_ok_and(|uid| uid == 0 || uid == helper.uid()) {
        return refuse(&**helper, &stream, TurnedAway::Stranger);
    }
    let Some(place) = workers.take() else {
        return refuse(&**helper, &stream, TurnedAway::TooMany);
    };
    let helper = helper.clone();
    let work = move || {
        if let Err(error) = converse(&helper, &stream) {
            tracing::debug!(%error, "a request was not answered");
        }
        drop(place);
    };
    let thread = thread::Builder::new().name("request".to_owned());
    if let Err(error) = thread.spawn(work) {
        tracing::error!(%error, "no thread for a request");
    }
}

/// Reads the request, has it done, and answers.
fn converse<H: Helps>(helper: &Arc<H>, stream: &UnixStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let answer = match frame::read(stream) {
        Ok(request) => helper.answer_to(request, stream),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            helper.turn_away(TurnedAway::Malformed(error.to_string()))
        }
        Err(error) => return Err(error),
    };
    frame::write(stream, &answer)
}

fn refuse<H: Helps>(helper: &H, stream: &UnixStream, why: TurnedAway) {
    // Its buffer is empty, so that nobody waits here; and he may be gone.
    let _ = stream.set_nonblocking(true);
    let _ = frame::write(stream, &helper.turn_away(why));
}

/// A number of places, for what may go on at once.
#[derive(Debug)]
pub struct Places {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Places {
    /// So many, all of them free.
    pub fn new(most: usize) -> Self {
        Self {
            taken: Arc::default(),
            most,
        }
    }

    /// One of them, if one is free.
    pub fn take(&self) -> Option<Place> {
        let more = |count: usize| (count < self.most).then_some(count + 1);
        let counted = self
            .taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        counted.ok().map(|_| Place(self.taken.clone()))
    }

    fn any_taken(&self) -> bool {
        self.taken.load(Ordering::Acquire) > 0
    }
}

/// One of a number of places, given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
