//! What is served at each address.

use std::num::NonZeroUsize;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::PublishState;
use super::answer::{Answer, PAGE_CACHE, TORRENT_CACHE};
use super::carried::Carried;
use super::clients::System;
use super::failure::Failure;
use super::feed::{self, Feed};
use super::pages::{self, Index, Leaf, Links, Look, Share, Shell, Systems};
use super::site::{self, Site};
use super::visible::Visible;
use crate::base::{CREATED_BY, InfoHash, Magnet, Timestamp, TorrentFile, disposition};
use crate::store::{Store, StoreError};

/// Releases on one page of the index: some thirty kilobytes, a quarter of it packed, and not too long to look through.
const PER_PAGE: usize = 200;

/// Files named on a release's page.
pub(super) const MAX_FILES: usize = 200;

const HTML: &str = "text/html; charset=utf-8";

fn listed(store: &Store) -> Result<Vec<Visible>, StoreError> {
    let releases = store.releases()?.into_iter();
    Ok(releases
        .filter_map(Visible::of)
        .filter(Visible::is_listed)
        .collect())
}

/// Which page of the index is asked for.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Asked {
    /// From 1 on.
    #[serde(default = "first_page")]
    page: NonZeroUsize,
}

const fn first_page() -> NonZeroUsize {
    NonZeroUsize::MIN
}

pub(super) async fn index(
    State(state): State<PublishState>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Query(Asked { page }) = asked.map_err(|_| Failure::NothingHere)?;
    let (host, language) = (site::visited(&headers)?, site::language(&headers));
    let read = state.clone();
    let now = Timestamp::now();
    let found = state.store.run(move |store| {
        let site = Site::read(&read, store, &host)?;
        if !site.has_index {
            return Ok(Err(Failure::NoIndex));
        }
        let listed = listed(store)?;
        let leaf = Leaf {
            page: page.get(),
            pages: listed.len().div_ceil(PER_PAGE).max(1),
        };
        if leaf.page > leaf.pages {
            return Ok(Err(Failure::NothingHere));
        }
        let listed = listed.into_iter().skip((leaf.page - 1) * PER_PAGE);
        let mut relays = store.all_relays()?;
        let carried = |visible: Visible| {
            let relays = relays.remove(&visible.release.id).unwrap_or_default();
            (visible, Carried::of(&relays, now))
        };
        let releases: Vec<_> = listed.take(PER_PAGE).map(carried).collect();
        Ok(Ok((site, releases, leaf)))
    });
    let (site, releases, leaf) = found.await??;
    let page = Index {
        language,
        site: &site,
        releases: &releases,
        leaf,
    };
    let answer = Answer {
        kind: HTML,
        cache: PAGE_CACHE,
        vary: "Accept-Language",
        language: Some(language),
        robots: site.robots,
        saved_as: None,
        body: page.render().into(),
    };
    Ok(answer.to(&headers))
}

