//! A release's page: on the public listener, and to be kept anywhere.

use std::fmt;
use std::path::PathBuf;

use crate::base::{InfoHash, Language};
use crate::publish::clients::{Choice, System};
use crate::publish::html::{Escaped, files, size};

/// Where what a page offers is.
pub(in crate::publish) struct Links<'a> {
    /// The `.torrent`.
    pub torrent: &'a str,
    /// The magnet link.
    pub magnet: &'a str,
    /// The index, and what it is called.
    pub home: Option<(&'a str, &'a str)>,
}

/// For whom programs are named.
#[derive(Debug, Clone, Copy)]
pub(in crate::publish) enum Systems {
    /// Whoever reads it.
    All,
    /// A visitor of whom his browser says what it runs on.
    First(System),
}

/// The body of a release's page.
pub(in crate::publish) struct Share<'a> {
    /// The language it is in.
    pub language: Language,
    /// The release's name.
    pub name: &'a str,
    /// Its swarm.
    pub info_hash: InfoHash,
    /// Bytes of content.
    pub size: u64,
    /// Its first files, with their bytes.
    pub files: &'a [(PathBuf, u64)],
    /// Number of all files.
    pub total_files: u64,
    /// Why it cannot be had from this box now.
    pub note: Option<&'a str>,
    /// Who else keeps it alive, in a sentence.
    pub carried: Option<&'a str>,
    /// What it offers.
    pub links: Links<'a>,
    /// For whom programs are named.
    pub systems: Systems,
}

/// What a release's page is, in a sentence, for previews of links to it.
pub(in crate::publish) fn summary(language: Language, bytes: u64, count: u64) -> String {
    let (size, files) = (size(bytes, language), files(count, language));
    language.pick(
        format!("{size} in {files}. Free to download, by BitTorrent."),
        format!("{size}, {files}. À télécharger librement, par BitTorrent."),
    )
}

impl Share<'_> {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let language = self.language;
        if let Some((href, title)) = self.links.home {
            writeln!(
                f,
                "<p class=\"facts\"><a href=\"{}\">{}</a></p>",
                Escaped(href),
                Escaped(title)
            )?;
        }
        writeln!(f, "<h1><bdi>{}</bdi></h1>", Escaped(self.name))?;
        let size = size(self.size, language);
        let files = files(self.total_files, language);
        let facts = language.pick(format!("{size} in {files}"), format!("{size}, {files}"));
        writeln!(f, "<p class=\"facts\">{facts}</p>")?;
        if let Some(note) = self.note {
            writeln!(f, "<p class=\"note\">{}</p>", Escaped(note))?;
        }
        let (download, open) = language.pick(
            ("Download", "Open in app"),
            ("Télécharger", "Ouvrir dans l’appli"),
        );
        writeln!(
            f,
            "<p class=\"actions\"><a class=\"button\" href=\"{}\" download>{download} <small>.torrent</small></a> \
             <a class=\"button second\" href=\"{}\">{open} <small>magnet</small></a></p>",
            Escaped(self.links.torrent),
            Escaped(self.links.magnet),
        )?;
        if let Some(carried) = self.carried {
            writeln!(f, "<p class=\"carried\">{}</p>", Escaped(carried))?;
        }
        Ok(())
    }

    /// Three sentences, and where to get one.
    fn how(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let language = self.language;
        let (title, text) = language.pick(
            (
                "You need a BitTorrent app",
                "A BitTorrent app fetches a file in pieces from everybody who has them, and not from one server. Install \
                 one, then press a button above: the app opens and asks where to save. Leave it open for a while \
                 afterwards, and the next visitor gets it from you too.",
            ),
            (
                "Il vous faut une application BitTorrent",
                "Une application BitTorrent va chercher un fichier par morceaux chez tous ceux qui les ont, et non sur un \
                 seul serveur. Installez-en une, puis appuyez sur un bouton ci-dessus\u{a0}: elle s’ouvre et demande où \
                 enregistrer. Laissez-la ouverte un moment ensuite, et le prochain visiteur l’aura aussi de vous.",
            ),
        );
        writeln!(f, "<h2>{title}</h2>\n<p>{text}</p>")?;
        let free = language.pick(
            "All of these are free of charge, with open source and without advertising.",
            "Toutes sont gratuites, à code source ouvert et sans publicité.",
        );
        let first = match self.systems {
            Systems::All => None,
            Systems::First(system) => {
                write!(f, "{}", Choice(system, language))?;
                let other = language.pick("On another system", "Sur un autre système");
                writeln!(f, "<details>\n<summary>{other}</summary>")?;
                Some(system)
            }
        };
        let others = System::ALL
            .into_iter()
            .filter(|system| Some(*system) != first);
        for system in others {
            write!(f, "{}", Choice(system, language))?;
        }
        // Where there is none for the visitor's own, it is said of the others.
        let (inside, after) = match first {
            None => ("", ""),
            Some(System::Ios) => ("", "</details>\n"),
            Some(_) => ("</details>\n", ""),
        };
        writeln!(f, "{inside}<p class=\"facts\">{free}</p>\n{after}")
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = || {
            self.files
                .iter()
                .filter(|(path, _)| !path.as_os_str().is_empty())
        };
        if named().next().is_none() {
            return Ok(());
        }
        let title = self.language.pick("Files", "Fichiers");
        writeln!(f, "<h2>{title}</h2>\n<ul class=\"files\">")?;
        for (path, length) in named() {
            let path = path.to_string_lossy();
            let size = size(*length, self.language);
            writeln!(
                f,
                "<li><bdi>{}</bdi> <span class=\"facts\">{size}</span></li>",
                Escaped(path)
            )?;
        }
        writeln!(f, "</ul>")?;
        let more = self.total_files.saturating_sub(self.files.len() as u64);
        if more > 0 {
            let text = self
                .language
                .pick(format!("and {more} more"), format!("et {more} de plus"));
            writeln!(f, "<p class=\"facts\">{text}</p>")?;
        }
        Ok(())
    }
}

impl fmt::Display for Share<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.how(f)?;
        self.list(f)?;
        let info_hash = self.info_hash;
        let name = self.language.pick("Info hash", "Empreinte (info hash)");
        writeln!(
            f,
            "<p class=\"facts hash\">{name} <code>{info_hash}</code></p>"
        )
    }
}
