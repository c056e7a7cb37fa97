//! A password that is kept as it is, because somebody else's server wants it so.

use std::fmt;

/// A text that no log, no error and no answer ever shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever hands it on to where it belongs.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_it() {
        let secret = Some(Secret::new("hunter2"));
        assert_eq!(
            format!("{secret:?}{secret:#?}").matches("hunter").count(),
            0
        );
        assert_eq!(secret.unwrap().reveal(), "hunter2");
    }
}
