//! The server under both pages: HTTP/1.1 for whoever comes, bounded in number, memory and time.
//!
//! What it has to stand is written beside each limit. A connection is silent, then has a request under way, then waits
//! for the next. Only one that waits is ever closed for the sake of another ([`crowd`]); a request under way keeps
//! its place as long as it moves ([`patience`]).

mod body;
mod crowd;
mod line;
mod patience;
mod seat;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use nix::sys::socket::{setsockopt, sockopt};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use body::{Answer, Asked};
use crowd::{Admission, Crowd, Room};
use line::Line;
use seat::Seat;

/// Connections to the owner's page: 16 streams of events, 8 uploads, six connections for each of a dozen browsers, and
/// more than as much again. Each costs up to twice [`MAX_BUFFER`] and a body.
const ADMIN_CONNECTIONS: usize = 256;
/// Connections to the public page and the tracker: clients that announce come and go within a second, and a flood of
/// silent ones must leave each newcomer some time before its turn to leave comes.
const PUBLIC_CONNECTIONS: usize = 1024;
/// Connections from one address. A browser opens six; a household, or a proxy in the same network, is several of
/// them. Loopback is exempt: a reverse proxy there speaks for everybody.
const PER_ADDRESS: usize = 64;
/// From a request's first byte (or from connecting) to the end of its head. A browser sends it in one packet; this
/// leaves time for a few lost ones.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next request. Browsers use one again within seconds or not at all, and
/// opening another costs a round trip.
const IDLE: Duration = Duration::from_secs(60);
/// How long nothing of a body may come, or nothing of an answer be taken: a Wi-Fi that is gone for longer has closed
/// the connection on the other side as well.
const STALL: Duration = Duration::from_secs(60);
/// How long who was answered before it had sent all of its request is read from, so that it sees the answer: the time of a
/// chunk of an upload over a slow Wi-Fi.
const LINGER: Duration = Duration::from_secs(10);
/// How long requests under way may take to end when the box stops.
const GOODBYE: Duration = Duration::from_secs(2);
/// Bytes in a request's line and headers. The largest honest one is a scrape of 74 torrents, with 4.5 KiB; browsers send
/// up to 4 KiB of cookies for the host, which other services on it may have set.
const MAX_HEAD: usize = 16 << 10;
/// Bytes hyper keeps for a connection, each way. More than [`MAX_HEAD`], so that a head that is too long is told so.
const MAX_BUFFER: usize = 32 << 10;
/// A pause after an accept that failed for want of descriptors or memory, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Between two warnings of it: it comes back with each connection until it is over.
const WARN_PAUSE: Duration = Duration::from_secs(60);

/// The limits of a listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    room: Room,
    head: Duration,
    idle: Duration,
    stall: Duration,
    linger: Duration,
    goodbye: Duration,
}

impl Terms {
    /// For the owner's page.
    pub(super) const ADMIN: Terms = Terms::new(ADMIN_CONNECTIONS);
    /// For the public page and the tracker.
    pub(super) const PUBLIC: Terms = Terms::new(PUBLIC_CONNECTIONS);

    const fn new(connections: usize) -> Self {
        Self {
            room: Room {
                connections,
                per_address: PER_ADDRESS,
            },
            head: HEAD,
            idle: IDLE,
            stall: STALL,
            linger: LINGER,
            goodbye: GOODBYE,
        }
    }
}

