//! The feed of what is new: RSS 2.0, with the `.torrent` as what is enclosed, as torrent clients and podcast programs
//! subscribe to it.

use std::fmt;

use super::html::{Escaped, files, size};
use super::site::Site;
use super::visible::Visible;
use crate::base::{CREATED_BY, Language, Timestamp, TorrentFile};

/// Its type.
pub(super) const KIND: &str = "application/rss+xml; charset=utf-8";

/// Items in it: the newest. A program that looks once a day misses none of them unless more were added that day.
pub(super) const MAX_ITEMS: usize = 100;

/// Minutes for which programs may keep it; they ask again with its tag, and are told that nothing changed.
const TTL_MINUTES: u32 = 60;

/// The feed.
pub(super) struct Feed<'a> {
    /// The language of what is read.
    pub language: Language,
    /// The pages it belongs to.
    pub site: &'a Site,
    /// What it lists, the newest first, and the bytes of each one's info dictionary.
    pub items: &'a [(Visible, u64)],
}

impl Feed<'_> {
    /// Bytes of the `.torrent` that a visitor gets around an info dictionary of so many.
    fn torrent_length(&self, info: u64) -> u64 {
        let around = TorrentFile {
            info: b"",
            trackers: &self.site.trackers,
            created_by: Some(CREATED_BY),
        };
        around.to_bytes().len() as u64 + info
    }

    fn item(&self, f: &mut fmt::Formatter<'_>, visible: &Visible, info: u64) -> fmt::Result {
        let Visible { release, info_hash } = visible;
        let page = self.site.url(&format!("/r/{info_hash}"));
        let torrent = self.site.url(&format!("/t/{info_hash}.torrent"));
        let (size, files) = (
            size(release.size, self.language),
            files(release.files, self.language),
        );
        writeln!(f, "<item>")?;
        writeln!(f, "<title>{}</title>", Escaped(release.display_name()))?;
        writeln!(f, "<link>{}</link>", Escaped(page))?;
        writeln!(f, "<description>{size} · {files}</description>")?;
        // The same content is the same item, wherever the box is reached.
        writeln!(f, "<guid isPermaLink=\"false\">urn:btih:{info_hash}</guid>")?;
        writeln!(f, "<pubDate>{}</pubDate>", Rfc2822(release.added))?;
        writeln!(
            f,
            "<enclosure url=\"{}\" length=\"{}\" type=\"application/x-bittorrent\"/>",
            Escaped(torrent),
            self.torrent_length(info)
        )?;
        writeln!(f, "</item>")
    }
}

impl fmt::Display for Feed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Site { title, .. } = self.site;
        let description = self.site.description.as_deref();
        let description = description.unwrap_or(self.language.pick(
            "Free to download, by BitTorrent.",
            "À télécharger librement, par BitTorrent.",
        ));
        writeln!(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        writeln!(
            f,
            "<rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\">"
        )?;
        writeln!(f, "<channel>\n<title>{}</title>", Escaped(title))?;
        writeln!(f, "<link>{}</link>", Escaped(self.site.url("/")))?;
        writeln!(f, "<description>{}</description>", Escaped(description))?;
        writeln!(f, "<language>{}</language>", self.language.tag())?;
        writeln!(
            f,
            "<generator>{CREATED_BY}</generator>\n<ttl>{TTL_MINUTES}</ttl>"
        )?;
        let own = self.site.url("/feed.xml");
        writeln!(
            f,
            "<atom:link href=\"{}\" rel=\"self\" type=\"application/rss+xml\"/>",
            Escaped(own)
        )?;
        if let Some((newest, _)) = self.items.first() {
            writeln!(
                f,
                "<lastBuildDate>{}</lastBuildDate>",
                Rfc2822(newest.release.added)
            )?;
        }
        for (visible, info) in self.items {
            self.item(f, visible, *info)?;
        }
        writeln!(f, "</channel>\n</rss>")
    }
}

/// A moment as mail and RSS write it (RFC 2822, 3.3). One that no calendar has is the beginning of 1970.
struct Rfc2822(Timestamp);

impl fmt::Display for Rfc2822 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_second(self.0.0).unwrap_or_default();
        let at = at.to_zoned_datetime(jiff::tz::TimeZone::UTC);
        f.write_str(&jiff::fmt::rfc2822::to_string(&at).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_in_mail() {
        let shown = |at| Rfc2822(Timestamp(at)).to_string();
        assert_eq!(shown(1_764_072_000), "Tue, 25 Nov 2025 12:00:00 +0000");
        assert_eq!(shown(i64::MAX), "Thu, 1 Jan 1970 00:00:00 +0000");
    }
}
