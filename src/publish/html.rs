//! Text as HTML and XML, and figures as a language writes them.

use std::fmt;

use crate::base::{Language, Size, Timestamp};

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

/// A size as a language writes it: 1.5 KiB, 1,5 Kio.
pub(super) fn size(bytes: u64, language: Language) -> String {
    let shown = Size(bytes).to_string();
    match language {
        Language::English => shown,
        // Octets, a decimal comma, and no line break before the unit.
        Language::French => shown
            .replace('.', ",")
            .replace('B', "o")
            .replace(' ', "\u{a0}"),
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
        let both = |bytes| [Language::English, Language::French].map(|l| size(bytes, l));
        assert_eq!(both(1536), ["1.5 KiB", "1,5\u{a0}Kio"]);
        assert_eq!(both(7), ["7 B", "7\u{a0}o"]);
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
