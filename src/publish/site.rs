//! What all public pages share: what the owner calls them, where they are reached, what he allows.

use axum::http::{HeaderMap, header};

use super::PublishState;
use super::failure::Failure;
use crate::base::{Authority, Contact, Language, announce};
use crate::store::{Settings, Store, StoreError};

/// The public pages as their owner wants them, for one request.
pub(super) struct Site {
    /// What they are called.
    pub title: String,
    /// What is said of them on the index.
    pub description: Option<String>,
    /// Where they are reached: the owner's public host, or the one that this request was sent to.
    pub host: Authority,
    /// Whether there is an index and a feed.
    pub has_index: bool,
    /// Whether search engines may keep them.
    pub robots: bool,
    /// Who answers for what is shared.
    pub contact: Option<Contact>,
    /// Announce URLs of links given to this visitor.
    pub trackers: Vec<String>,
}

impl Site {
    /// Reads it from the database. `visited` is the host that the request was sent to.
    pub fn read(
        state: &PublishState,
        store: &Store,
        visited: &Authority,
    ) -> Result<Self, StoreError> {
        let settings = store.settings()?;
        Ok(Self::of(settings, &state.name, state.public_port, visited))
    }

    fn of(settings: Settings, name: &str, public_port: u16, visited: &Authority) -> Self {
        let set = settings.public_host.as_deref();
        let trackers = announce::trackers(set, public_port, Some(visited), &settings.trackers);
        let host = announce::public_host(set, public_port).unwrap_or_else(|| visited.clone());
        let contact = settings.copyright_contact.as_deref();
        Self {
            title: settings
                .public_title
                .or(settings.box_name)
                .unwrap_or_else(|| name.to_owned()),
            description: settings.public_description,
            host,
            has_index: settings.public_index,
            robots: settings.public_robots,
            contact: contact.and_then(Contact::read),
            trackers,
        }
    }

    /// An address of these pages as seen from outside.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }
}

/// The host a request was sent to, fit to be written into pages and torrents.
pub(super) fn visited(headers: &HeaderMap) -> Result<Authority, Failure> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    let host = host
        .filter(|_| other.is_none())
        .and_then(|host| host.to_str().ok());
    host.and_then(|host| host.parse().ok())
        .ok_or(Failure::BadHost)
}

/// The language a visitor reads.
pub(super) fn language(headers: &HeaderMap) -> Language {
    let wanted = headers.get(header::ACCEPT_LANGUAGE);
    let wanted = wanted.and_then(|value| value.to_str().ok());
    Language::accepted(wanted.unwrap_or_default())
}
