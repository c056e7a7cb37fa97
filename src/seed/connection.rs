//! One peer's connection, after its handshake: what it says goes to the engine, what the engine says goes to it.
//!
//! Both ways in batches: whatever came in one read is one report, and blocks written in one go are reported together.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::reader::Segment;
use super::wire::{self, Block, Greeting, Heard, Said, WireError};
use super::{client, socket};
use crate::base::{InfoHash, PeerKey};

mod writer;

use writer::Writer;

/// BEP 3: keepalives come every two minutes; a peer that says nothing for longer than that and a margin is gone.
const SILENCE: Duration = Duration::from_secs(180);
/// First size of the read buffer: most messages are 9 to 17 bytes, and there may be hundreds of connections.
const READ_BUFFER: usize = 1 << 10;
/// Messages in one report, so that other connections get their turn.
const MESSAGES_AT_ONCE: usize = 64;
/// Between two looks at what the kernel has sent: they correct estimates which are good to a few percent.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A handshaken socket.
#[derive(Debug)]
pub(super) struct Greeted {
    /// Shared with the engine, which looks at what the kernel says of it.
    pub stream: Arc<TcpStream>,
    pub addr: SocketAddr,
    pub outgoing: bool,
    pub greeting: Greeting,
}

/// The limit in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// Bytes on the wire per second, of all connections.
    pub rate: u64,
    /// Whether the line is guarded: what is sent in one stroke must be too little to be felt by others on it.
    pub gentle: bool,
}

/// What the engine tells a connection.
#[derive(Debug)]
pub(super) enum Order {
    Say(Said),
    /// Write a block, under this limit.
    Serve {
        block: Block,
        segments: Vec<Segment>,
        limit: Option<Limit>,
    },
    /// Write a piece of the metadata, under this limit. Answered with [`Report::MetadataWritten`].
    Metadata {
        piece: Said,
        limit: Option<Limit>,
    },
    /// Forget the blocks that were not begun: of one piece, or all.
    Unsend(Option<u32>),
    /// The limit is another now. If it was lowered, this connection's `share` of it is for what it holds already. Answered
    /// with [`Report::Sent`].
    Pace {
        limit: Option<Limit>,
        share: Option<u64>,
    },
}

/// What a connection has sent, and what the engine must know to compare that with its own books.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub sent: socket::Sent,
    /// Bytes that the kernel has taken, of blocks and metadata that were not reported as written yet.
    pub unreported: u64,
}

/// What a connection tells the engine. Accounts come now and then only.
#[derive(Debug)]
pub(super) enum Report {
    Heard(Vec<Heard>, Option<Account>),
    /// Blocks were written, or forgotten.
    Done {
        blocks: Vec<Block>,
        written: bool,
        account: Option<Account>,
    },
    /// A piece of the metadata was written, of this [length](Said::length).
    MetadataWritten {
        length: u64,
        account: Option<Account>,
    },
    Sent(Option<Account>),
    Closed {
        why: Closed,
        account: Option<Account>,
    },
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error("the peer hung up")]
    HungUp,
    #[error("the peer was silent for too long")]
    Silent,
    #[error("the peer took nothing for too long")]
    Stalled,
    #[error("we hung up")]
    Ours,
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Where reports go, and on whose behalf.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    pub info_hash: InfoHash,
    pub peer: PeerKey,
    pub to: mpsc::Sender<(InfoHash, PeerKey, Report)>,
}

/// The socket and its reports, as the reading and the writing side share them.
#[derive(Debug)]
struct Line {
    stream: Arc<TcpStream>,
    v6: bool,
    reports: Reports,
    looked: Mutex<Instant>,
    unreported: AtomicU64,
    /// The block that the peer was asked for, until it comes or is not wanted any more: only its bytes are kept.
    asked: Mutex<Option<Block>>,
}

