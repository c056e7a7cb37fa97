//! The writing side of a connection.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{sleep_until, timeout};

use super::{Closed, Limit, Line, Order, Report};
use crate::seed::reader::Segment;
use crate::seed::shaper::on_the_wire;
use crate::seed::socket;
use crate::seed::wire::{self, BLOCK_LENGTH, Block, Said};

/// How long a peer may take nothing of what we have for it.
const STALL: Duration = Duration::from_secs(60);
/// At a very low limit it is we who take long: the kernel takes more once this much was sent.
const STROKE: u64 = 2 * BLOCK_LENGTH as u64;
/// At limits below this a block is written in parts of one segment, spread over the time that it is worth: a block would
/// be a large share of a second. The kernel's own pacing was tried for it: its rate follows the congestion control's,
/// and it falls behind.
const PACED_BELOW: u64 = 512 << 10;
/// On a guarded line every block is written in parts: a burst would be a queue to others, and to ourselves, who measure
/// it. Two segments at a time, since a lone one is acknowledged late, and that would look like a queue;
const GENTLE_SEGMENTS: u64 = 2;
/// or what this time is worth, where timers would come too often.
const GENTLE_PART: Duration = Duration::from_millis(2);
/// Payload of a segment on an Ethernet line. What the kernel says is less where the line takes less.
const SEGMENT: u64 = 1448;
/// Bytes before a block.
const HEADER: u64 = 13;
/// The kernel may send a block faster than the limit by this factor: fast enough for its congestion control to see what
/// the line can do, slow enough that a block is no burst.
const LOOSELY: u64 = 2;
/// A lowered limit is obeyed within a second: this long, and a margin.
const GRACE: Duration = Duration::from_millis(700);
/// Blocks in hand that are much: they come so many at a time on the fastest lines only, and are gone in milliseconds.
const MANY: usize = 8;
/// Bytes of requests that may gather meanwhile: 60 requests.
const GATHERED: usize = 1024;
/// Padding between files.
static ZEROS: [u8; BLOCK_LENGTH as usize] = [0; BLOCK_LENGTH as usize];

/// Where bytes that are written come from.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Bytes(&'a [u8]),
    /// From this byte on.
    File(&'a File, u64),
    Zeros,
}

/// What is being written.
#[derive(Debug)]
struct Turn {
    /// Bytes that may be written at once.
    part: u64,
    /// Bytes that are to be written.
    left: u64,
}

#[derive(Debug)]
pub(super) struct Writer<'a> {
    line: &'a Line,
    orders: mpsc::UnboundedReceiver<Order>,
    /// What is to be said, as bytes.
    said: Vec<u8>,
    /// Metadata to be written after that.
    metadata: VecDeque<Said>,
    blocks: VecDeque<(Block, Vec<Segment>)>,
    /// Written, and not reported yet.
    done: Vec<Block>,
    /// The limit the kernel knows of; none until it was told.
    pace: Option<Option<Limit>>,
    /// Where a block is written in parts: when the next one is due.
    due: Instant,
    /// Whether the kernel wakes us for much only.
    dozing: bool,
}

impl<'a> Writer<'a> {
    pub fn new(line: &'a Line, orders: mpsc::UnboundedReceiver<Order>) -> Self {
        Self {
            line,
            orders,
            said: Vec::new(),
            metadata: VecDeque::new(),
            blocks: VecDeque::new(),
            done: Vec::new(),
            pace: None,
            due: Instant::now(),
            dozing: false,
        }
    }

    pub async fn run(mut self, keepalive: Duration) -> Result<(), Closed> {
        loop {
            if self.said.is_empty() && self.metadata.is_empty() && self.blocks.is_empty() {
                self.doze(false);
                match timeout(keepalive, self.orders.recv()).await {
                    Ok(order) => self.take(order.ok_or(Closed::Ours)?).await?,
                    Err(_) => Said::KeepAlive.write(&mut self.said),
                }
            }
            loop {
                match self.orders.try_recv() {
                    Ok(order) => self.take(order).await?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Err(Closed::Ours),
                }
            }
            if !self.said.is_empty() {
                let said = std::mem::take(&mut self.said);
                self.write_all(&said, !self.blocks.is_empty()).await?;
            } else if let Some(piece) = self.metadata.pop_front() {
                self.tell(&piece).await?;
            } else if let Some((block, segments)) = self.blocks.pop_front() {
                self.doze(self.blocks.len() >= MANY);
                self.serve(block, segments).await?;
                self.done.push(block);
                // Often enough for the next blocks to be chosen before these are all written, and no more often.
                if self.done.len() >= self.blocks.len() {
                    self.report_done().await?;
                }
            }
        }
    }

