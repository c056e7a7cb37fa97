//! What stands around every page: its head, what previews of links show, its foot.

use std::fmt;

use crate::base::{Contact, Language};
use crate::publish::answer::{NO_ROBOTS, digest};
use crate::publish::html::Escaped;

/// The style of all pages.
pub(in crate::publish) const STYLE: &str = include_str!("../style.css");

/// The box's mark.
pub(in crate::publish) const ICON: &str = include_str!("../icon.svg");

/// What previews of links show beside the words, wherever it is shared: the mark, sowing. `card.svg` at 1200 × 630, in 16
/// colours. It is the same for every release and 4 KB, kept for a year by who fetched it: whatever is in a release is for
/// those who take part in its swarm, and would be fetched from the owner's upstream anew by each preview of each chat.
pub(in crate::publish) const CARD: &[u8] = include_bytes!("../card.png");

/// Pixels of [`CARD`], across and down.
const CARD_SIZE: (u32, u32) = (1200, 630);

/// How a page gets its style.
#[derive(Debug, Clone, Copy)]
pub(in crate::publish) enum Look {
    /// From the public listener, where it is kept.
    Linked,
    /// From the page itself, which then needs nothing beside it.
    Inline,
}

/// A page around its body.
pub(in crate::publish) struct Shell<'a> {
    /// The language it is in.
    pub language: Language,
    /// How it gets its style.
    pub look: Look,
    /// What a tab is called.
    pub title: &'a str,
    /// What a preview of a link to it is called.
    pub heading: &'a str,
    /// A sentence on what it is.
    pub description: &'a str,
    /// What the pages it belongs to are called.
    pub site: &'a str,
    /// Where it is, whole; none where it does not know.
    pub url: Option<&'a str>,
    /// Where [`CARD`] is, whole; none where there is no listener to fetch it from.
    pub card: Option<&'a str>,
    /// Whether search engines may keep it.
    pub robots: bool,
    /// Whether there is a feed.
    pub has_feed: bool,
    /// Who answers for what is shared.
    pub contact: Option<&'a Contact>,
}

/// An address that changes with what is there.
fn versioned(path: &str, content: impl AsRef<[u8]>) -> String {
    format!("{path}?v={}", &digest(content.as_ref())[..8])
}

/// The path of [`CARD`].
pub(in crate::publish) fn card() -> String {
    versioned("/card.png", CARD)
}

impl Shell<'_> {
    /// The page.
    pub fn around(&self, body: impl fmt::Display) -> String {
        let language = self.language.tag();
        let (head, foot) = (Head(self), Foot(self));
        format!(
            "<!doctype html>\n<html lang=\"{language}\">\n<head>\n{head}</head>\n<body>\n<main>\n{body}</main>\n{foot}\
             </body>\n</html>\n"
        )
    }
}

struct Head<'a>(&'a Shell<'a>);

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = self.0;
        writeln!(f, "<meta charset=\"utf-8\">")?;
        writeln!(
            f,
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        )?;
        writeln!(f, "<meta name=\"color-scheme\" content=\"light dark\">")?;
        writeln!(f, "<title>{}</title>", Escaped(page.title))?;
        match page.look {
            Look::Linked => {
                let (style, icon) = (versioned("/style.css", STYLE), versioned("/icon.svg", ICON));
                writeln!(f, "<link rel=\"stylesheet\" href=\"{style}\">")?;
                writeln!(
                    f,
                    "<link rel=\"icon\" type=\"image/svg+xml\" href=\"{icon}\">"
                )?;
            }
            Look::Inline => {
                let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                writeln!(
                    f,
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">"
                )?;
                writeln!(f, "<style>\n{STYLE}</style>")?;
            }
        }
        if !page.robots {
            writeln!(f, "<meta name=\"robots\" content=\"{NO_ROBOTS}\">")?;
        }
        if page.has_feed {
            let title = Escaped(page.site);
            writeln!(
                f,
                "<link rel=\"alternate\" type=\"application/rss+xml\" title=\"{title}\" href=\"/feed.xml\">"
            )?;
        }
        self.preview(f)
    }
}

