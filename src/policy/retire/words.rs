//! The reasons, as the owner reads them. None counts time or looks: it stays the same while nothing happens.

use std::time::Duration;

use super::standing::Standing;
use super::watch::Loss;
use super::{Evidence, Return, Rule};
use crate::base::Stage;

/// Why it spreads or supports.
pub(super) fn awake(stage: Stage, rule: &Rule, standing: &Standing) -> String {
    if stage == Stage::Spreading {
        return String::from("giving the first copies");
    }
    let carriers = carriers(standing);
    let Standing {
        plausible,
        fresh,
        fresh_proven,
        ..
    } = *standing;
    if rule.keep {
        format!("{carriers}; we go on because we were told to")
    } else if plausible < rule.relays {
        format!("{carriers}; waiting for {} more", rule.relays - plausible)
    } else if fresh_proven < rule.proven.min(rule.relays) {
        match fresh_proven {
            0 => format!("{carriers}, none proven yet"),
            some => format!("{carriers}, only {} of them proven yet", number(some)),
        }
    } else if fresh < rule.relays {
        let more = rule.relays - fresh;
        format!(
            "{carriers}, {} of them verified; waiting for {more} more",
            number(fresh)
        )
    } else if !standing.is_enough(rule) {
        format!("{carriers}; making sure that they stay")
    } else {
        format!("{carriers}; about to stop")
    }
}

/// Who carries it.
fn carriers(standing: &Standing) -> String {
    match (standing.plausible, standing.example) {
        (1, Some(ip)) => format!("{ip} holds every piece"),
        (0, _) | (_, None) if standing.copies < 1.0 => {
            String::from("nobody who holds every piece is here now")
        }
        (0, _) | (_, None) if standing.near > 0 => String::from(
            "only others on our own network hold every piece, and they do not count for the world",
        ),
        (0, _) | (_, None) => {
            String::from("others hold every piece between them, nobody all of them")
        }
        (count, _) => format!("{count} others hold every piece"),
    }
}

/// Why it stops.
pub(super) fn stopped(standing: &Standing) -> String {
    let (count, proven) = (standing.counted, standing.proven);
    let proven = match count == proven {
        true => String::from("proven"),
        false => format!("{} proven", number(proven)),
    };
    match standing.example {
        Some(ip) if count > 1 => {
            let more = count - 1;
            format!(
                "stopped: {count} others hold every piece ({ip} and {more} more, each seen twice, {proven})"
            )
        }
        Some(ip) => format!("stopped: {ip} holds every piece (seen twice, {proven})"),
        None => format!("stopped: {count} others hold every piece"),
    }
}

/// Why it stays stopped. `stopped`: why it did, if that was since the start.
pub(super) fn retired(
    rule: &Rule,
    evidence: &Evidence<'_>,
    standing: &Standing,
    stopped: Option<&str>,
) -> String {
    let believed = standing.believed;
    match stopped {
        _ if believed < rule.left() && !evidence.in_touch => String::from(
            "stopped: others carried it; nothing answers us now, so that this says nothing of them",
        ),
        Some(stopped) if standing.lost.is_empty() => stopped.to_owned(),
        None if standing.lost.is_empty() && believed < rule.left() => {
            String::from("stopped: others carried it; they are being looked for")
        }
        _ if believed < rule.left() => String::from(
            "stopped: too few of those who carried it are left; we are about to come back",
        ),
        _ if believed == 1 => String::from("stopped: 1 other holds every piece"),
        _ => format!("stopped: {believed} others hold every piece"),
    }
}

/// Why it came back.
pub(super) fn back(why: Return, rule: &Rule, standing: &Standing) -> String {
    let (believed, relays) = (standing.believed, rule.relays);
    let few = match believed {
        0 => String::from("nobody else"),
        some => format!("only {some} of {relays} others"),
    };
    let (are, were) = if believed > 1 {
        ("are", "were")
    } else {
        ("is", "was")
    };
    match why {
        Return::Kept => String::from("back: told to go on"),
        Return::Wanted => {
            format!(
                "back: {relays} others are wanted now, there {are} {}",
                number(believed)
            )
        }
        Return::Stuck => String::from("back: someone cannot get on without us"),
        Return::Lost => format!("back: {few} {are} left ({})", lost(standing)),
        Return::Unseen => format!("back: {few} {were} seen for {}", long(rule.forget)),
    }
}