    async fn take(&mut self, order: Order) -> Result<(), Closed> {
        match order {
            Order::Say(what) => {
                match what {
                    Said::Request(block) => *self.line.asked.lock() = Some(block),
                    Said::Cancel(_) => *self.line.asked.lock() = None,
                    _ => {}
                }
                what.write(&mut self.said);
            }
            Order::Serve {
                block,
                segments,
                limit,
            } => {
                self.pace(limit, limit.map(loosely));
                self.blocks.push_back((block, segments));
            }
            Order::Metadata { piece, limit } => {
                self.pace(limit, limit.map(loosely));
                self.metadata.push_back(piece);
            }
            Order::Unsend(piece) => {
                let of_it = |block: &Block| piece.is_none_or(|piece| block.index == piece);
                let (gone, kept): (VecDeque<_>, _) =
                    self.blocks.drain(..).partition(|(block, _)| of_it(block));
                self.blocks = kept;
                if !gone.is_empty() {
                    let report = Report::Done {
                        // The last first: each goes before the others when it is put back.
                        blocks: gone.into_iter().rev().map(|(block, _)| block).collect(),
                        written: false,
                        account: None,
                    };
                    self.line.report(report).await?;
                }
            }
            Order::Pace { limit, share } => {
                let kernel = share.map(|share| share.max(self.leftover_rate()));
                let ours = limit.map(|limit| Limit {
                    rate: share.unwrap_or(limit.rate),
                    ..limit
                });
                self.pace(ours, kernel.or(limit.map(loosely)));
                self.report_done().await?;
                self.line.report(Report::Sent(self.line.account())).await?;
            }
        }
        Ok(())
    }

    /// The rate at which what the kernel still holds is gone before a lowered limit must be obeyed. It cannot be called
    /// back, and left to the new limit alone it would be in the way of all that follows.
    fn leftover_rate(&self) -> u64 {
        let sent = socket::sent(&self.line.stream, self.line.v6);
        let unsent = sent.map_or(0, |sent| sent.unsent);
        (unsent as f64 / GRACE.as_secs_f64()) as u64
    }

    /// `limit` is ours, `kernel` the rate at which the kernel may send.
    fn pace(&mut self, limit: Option<Limit>, kernel: Option<u64>) {
        if self.pace != Some(limit) {
            self.pace = Some(limit);
            socket::pace(&self.line.stream, kernel);
        }
    }

    /// Writes a piece of the metadata, and reports it.
    async fn tell(&mut self, piece: &Said) -> Result<(), Closed> {
        let mut message = Vec::new();
        piece.write(&mut message);
        let length = message.len() as u64;
        let mut turn = self.begin(length, 0);
        self.put(Source::Bytes(&message), length, &mut turn).await?;
        self.line.unreported.fetch_sub(length, Ordering::Relaxed);
        let report = Report::MetadataWritten {
            length: piece.length(),
            account: self.line.account_if_due(),
        };
        self.line.report(report).await
    }

    /// Writes one block.
    async fn serve(&mut self, block: Block, segments: Vec<Segment>) -> Result<(), Closed> {
        self.write_all(&wire::block_header(block), true).await?;
        let length = segments.iter().map(|segment| segment.length).sum();
        let mut turn = self.begin(length, HEADER);
        for segment in segments {
            let fetched;
            let source = match &segment.file {
                _ if segment.may_hang() => {
                    fetched = self.fetch(&segment).await?;
                    Source::Bytes(&fetched)
                }
                Some(file) => Source::File(file, segment.offset),
                None => Source::Zeros,
            };
            self.put(source, segment.length, &mut turn).await?;
        }
        Ok(())
    }

    /// Begins to write so many bytes, after `before` that were written already.
    fn begin(&mut self, bytes: u64, before: u64) -> Turn {
        // What was written ahead of its time is made up for; time that passed unused is gone.
        self.due = self.due.max(Instant::now());
        Turn {
            part: self.part(bytes + before) - before,
            left: bytes,
        }
    }

    /// Writes so many bytes of this turn, in parts where the limit wants it.
    async fn put(
        &mut self,
        source: Source<'_>,
        length: u64,
        turn: &mut Turn,
    ) -> Result<(), Closed> {
        let mut put = 0;
        while put < length {
            let paced = self.paced();
            if paced.is_some() && turn.part == 0 {
                self.wait_for_due().await?;
                turn.part = self.part(turn.left);
                continue;
            }
            let most = if paced.is_some() {
                (length - put).min(turn.part)
            } else {
                length - put
            };
            let more = turn.left > most;
            let written = match source {
                Source::Bytes(bytes) => {
                    let bytes = &bytes[put as usize..][..most as usize];
                    socket::write(&self.line.stream, bytes, more)
                }
                Source::File(file, offset) => {
                    socket::send_file(&self.line.stream, file, offset + put, most)
                }
                Source::Zeros => {
                    let zeros = &ZEROS[..ZEROS.len().min(most as usize)];
                    socket::write(&self.line.stream, zeros, more)
                }
            };
            match written {
                Ok(written) => {
                    let written = written as u64;
                    put += written;
                    turn.left = turn.left.saturating_sub(written);
                    turn.part = turn.part.saturating_sub(written);
                    self.line.unreported.fetch_add(written, Ordering::Relaxed);
                    if let Some(rate) = paced {
                        self.due += worth(on_the_wire(written), rate);
                    }
                }
                Err(error) => self.wait(error).await?,
            }
        }
        Ok(())
    }