impl Head<'_> {
    /// Open Graph (ogp.me), and the little that others want besides.
    fn preview(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = self.0;
        if !page.description.is_empty() {
            let description = Escaped(page.description);
            writeln!(f, "<meta name=\"description\" content=\"{description}\">")?;
            writeln!(
                f,
                "<meta property=\"og:description\" content=\"{description}\">"
            )?;
        }
        let Some(url) = page.url else {
            return Ok(());
        };
        let url = Escaped(url);
        writeln!(f, "<link rel=\"canonical\" href=\"{url}\">")?;
        for (name, content) in [
            ("og:type", "website"),
            ("og:title", page.heading),
            ("og:site_name", page.site),
            ("og:locale", page.language.pick("en_GB", "fr_FR")),
        ] {
            writeln!(
                f,
                "<meta property=\"{name}\" content=\"{}\">",
                Escaped(content)
            )?;
        }
        writeln!(f, "<meta property=\"og:url\" content=\"{url}\">")?;
        let Some(card) = page.card else {
            return writeln!(f, "<meta name=\"twitter:card\" content=\"summary\">");
        };
        let (width, height) = CARD_SIZE;
        let alt = page.language.pick(
            "A seed drill at work: behind it the first seeds come up.",
            "Un semoir au travail\u{a0}: derrière lui, les premières graines lèvent.",
        );
        writeln!(
            f,
            "<meta property=\"og:image\" content=\"{}\">\n\
             <meta property=\"og:image:type\" content=\"image/png\">\n\
             <meta property=\"og:image:width\" content=\"{width}\">\n\
             <meta property=\"og:image:height\" content=\"{height}\">\n\
             <meta property=\"og:image:alt\" content=\"{alt}\">\n\
             <meta name=\"twitter:card\" content=\"summary_large_image\">",
            Escaped(card)
        )
    }
}

struct Foot<'a>(&'a Shell<'a>);

impl fmt::Display for Foot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shell {
            language,
            contact,
            has_feed,
            ..
        } = *self.0;
        if contact.is_none() && !has_feed {
            return Ok(());
        }
        writeln!(f, "<footer>")?;
        if let Some(contact) = contact {
            let what = language.pick(
                "Copyright, complaints, questions:",
                "Droit d’auteur, réclamations, questions\u{a0}:",
            );
            let (href, shown) = (contact.href(), contact.to_string());
            writeln!(
                f,
                "<p>{what} <a href=\"{}\" rel=\"noreferrer\">{}</a></p>",
                Escaped(href),
                Escaped(shown)
            )?;
        }
        if has_feed {
            let what = language.pick("Feed of what is new (RSS)", "Flux des nouveautés (RSS)");
            writeln!(f, "<p><a href=\"/feed.xml\">{what}</a></p>")?;
        }
        writeln!(f, "</footer>")
    }
}

/// A page that says one thing; with a way to the index if `back`.
pub(in crate::publish) fn message(
    language: Language,
    title: &str,
    text: &str,
    back: bool,
) -> String {
    let shell = Shell {
        language,
        look: Look::Linked,
        title,
        heading: title,
        description: "",
        site: "",
        url: None,
        card: None,
        robots: false,
        has_feed: false,
        contact: None,
    };
    let link = if back {
        let what = language.pick("What is shared here", "Ce qui est partagé ici");
        format!("<p><a href=\"/\">{what}</a></p>\n")
    } else {
        String::new()
    };
    let (title, text) = (Escaped(title), Escaped(text));
    shell.around(format_args!("<h1>{title}</h1>\n<p>{text}</p>\n{link}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_is_a_small_picture_of_its_size() {
        // A PNG begins with its name, then its header: width, height, bits, and colours from a palette.
        assert_eq!(&CARD[..16], b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
        let number = |at: usize| u32::from_be_bytes(CARD[at..at + 4].try_into().unwrap());
        assert_eq!((number(16), number(20)), CARD_SIZE);
        assert_eq!(&CARD[24..26], [4, 3]);
        assert!(CARD.ends_with(b"IEND\xae\x42\x60\x82"));
        assert!(CARD.len() < 6_000, "{} bytes", CARD.len());
    }

    #[test]
    fn an_inline_page_asks_for_nothing() {
        let contact = Contact::read("me@box.example").unwrap();
        let shell = Shell {
            language: Language::French,
            look: Look::Inline,
            title: "a",
            heading: "a",
            description: "d",
            site: "s",
            url: None,
            card: None,
            robots: true,
            has_feed: false,
            contact: Some(&contact),
        };
        let page = shell.around("<p>body</p>\n");
        assert!(
            page.contains("<html lang=\"fr\">") && page.contains("<style>"),
            "{page}"
        );
        assert!(page.contains("mailto:me@box.example"), "{page}");
        assert!(
            !page.contains("<link") && !page.contains("robots") && !page.contains("og:url"),
            "{page}"
        );
        assert!(!page.contains("og:image"), "{page}");
        assert!(
            !STYLE.contains('<') && !STYLE.contains("url("),
            "the style can stand in a page"
        );
    }
}
