//! The public pages' HTML.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::html::Escaped;
use super::visible::Visible;
use crate::base::{Magnet, Size};

/// The box's index.
pub(super) struct Index<'a> {
    /// The style's address.
    pub(super) style: &'a str,
    /// The box's name.
    pub(super) name: &'a str,
    /// What it offers.
    pub(super) releases: &'a [Visible],
    /// How many are not listed.
    pub(super) more: usize,
}

/// A release's page.
pub(super) struct Share<'a> {
    /// The style's address.
    pub(super) style: &'a str,
    /// The box's name.
    pub(super) name: &'a str,
    /// The release.
    pub(super) visible: &'a Visible,
    /// Its first files, with their bytes.
    pub(super) files: &'a [(PathBuf, u64)],
    /// Announce URLs of the magnet.
    pub(super) trackers: &'a [String],
}

/// A page around `body`.
fn page(style: &str, title: &str, body: fmt::Arguments<'_>) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<link rel=\"stylesheet\" href=\"{}\">\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        Escaped(title),
        Escaped(style),
    )
}

/// A page that says one thing.
pub(super) fn message(style: &str, title: &str, text: &str) -> String {
    let text = Escaped(text);
    let heading = Escaped(title);
    page(
        style,
        title,
        format_args!(
            "<h1>{heading}</h1>\n<p>{text}</p>\n<p><a href=\"/\">What is shared here</a></p>\n"
        ),
    )
}

/// "1 file", "12 files".
fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

impl Index<'_> {
    /// The page.
    pub(super) fn render(&self) -> String {
        page(self.style, self.name, format_args!("{self}"))
    }
}

impl fmt::Display for Index<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "<h1>{}</h1>", Escaped(self.name))?;
        if self.releases.is_empty() {
            return writeln!(f, "<p>Nothing is shared here yet.</p>");
        }
        writeln!(
            f,
            "<p class=\"lead\">Free to download, by BitTorrent.</p>\n<ul class=\"releases\">"
        )?;
        for visible in self.releases {
            let release = &visible.release;
            writeln!(
                f,
                "<li><a href=\"/r/{}\"><bdi>{}</bdi></a> <span class=\"facts\">{}</span></li>",
                visible.info_hash,
                Escaped(release.display_name()),
                Size(release.size),
            )?;
        }
        writeln!(f, "</ul>")?;
        if self.more > 0 {
            writeln!(f, "<p class=\"facts\">and {} more</p>", self.more)?;
        }
        Ok(())
    }
}

impl Share<'_> {
    /// The page.
    pub(super) fn render(&self) -> String {
        let title = format!("{} – {}", self.visible.release.display_name(), self.name);
        page(self.style, &title, format_args!("{self}"))
    }

    fn files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self
            .files
            .iter()
            .filter(|(path, _)| !path.as_os_str().is_empty());
        if named.clone().next().is_none() {
            return Ok(());
        }
        writeln!(f, "<h2>Files</h2>\n<ul class=\"files\">")?;
        for (path, length) in named {
            let path = path.to_string_lossy();
            let size = Size(*length);
            writeln!(
                f,
                "<li><bdi>{}</bdi> <span class=\"facts\">{size}</span></li>",
                Escaped(path)
            )?;
        }
        writeln!(f, "</ul>")?;
        let more = self
            .visible
            .release
            .files
            .saturating_sub(self.files.len() as u64);
        if more > 0 {
            writeln!(f, "<p class=\"facts\">and {more} more</p>")?;
        }
        Ok(())
    }
}

impl fmt::Display for Share<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let release = &self.visible.release;
        let info_hash = self.visible.info_hash;
        let magnet = Magnet {
            info_hash,
            name: release.name.as_bytes(),
            size: Some(release.size),
            trackers: self.trackers,
        };
        writeln!(
            f,
            "<p class=\"facts\"><a href=\"/\">{}</a></p>",
            Escaped(self.name)
        )?;
        writeln!(f, "<h1><bdi>{}</bdi></h1>", Escaped(release.display_name()))?;
        let files = count(release.files, "file", "files");
        writeln!(
            f,
            "<p class=\"facts\">{} in {files}</p>",
            Size(release.size)
        )?;
        if let Some(note) = self.visible.note {
            writeln!(f, "<p class=\"note\">{note}</p>")?;
        }
        writeln!(
            f,
            "<p class=\"actions\"><a class=\"button\" href=\"/t/{info_hash}.torrent\" download>Download .torrent</a> \
             <a class=\"button second\" href=\"{}\">Open in app (magnet)</a></p>",
            Escaped(magnet),
        )?;
        writeln!(
            f,
            "<p>This is shared by BitTorrent: open the .torrent file or the magnet link in a BitTorrent app, such as \
             Transmission, qBittorrent or BiglyBT, and it fetches the files from everyone who has them. Leave the app \
             open for a while afterwards, and the next visitor gets them from you.</p>"
        )?;
        self.files(f)?;
        f.write_str("<p class=\"facts hash\">Info hash ")?;
        writeln!(f, "<code>{info_hash}</code></p>")
    }
}