/// Serves until `stop`, then ends: silent connections at once, streams of events too, other requests when they are
/// answered or after [`GOODBYE`]. Handlers find a [`ConnectInfo`] with the other side's address.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    terms: Terms,
    stop: CancellationToken,
) {
    let crowd = Arc::new(Mutex::new(Crowd::new(terms.room)));
    let connections = TaskTracker::new();
    let mut warned: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, addr) = match accepted {
            Ok(accepted) => accepted,
            // The other side's trouble.
            Err(error) if is_about_one(&error) => continue,
            Err(error) => {
                let now = Instant::now();
                if warned.is_none_or(|at| now >= at + WARN_PAUSE) {
                    tracing::warn!(%error, "connections cannot be accepted; trying again");
                    warned = Some(now);
                }
                crowd.lock().make_room();
                let _ = timeout(ACCEPT_PAUSE, stop.cancelled()).await;
                continue;
            }
        };
        if crowd.lock().is_full() {
            // Whoever has spoken is heard before anybody is turned out: this lets every task that can go on do so.
            yield_now().await;
        }
        let leave = CancellationToken::new();
        let seat = loop {
            match Seat::take(&crowd, addr.ip(), Instant::now(), &leave) {
                Admission::In(seat) => break Some(seat),
                // The next ones wait with the kernel.
                Admission::Later(at) => sleep_until(at.into()).await,
                Admission::Full => break None,
            }
        };
        let Some(seat) = seat else {
            tracing::debug!(%addr, "every place is taken by a request under way");
            continue;
        };
        let router = router.clone();
        let connection = attend(stream, addr, seat, router, terms, stop.clone());
        connections.spawn(async move {
            tokio::select! {
                () = leave.cancelled() => {}
                () = connection => {}
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Whether an accept failed for a connection that was lost before we took it, so that the next may succeed at once.
fn is_about_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// Serves one connection to its end.
async fn attend(
    stream: TcpStream,
    addr: SocketAddr,
    seat: Arc<Seat>,
    router: Router,
    terms: Terms,
    stop: CancellationToken,
) {
    prepare(&stream, terms.stall);
    // One that says nothing costs no buffers.
    let mut first = [0];
    let spoke = tokio::select! {
        () = stop.cancelled() => return,
        spoke = timeout(terms.head, stream.peek(&mut first)) => spoke,
    };
    if !matches!(spoke, Ok(Ok(1))) {
        return;
    }
    let line = Line::new(
        stream,
        seat.clone(),
        terms.head,
        terms.idle,
        terms.stall,
        terms.linger,
    );
    let service = {
        let (seat, stop) = (seat.clone(), stop.clone());
        let router = TowerToHyperService::new(router);
        service_fn(move |request| answer(&router, request, addr, &seat, terms.stall, &stop))
    };
    let mut connection = Box::pin(
        http1::Builder::new()
            // The line keeps time, and tells a head from a pause.
            .header_read_timeout(None)
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(line), service),
    );
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            if seat.dismiss() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            match timeout(terms.goodbye, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%addr, %error, "a connection ended early");
    }
}

/// Carries out one request.
fn answer(
    router: &TowerToHyperService<Router>,
    request: Request<Incoming>,
    addr: SocketAddr,
    seat: &Arc<Seat>,
    stall: Duration,
    stop: &CancellationToken,
) -> impl Future<Output = io::Result<Response<Answer>>> + use<> {
    let begun = seat.begin().map(|under_way| {
        let mut request = request.map(|body| Asked::new(body, seat.clone(), stall));
        request.extensions_mut().insert(ConnectInfo(addr));
        (under_way, router.call(request))
    });
    let stop = stop.clone();
    async move {
        let Some((under_way, answer)) = begun else {
            return Err(io::Error::other("its place was given to another"));
        };
        let Ok(response) = answer.await;
        let endless = response.headers().get(header::CONTENT_TYPE);
        let endless = endless.is_some_and(|kind| kind == "text/event-stream");
        let until = endless.then(|| stop.cancelled_owned());
        Ok(response.map(|body| Answer::new(body, until, under_way)))
    }
}

/// Answers leave at once, and who acknowledges nothing for as long as `stall` is gone: a telephone that left the house
/// would hold a stream of events for a quarter of an hour otherwise. Neither is worth failing for.
fn prepare(stream: &TcpStream, stall: Duration) {
    let millis = u32::try_from(stall.as_millis()).unwrap_or(u32::MAX);
    let unacknowledged = setsockopt(stream, sockopt::TcpUserTimeout, &millis);
    if let Err(error) = stream
        .set_nodelay(true)
        .and(unacknowledged.map_err(Into::into))
    {
        tracing::debug!(%error, "a socket's options could not be set");
    }
}
