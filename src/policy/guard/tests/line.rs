//! A home's uplink, simulated: one queue with a rate and a buffer, the box's connections through it, and the family's
//! traffic beside them. Time is in microseconds and goes in steps of half a millisecond; nothing is random but by a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::flow::{BLOCK, Flow, MSS, Peer, WIRE};
use crate::policy::guard::{Guard, Ruling, TICK};

pub type Micros = u64;

const STEP: Micros = 500;
/// The box writes so many segments at a time, and paces them itself below a rate.
const PART: u64 = 2 * MSS;

#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Bytes per second, and what the buffer takes at that.
    pub rate: f64,
    pub buffer: Duration,
    /// The most that one segment is later than another for no reason.
    pub jitter: Micros,
    /// The part of all segments that is lost for no reason.
    pub loss: f64,
}

impl Setting {
    pub fn mbit(mbit: f64) -> Self {
        Self {
            rate: mbit * 125_000.0,
            buffer: Duration::from_secs(1),
            jitter: 0,
            loss: 0.0,
        }
    }
}

/// A TCP upload of the family's: the window of one flow, as Reno has it with CUBIC's backoff.
#[derive(Debug)]
struct Upload {
    window: f64,
    threshold: f64,
    under_way: u64,
    backed_off: Micros,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives(usize, Micros, u64),
    Acked(usize, Micros, u64),
    UploadAcked(u64),
}

/// What was seen of a stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Added delay at the uplink that a packet of the family's would have met: 95th percentile and the most, ms.
    pub p95: f64,
    pub most: f64,
    /// The box's part of what the line carries.
    pub used: f64,
}

pub struct House {
    pub setting: Setting,
    now: Micros,
    began: Instant,
    free: f64,
    seed: u64,
    pub flows: Vec<Flow>,
    events: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    events_so_far: u64,
    /// Bytes per second of the family's calls.
    pub call: f64,
    call_owed: f64,
    upload: Option<Upload>,
    guard: Guard,
    pub ruling: Ruling,
    tokens: f64,
    turn: usize,
    handed: u64,
    /// Whether the box has anything to send.
    pub wanted: bool,
}

impl House {
    pub fn new(setting: Setting, peers: &[Peer]) -> Self {
        let began = Instant::now();
        let guard = Guard::new(None, began);
        let mut house = Self {
            setting,
            now: 0,
            began,
            free: 0.0,
            seed: 0x9e37_79b9_7f4a_7c15,
            flows: Vec::new(),
            events: BinaryHeap::new(),
            events_so_far: 0,
            call: 0.0,
            call_owed: 0.0,
            upload: None,
            ruling: guard.ruling(),
            guard,
            tokens: 0.0,
            turn: 0,
            handed: 0,
            wanted: true,
        };
        peers.iter().for_each(|peer| house.join(*peer));
        house
    }

    /// A peer connects, through whatever queue there is.
    pub fn join(&mut self, peer: Peer) {
        let queue = (self.free - self.now as f64).max(0.0) as Micros;
        self.flows.push(Flow::new(peer, peer.rtt + queue));
    }

    /// The family begins to upload something long, or ends it.
    pub fn upload(&mut self, on: bool) {
        self.upload = on.then_some(Upload {
            window: (10 * MSS) as f64,
            threshold: f64::INFINITY,
            under_way: 0,
            backed_off: 0,
        });
    }

    pub fn change_rate(&mut self, rate: f64) {
        let queued = (self.free - self.now as f64).max(0.0);
        self.free = self.now as f64 + queued * self.setting.rate / rate;
        self.setting.rate = rate;
    }

