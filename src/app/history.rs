//! What the swarms were like since the box started: a bounded memory of figures, for the plots of the owner's page.
//!
//! Each line begins when there is something to tell and never forgets its beginning: when it is full, every two
//! neighbouring points become their mean, and from then on a point stands for twice the time. So a line is some hundred
//! points after an hour as after a year. Nothing of it is kept over a start.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::{ReleaseId, Timestamp};

/// Points of a line at most: one for every few pixels of a plot. Even, so that every one has a neighbour.
const MAX_POINTS: usize = 360;
/// The time that a new line's point stands for, the shortest that shows more than the noise of one second.
const FIRST_STEP: Duration = Duration::from_secs(5);
/// Releases that are remembered, at about 10 KiB each. Past it the one that nobody was there for longest is forgotten.
const MAX_LINES: usize = 256;

/// What a swarm is like at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// Bytes per second that leave, on the wire.
    pub rate: f32,
    /// Connected peers.
    pub peers: f32,
    /// Others that were seen to hold every piece.
    pub relays: f32,
    /// Distributed copies without us.
    pub copies: f32,
}

impl Figures {
    fn add(self, other: Self) -> Self {
        Self {
            rate: self.rate + other.rate,
            peers: self.peers + other.peers,
            relays: self.relays + other.relays,
            copies: self.copies + other.copies,
        }
    }

    fn over(self, count: f32) -> Self {
        Self {
            rate: self.rate / count,
            peers: self.peers / count,
            relays: self.relays / count,
            copies: self.copies / count,
        }
    }

    /// Whether anybody is there.
    fn is_alive(self) -> bool {
        self.peers > 0.0
    }
}

/// Figures over time.
#[derive(Debug)]
struct Line {
    begun: Instant,
    /// The time that a point stands for.
    step: Duration,
    /// Seconds after `begun` at which each point ended, and the mean over it.
    points: Vec<(u32, Figures)>,
    /// What was noted since the last point, added up, and how often.
    sum: Figures,
    noted: u32,
    /// When the point under way began.
    since: Instant,
    /// When somebody was there last.
    alive: Instant,
}

impl Line {
    fn new(now: Instant) -> Self {
        Self {
            begun: now,
            step: FIRST_STEP,
            points: Vec::new(),
            sum: Figures::default(),
            noted: 0,
            since: now,
            alive: now,
        }
    }

    fn note(&mut self, figures: Figures, now: Instant) {
        if figures.is_alive() {
            self.alive = now;
        }
        self.sum = self.sum.add(figures);
        self.noted += 1;
        if now.saturating_duration_since(self.since) < self.step {
            return;
        }
        let ended = now.saturating_duration_since(self.begun).as_secs() as u32; // enough for 136 years
        self.points.push((ended, self.sum.over(self.noted as f32)));
        (self.sum, self.noted, self.since) = (Figures::default(), 0, now);
        if self.points.len() >= MAX_POINTS {
            let pairs = self.points.chunks(2).map(|pair| {
                let sum = pair
                    .iter()
                    .fold(Figures::default(), |sum, (_, f)| sum.add(*f));
                (pair[pair.len() - 1].0, sum.over(pair.len() as f32))
            });
            self.points = pairs.collect();
            self.step *= 2;
        }
    }
}

/// The memory.
#[derive(Debug)]
pub struct History {
    /// When it began.
    since: Instant,
    whole: Line,
    lines: HashMap<ReleaseId, Line>,
}

impl History {
    /// A memory that begins now.
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            whole: Line::new(now),
            lines: HashMap::new(),
        }
    }

    /// Notes what the box and its releases are like, as `of` says; a release that it does not know is forgotten. A line
    /// begins with those of the `moved` that somebody is there for, and goes on when they have left.
    pub fn note(
        &mut self,
        whole: Figures,
        moved: impl IntoIterator<Item = ReleaseId>,
        of: impl Fn(ReleaseId) -> Option<Figures>,
        now: Instant,
    ) {
        self.whole.note(whole, now);
        self.lines.retain(|id, line| {
            let figures = of(*id);
            figures
                .inspect(|figures| line.note(*figures, now))
                .is_some()
        });
        for id in moved {
            let alive = of(id).filter(|figures| figures.is_alive());
            if let Some(figures) =
                alive.filter(|_| !self.lines.contains_key(&id) && self.has_room(now))
            {
                let mut line = Line::new(now);
                line.note(figures, now);
                self.lines.insert(id, line);
            }
        }
    }

    /// Makes room for one more, unless all are as lively.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.lines.len() < MAX_LINES {
            return true;
        }
        let quiet = self.lines.iter().filter(|(_, line)| line.alive < now);
        let quietest = quiet.min_by_key(|(id, line)| (line.alive, id.0));
        match quietest.map(|(id, _)| *id) {
            Some(id) => self.lines.remove(&id).is_some(),
            None => false,
        }
    }

    /// What is remembered of the whole box. `now` on both clocks says when the points were.
    pub fn whole(&self, now: Instant, clock: Timestamp) -> HistoryView {
        self.view(Some(&self.whole), now, clock)
    }

    /// What is remembered of a release; empty where nobody was there since the start.
    pub fn release(&self, id: ReleaseId, now: Instant, clock: Timestamp) -> HistoryView {
        self.view(self.lines.get(&id), now, clock)
    }

    fn view(&self, line: Option<&Line>, now: Instant, clock: Timestamp) -> HistoryView {
        let ago = |then: Instant| now.saturating_duration_since(then).as_secs();
        let mut view = HistoryView {
            since: Timestamp(clock.0.saturating_sub_unsigned(ago(self.since))),
            step: line.map_or(FIRST_STEP, |line| line.step).as_secs(),
            ..HistoryView::default()
        };
        let Some(line) = line else {
            return view;
        };
        let begun = clock.0.saturating_sub_unsigned(ago(line.begun));
        for (ended, figures) in &line.points {
            view.at.push(Timestamp(begun + i64::from(*ended)));
            view.rate.push(figures.rate.round() as u64); // saturates
            view.peers.push(tenths(figures.peers));
            view.relays.push(tenths(figures.relays));
            view.copies
                .push((f64::from(figures.copies) * 1000.0).round() / 1000.0);
        }
        view
    }
}