    /// The bytes of what may hang when it is read, while the engine is heard.
    async fn fetch(&mut self, segment: &Segment) -> Result<Vec<u8>, Closed> {
        let since = Instant::now();
        let mut fetched = std::pin::pin!(segment.fetch());
        loop {
            tokio::select! {
                bytes = &mut fetched => return Ok(bytes?),
                order = self.orders.recv() => self.take(order.ok_or(Closed::Ours)?).await?,
                () = sleep_until((since + STALL).into()) => return Err(Closed::Stalled),
            }
        }
    }

    /// While there is much to write, the peer's requests may gather: each wakes a thread otherwise, and that costs as
    /// much as sending the block it asks for.
    fn doze(&mut self, dozing: bool) {
        if self.dozing != dozing {
            self.dozing = dozing;
            socket::wake_for(&self.line.stream, if dozing { GATHERED } else { 1 });
        }
    }

    /// The rate, where we spread a block over its time ourselves.
    fn paced(&self) -> Option<u64> {
        let limit = self.pace.flatten();
        let limit = limit.filter(|limit| limit.gentle || limit.rate < PACED_BELOW);
        limit.map(|limit| limit.rate)
    }

    /// Bytes to be written at once, of so many that are left of a block.
    fn part(&self, left: u64) -> u64 {
        let segment = self.segment();
        let Some(limit) = self.pace.flatten().filter(|limit| limit.gentle) else {
            return segment;
        };
        let worth = limit.rate as f64 * GENTLE_PART.as_secs_f64();
        let pairs = worth as u64 / (GENTLE_SEGMENTS * segment);
        let part = pairs.max(1) * GENTLE_SEGMENTS * segment;
        // A last segment is not left alone.
        if left <= part + segment { left } else { part }
    }

    fn segment(&self) -> u64 {
        socket::segment(&self.line.stream).map_or(SEGMENT, |segment| segment.clamp(500, SEGMENT))
    }

    /// Waits until the next part is due, or the limit is another.
    async fn wait_for_due(&mut self) -> Result<(), Closed> {
        let pace = self.pace;
        while self.pace == pace {
            tokio::select! {
                () = sleep_until(self.due.into()) => return Ok(()),
                order = self.orders.recv() => self.take(order.ok_or(Closed::Ours)?).await?,
            }
        }
        self.due = Instant::now();
        Ok(())
    }

    async fn write_all(&mut self, mut bytes: &[u8], more: bool) -> Result<(), Closed> {
        while !bytes.is_empty() {
            match socket::write(&self.line.stream, bytes, more) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) => self.wait(error).await?,
            }
        }
        Ok(())
    }

    /// Waits until the kernel takes more, if `error` says that it takes nothing now; what the engine says meanwhile is
    /// heard, above all that the limit is another.
    async fn wait(&mut self, error: io::Error) -> Result<(), Closed> {
        match error.kind() {
            io::ErrorKind::Interrupted => return Ok(()),
            io::ErrorKind::WouldBlock => {}
            _ => return Err(error.into()),
        }
        self.doze(false);
        self.report_done().await?;
        let since = Instant::now();
        loop {
            let ours = self
                .pace
                .flatten()
                .map_or(Duration::ZERO, |limit| worth(STROKE, limit.rate));
            tokio::select! {
                writable = self.line.stream.writable() => return Ok(writable?),
                order = self.orders.recv() => self.take(order.ok_or(Closed::Ours)?).await?,
                () = sleep_until((since + STALL + ours).into()) => return Err(Closed::Stalled),
            }
        }
    }

    async fn report_done(&mut self) -> Result<(), Closed> {
        if self.done.is_empty() {
            return Ok(());
        }
        let blocks = std::mem::take(&mut self.done);
        let written = blocks.iter().map(|block| u64::from(block.length)).sum();
        self.line.unreported.fetch_sub(written, Ordering::Relaxed);
        let report = Report::Done {
            blocks,
            written: true,
            account: self.line.account_if_due(),
        };
        self.line.report(report).await
    }
}

/// The rate at which the kernel may send under a limit.
fn loosely(limit: Limit) -> u64 {
    limit.rate.saturating_mul(LOOSELY)
}

/// The time that so many bytes take at a rate.
fn worth(bytes: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64)
}

#[cfg(test)]
mod tests;