    /// Runs for a while, and says what was seen.
    pub fn run(&mut self, time: Duration) -> Seen {
        let end = self.now + time.as_micros() as Micros;
        let acked: u64 = self.flows.iter().map(|flow| flow.acked).sum();
        let mut delays = Vec::new();
        while self.now < end {
            self.step();
            delays.push((self.free - self.now as f64).max(0.0) / 1000.0);
        }
        delays.sort_by(f64::total_cmp);
        let now_acked: u64 = self.flows.iter().map(|flow| flow.acked).sum();
        let wire = (now_acked - acked) as f64 * WIRE as f64 / MSS as f64;
        Seen {
            p95: delays[delays.len() * 95 / 100],
            most: delays[delays.len() - 1],
            used: wire / (self.setting.rate * time.as_secs_f64()),
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        while let Some(Reverse((at, ..))) = self.events.peek()
            && *at <= self.now
        {
            let Some(Reverse((at, _, event))) = self.events.pop() else {
                break;
            };
            self.happens(at, event);
        }
        for index in 0..self.flows.len() {
            if let Some((sent, bytes)) = self.flows[index].overdue(self.now) {
                self.acknowledge(index, self.now, sent, bytes);
            }
            while let Some((at, bytes)) = self.flows[index].lost.front().copied()
                && at <= self.now
            {
                self.flows[index].lost.pop_front();
                self.flows[index].lost(at);
                self.flows[index].resent += 1;
                self.flows[index].under_way -= bytes;
                self.transmit(index, bytes);
            }
        }
        self.family_sends();
        self.box_sends();
        if self.now.is_multiple_of(TICK.as_micros() as Micros) {
            let samples = self.flows.iter().enumerate();
            let samples: Vec<_> = samples.map(|(key, flow)| flow.sample(key as u64)).collect();
            let now = self.began + Duration::from_micros(self.now);
            let handed = std::mem::take(&mut self.handed);
            self.ruling = self.guard.tick(&samples, handed, now);
        }
    }

    fn happens(&mut self, at: Micros, event: Event) {
        match event {
            Event::Arrives(index, sent, bytes) => {
                if let Some((sent, bytes)) = self.flows[index].arrived(at, sent, bytes) {
                    self.acknowledge(index, at, sent, bytes);
                }
            }
            Event::Acked(index, sent, bytes) => {
                self.flows[index].acknowledged(at, sent, bytes);
                self.flush(index);
            }
            Event::UploadAcked(bytes) => {
                if let Some(upload) = &mut self.upload {
                    upload.under_way = upload.under_way.saturating_sub(bytes);
                    let grown = if upload.window < upload.threshold {
                        bytes as f64
                    } else {
                        (MSS * MSS) as f64 / upload.window
                    };
                    upload.window += grown;
                }
            }
        }
    }

    fn later(&mut self, at: Micros, event: Event) {
        self.events_so_far += 1;
        self.events.push(Reverse((at, self.events_so_far, event)));
    }

    fn acknowledge(&mut self, index: usize, at: Micros, sent: Micros, bytes: u64) {
        let back = self.flows[index].peer.rtt / 2;
        self.later(at + back, Event::Acked(index, sent, bytes));
    }

    /// Puts bytes into the uplink's queue; when they leave it, or nothing if it is full.
    fn queue(&mut self, wire: u64) -> Option<f64> {
        let begins = self.free.max(self.now as f64);
        let waits = Duration::from_micros((begins - self.now as f64) as Micros);
        if waits > self.setting.buffer {
            return None;
        }
        self.free = begins + wire as f64 / self.setting.rate * 1e6;
        Some(self.free)
    }

    fn random(&mut self) -> f64 {
        // xorshift64*
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        (self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A connection sends a segment, for the first time or again.
    fn transmit(&mut self, index: usize, bytes: u64) {
        let header = WIRE - MSS;
        let queued = self.queue(bytes + header);
        let unlucky = self.random() < self.setting.loss;
        let jitter = (self.random() * self.setting.jitter as f64) as Micros;
        let now = self.now;
        let flow = &mut self.flows[index];
        flow.segments_out += 1;
        flow.under_way += bytes;
        let Some(left) = queued.filter(|_| !unlucky) else {
            flow.lost.push_back((now + flow.peer.rtt + 20_000, bytes));
            return;
        };
        let mut at = left as Micros + flow.peer.rtt / 2 + jitter;
        if let Some(rate) = flow.peer.narrow {
            at = at.max(flow.narrow_free) + ((bytes + header) as f64 / rate * 1e6) as Micros;
            flow.narrow_free = at;
        }
        at = at.max(flow.arrives);
        flow.arrives = at;
        self.later(at, Event::Arrives(index, now, bytes));
    }

    /// Sends what the window lets it.
    fn flush(&mut self, index: usize) {
        loop {
            let flow = &mut self.flows[index];
            let bytes = flow.unsent.min(MSS);
            if bytes == 0 || !flow.may_send(bytes) {
                return;
            }
            flow.unsent -= bytes;
            self.transmit(index, bytes);
        }
    }

    fn family_sends(&mut self) {
        self.call_owed += self.call * STEP as f64 / 1e6;
        while self.call_owed >= WIRE as f64 {
            self.call_owed -= WIRE as f64;
            // What the queue does not take is the call's loss.
            let _lost = self.queue(WIRE);
        }
        while let Some(upload) = &self.upload
            && ((upload.under_way + MSS) as f64) <= upload.window
        {
            match self.queue(WIRE) {
                Some(left) => {
                    if let Some(upload) = &mut self.upload {
                        upload.under_way += MSS;
                    }
                    self.later(left as Micros + 20_000, Event::UploadAcked(MSS));
                }
                None => {
                    let now = self.now;
                    let queue = (self.free - now as f64) as Micros;
                    if let Some(upload) = &mut self.upload
                        && now > upload.backed_off
                    {
                        upload.window = (upload.window * 0.7).max((2 * MSS) as f64);
                        upload.threshold = upload.window;
                        upload.backed_off = now + queue + 20_000;
                    }
                    break;
                }
            }
        }
    }

    /// The bucket hands out blocks in turn; each is written in parts, paced at the rate.
    fn box_sends(&mut self) {
        let rate = self.ruling.rate as f64;
        let most = (rate * 0.01).max(3000.0);
        self.tokens = (self.tokens + rate * STEP as f64 / 1e6).min(most);
        while self.wanted && self.tokens > 0.0 {
            let flows = self.flows.len();
            let next = (0..flows)
                .map(|by| (self.turn + by) % flows)
                .find(|index| self.flows[*index].takes_more());
            let Some(index) = next else {
                break;
            };
            self.turn = index + 1;
            let wire = BLOCK + BLOCK.div_ceil(MSS) * (WIRE - MSS);
            self.tokens -= wire as f64;
            self.handed += wire;
            let flow = &mut self.flows[index];
            if flow.writing == 0 {
                flow.due = flow.due.max(self.now as f64);
            }
            flow.writing += BLOCK;
        }
        for index in 0..self.flows.len() {
            while self.flows[index].writing > 0 && self.flows[index].due <= self.now as f64 {
                let flow = &mut self.flows[index];
                let part = flow.writing.min(PART);
                flow.writing -= part;
                flow.unsent += part;
                let wire = part as f64 * WIRE as f64 / MSS as f64;
                flow.due += wire / rate * 1e6;
                self.flush(index);
            }
        }
    }
}