fn lost(standing: &Standing) -> String {
    let count = |which| {
        standing
            .lost
            .values()
            .filter(|loss| **loss == which)
            .count()
    };
    let parts = [
        (count(Loss::NotFound), "looked for and not found"),
        (count(Loss::Unheard), "not heard of for long"),
        (count(Loss::False), "found to be false"),
    ];
    let said = parts.iter().filter(|(count, _)| *count > 0);
    let said: Vec<String> = said
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    said.join(", ")
}

fn number(count: u32) -> String {
    match count {
        0 => String::from("none"),
        1 => String::from("one"),
        more => more.to_string(),
    }
}

fn long(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 7200 => format!("{} hours", seconds / 3600),
        seconds if seconds >= 120 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::SocketAddr;

    use super::super::relay::network;
    use super::*;

    /// The page has these sentences in other languages, and its tests hold it to the list.
    const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/retire-reasons.txt");

    /// How things may stand: all that makes one sentence another, with one, two and more of each.
    fn standings() -> Vec<Standing> {
        let example = "203.0.113.7".parse().ok();
        let mut all = Vec::new();
        for plausible in 0..=4 {
            for fresh in 0..=plausible {
                for proven in 0..=fresh {
                    for (copies, near) in [(0.0, 0), (1.5, 0), (1.5, 1)] {
                        let lost = usize::try_from(plausible - fresh).expect("a few");
                        let known = [Loss::NotFound, Loss::Unheard, Loss::False, Loss::NotFound];
                        let lost = known.into_iter().take(lost).zip(1..).map(|(loss, n)| {
                            let addr: SocketAddr = ([20, 0, n, 7], 6881).into();
                            (network(addr), loss)
                        });
                        all.push(Standing {
                            plausible,
                            fresh,
                            counted: fresh,
                            proven,
                            fresh_proven: proven,
                            believed: fresh,
                            lost: lost.collect::<BTreeMap<_, _>>(),
                            near,
                            example: if plausible > 0 { example } else { None },
                            copies,
                        });
                    }
                }
            }
        }
        all
    }

    fn sentences() -> BTreeSet<String> {
        let mut said = BTreeSet::new();
        let rules =
            [(3, 1, false), (3, 2, false), (3, 1, true)].map(|(relays, proven, keep)| Rule {
                relays,
                proven,
                keep,
                ..Rule::default()
            });
        for (standing, rule) in standings()
            .iter()
            .flat_map(|s| rules.iter().map(move |r| (s, r)))
        {
            for stage in [Stage::Spreading, Stage::Supporting] {
                said.insert(awake(stage, rule, standing));
            }
            if standing.is_enough(rule) {
                said.insert(stopped(standing));
            }
            for in_touch in [false, true] {
                let evidence = Evidence {
                    relays: &[],
                    copies: standing.copies,
                    stuck: 0,
                    stuck_since: None,
                    in_touch,
                };
                said.insert(retired(rule, &evidence, standing, None));
            }
            let few = standing.believed < rule.left();
            said.insert(back(Return::Kept, rule, standing));
            said.insert(back(Return::Stuck, rule, standing));
            if standing.believed < rule.relays {
                said.insert(back(Return::Wanted, rule, standing));
            }
            if few && !standing.lost.is_empty() {
                said.insert(back(Return::Lost, rule, standing));
            }
            if few {
                said.insert(back(Return::Unseen, rule, standing));
            }
        }
        said
    }

    #[test]
    fn the_list_has_every_sentence() {
        let said: Vec<String> = sentences().into_iter().collect();
        let text = said.join("\n") + "\n";
        if std::env::var_os("SEMOIR_UPDATE_REASONS").is_some() {
            std::fs::write(LIST, &text).unwrap();
        }
        let list = std::fs::read_to_string(LIST).unwrap_or_default();
        assert!(
            list == text,
            "{LIST} is not what is said: run this test with SEMOIR_UPDATE_REASONS=1, and say the new ones in French"
        );
    }
}
