//! The owner's page: what the build put into `web/dist`, inside the binary.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::extract::takes_gzip;
use super::problem::{self, Problem};

/// The built page; nothing, when the daemon was built without.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Page;

/// The page itself. Views within it have addresses of their own, which it reads.
const INDEX: &str = "index.html";

/// Files below this have a hash of their content in their names.
const HASHED: &str = "assets/";

/// Answers what is no route: a file of the page, the page itself for a view's address, or that there is nothing.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return nothing_here().into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return problem::method_not_allowed().await.into_response();
    }
    // A last part with a dot is a file's name; anything else is a view.
    let is_view = !path.rsplit('/').next().unwrap_or_default().contains('.');
    let name = if is_view { INDEX } else { path };
    match Page::get(name) {
        Some(file) => match packed(name, &headers) {
            Some(packed) => answer(name, &packed, true, &headers),
            None => answer(name, &file, false, &headers),
        },
        None if is_view => Problem::new(
            StatusCode::NOT_FOUND,
            "This Semoir was built without its page; its API is at /api/v1.",
        )
        .into_response(),
        None => nothing_here().into_response(),
    }
}

fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
}

/// The file as the build packed it, for a browser that takes it so.
fn packed(name: &str, headers: &HeaderMap) -> Option<rust_embed::EmbeddedFile> {
    takes_gzip(headers)
        .then(|| Page::get(&format!("{name}.gz")))
        .flatten()
}

fn answer(
    name: &str,
    file: &rust_embed::EmbeddedFile,
    is_packed: bool,
    headers: &HeaderMap,
) -> Response {
    let hash: String = file.metadata.sha256_hash()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let etag = format!("\"{hash}\"");
    // `no-cache` asks again each time, and is answered "not modified".
    let cache = if name.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let common = [
        (header::ETAG, etag.as_str()),
        (header::CACHE_CONTROL, cache),
        (header::VARY, "accept-encoding"),
    ];
    if known.is_some_and(|known| {
        known
            .split(',')
            .any(|one| one.trim().trim_start_matches("W/") == etag)
    }) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let kind = match kind.type_() {
        mime_guess::mime::TEXT => format!("{kind}; charset=utf-8"),
        _ => kind.to_string(),
    };
    let content = [(header::CONTENT_TYPE, kind)];
    let encoding = is_packed.then_some([(header::CONTENT_ENCODING, "gzip")]);
    (common, content, encoding, file.data.clone().into_owned()).into_response()
}
