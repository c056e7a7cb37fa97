//! Programs that a visitor can open a torrent with, by his system.

use std::fmt;

use super::html::Escaped;
use crate::base::Language;

/// What a visitor's device runs, as far as its browser says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// Windows.
    Windows,
    /// macOS; an iPad says so too unless it is told otherwise.
    Mac,
    /// Linux and other Unix systems on a desk.
    Linux,
    /// Android.
    Android,
    /// An iPhone or iPad.
    Ios,
}

/// A free program with a history, and where its makers offer it.
struct Client {
    name: &'static str,
    url: &'static str,
}

const QBITTORRENT: Client = Client {
    name: "qBittorrent",
    url: "https://www.qbittorrent.org/download",
};
const TRANSMISSION: Client = Client {
    name: "Transmission",
    url: "https://transmissionbt.com/download",
};
const BIGLYBT: Client = Client {
    name: "BiglyBT",
    url: "https://www.biglybt.com/download/",
};
const DELUGE: Client = Client {
    name: "Deluge",
    url: "https://deluge-torrent.org/",
};
const LIBRETORRENT: Client = Client {
    name: "LibreTorrent",
    url: "https://f-droid.org/packages/org.proninyaroslav.libretorrent/",
};
const BIGLYBT_ANDROID: Client = Client {
    name: "BiglyBT",
    url: "https://android.biglybt.com/",
};

impl System {
    /// All of them, those with most visitors first.
    pub const ALL: [Self; 5] = [
        Self::Windows,
        Self::Mac,
        Self::Linux,
        Self::Android,
        Self::Ios,
    ];

    /// What a `User-Agent` header names; none when it names none of them.
    pub fn of(user_agent: &str) -> Option<Self> {
        let names = |words: &[&str]| words.iter().any(|word| user_agent.contains(word));
        // In this order: Android says that it is Linux, and an iPhone that it is like Mac OS X.
        if names(&["iPhone", "iPad", "iPod"]) {
            Some(Self::Ios)
        } else if names(&["Android"]) {
            Some(Self::Android)
        } else if names(&["Windows NT"]) {
            Some(Self::Windows)
        } else if names(&["Macintosh", "Mac OS X"]) {
            Some(Self::Mac)
        } else if names(&["Linux", "X11", "BSD"]) {
            Some(Self::Linux)
        } else {
            None
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Windows => "Windows",
            Self::Mac => "macOS",
            Self::Linux => "Linux",
            Self::Android => "Android",
            Self::Ios => "iPhone, iPad",
        }
    }

    fn clients(self) -> &'static [Client] {
        match self {
            Self::Windows => &[QBITTORRENT, TRANSMISSION, BIGLYBT],
            Self::Mac => &[TRANSMISSION, QBITTORRENT, BIGLYBT],
            Self::Linux => &[TRANSMISSION, QBITTORRENT, DELUGE],
            Self::Android => &[LIBRETORRENT, BIGLYBT_ANDROID],
            Self::Ios => &[],
        }
    }
}

/// A paragraph of links to the programs of a system.
pub(super) struct Choice(pub(super) System, pub(super) Language);

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(system, language) = self;
        let name = system.name();
        if *system == System::Ios {
            let what = language.pick(
                "Apple takes no BitTorrent app into its store. Send this page’s address to a computer or an Android \
                 device, and open it there.",
                "Apple n’accepte aucune application BitTorrent dans sa boutique. Envoyez l’adresse de cette page à un \
                 ordinateur ou à un appareil Android, et ouvrez-la là-bas.",
            );
            return writeln!(f, "<p><b>{name}</b>{} {what}</p>", colon(*language));
        }
        write!(f, "<p><b>{name}</b>{} ", colon(*language))?;
        for (index, client) in system.clients().iter().enumerate() {
            let between = match index {
                0 => "",
                _ if index + 1 == system.clients().len() => language.pick(" or ", " ou "),
                _ => ", ",
            };
            let (href, name) = (Escaped(client.url), client.name);
            write!(
                f,
                "{between}<a href=\"{href}\" rel=\"noreferrer\">{name}</a>"
            )?;
        }
        match system {
            System::Linux => writeln!(
                f,
                "{}</p>",
                language.pick(
                    "; your software centre has them too.",
                    "\u{a0}; votre logithèque les propose aussi."
                )
            ),
            _ => writeln!(f, ".</p>"),
        }
    }
}

/// A colon as the language sets it.
fn colon(language: Language) -> &'static str {
    language.pick(":", "\u{a0}:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_say_what_they_run_on() {
        for (agent, system) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                Some(System::Windows),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                Some(System::Mac),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                Some(System::Linux),
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                Some(System::Android),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                Some(System::Ios),
            ),
            ("curl/8.5.0", None),
            ("", None),
        ] {
            assert_eq!(System::of(agent), system, "{agent}");
        }
    }

    #[test]
    fn every_system_gets_an_answer_in_both_languages() {
        for language in [Language::English, Language::French] {
            for system in System::ALL {
                let text = Choice(system, language).to_string();
                assert!(text.contains(system.name()), "{text}");
                assert_eq!(
                    text.matches("https://").count(),
                    system.clients().len(),
                    "{text}"
                );
                assert_eq!(system.clients().is_empty(), system == System::Ios);
            }
        }
        let mac = Choice(System::Mac, Language::English).to_string();
        assert!(
            mac.contains("</a>, <a") && mac.contains("</a> or <a"),
            "{mac}"
        );
    }
}
