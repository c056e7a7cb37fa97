//! The box's index.

use std::fmt;

use super::shell::{Look, Shell};
use crate::base::Language;
use crate::publish::carried::Carried;
use crate::publish::html::{Escaped, files, size};
use crate::publish::site::Site;
use crate::publish::visible::Visible;

/// The box's index.
pub(in crate::publish) struct Index<'a> {
    /// The language it is in.
    pub language: Language,
    /// The pages it opens.
    pub site: &'a Site,
    /// What is offered, and who else has it.
    pub releases: &'a [(Visible, Carried)],
    /// How many are not listed.
    pub more: usize,
}

impl Index<'_> {
    /// The page.
    pub fn render(&self) -> String {
        let url = self.site.url("/");
        let shell = Shell {
            language: self.language,
            look: Look::Linked,
            title: &self.site.title,
            heading: &self.site.title,
            description: self.lead(),
            site: &self.site.title,
            url: Some(&url),
            card: Some(&self.site.url(&super::card())),
            robots: self.site.robots,
            has_feed: true,
            contact: self.site.contact.as_ref(),
        };
        shell.around(self)
    }

    fn lead(&self) -> &str {
        let own = self.site.description.as_deref();
        own.unwrap_or_else(|| {
            self.language.pick(
                "Free to download, by BitTorrent.",
                "À télécharger librement, par BitTorrent.",
            )
        })
    }
}

impl fmt::Display for Index<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let language = self.language;
        writeln!(f, "<h1>{}</h1>", Escaped(&self.site.title))?;
        writeln!(f, "<p class=\"lead\">{}</p>", Escaped(self.lead()))?;
        if self.releases.is_empty() {
            let nothing = language.pick(
                "Nothing is shared here yet.",
                "Rien n’est encore partagé ici.",
            );
            return writeln!(f, "<p>{nothing}</p>");
        }
        writeln!(f, "<ul class=\"releases\">")?;
        for (visible, carried) in self.releases {
            let release = &visible.release;
            write!(
                f,
                "<li><a href=\"/r/{}\"><bdi>{}</bdi></a> <span class=\"facts\">{} · {}",
                visible.info_hash,
                Escaped(release.display_name()),
                size(release.size, language),
                files(release.files, language),
            )?;
            if let Some(others) = carried.short(language) {
                write!(f, " · {others}")?;
            }
            writeln!(f, "</span></li>")?;
        }
        writeln!(f, "</ul>")?;
        if self.more > 0 {
            let more = self.more;
            let text = language.pick(format!("and {more} more"), format!("et {more} de plus"));
            writeln!(f, "<p class=\"facts\">{text}</p>")?;
        }
        Ok(())
    }
}
