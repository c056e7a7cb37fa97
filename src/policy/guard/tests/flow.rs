//! A connection as the kernel has it: a window, a smoothed round trip, and a peer that acknowledges every second segment.

use std::collections::VecDeque;

use super::line::Micros;
use crate::policy::guard::Sample;

/// Payload and wire bytes of a segment.
pub const MSS: u64 = 1448;
pub const WIRE: u64 = 1500;
pub const BLOCK: u64 = 16 << 10;
/// A lone segment is acknowledged after this.
const DELAYED_ACK: Micros = 40_000;

/// What a connection's peer is like.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Round trip without any queue.
    pub rtt: Micros,
    /// A narrower line of its own, bytes per second.
    pub narrow: Option<f64>,
    /// The most that may be under way, bytes.
    pub window: u64,
}

impl Peer {
    pub fn at(rtt: Micros) -> Self {
        Self {
            rtt,
            narrow: None,
            window: 512 << 10,
        }
    }
}

#[derive(Debug)]
pub struct Flow {
    pub peer: Peer,
    smooth: f64,
    least: Micros,
    pub acked: u64,
    segments_in: u32,
    pub segments_out: u32,
    pub resent: u32,
    pub under_way: u64,
    /// The congestion window, as Reno has it, and until when it does not shrink again.
    window: f64,
    threshold: f64,
    backed_off: Micros,
    /// Bytes the kernel could not send yet.
    pub unsent: u64,
    /// Bytes of blocks that are being written, and when the next part is due.
    pub writing: u64,
    pub due: f64,
    /// When what arrived without an acknowledgement was sent, how much it is, and when its time is up.
    waiting: Option<(Micros, u64, Micros)>,
    received: u64,
    /// When its own narrow line is free, and when the last segment arrives: none overtakes another.
    pub narrow_free: Micros,
    pub arrives: Micros,
    pub lost: VecDeque<(Micros, u64)>,
}

impl Flow {
    pub fn new(peer: Peer, opened_in: Micros) -> Self {
        Self {
            peer,
            smooth: opened_in as f64,
            least: opened_in,
            acked: 0,
            segments_in: 1,
            segments_out: 0,
            resent: 0,
            under_way: 0,
            window: (10 * MSS) as f64,
            threshold: f64::INFINITY,
            backed_off: 0,
            unsent: 0,
            writing: 0,
            due: 0.0,
            waiting: None,
            received: 0,
            narrow_free: 0,
            arrives: 0,
            lost: VecDeque::new(),
        }
    }

    /// Whether the box would give it another block.
    pub fn takes_more(&self) -> bool {
        self.writing + self.unsent < 2 * BLOCK
    }

    /// A segment arrived that was sent at `sent`; the acknowledgement it causes: since when, and for how much.
    pub fn arrived(&mut self, now: Micros, sent: Micros, bytes: u64) -> Option<(Micros, u64)> {
        let blocks = self.received / BLOCK;
        self.received += bytes;
        // The request for the next block carries an acknowledgement.
        let asks = self.received / BLOCK > blocks;
        match self.waiting.take() {
            Some((first, before, _)) => Some((first, before + bytes)),
            None if asks => Some((sent, bytes)),
            None => {
                self.waiting = Some((sent, bytes, now + DELAYED_ACK));
                None
            }
        }
    }

    /// The acknowledgement that waited for long enough.
    pub fn overdue(&mut self, now: Micros) -> Option<(Micros, u64)> {
        let (sent, bytes, _) = self.waiting.take_if(|(.., until)| *until <= now)?;
        Some((sent, bytes))
    }

    /// An acknowledgement came back.
    pub fn acknowledged(&mut self, now: Micros, sent: Micros, bytes: u64) {
        let trip = now - sent;
        self.smooth += (trip as f64 - self.smooth) / 8.0;
        self.least = self.least.min(trip);
        self.acked += bytes;
        self.segments_in += 1;
        // What is not used says nothing of what could be.
        if 2 * self.under_way >= self.window as u64 {
            self.window += if self.window < self.threshold {
                bytes as f64
            } else {
                bytes as f64 * MSS as f64 / self.window
            };
        }
        self.under_way = self.under_way.saturating_sub(bytes);
    }

    pub fn may_send(&self, bytes: u64) -> bool {
        self.under_way + bytes <= self.peer.window.min(self.window as u64)
    }

    /// A segment was lost, and that is noticed now.
    pub fn lost(&mut self, now: Micros) {
        if now >= self.backed_off {
            self.window = (self.window * 0.7).max((2 * MSS) as f64);
            self.threshold = self.window;
            self.backed_off = now + self.smooth as Micros;
        }
    }

    pub fn sample(&self, key: u64) -> Sample {
        let micros = |micros: f64| std::time::Duration::from_micros(micros as u64);
        Sample {
            peer: crate::base::PeerKey(key),
            rtt: micros(self.smooth),
            min_rtt: micros(self.least as f64),
            acked: self.acked,
            segments_in: self.segments_in,
            mss: MSS as u32,
            unsent: self.unsent as u32,
            segments_out: self.segments_out,
            resent: self.resent,
        }
    }
}
