//! Text as HTML and XML, and figures as a language writes them.

use std::fmt;

use crate::base::{Language, Timestamp};

/// Text that is shown as it is, in an element or in a quoted attribute, of HTML and of XML. Control characters, which no
/// name needs, and the two that XML has not, are shown as the sign for what cannot be shown.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        write!(Escaper(f), "{}", self.0)
    }
}

struct Escaper<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                    self.0.write_str("\u{fffd}")?
                }
                c => fmt::Write::write_char(self.0, c)?,
            }
        }
        Ok(())
    }
}

/// A size as the owner's page writes it too: in powers of 1000, three digits of it. 1.54 kB, 1,54 ko.
pub(super) fn size(bytes: u64, language: Language) -> String {
    const ENGLISH: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    const FRENCH: [&str; 6] = ["o", "ko", "Mo", "Go", "To", "Po"];
    let (mut value, mut unit) = (bytes as f64, 0);
    // What would be rounded up to 1000 is one of the next unit.
    while value >= 999.5 && unit + 1 < ENGLISH.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = match value {
        _ if unit == 0 => 0,
        9.995.. => usize::from(value < 99.95),
        _ => 2,
    };
    let mut number = format!("{value:.digits$}");
    if number.contains('.') {
        number.truncate(number.trim_end_matches('0').trim_end_matches('.').len());
    }
    match language {
        Language::English => format!("{number} {}", ENGLISH[unit]),
        // A decimal comma, and no line break before the unit.
        Language::French => format!("{}\u{a0}{}", number.replace('.', ","), FRENCH[unit]),
    }
}

/// "1 file", "12 files".
pub(super) fn files(number: u64, language: Language) -> String {
    let (one, many) = language.pick(("file", "files"), ("fichier", "fichiers"));
    let single = number == 1 || (language == Language::French && number == 0);
    format!("{number} {}", if single { one } else { many })
}

/// A day of the calendar (UTC), such as 21 November 2026; its number when no calendar has it.
pub(super) fn day(at: Timestamp, language: Language) -> String {
    const ENGLISH: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const FRENCH: [&str; 12] = [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ];
    let Ok(instant) = jiff::Timestamp::from_second(at.0) else {
        return at.0.to_string();
    };
    let date = instant.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let months = language.pick(ENGLISH, FRENCH);
    let month = months[usize::from(date.month().unsigned_abs()) - 1];
    let first = language == Language::French && date.day() == 1;
    let ordinal = if first { "er" } else { "" };
    format!("{}{ordinal} {month} {}", date.day(), date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        let name = "<b a='1' c=\"2\">&amp;\n\0\u{85}\u{ffff}é";
        assert_eq!(
            Escaped(name).to_string(),
            "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;\u{fffd}\u{fffd}\u{fffd}\u{fffd}é"
        );
        assert_eq!(Escaped(format_args!("{}{}", '<', 5)).to_string(), "&lt;5");
    }

    #[test]
    fn figures_are_written_as_the_language_does() {
        for (bytes, english, french) in [
            (0, "0 B", "0\u{a0}o"),
            (999, "999 B", "999\u{a0}o"),
            (1000, "1 kB", "1\u{a0}ko"),
            (1536, "1.54 kB", "1,54\u{a0}ko"),
            (999_499, "999 kB", "999\u{a0}ko"),
            (999_500, "1 MB", "1\u{a0}Mo"),
            (1_250_000, "1.25 MB", "1,25\u{a0}Mo"),
            (9_996_000, "10 MB", "10\u{a0}Mo"),
            (43_700_000_000, "43.7 GB", "43,7\u{a0}Go"),
            (99_960_000, "100 MB", "100\u{a0}Mo"),
            (u64::MAX, "18447 PB", "18447\u{a0}Po"),
        ] {
            assert_eq!(size(bytes, Language::English), english);
            assert_eq!(size(bytes, Language::French), french);
        }
        assert_eq!(files(1, Language::English), "1 file");
        assert_eq!(files(0, Language::English), "0 files");
        assert_eq!(files(0, Language::French), "0 fichier");
        assert_eq!(files(2, Language::French), "2 fichiers");
        assert_eq!(day(Timestamp(0), Language::French), "1er janvier 1970");
        assert_eq!(
            day(Timestamp(1_764_072_000), Language::English),
            "25 November 2025"
        );
        assert_eq!(
            day(Timestamp(i64::MAX), Language::English),
            i64::MAX.to_string()
        );
    }
}
