//! The writing side of a connection.

use std::collections::VecDeque;
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

#[derive(Debug)]
pub(super) struct Writer<'a> {
    line: &'a Line,
    orders: mpsc::UnboundedReceiver<Order>,
    /// What is to be said, as bytes.
    said: Vec<u8>,
    /// Metadata to be said after that. As bytes one piece at a time: what a peer asks for and does not take is no memory.
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
            if self.said.is_empty()
                && let Some(piece) = self.metadata.pop_front()
            {
                piece.write(&mut self.said);
            }
            if !self.said.is_empty() {
                let said = std::mem::take(&mut self.said);
                self.write_all(&said, !self.blocks.is_empty()).await?;
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
                    Said::Metadata { .. } => {
                        self.metadata.push_back(what);
                        return Ok(());
                    }
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

    /// Writes one block.
    async fn serve(&mut self, block: Block, segments: Vec<Segment>) -> Result<(), Closed> {
        self.write_all(&wire::block_header(block), true).await?;
        // What was written ahead of its time is made up for; time that passed unused is gone.
        self.due = self.due.max(Instant::now());
        let mut left: u64 = segments.iter().map(|segment| segment.length).sum();
        let mut part = self.part(left + HEADER) - HEADER;
        for segment in segments {
            let fetched = match segment.may_hang() {
                true => Some(self.fetch(&segment).await?),
                false => None,
            };
            let (mut offset, mut length) = (segment.offset, segment.length);
            while length > 0 {
                let paced = self.paced();
                if paced.is_some() && part == 0 {
                    self.wait_for_due().await?;
                    part = self.part(left);
                    continue;
                }
                let most = if paced.is_some() {
                    length.min(part)
                } else {
                    length
                };
                let written = match (&fetched, &segment.file) {
                    (Some(bytes), _) => {
                        let rest = &bytes[bytes.len() - length as usize..];
                        socket::write(&self.line.stream, &rest[..most as usize], true)
                    }
                    (None, Some(file)) => socket::send_file(&self.line.stream, file, offset, most),
                    (None, None) => {
                        let zeros = &ZEROS[..ZEROS.len().min(most as usize)];
                        socket::write(&self.line.stream, zeros, true)
                    }
                };
                match written {
                    Ok(written) => {
                        let written = written as u64;
                        (offset, length) = (offset + written, length - written);
                        left = left.saturating_sub(written);
                        self.line.unreported.fetch_add(written, Ordering::Relaxed);
                        part = part.saturating_sub(written);
                        if let Some(rate) = paced {
                            self.due += worth(on_the_wire(written), rate);
                        }
                    }
                    Err(error) => self.wait(error).await?,
                }
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
