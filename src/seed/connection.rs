//! One peer's connection, after its handshake: what it says goes to the engine, what the engine says goes to it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::reader::Segment;
use super::wire::{self, Block, Greeting, Heard, Said, WireError};
use super::{client, socket};
use crate::base::{InfoHash, PeerKey};

/// BEP 3: keepalives come every two minutes; a peer that says nothing for longer than that and a margin is gone.
const SILENCE: Duration = Duration::from_secs(180);
/// How long a peer may take nothing of what we have for it.
const STALL: Duration = Duration::from_secs(60);
/// First size of the read buffer: most messages are 9 to 17 bytes, and there may be hundreds of connections.
const READ_BUFFER: usize = 1 << 10;
/// Messages handled before other connections get their turn.
const MESSAGES_AT_ONCE: usize = 64;
/// At rates below this a block is written in small parts, spread over the time it is worth.
const PACED_BELOW: u64 = 1 << 20;
/// The part of a paced block: one full segment.
const PACED_PART: u64 = 1448;

/// A handshaken socket.
#[derive(Debug)]
pub(super) struct Greeted {
    pub stream: TcpStream,
    pub addr: SocketAddr,
    pub outgoing: bool,
    pub greeting: Greeting,
}

/// What the engine tells a connection.
#[derive(Debug)]
pub(super) enum Order {
    Say(Said),
    /// Write a block; `rate` is the limit in force, bytes per second.
    Serve {
        block: Block,
        segments: Vec<Segment>,
        rate: Option<u64>,
    },
    /// Forget the blocks of a piece that were not begun.
    Unsend(u32),
}

/// What a connection tells the engine.
#[derive(Debug)]
pub(super) enum Report {
    Heard(Heard),
    /// A block was written, or forgotten. `wire`: bytes this connection has put on the line so far.
    Done {
        block: Block,
        written: bool,
        wire: Option<u64>,
    },
    Closed {
        why: Closed,
        wire: Option<u64>,
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

impl Reports {
    async fn send(&self, report: Report) -> Result<(), Closed> {
        let report = (self.info_hash, self.peer, report);
        self.to.send(report).await.map_err(|_| Closed::Ours)
    }
}

/// Runs a connection until either side ends it. Dropping the sender of `orders` ends it from ours.
pub(super) async fn run(
    greeted: Greeted,
    max_message: usize,
    orders: mpsc::UnboundedReceiver<Order>,
    reports: Reports,
) {
    let stream = &greeted.stream;
    let keepalive = client::keepalive(&greeted.greeting.peer_id);
    let why = tokio::select! {
        end = read(stream, max_message, &reports) => end,
        end = write(stream, keepalive, orders, &reports) => end,
    };
    let why = why.err().unwrap_or(Closed::Ours);
    let wire = socket::wire_bytes(stream);
    // The engine may be gone already; then nobody needs to know.
    let _ = reports.send(Report::Closed { why, wire }).await;
}

async fn read(stream: &TcpStream, max_message: usize, reports: &Reports) -> Result<(), Closed> {
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    let mut handled = 0;
    loop {
        timeout(SILENCE, stream.readable())
            .await
            .map_err(|_| Closed::Silent)??;
        match stream.try_read_buf(&mut buffer) {
            Ok(0) => return Err(Closed::HungUp),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        }
        let mut used = 0;
        while let Some((heard, length)) = wire::read_message(&buffer[used..], max_message)? {
            used += length;
            if !matches!(heard, Heard::KeepAlive | Heard::Ignored) {
                reports.send(Report::Heard(heard)).await?;
            }
            handled += 1;
            if handled % MESSAGES_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        buffer.drain(..used);
        if buffer.is_empty() && buffer.capacity() > 4 * READ_BUFFER {
            buffer = Vec::with_capacity(READ_BUFFER);
        }
    }
}

async fn write(
    stream: &TcpStream,
    keepalive: Duration,
    mut orders: mpsc::UnboundedReceiver<Order>,
    reports: &Reports,
) -> Result<(), Closed> {
    let mut said = Vec::new();
    let mut blocks = VecDeque::new();
    loop {
        let order = if said.is_empty() && blocks.is_empty() {
            match timeout(keepalive, orders.recv()).await {
                Ok(order) => Some(order.ok_or(Closed::Ours)?),
                Err(_) => Some(Order::Say(Said::KeepAlive)),
            }
        } else {
            match orders.try_recv() {
                Ok(order) => Some(order),
                Err(mpsc::error::TryRecvError::Empty) => None,
                Err(mpsc::error::TryRecvError::Disconnected) => return Err(Closed::Ours),
            }
        };
        match order {
            Some(Order::Say(what)) => what.write(&mut said),
            Some(Order::Serve {
                block,
                segments,
                rate,
            }) => blocks.push_back((block, segments, rate)),
            Some(Order::Unsend(piece)) => {
                let (forgotten, kept) = blocks.into_iter().partition(|(b, ..)| b.index == piece);
                let forgotten: VecDeque<(Block, _, _)> = forgotten;
                blocks = kept;
                for (block, ..) in forgotten {
                    let wire = socket::wire_bytes(stream);
                    let written = false;
                    reports
                        .send(Report::Done {
                            block,
                            written,
                            wire,
                        })
                        .await?;
                }
            }
            None if !said.is_empty() => {
                stalling(socket::write_all(stream, &said, !blocks.is_empty())).await?;
                said.clear();
            }
            None => {
                let Some((block, segments, rate)) = blocks.pop_front() else {
                    continue;
                };
                serve(stream, block, segments, rate).await?;
                let wire = socket::wire_bytes(stream);
                let written = true;
                reports
                    .send(Report::Done {
                        block,
                        written,
                        wire,
                    })
                    .await?;
            }
        }
    }
}

/// Writes one block. Below [`PACED_BELOW`] it is spread over the time that the limit allows for it, so that a slow
/// line is used evenly; the engine hands over the next block when that time has passed.
async fn serve(
    stream: &TcpStream,
    block: Block,
    segments: Vec<Segment>,
    rate: Option<u64>,
) -> Result<(), Closed> {
    stalling(socket::write_all(stream, &wire::block_header(block), true)).await?;
    let pace = rate.filter(|rate| *rate < PACED_BELOW);
    let start = Instant::now();
    let mut written = 0;
    for segment in segments {
        let mut at = 0;
        while at < segment.length {
            let left = segment.length - at;
            let part = if pace.is_some() {
                left.min(PACED_PART)
            } else {
                left
            };
            match &segment.file {
                Some(file) => {
                    let sent = socket::send_file(stream, file, segment.offset + at, part);
                    stalling(sent).await?;
                }
                None => stalling(socket::write_all(stream, &vec![0; part as usize], true)).await?,
            }
            at += part;
            written += part;
            if let Some(rate) = pace
                && written < u64::from(block.length)
            {
                let due = Duration::from_secs_f64(written as f64 / rate.max(1) as f64);
                tokio::time::sleep_until((start + due).into()).await;
            }
        }
    }
    Ok(())
}

async fn stalling(write: impl Future<Output = io::Result<()>>) -> Result<(), Closed> {
    Ok(timeout(STALL, write).await.map_err(|_| Closed::Stalled)??)
}
