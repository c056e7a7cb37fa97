//! Magnets and torrent files that lead back to this box from where the owner's browser is.

use super::{App, french, problem::Problem};
use crate::app::{Overview, ReleaseView};
use crate::base::{Authority, CREATED_BY, Language, Magnet, TorrentFile, announce};

/// The announce URLs of links given to one browser.
pub(super) struct Links {
    /// Announce URLs.
    pub trackers: Vec<String>,
    /// Where the public listener is reached: the owner's public host, or the host that his page was opened at.
    pub public: Authority,
    /// Who answers for what is shared.
    pub contact: Option<String>,
}

impl Links {
    /// The links of a browser that opened the page at `host`: the public listener is on the same host, at its own
    /// port, unless the owner set another.
    pub(super) async fn for_host(app: &App, host: &Authority) -> Result<Self, Problem> {
        let settings = app.store.run(|store| store.settings()).await?;
        let public = Authority {
            host: host.host.clone(),
            port: Some(app.public_port),
        };
        let set = settings.public_host.as_deref();
        let trackers = announce::trackers(set, app.public_port, Some(&public), &settings.trackers);
        Ok(Self {
            trackers,
            public: announce::public_host(set, app.public_port).unwrap_or(public),
            contact: settings.copyright_contact,
        })
    }

    /// The picture with these links in it, and what went wrong in a language.
    pub(super) fn fill(&self, overview: &Overview, language: Language) -> Overview {
        let mut overview = overview.clone();
        french::translate_picture(&mut overview, language);
        for release in &mut overview.releases {
            release.magnet = self.magnet(release);
        }
        overview
    }

    /// The magnet of a release, once it is hashed.
    pub(super) fn magnet(&self, release: &ReleaseView) -> Option<String> {
        let magnet = Magnet {
            info_hash: release.info_hash?,
            name: release.name.as_bytes(),
            size: Some(release.size),
            trackers: &self.trackers,
        };
        Some(magnet.to_string())
    }

    /// The bytes of the `.torrent` around an info dictionary.
    pub(super) fn torrent(&self, info: &[u8]) -> Vec<u8> {
        let file = TorrentFile {
            info,
            trackers: &self.trackers,
            created_by: Some(CREATED_BY),
        };
        file.to_bytes()
    }
}
