//! A window of the week with a limit of its own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::zone::Weekday;
use super::{Day, Rate, Timestamp, Zone};

/// A stretch of some days of the week during which less may leave the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days it begins on, each once.
    pub days: Vec<Weekday>,
    /// The minute of the day it begins at, 0 to 1439.
    pub from: u16,
    /// The minute of the day it ends at, 0 to 1440. Not after `from`: it passes midnight, and ends the day after.
    pub to: u16,
    /// Bytes per second that may leave meanwhile; 0 for nothing.
    #[schema(value_type = u64)]
    pub rate: Rate,
}

impl Window {
    /// From when until when it lasts when it begins on `day`: one stretch, which holds every moment at which the clock
    /// shows a time in it. So it is longer where an hour in it comes twice, and empty where all of it is left out.
    pub fn on(&self, day: Day, zone: &Zone) -> (Timestamp, Timestamp) {
        let ends = if self.to > self.from {
            day
        } else {
            Day(day.0 + 1)
        };
        (zone.first(day, self.from), zone.last(ends, self.to))
    }
}
