//! The box's index.

use std::fmt;

use super::shell::{Look, Shell};
use crate::base::Language;
use crate::publish::carried::Carried;
use crate::publish::html::{Escaped, files, size};
use crate::publish::site::Site;
use crate::publish::visible::Visible;

/// Which page of the index, of how many; both from 1 on.
#[derive(Debug, Clone, Copy)]
pub(in crate::publish) struct Leaf {
    pub page: usize,
    pub pages: usize,
}

impl Leaf {
    fn path(page: usize) -> String {
        match page {
            1 => "/".to_owned(),
            _ => format!("/?page={page}"),
        }
    }

    /// "page 2 of 5", where there is more than one.
    fn words(self, language: Language) -> Option<String> {
        let Self { page, pages } = self;
        (pages > 1).then(|| {
            language.pick(
                format!("page {page} of {pages}"),
                format!("page {page} sur {pages}"),
            )
        })
    }
}

/// A page of the box's index.
pub(in crate::publish) struct Index<'a> {
    /// The language it is in.
    pub language: Language,
    /// The pages it opens.
    pub site: &'a Site,
    /// What is offered, and who else has it.
    pub releases: &'a [(Visible, Carried)],
    /// Which part of it this is.
    pub leaf: Leaf,
}

impl Index<'_> {
    /// The page.
    pub fn render(&self) -> String {
        let url = self.site.url(&Leaf::path(self.leaf.page));
        let site = &self.site.title;
        let title = match self.leaf.words(self.language) {
            Some(words) => format!("{site} – {words}"),
            None => site.clone(),
        };
        let shell = Shell {
            language: self.language,
            look: Look::Linked,
            title: &title,
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
        if let Some(words) = self.leaf.words(language) {
            let Leaf { page, pages } = self.leaf;
            write!(f, "<nav class=\"facts\">")?;
            if page > 1 {
                let before = language.pick("Previous", "Précédente");
                let path = Leaf::path(page - 1);
                write!(f, "<a rel=\"prev\" href=\"{path}\">{before}</a> · ")?;
            }
            write!(f, "{words}")?;
            if page < pages {
                let after = language.pick("Next", "Suivante");
                let path = Leaf::path(page + 1);
                write!(f, " · <a rel=\"next\" href=\"{path}\">{after}</a>")?;
            }
            writeln!(f, "</nav>")?;
        }
        Ok(())
    }
}
