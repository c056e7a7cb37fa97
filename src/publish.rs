//! The public, read-only pages and files.
//!
//! What visitors see: the box's index, a page per release, and its `.torrent`. Plain HTML without a script, so that
//! it works wherever it is opened. Names come from drives and uploads and are hostile; so is the `Host` header, which
//! ends up in torrents.

mod html;
mod pages;
mod visible;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use librqbit_sha1_wrapper::{ISha256, Sha256};

use crate::base::{Authority, InfoHash, TorrentFile, announce, disposition};
use crate::store::{Store, StoreError};
use pages::{Index, Share};
use visible::Visible;

/// Releases in the index; the rest are reached by their links.
const MAX_LISTED: usize = 1000;

/// Files named on a release's page.
const MAX_FILES: usize = 200;

/// How long a page may be shown without asking again: a release that is paused should say so soon.
const PAGE_CACHE: &str = "public, max-age=60";

/// How long a `.torrent` may be kept: it changes only with the owner's trackers.
const TORRENT_CACHE: &str = "public, max-age=600";

/// The style has its hash in its address.
const STYLE_CACHE: &str = "public, max-age=31536000, immutable";

const STYLE: &str = include_str!("publish/style.css");

/// Sent with every answer. No script at all, nothing from elsewhere, no frame around us.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// What the public pages need.
#[derive(Debug, Clone)]
pub struct PublishState {
    /// The database; only read.
    pub store: Store,
    /// The box's name, as its index shows it.
    pub name: String,
    /// Port of the public listener, for where the owner set a public host without one.
    pub public_port: u16,
}

/// The public listener's routes: `/`, `/r/{info_hash}`, `/t/{info_hash}.torrent` and the style, for GET and HEAD. The
/// tracker's `/announce` and `/scrape` are merged with it by whoever serves it.
pub fn router(state: PublishState) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/r/{info_hash}", get(share))
        .route("/t/{file}", get(torrent))
        .route("/style.css", get(style))
        .fallback(async || Failure::NothingHere)
        .method_not_allowed_fallback(async || Failure::ReadOnly)
        .layer(middleware::map_response(security_headers))
        .with_state(state)
}

async fn security_headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What a visitor is told when there is nothing to show.
enum Failure {
    NothingHere,
    ReadOnly,
    BadHost,
    Broken,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a public page could not be made");
        Failure::Broken
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Failure::NothingHere => (
                StatusCode::NOT_FOUND,
                "Nothing here",
                "What you are looking for is not, or no longer, shared here.",
            ),
            Failure::ReadOnly => (
                StatusCode::METHOD_NOT_ALLOWED,
                "Read only",
                "These pages can be read, and nothing else.",
            ),
            Failure::BadHost => (
                StatusCode::BAD_REQUEST,
                "Bad request",
                "The request does not say which host it is for.",
            ),
            Failure::Broken => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Out of order",
                "This box cannot look at its own state now.",
            ),
        };
        let kind = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (status, kind, pages::message(&style_address(), title, text)).into_response()
    }
}

/// The host a request was sent to, fit to be written into a torrent.
fn host(headers: &HeaderMap) -> Result<Authority, Failure> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    let host = host
        .filter(|_| other.is_none())
        .and_then(|host| host.to_str().ok());
    host.and_then(|host| host.parse().ok())
        .ok_or(Failure::BadHost)
}

/// The announce URLs of a link given to a visitor.
fn trackers(
    state: &PublishState,
    store: &Store,
    host: &Authority,
) -> Result<Vec<String>, StoreError> {
    let settings = store.settings()?;
    let set = settings.public_host.as_deref();
    Ok(announce::trackers(
        set,
        state.public_port,
        Some(host),
        &settings.trackers,
    ))
}

async fn index(State(state): State<PublishState>, headers: HeaderMap) -> Result<Response, Failure> {
    let releases = state.store.run(|store| store.releases()).await?;
    let offered: Vec<Visible> = releases
        .into_iter()
        .filter_map(Visible::of)
        .filter(|visible| visible.note.is_none())
        .collect();
    let page = Index {
        style: &style_address(),
        name: &state.name,
        releases: &offered[..offered.len().min(MAX_LISTED)],
        more: offered.len().saturating_sub(MAX_LISTED),
    };
    Ok(answer(
        &headers,
        "text/html; charset=utf-8",
        PAGE_CACHE,
        page.render().into(),
    ))
}

async fn share(
    State(state): State<PublishState>,
    Path(info_hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let info_hash: InfoHash = info_hash.parse().map_err(|_| Failure::NothingHere)?;
    let host = host(&headers)?;
    let read = state.clone();
    let found = state.store.run(move |store| {
        let Some(visible) = store.by_info_hash(info_hash)?.and_then(Visible::of) else {
            return Ok(None);
        };
        let files = store.files(visible.release.id, MAX_FILES)?;
        Ok(Some((visible, files, trackers(&read, store, &host)?)))
    });
    let (visible, files, trackers) = found.await?.ok_or(Failure::NothingHere)?;
    let page = Share {
        style: &style_address(),
        name: &state.name,
        visible: &visible,
        files: &files,
        trackers: &trackers,
    };
    Ok(answer(
        &headers,
        "text/html; charset=utf-8",
        PAGE_CACHE,
        page.render().into(),
    ))
}

async fn torrent(
    State(state): State<PublishState>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let info_hash = file
        .strip_suffix(".torrent")
        .and_then(|hash| hash.parse::<InfoHash>().ok());
    let info_hash = info_hash.ok_or(Failure::NothingHere)?;
    let host = host(&headers)?;
    let read = state.clone();
    let found = state.store.run(move |store| {
        let Some(visible) = store.by_info_hash(info_hash)?.and_then(Visible::of) else {
            return Ok(None);
        };
        let Some(info) = store.torrent(visible.release.id)? else {
            return Ok(None);
        };
        Ok(Some((visible, info, trackers(&read, store, &host)?)))
    });
    let (visible, info, trackers) = found.await?.ok_or(Failure::NothingHere)?;
    let file = TorrentFile {
        info: &info,
        trackers: &trackers,
        created_by: Some(concat!("Semoir ", env!("CARGO_PKG_VERSION"))),
    };
    let mut response = answer(
        &headers,
        "application/x-bittorrent",
        TORRENT_CACHE,
        file.to_bytes(),
    );
    let name = disposition::attachment(&format!("{}.torrent", visible.release.display_name()));
    // Plain ASCII whatever the name: it cannot fail.
    if let Ok(name) = HeaderValue::try_from(name) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

async fn style(headers: HeaderMap) -> Response {
    answer(
        &headers,
        "text/css; charset=utf-8",
        STYLE_CACHE,
        STYLE.into(),
    )
}

/// The style's address, which changes with it.
fn style_address() -> String {
    format!("/style.css?v={}", &digest(STYLE.as_bytes())[..8])
}

fn digest(bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A body with what lets it be cached, or "not modified" for who has it.
fn answer(headers: &HeaderMap, kind: &'static str, cache: &'static str, body: Vec<u8>) -> Response {
    let etag = format!("\"{}\"", digest(&body));
    let common = [
        (header::ETAG, etag.as_str()),
        (header::CACHE_CONTROL, cache),
    ];
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|value| value.split(','));
    if tags
        .any(|tag| matches!(tag.trim().trim_start_matches("W/"), tag if tag == etag || tag == "*"))
    {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, kind)], body).into_response()
}