/// A mean of counts as far as it says anything.
fn tenths(mean: f32) -> f64 {
    (f64::from(mean) * 10.0).round() / 10.0
}

/// Figures over time, a column each; all are of the same length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct HistoryView {
    /// When the box started, and its memory began.
    #[schema(value_type = i64)]
    pub since: Timestamp,
    /// Seconds that each point stands for; it is the mean over them.
    pub step: u64,
    /// When each point ended, oldest first.
    #[schema(value_type = Vec<i64>)]
    pub at: Vec<Timestamp>,
    /// Bytes per second that left, on the wire.
    pub rate: Vec<u64>,
    /// Connected peers.
    pub peers: Vec<f64>,
    /// Others that were seen to hold every piece; of the whole box 0.
    pub relays: Vec<f64>,
    /// Distributed copies without us; of the whole box 0.
    pub copies: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Timestamp = Timestamp(1_800_000_000);

    fn alive(rate: f32) -> Figures {
        Figures {
            rate,
            peers: 2.0,
            relays: 1.0,
            copies: 0.5,
        }
    }

    #[test]
    fn a_line_never_forgets_its_beginning_and_never_grows_past_its_bound() {
        let start = Instant::now();
        let mut history = History::new(start);
        let mut now = start;
        // A day, of which the first half is twice as busy.
        for second in 1..=86_400_u32 {
            now = start + Duration::from_secs(second.into());
            let rate = if second <= 43_200 { 2000.0 } else { 1000.0 };
            history.note(alive(rate), [ReleaseId(1)], |_| Some(alive(rate)), now);
        }
        for view in [
            history.whole(now, CLOCK),
            history.release(ReleaseId(1), now, CLOCK),
        ] {
            assert!(view.at.len() < MAX_POINTS && view.at.len() > MAX_POINTS / 4);
            assert_eq!(view.since, Timestamp(CLOCK.0 - 86_400));
            assert!(view.at.is_sorted());
            assert!(view.at[0].0 - view.since.0 <= 2 * view.step as i64);
            assert!(CLOCK.0 - view.at.last().unwrap().0 <= view.step as i64);
            assert_eq!((view.rate[0], *view.rate.last().unwrap()), (2000, 1000));
            let mean = view.rate.iter().sum::<u64>() / view.rate.len() as u64;
            assert!((1450..=1550).contains(&mean), "{mean}");
            assert_eq!(
                (view.peers[0], view.relays[0], view.copies[0]),
                (2.0, 1.0, 0.5)
            );
        }
    }

    #[test]
    fn only_those_somebody_was_there_for_are_remembered_the_liveliest_first() {
        let start = Instant::now();
        let mut history = History::new(start);
        let ids = |range: std::ops::Range<i64>| range.map(ReleaseId);
        let nobody = |_| Some(Figures::default());
        history.note(Figures::default(), ids(0..5000), nobody, start);
        assert_eq!(history.lines.len(), 0);

        let most = MAX_LINES as i64;
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = |id: ReleaseId| {
            Some(if id.0 < 50 {
                alive(1.0)
            } else {
                Figures::default()
            })
        };
        history.note(alive(1.0), ids(0..50), first, at(1));
        let others = |id: ReleaseId| {
            Some(if id.0 < 50 {
                Figures::default()
            } else {
                alive(1.0)
            })
        };
        history.note(alive(1.0), ids(50..most + 50), others, at(10));
        assert_eq!(history.lines.len(), MAX_LINES);
        assert!(ids(50..most + 50).all(|id| history.lines.contains_key(&id)));
        // None of those who are there makes way for one more.
        history.note(alive(1.0), ids(0..most + 100), others, at(11));
        assert!(ids(50..most + 50).all(|id| history.lines.contains_key(&id)));

        // One that is not the engine's any more is forgotten.
        let one = |id: ReleaseId| (id.0 == 60).then(Figures::default);
        history.note(Figures::default(), [], one, at(20));
        assert_eq!(history.lines.len(), 1);
        assert_eq!(history.release(ReleaseId(61), at(20), CLOCK).at, []);
    }

    #[test]
    fn a_clock_that_is_set_later_moves_all_points_along() {
        let start = Instant::now();
        let mut history = History::new(start);
        let now = start + FIRST_STEP;
        history.note(alive(7.0), [], |_| None, now);
        let asked = now + Duration::from_secs(60);
        assert_eq!(history.whole(asked, CLOCK).at, [Timestamp(CLOCK.0 - 60)]);
        assert_eq!(history.whole(asked, Timestamp(90)).at, [Timestamp(30)]);
    }
}
