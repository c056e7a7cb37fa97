//! Who else keeps a release alive, as far as that is known.

use super::html::day;
use crate::base::{Language, Timestamp};
use crate::store::{RELAYS_AT_MOST, SeenRelay};

/// Seconds after which somebody who was seen may well be gone: people switch their computers off at night.
const RECENT: i64 = 24 * 3600;

/// Others that were seen to hold all of a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Carried {
    /// Those seen within a day.
    recent: usize,
    /// Those of them that gave a block of it when they were asked for one.
    proven: usize,
    /// Those seen before.
    before: usize,
    /// When the last of these was seen.
    last: Timestamp,
}

impl Carried {
    /// What the kept relays of a release say at `now`. A clock that was set back makes nobody look gone.
    pub fn of(relays: &[SeenRelay], now: Timestamp) -> Self {
        let mut carried = Self::default();
        for relay in relays {
            if now.0.saturating_sub(relay.last.0) < RECENT {
                carried.recent += 1;
                carried.proven += usize::from(relay.proven);
            } else {
                carried.before += 1;
                carried.last = carried.last.max(relay.last);
            }
        }
        carried
    }

    /// In a few words for a list; none when nobody was seen lately.
    pub fn short(&self, language: Language) -> Option<String> {
        let count = at_least(self.recent, language);
        let (one, many) = language.pick(
            ("other has it", "others have it"),
            ("autre l’a", "autres l’ont"),
        );
        (self.recent > 0).then(|| format!("{count} {}", if self.recent == 1 { one } else { many }))
    }

    /// In a sentence or two, no stronger than what is known: a block that was served is a proof, a bitfield a claim.
    pub fn sentence(&self, language: Language) -> String {
        match language {
            Language::English => self.english(),
            Language::French => self.french(),
        }
    }

    fn english(&self) -> String {
        let count = at_least(self.recent, Language::English);
        let who = |count: &dyn std::fmt::Display, one| {
            format!("{count} {}", if one { "other" } else { "others" })
        };
        match *self {
            Self {
                recent: 0,
                before: 0,
                ..
            } => "Nobody else is known to have all of it yet.".to_owned(),
            Self {
                recent: 0,
                before,
                last,
                ..
            } => format!(
                "{} had all of it when they were last seen, on {}.",
                who(&at_least(before, Language::English), before == 1),
                day(last, Language::English)
            ),
            Self { recent, proven, .. } => {
                let how = match proven {
                    0 if recent == 1 => "It says that it has all of it.".to_owned(),
                    0 => "They say that they have all of it.".to_owned(),
                    _ if proven == recent && recent == 1 => {
                        "It proved so by giving a piece of it.".to_owned()
                    }
                    _ if proven == recent => "Each proved so by giving a piece of it.".to_owned(),
                    1 => "One proved so by giving a piece of it; the rest say that they have it."
                        .to_owned(),
                    _ => format!(
                        "{proven} proved so by giving a piece of it; the rest say that they have it."
                    ),
                };
                format!("Kept alive by {}. {how}", who(&count, recent == 1))
            }
        }
    }

    fn french(&self) -> String {
        let count = at_least(self.recent, Language::French);
        let who = |count: &dyn std::fmt::Display, one| {
            format!("{count} {}", if one { "autre" } else { "autres" })
        };
        match *self {
            Self {
                recent: 0,
                before: 0,
                ..
            } => "On ne connaît encore personne d’autre qui l’ait en entier.".to_owned(),
            Self {
                recent: 0,
                before,
                last,
                ..
            } => format!(
                "{} l’{} en entier, vu pour la dernière fois le {}.",
                who(&at_least(before, Language::French), before == 1),
                if before == 1 { "avait" } else { "avaient" },
                day(last, Language::French)
            ),
            Self { recent, proven, .. } => {
                let how = match proven {
                    0 if recent == 1 => "Il dit l’avoir en entier.".to_owned(),
                    0 => "Ils disent l’avoir en entier.".to_owned(),
                    _ if proven == recent && recent == 1 => {
                        "Il l’a prouvé en en donnant un morceau.".to_owned()
                    }
                    _ if proven == recent => {
                        "Chacun l’a prouvé en en donnant un morceau.".to_owned()
                    }
                    1 => "L’un l’a prouvé en en donnant un morceau\u{a0}; le reste dit l’avoir."
                        .to_owned(),
                    _ => format!(
                        "{proven} l’ont prouvé en en donnant un morceau\u{a0}; le reste dit l’avoir."
                    ),
                };
                format!("Maintenu en vie par {}. {how}", who(&count, recent == 1))
            }
        }
    }
}

/// How many: of more than the box keeps, it only knows that there are as many.
fn at_least(count: usize, language: Language) -> String {
    match count {
        RELAYS_AT_MOST.. => format!("{} {count}", language.pick("at least", "au moins")),
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const NOW: Timestamp = Timestamp(1_764_072_000);

    fn relays(of: &[(bool, i64)]) -> Vec<SeenRelay> {
        let relay = |(n, (proven, ago)): (usize, &(bool, i64))| SeenRelay {
            addr: SocketAddr::from(([192, 0, 2, n as u8], 6881)),
            proven: *proven,
            witness: "probe".to_owned(),
            first: Timestamp(1),
            last: Timestamp(NOW.0 - ago),
        };
        of.iter().enumerate().map(relay).collect()
    }

    #[test]
    fn no_more_is_said_than_is_known() {
        let says = |of: &[(bool, i64)], language| Carried::of(&relays(of), NOW).sentence(language);
        for (of, english, french) in [
            (
                &[][..],
                "Nobody else is known to have all of it yet.",
                "On ne connaît encore personne d’autre qui l’ait en entier.",
            ),
            (
                &[(true, 60)],
                "Kept alive by 1 other. It proved so by giving a piece of it.",
                "Maintenu en vie par 1 autre. Il l’a prouvé en en donnant un morceau.",
            ),
            (
                &[(true, 60), (true, 5)],
                "Kept alive by 2 others. Each proved so by giving a piece of it.",
                "Maintenu en vie par 2 autres. Chacun l’a prouvé en en donnant un morceau.",
            ),
            (
                &[(false, 60), (false, 5), (true, RECENT)],
                "Kept alive by 2 others. They say that they have all of it.",
                "Maintenu en vie par 2 autres. Ils disent l’avoir en entier.",
            ),
            (
                &[(false, 60), (true, 5), (false, -9)],
                "Kept alive by 3 others. One proved so by giving a piece of it; the rest say that they have it.",
                "Maintenu en vie par 3 autres. L’un l’a prouvé en en donnant un morceau\u{a0}; le reste dit l’avoir.",
            ),
            (
                &[(true, 4 * RECENT), (true, 9 * RECENT)],
                "2 others had all of it when they were last seen, on 21 November 2025.",
                "2 autres l’avaient en entier, vu pour la dernière fois le 21 novembre 2025.",
            ),
        ] {
            assert_eq!(says(of, Language::English), english);
            assert_eq!(says(of, Language::French), french);
        }
        let many = Carried::of(&relays(&[(true, 1); RELAYS_AT_MOST]), NOW);
        assert!(
            many.sentence(Language::English)
                .starts_with("Kept alive by at least 32 others.")
        );
        assert_eq!(
            many.short(Language::English).as_deref(),
            Some("at least 32 others have it")
        );
        assert_eq!(Carried::default().short(Language::French), None);
    }
}
