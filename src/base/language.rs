//! The languages that the box speaks to visitors.

/// Ranges of an `Accept-Language` header that are looked at. Browsers send a handful.
const MAX_RANGES: usize = 32;

/// A language that the public pages are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, which everybody gets who asks for nothing that we speak.
    #[default]
    English,
    /// French.
    French,
}

impl Language {
    /// The one that an `Accept-Language` header (RFC 9110, 12.5.4) wants most; English when it wants none of ours.
    pub fn accepted(header: &str) -> Self {
        let mut best = (0.0, Self::English);
        for range in header.split(',').take(MAX_RANGES) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight = weight.trim().strip_prefix("q=");
            let weight: f32 = weight.and_then(|q| q.parse().ok()).unwrap_or(0.0);
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let language = match primary.to_ascii_lowercase().as_str() {
                "en" | "*" => Self::English,
                "fr" => Self::French,
                _ => continue,
            };
            // Of equals the first, as the browser lists them.
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// Its tag (BCP 47), for `lang` attributes and headers.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// The one of these that is in this language.
    pub fn pick<T>(self, english: T, french: T) -> T {
        match self {
            Self::English => english,
            Self::French => french,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_most_is_spoken() {
        for (header, expected) in [
            ("", Language::English),
            ("fr", Language::French),
            ("fr-CA,fr;q=0.9,en;q=0.8", Language::French),
            ("en-GB,en;q=0.9,fr;q=0.8", Language::English),
            ("de;q=1, fr;q=0.4, en;q=0.3", Language::French),
            ("de, *;q=0.5", Language::English),
            ("fr;q=0, en;q=0.1", Language::English),
            ("FR", Language::French),
            ("fr;q=nan", Language::English),
            ("frr, x", Language::English),
            (";;;,,q=,\u{fffd}", Language::English),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header:?}");
        }
        let long = format!("{}fr", "de,".repeat(10_000));
        assert_eq!(Language::accepted(&long), Language::English);
    }
}