impl Line {
    async fn report(&self, report: Report) -> Result<(), Closed> {
        let Reports {
            info_hash,
            peer,
            ref to,
        } = self.reports;
        let sent = to.send((info_hash, peer, report)).await;
        sent.map_err(|_| Closed::Ours)
    }

    /// What was sent so far.
    fn account(&self) -> Option<Account> {
        *self.looked.lock() = Instant::now();
        let sent = socket::sent(&self.stream, self.v6)?;
        let unreported = self.unreported.load(Ordering::Relaxed);
        Some(Account { sent, unreported })
    }

    /// The same, if nobody looked for a while.
    fn account_if_due(&self) -> Option<Account> {
        let due = self.looked.lock().elapsed() >= LOOK_EVERY;
        due.then(|| self.account()).flatten()
    }
}

/// Runs a connection until either side ends it. Dropping the sender of `orders` ends it from ours.
pub(super) async fn run(
    greeted: Greeted,
    max_message: usize,
    orders: mpsc::UnboundedReceiver<Order>,
    reports: Reports,
) {
    let keepalive = client::keepalive(&greeted.greeting.peer_id);
    let line = Line {
        stream: greeted.stream,
        v6: greeted.addr.is_ipv6(),
        reports,
        looked: Mutex::new(Instant::now()),
        unreported: AtomicU64::new(0),
        asked: Mutex::new(None),
    };
    let why = tokio::select! {
        end = read(&line, max_message) => end,
        end = Writer::new(&line, orders).run(keepalive) => end,
    };
    let why = why.err().unwrap_or(Closed::Ours);
    let account = line.account();
    // The engine may be gone already; then nobody needs to know.
    let _ = line.report(Report::Closed { why, account }).await;
}

/// How long a peer may take to show its bitfield, which comes first, right after the handshakes.
const GLIMPSE_PATIENCE: Duration = Duration::from_secs(5);

/// Hears a peer's bitfield, and hangs up. None when it shows none in time.
pub(super) async fn glimpse(greeted: Greeted, max_message: usize) -> Option<Box<[u8]>> {
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    let bits = async {
        loop {
            match greeted.stream.try_read_buf(&mut buffer) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    greeted.stream.readable().await.ok()?;
                    continue;
                }
                _ => return None,
            }
            let mut used = 0;
            let unread = |used| wire::read_message(&buffer[used..], max_message, None);
            while let Some((heard, length)) = unread(used).ok()? {
                used += length;
                if let Heard::Bitfield(bits) = heard {
                    return Some(bits);
                }
            }
            buffer.drain(..used);
        }
    };
    timeout(GLIMPSE_PATIENCE, bits).await.ok().flatten()
}

async fn read(line: &Line, max_message: usize) -> Result<(), Closed> {
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    loop {
        match line.stream.try_read_buf(&mut buffer) {
            Ok(0) => return Err(Closed::HungUp),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let readable = timeout(SILENCE, line.stream.readable()).await;
                readable.map_err(|_| Closed::Silent)??;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        let (mut used, mut heard) = (0, Vec::new());
        loop {
            let asked = *line.asked.lock();
            let read = wire::read_message(&buffer[used..], max_message, asked)?;
            let Some((message, length)) = read else {
                break;
            };
            used += length;
            if let Heard::Piece(_, Some(_)) = message {
                *line.asked.lock() = None;
            }
            if !matches!(message, Heard::KeepAlive | Heard::Ignored) {
                heard.push(message);
            }
            if heard.len() == MESSAGES_AT_ONCE {
                let heard = std::mem::take(&mut heard);
                line.report(Report::Heard(heard, None)).await?;
            }
        }
        buffer.drain(..used);
        if buffer.is_empty() && buffer.capacity() > 4 * READ_BUFFER {
            buffer = Vec::with_capacity(READ_BUFFER);
        }
        if !heard.is_empty() {
            let account = line.account_if_due();
            line.report(Report::Heard(heard, account)).await?;
        }
        // A peer that talks without pause must not keep our side from being written.
        tokio::task::yield_now().await;
    }
}
