//! What went wrong, in French.
//!
//! Errors are made in English where they happen: they go into the log and to programs as they are, and stay so in the
//! decision log. On their way to a browser that wants French they are looked up in `french/sentences.txt`, which holds
//! the text of each as it stands in the code, and what it is in French. The page could do this itself, but every
//! reader would have to load the table, and it is larger than what is left of the page's budget.
//!
//! `tests/french.rs` reads the code, and fails when there is a text that the table does not have.

use std::sync::LazyLock;

use crate::app::Overview;
use crate::base::{Language, Stage};

/// How deep errors lie within errors: a release within the database within the disk, and one to spare.
const MAX_DEPTH: u8 = 4;

/// Places tried for what stands between holes, for one sentence. A name can be made to hold it very often.
const MAX_TRIES: u32 = 2000;

/// Bytes of a sentence that is looked up. A path of 4 KiB and what is said about it.
const MAX_LENGTH: usize = 6 << 10;

/// Names of the units of [`crate::base::Size`].
const UNITS: [(&str, &str); 5] = [
    ("B", "o"),
    ("KiB", "Kio"),
    ("MiB", "Mio"),
    ("GiB", "Gio"),
    ("TiB", "Tio"),
];

/// What the system says, by its number, which is the same whatever C library the box is built with. Linux's, as on all
/// architectures but a few that the box does not run on.
const SYSTEM: [(i32, &str); 37] = [
    (1, "l’opération n’est pas permise"),
    (2, "fichier ou dossier introuvable"),
    (4, "appel interrompu"),
    (5, "erreur de lecture ou d’écriture"),
    (6, "l’appareil n’est plus là"),
    (11, "momentanément indisponible"),
    (12, "plus assez de mémoire"),
    (13, "permission refusée"),
    (16, "occupé par autre chose"),
    (17, "existe déjà"),
    (19, "l’appareil n’est plus là"),
    (20, "ce n’est pas un dossier"),
    (21, "c’est un dossier"),
    (22, "demande non valable"),
    (23, "trop de fichiers ouverts sur le boîtier"),
    (24, "trop de fichiers ouverts"),
    (27, "fichier trop grand"),
    (28, "plus de place sur le disque"),
    (30, "système de fichiers en lecture seule"),
    (31, "trop de liens"),
    (32, "la connexion a été fermée"),
    (36, "nom trop long"),
    (39, "le dossier n’est pas vide"),
    (40, "trop de liens symboliques"),
    (74, "données endommagées sur le disque"),
    (95, "opération non prise en charge"),
    (98, "adresse déjà utilisée"),
    (100, "le réseau est coupé"),
    (101, "réseau inaccessible"),
    (103, "connexion interrompue"),
    (104, "connexion coupée par l’autre bout"),
    (107, "pas connecté"),
    (110, "pas de réponse à temps"),
    (111, "connexion refusée"),
    (112, "la machine est éteinte ou injoignable"),
    (113, "machine injoignable"),
    (116, "le fichier a disparu du serveur"),
];

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("french/sentences.txt")));

/// A piece of a text with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Something that is said of the case: a path, a number, another error.
    Hole {
        name: String,
        known: Known,
    },
}

/// Whether what is in a hole is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is a name or a number.
    No,
    /// It is a sentence itself, and must be known.
    Must,
    /// It is a sentence that another version may have said: one that is not known is quoted.
    May,
}

/// A text and what it is in French.
#[derive(Debug)]
struct Entry {
    english: Vec<Part>,
    french: Vec<Part>,
}

/// Every entry, those of the most words first: `{path}: {source}` fits nearly everything.
#[derive(Debug)]
struct Table(Vec<Entry>);

impl Table {
    fn read(text: &str) -> Self {
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut entries = Vec::new();
        while let (Some(english), Some(french)) = (lines.next(), lines.next()) {
            let french = parts(&spaced(french));
            let mut english = parts(&bare(english));
            for part in &mut english {
                if let Part::Hole { name, known } = part {
                    let said = french.iter().find_map(|other| match other {
                        Part::Hole { name: same, known } if same == name => Some(*known),
                        _ => None,
                    });
                    *known = said.unwrap_or(Known::No);
                }
            }
            entries.push(Entry { english, french });
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(words(&entry.english)));
        Self(entries)
    }

    fn find(&self, sentence: &str, depth: u8, tries: &mut u32) -> Option<String> {
        if depth == 0 || sentence.len() > MAX_LENGTH {
            return None;
        }
        if let Some(said) = system(sentence) {
            return Some(said);
        }
        self.0.iter().find_map(|entry| {
            let mut values = Vec::new();
            let fits = self.fit(&entry.english, sentence, depth, tries, &mut values);
            fits.then(|| fill(&entry.french, &values))
        })
    }

    /// Whether the text fits, and with what in its holes.
    fn fit(
        &self,
        parts: &[Part],
        text: &str,
        depth: u8,
        tries: &mut u32,
        values: &mut Vec<(String, String)>,
    ) -> bool {
        let Some((first, rest)) = parts.split_first() else {
            return text.is_empty();
        };
        let (name, known) = match first {
            Part::Text(due) => {
                let after = text.strip_prefix(due.as_str());
                return after.is_some_and(|after| self.fit(rest, after, depth, tries, values));
            }
            Part::Hole { name, known } => (name, *known),
        };
        // From the right: a path may hold what follows it, and what comes last is seldom a path.
        let ends: Vec<usize> = match rest.first() {
            Some(Part::Text(next)) => text
                .rmatch_indices(next.as_str())
                .map(|(at, _)| at)
                .collect(),
            _ => vec![text.len()],
        };
        for end in ends {
            if *tries == 0 {
                return false;
            }
            *tries -= 1;
            let before = values.len();
            // Only a sentence is looked up: a file may have a name that is one.
            let within = &text[..end];
            let value = match known {
                Known::No => Some(plain(within)),
                Known::Must => self.find(within, depth - 1, tries),
                Known::May => self
                    .find(within, depth - 1, tries)
                    .or_else(|| Some(format!("«\u{a0}{within}\u{a0}»"))),
            };
            let Some(value) = value else {
                continue;
            };
            values.push((name.clone(), value));
            if self.fit(rest, &text[end..], depth, tries, values) {
                return true;
            }
            values.truncate(before);
        }
        false
    }
}

