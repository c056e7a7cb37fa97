//! The public, read-only pages and files.
//!
//! What visitors see: the box's index, a page per release, its `.torrent`, and a feed. Plain HTML without a script, so
//! that it works wherever it is opened, in English or French as the browser asks. Names come from drives and uploads and
//! are hostile; so is the `Host` header, which ends up in torrents. The kit that an owner hands out is made here too.

mod answer;
mod carried;
mod clients;
mod failure;
mod feed;
mod html;
mod kit;
mod pages;
mod routes;
mod site;
mod visible;

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use axum::{Router, middleware};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};

use crate::base::{Timestamp, Visits};
use crate::store::Store;
use failure::Failure;

pub use kit::Printer;

/// Sent with every answer. No script at all, nothing from elsewhere, no frame around us.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
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
    /// The box's name, as its pages show it where its owner set no title.
    pub name: String,
    /// Port of the public listener, for where the owner set a public host without one.
    pub public_port: u16,
    /// Where it is noted that somebody came from outside.
    pub visits: Visits,
}

/// The public listener's routes, for GET and HEAD: the index at `/`, `/r/{info_hash}`, `/t/{info_hash}.torrent`,
/// `/feed.xml`, `/robots.txt`, the style and the icon. The tracker's `/announce` and `/scrape` are merged with it by
/// whoever serves it.
pub fn router(state: PublishState) -> Router {
    Router::new()
        .route("/", get(routes::index))
        .route("/r/{info_hash}", get(routes::share))
        .route("/t/{file}", get(routes::torrent))
        .route("/feed.xml", get(routes::feed))
        .route("/robots.txt", get(routes::robots))
        .route("/style.css", get(routes::style))
        .route("/icon.svg", get(routes::icon))
        .route("/card.png", get(routes::card))
        .fallback(async || Failure::NothingHere)
        .method_not_allowed_fallback(async || Failure::ReadOnly)
        .layer(middleware::from_fn_with_state(state.clone(), receive))
        .layer(
            CompressionLayer::new()
                .gzip(true)
                .compress_when(SizeAbove::new(LEAST_PACKED).and(is_worth_packing)),
        )
        .with_state(state)
}

/// Below this many bytes a page is one packet either way.
const LEAST_PACKED: u16 = 1024;

/// Whether an answer costs its owner less upstream when it is packed.
fn is_worth_packing(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(answer::packs)
}

/// Notes who comes from outside, words what went wrong in the visitor's language, and keeps browsers strict.
async fn receive(State(state): State<PublishState>, request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(from)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        state.visits.came(from.ip(), Timestamp::now());
    }
    let language = site::language(request.headers());
    let mut response = next.run(request).await;
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        response = failure.page(language);
    }
    for (name, value) in SECURITY_HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
