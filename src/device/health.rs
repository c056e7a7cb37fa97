//! Whether the board itself is well: enough current, and not too hot.
//!
//! A board with a weak supply browns out while a drive spins up, and one that is too hot makes its processor slow. Both
//! pass when less is asked of them, so that a strained board reads less ([`Health::is_strained`]) and says why. What the
//! kernel reports is read by [`vitals`]; what it means is decided here, with time as an argument.

pub mod monitor;
pub mod vitals;

use std::fmt;
use std::time::{Duration, Instant};

pub use monitor::Monitor;
pub use vitals::Vitals;

/// How long less is asked after the last sign of strain. Asking less is what made the sign go away: without a wait, a
/// supply that is too weak for a drive at work would make it start and stop every few seconds.
pub const HOLD: Duration = Duration::from_secs(60);

/// Strain that comes back this soon after calm was brought by the work that was taken up again: it is held twice as
/// long as the last time.
pub const RELAPSE: Duration = Duration::from_secs(300);

/// The longest hold: a supply may be changed, a fan plugged in, and then a quarter of an hour is enough to wait.
pub const LONGEST_HOLD: Duration = Duration::from_secs(900);

/// Degrees below the limit to which a zone must cool before it is no sign of strain any more: sensors waver by two or
/// three. Thousandths of a degree.
pub const COOLED: i64 = 5_000;

/// What strains the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strain {
    /// The supply gives too little.
    Undervoltage,
    /// It is too hot.
    Heat {
        /// Thousandths of a degree Celsius.
        temperature: i64,
    },
    /// The processor is slowed down so that it cools.
    Throttled,
}

impl Strain {
    /// The word used in the API and in figures.
    pub fn as_str(&self) -> &'static str {
        match self {
            Strain::Undervoltage => "undervoltage",
            Strain::Heat { .. } => "heat",
            Strain::Throttled => "throttled",
        }
    }

    /// Every word of [`Strain::as_str`].
    pub const WORDS: [&'static str; 3] = ["undervoltage", "heat", "throttled"];

    fn is_like(&self, other: &Strain) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Strain::Undervoltage => f.write_str("the power supply gives too little voltage"),
            Strain::Heat { temperature } => {
                write!(f, "the board is too hot, {} °C", degrees(*temperature))
            }
            Strain::Throttled => f.write_str("the processor is slowed down because it is too hot"),
        }
    }
}

/// Whole degrees.
fn degrees(thousandths: i64) -> i64 {
    (thousandths + 500).div_euclid(1_000)
}

/// How the board is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// What strains it, or did until a moment ago; empty when it is calm.
    pub strains: Vec<Strain>,
    /// The hottest of its sensors, in whole degrees Celsius; none where there is none.
    pub celsius: Option<i64>,
}

impl Health {
    /// Whether less is to be asked of it.
    pub fn is_strained(&self) -> bool {
        !self.strains.is_empty()
    }
}

/// A strain that is held.
#[derive(Debug)]
struct Held {
    strain: Strain,
    /// When there was a sign of it last.
    seen: Instant,
}

/// Decides from reading to reading how the board is.
#[derive(Debug, Default)]
pub struct Watch {
    held: Vec<Held>,
    hold: Duration,
    /// When it became calm; none before the first strain, and while there is one.
    calm_since: Option<Instant>,
    /// The zones that were too hot at the last look, by name.
    hot: Vec<String>,
}

impl Watch {
    /// Takes in what was read. What could not be read this time says nothing: what was known is held, and passes.
    pub fn look(&mut self, vitals: &Vitals, now: Instant) -> Health {
        let signs = self.signs(vitals);
        let was_strained = !self.held.is_empty();
        for strain in signs {
            match self
                .held
                .iter_mut()
                .find(|held| held.strain.is_like(&strain))
            {
                Some(held) => *held = Held { strain, seen: now },
                None => self.held.push(Held { strain, seen: now }),
            }
        }
        if !was_strained && !self.held.is_empty() {
            let relapsed = self
                .calm_since
                .is_some_and(|since| now.saturating_duration_since(since) < RELAPSE);
            self.hold = match relapsed {
                true => (self.hold * 2).min(LONGEST_HOLD),
                false => HOLD,
            };
            self.calm_since = None;
        }
        let hold = self.hold;
        self.held
            .retain(|held| now.saturating_duration_since(held.seen) < hold);
        if was_strained && self.held.is_empty() {
            self.calm_since = Some(now);
        }
        Health {
            strains: self.held.iter().map(|held| held.strain.clone()).collect(),
            celsius: vitals
                .zones
                .iter()
                .map(|zone| degrees(zone.temperature))
                .max(),
        }
    }

    /// The signs of strain in one reading.
    fn signs(&mut self, vitals: &Vitals) -> Vec<Strain> {
        let mut signs = Vec::new();
        if vitals.undervoltage == Some(true) {
            signs.push(Strain::Undervoltage);
        }
        let hot = vitals.zones.iter().filter(|zone| {
            let cooled = if self.hot.contains(&zone.name) {
                COOLED
            } else {
                0
            };
            zone.limit
                .is_some_and(|limit| zone.temperature >= limit - cooled)
        });
        let hot: Vec<_> = hot.collect();
        if let Some(temperature) = hot.iter().map(|zone| zone.temperature).max() {
            signs.push(Strain::Heat { temperature });
        }
        self.hot = hot.iter().map(|zone| zone.name.clone()).collect();
        if vitals.throttled == Some(true) {
            signs.push(Strain::Throttled);
        }
        signs
    }
}

#[cfg(test)]
mod tests;