pub(super) async fn share(
    State(state): State<PublishState>,
    Path(info_hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let info_hash: InfoHash = info_hash.parse().map_err(|_| Failure::NothingHere)?;
    let (host, language) = (site::visited(&headers)?, site::language(&headers));
    let read = state.clone();
    let found = state.store.run(move |store| {
        let Some(visible) = store.by_info_hash(info_hash)?.and_then(Visible::of) else {
            return Ok(None);
        };
        let files = store.files(visible.release.id, MAX_FILES)?;
        let relays = store.relays(visible.release.id)?;
        Ok(Some((
            visible,
            files,
            relays,
            Site::read(&read, store, &host)?,
        )))
    });
    let (visible, files, relays, site) = found.await?.ok_or(Failure::NothingHere)?;
    let release = &visible.release;
    let magnet = Magnet {
        info_hash,
        name: std::os::unix::ffi::OsStrExt::as_bytes(release.name.as_os_str()),
        size: Some(release.size),
        trackers: &site.trackers,
    };
    let agent = headers.get(header::USER_AGENT);
    let system = agent.and_then(|agent| System::of(agent.to_str().ok()?));
    let name = release.display_name();
    let carried = Carried::of(&relays, Timestamp::now()).sentence(language);
    let body = Share {
        language,
        name: &name,
        info_hash,
        size: release.size,
        files: &files,
        total_files: release.files,
        note: visible.note(language),
        carried: Some(&carried),
        links: Links {
            torrent: &format!("/t/{info_hash}.torrent"),
            magnet: &magnet.to_string(),
            home: site.has_index.then_some(("/", site.title.as_str())),
        },
        systems: system.map_or(Systems::All, Systems::First),
    };
    let robots = site.robots && !release.private;
    let url = site.url(&format!("/r/{info_hash}"));
    let shell = Shell {
        language,
        look: Look::Linked,
        title: &format!("{name} – {}", site.title),
        heading: &name,
        description: &pages::summary(language, release.size, release.files),
        site: &site.title,
        url: Some(&url),
        card: Some(&site.url(&pages::card())),
        robots,
        has_feed: site.has_index,
        contact: site.contact.as_ref(),
    };
    let answer = Answer {
        kind: HTML,
        cache: PAGE_CACHE,
        vary: "Accept-Language, User-Agent",
        language: Some(language),
        robots,
        saved_as: None,
        body: shell.around(body).into(),
    };
    Ok(answer.to(&headers))
}

pub(super) async fn torrent(
    State(state): State<PublishState>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let info_hash = file
        .strip_suffix(".torrent")
        .and_then(|hash| hash.parse::<InfoHash>().ok());
    let info_hash = info_hash.ok_or(Failure::NothingHere)?;
    let host = site::visited(&headers)?;
    let read = state.clone();
    let found = state.store.run(move |store| {
        let Some(visible) = store.by_info_hash(info_hash)?.and_then(Visible::of) else {
            return Ok(None);
        };
        let Some(info) = store.torrent(visible.release.id)? else {
            return Ok(None);
        };
        Ok(Some((visible, info, Site::read(&read, store, &host)?)))
    });
    let (visible, info, site) = found.await?.ok_or(Failure::NothingHere)?;
    let file = TorrentFile {
        info: &info,
        trackers: &site.trackers,
        created_by: Some(CREATED_BY),
    };
    let name = format!("{}.torrent", visible.release.display_name());
    let answer = Answer {
        kind: "application/x-bittorrent",
        cache: TORRENT_CACHE,
        vary: "",
        language: None,
        robots: site.robots && !visible.release.private,
        saved_as: Some(disposition::attachment(&name)),
        body: file.to_bytes(),
    };
    Ok(answer.to(&headers))
}

pub(super) async fn feed(
    State(state): State<PublishState>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (host, language) = (site::visited(&headers)?, site::language(&headers));
    let read = state.clone();
    let found = state.store.run(move |store| {
        let site = Site::read(&read, store, &host)?;
        if !site.has_index {
            return Ok(None);
        }
        let mut listed = listed(store)?;
        listed
            .sort_by_key(|visible| std::cmp::Reverse((visible.release.added, visible.release.id)));
        listed.truncate(feed::MAX_ITEMS);
        let mut items = Vec::with_capacity(listed.len());
        for visible in listed {
            // One whose torrent went meanwhile has none to enclose.
            if let Some(length) = store.torrent_length(visible.release.id)? {
                items.push((visible, length));
            }
        }
        Ok(Some((site, items)))
    });
    let (site, items) = found.await?.ok_or(Failure::NoIndex)?;
    let feed = Feed {
        language,
        site: &site,
        items: &items,
    };
    let answer = Answer {
        kind: feed::KIND,
        cache: PAGE_CACHE,
        vary: "Accept-Language",
        language: Some(language),
        robots: site.robots,
        saved_as: None,
        body: feed.to_string().into(),
    };
    Ok(answer.to(&headers))
}

/// What search engines are told where they may keep nothing (RFC 9309): they are to fetch nothing either, for it would be
/// the owner's upstream that they spend. Who fetches the preview of a link that somebody sends is another matter: without
/// a word of their own, those who obey this file (X and LinkedIn say so) would show a bare address.
const KEEP_OUT: &str = "User-agent: facebookexternalhit\nUser-agent: LinkedInBot\nUser-agent: Slackbot-LinkExpanding\n\
                        User-agent: Twitterbot\nAllow: /$\nAllow: /r/\nAllow: /card.png\nDisallow: /\n\n\
                        User-agent: *\nDisallow: /\n";

/// What robots may look at.
pub(super) async fn robots(
    State(state): State<PublishState>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let settings = state.store.run(|store| store.settings()).await?;
    let body = match settings.public_robots {
        true => "User-agent: *\nAllow: /\nDisallow: /announce\nDisallow: /scrape\n",
        false => KEEP_OUT,
    };
    let answer = Answer {
        kind: "text/plain; charset=utf-8",
        cache: PAGE_CACHE,
        vary: "",
        language: None,
        robots: true,
        saved_as: None,
        body: body.into(),
    };
    Ok(answer.to(&headers))
}

pub(super) async fn style(headers: HeaderMap) -> Response {
    Answer::fixed("text/css; charset=utf-8", pages::STYLE).to(&headers)
}

pub(super) async fn card(headers: HeaderMap) -> Response {
    Answer::fixed("image/png", pages::CARD).to(&headers)
}

pub(super) async fn icon(headers: HeaderMap) -> Response {
    Answer::fixed("image/svg+xml", pages::ICON).to(&headers)
}