/// What went wrong, in French; none where the table does not have it.
pub fn french(sentence: &str) -> Option<String> {
    let found = TABLE.find(&bare(sentence), MAX_DEPTH, &mut { MAX_TRIES })?;
    Some(match sentence.ends_with('.') {
        true => super::problem::sentence(&found),
        false => found,
    })
}

/// Puts a text into a language, where it is known in it.
pub(super) fn translate(text: &mut String, language: Language) {
    if language == Language::French
        && let Some(said) = french(text)
    {
        *text = said;
    }
}

/// Puts what went wrong in a picture into a language. What was decided stays as it is: the page knows it.
pub(super) fn translate_picture(picture: &mut Overview, language: Language) {
    for source in &mut picture.sources {
        translate(&mut source.problem, language);
        // Several things said of one drive are one sentence, and known one by one.
        let mut notes: Vec<String> = source.note.split("; it ").map(str::to_owned).collect();
        notes
            .iter_mut()
            .skip(1)
            .for_each(|note| note.insert_str(0, "it "));
        notes.iter_mut().for_each(|note| translate(note, language));
        source.note = notes.join("; ");
        if let Some(left_out) = &mut source.left_out {
            translate(&mut left_out.why, language);
        }
    }
    let gone_wrong = |stage| matches!(stage, Stage::Failed | Stage::Absent);
    let releases = picture.releases.iter_mut();
    for release in releases.filter(|release| gone_wrong(release.stage)) {
        translate(&mut release.reason, language);
    }
}

/// Without a capital and a full stop, as an error is written within another.
fn bare(sentence: &str) -> String {
    let text = sentence.strip_suffix('.').unwrap_or(sentence);
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_lowercase);
    // A name of capitals stays one.
    if chars.clone().next().is_some_and(char::is_uppercase) {
        return text.to_owned();
    }
    first.chain(chars).collect()
}

/// With spaces that never break before signs of two parts, as French is set. The table has common ones.
fn spaced(text: &str) -> String {
    let mut text = text.to_owned();
    for (written, set) in [
        (" :", "\u{a0}:"),
        (" ;", "\u{202f};"),
        (" ?", "\u{202f}?"),
        (" !", "\u{202f}!"),
        ("« ", "«\u{a0}"),
        (" »", "\u{a0}»"),
        (" %", "\u{a0}%"),
        ("'", "’"),
    ] {
        text = text.replace(written, set);
    }
    text
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((hole, after)) = after.split_once('}') else {
            break;
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(Part::Hole {
            name: hole.trim_end_matches(['!', '?']).to_owned(),
            known: match hole.chars().last() {
                Some('!') => Known::Must,
                Some('?') => Known::May,
                _ => Known::No,
            },
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    parts
}

/// Bytes that a text holds whatever its holes are filled with.
fn words(parts: &[Part]) -> usize {
    let bytes = |part: &Part| match part {
        Part::Text(text) => text.len(),
        Part::Hole { .. } => 0,
    };
    parts.iter().map(bytes).sum()
}

fn fill(parts: &[Part], values: &[(String, String)]) -> String {
    let mut left: Vec<&(String, String)> = values.iter().collect();
    let mut said = String::new();
    for part in parts {
        match part {
            Part::Text(text) => said.push_str(text),
            Part::Hole { name, .. } => {
                let Some(at) = left.iter().position(|(other, _)| other == name) else {
                    continue;
                };
                said.push_str(&left[at].1);
                // Of several without a name each is the next one.
                if name.is_empty() {
                    left.remove(at);
                }
            }
        }
    }
    said
}

/// What the system said. Of what is not among the common ones its own words stay, as a quotation.
fn system(text: &str) -> Option<String> {
    let (words, number) = text.strip_suffix(')')?.rsplit_once(" (os error ")?;
    let number: i32 = number.parse().ok()?;
    if words.contains(": ") {
        return None;
    }
    let known = SYSTEM.iter().find(|(known, _)| *known == number);
    Some(match known {
        Some((_, said)) => (*said).to_owned(),
        None => format!("«\u{a0}{words}\u{a0}»"),
    })
}

/// A name, a number or an amount of bytes as it is written in French.
fn plain(value: &str) -> String {
    let quoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    if let Some(name) = quoted {
        let name = name.replace("\\\"", "\"").replace("\\\\", "\\");
        return format!("«\u{a0}{name}\u{a0}»");
    }
    let amount = || {
        let (number, unit) = value.split_once(' ')?;
        number.parse::<f64>().ok()?;
        let (_, unit) = UNITS.iter().find(|(english, _)| *english == unit)?;
        Some(format!("{}\u{a0}{unit}", number.replace('.', ",")))
    };
    amount().unwrap_or_else(|| value.to_owned())
}

#[cfg(test)]
mod tests;
