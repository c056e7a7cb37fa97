//! Text from drives, made fit to be shown: labels, makers, models.

/// The longest label that is shown, in characters. File systems allow 12 to 255; a page's line has room for so many.
const MAX_LABEL: usize = 64;

/// The text of a property that udev encoded: `\x20` stands for a byte, all else for itself. What is no UTF-8 becomes a
/// replacement character.
pub fn decode(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, after @ ..] = rest {
        match escaped(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that a `\xHH` at the start of `text` stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

/// The text without what does not show or turns the reading direction, in one line, at most [`MAX_LABEL`] characters; none
/// when nothing is left.
pub fn clean(text: &str) -> Option<String> {
    let shown = |c: char| if c.is_whitespace() { ' ' } else { c };
    let seen: String = text
        .chars()
        .map(shown)
        .filter(|&c| !c.is_control() && !is_invisible(c))
        .collect();
    let words: Vec<&str> = seen.split(' ').filter(|word| !word.is_empty()).collect();
    let cut: String = words.join(" ").chars().take(MAX_LABEL).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}

/// Characters that have no width or direct others (Unicode's format characters that matter here), and what stands for none.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_undone_and_other_text_stays() {
        for (encoded, text) in [
            ("My\\x20Films", "My Films"),
            ("\\xc3\\xa9t\\xc3\\xa9", "été"),
            ("été", "été"),
            ("\\x5cx41", "\\x41"),
            ("\\x4", "\\x4"),
            ("\\xzz", "\\xzz"),
            ("\\xff", "\u{fffd}"),
        ] {
            assert_eq!(decode(encoded), text);
        }
    }

    #[test]
    fn a_label_is_one_line_of_what_can_be_seen() {
        let clean = |text: &str| clean(text).unwrap_or_default();
        assert_eq!(clean("  Films \t of\nAda  "), "Films of Ada");
        assert_eq!(clean("a\u{1b}[31mb\u{0}c"), "a[31mbc");
        assert_eq!(clean("gpj.\u{202e}exe\u{200b}"), "gpj.exe");
        assert_eq!(clean("<script>"), "<script>", "escaping is the page's work");
        assert_eq!(clean(&"é".repeat(500)).chars().count(), MAX_LABEL);
        assert_eq!(clean("日本"), "日本");
        for nothing in ["", "   ", "\u{200b}\u{feff}", "\n"] {
            assert_eq!(super::clean(nothing), None);
        }
    }

    proptest! {
        #[test]
        fn any_label_is_cleaned_for_good(encoded in "(\\PC|\\\\x[0-9a-f]{2}|[\u{0}-\u{ff}\u{2000}-\u{2070}]){0,300}") {
            if let Some(text) = clean(&decode(&encoded)) {
                prop_assert!(text.chars().count() <= MAX_LABEL);
                prop_assert!(!text.chars().any(char::is_control));
                prop_assert_eq!(clean(&text), Some(text));
            }
        }
    }
}
