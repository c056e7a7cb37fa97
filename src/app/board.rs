//! The board under the box: when it is strained, less is read, and the owner sees why.

use std::path::PathBuf;

use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use crate::device::health::{Health, Monitor, Strain};

/// The temperature is shown again when it changed by this much: it wavers by a degree all day.
const CELSIUS_STEP: u64 = 3;

/// Every [`StrainView::kind`] there is.
pub const STRAINS: [&str; 3] = Strain::WORDS;

/// How the board is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct BoardView {
    /// What strains it, or did until a moment ago; less is read while there is anything. Empty when it is well.
    pub strains: Vec<StrainView>,
    /// The hottest of its sensors, in degrees Celsius, to three or so; none where there is none.
    pub celsius: Option<i64>,
}

/// One thing that strains the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StrainView {
    /// Which: `undervoltage`, `heat` or `throttled`.
    #[schema(example = "undervoltage")]
    pub kind: &'static str,
    /// What is the matter, in plain words.
    pub reason: String,
}

impl From<&Strain> for StrainView {
    fn from(strain: &Strain) -> Self {
        Self {
            kind: strain.as_str(),
            reason: strain.to_string(),
        }
    }
}

impl BoardView {
    /// As the owner sees it, after what was seen before: what only wavers stays as it was.
    fn of(health: &Health, before: &BoardView) -> Self {
        let wavers = |(now, before): (i64, i64)| now.abs_diff(before) < CELSIUS_STEP;
        let kept = health
            .celsius
            .zip(before.celsius)
            .filter(|both| wavers(*both));
        let strain = |strain: &Strain| {
            let now = StrainView::from(strain);
            let mut seen = before.strains.iter().filter(|seen| seen.kind == now.kind);
            // The degrees in its words waver too.
            match seen.next() {
                Some(seen) if kept.is_some() => seen.clone(),
                _ => now,
            }
        };
        Self {
            strains: health.strains.iter().map(strain).collect(),
            celsius: kept.map_or(health.celsius, |(_, before)| Some(before)),
        }
    }
}

/// What is known of the board, and what was made of it.
#[derive(Debug)]
pub(super) struct Board {
    monitor: Monitor,
    /// Whether less is read.
    gentle: bool,
}

impl Board {
    /// Begins to look at it; `sys` is `/sys` but for tests.
    pub fn watch(sys: PathBuf) -> Self {
        Self {
            monitor: Monitor::start(sys),
            gentle: false,
        }
    }

    pub fn view(&self, before: &BoardView) -> BoardView {
        BoardView::of(&self.monitor.health(), before)
    }
}

impl App {
    /// Reads less while the board is strained, and as usual when it is well.
    pub(super) async fn go_easy(&mut self) {
        let gentle = self.board.monitor.health().is_strained();
        if self.board.gentle != gentle {
            self.board.gentle = gentle;
            self.queue.set_gentle(gentle);
            self.engine.set_gentle(gentle).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wavers_is_not_shown_anew_and_what_changes_is() {
        let at = |temperature, strains: Vec<Strain>| Health {
            strains,
            celsius: Some(temperature),
        };
        let heat = |degrees: i64| Strain::Heat {
            temperature: degrees * 1_000,
        };
        let first = BoardView::of(&at(86, vec![heat(86)]), &BoardView::default());
        assert_eq!(first.celsius, Some(86));
        assert_eq!(first.strains[0].reason, "the board is too hot, 86 °C");
        assert_eq!(BoardView::of(&at(88, vec![heat(88)]), &first), first);
        let hotter = BoardView::of(&at(89, vec![heat(89)]), &first);
        assert_eq!(hotter.strains[0].reason, "the board is too hot, 89 °C");
        let both = BoardView::of(&at(88, vec![Strain::Undervoltage, heat(88)]), &first);
        assert_eq!(both.strains.len(), 2);
        assert_eq!(BoardView::of(&at(86, Vec::new()), &both).strains, []);
    }
}
