//! Bodies with what lets them be cached.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use librqbit_sha1_wrapper::{ISha256, Sha256};

use crate::base::Language;

/// How long a page may be shown without asking again: a release that is paused should say so soon.
pub(super) const PAGE_CACHE: &str = "public, max-age=60";

/// How long a `.torrent` may be kept: it changes only with the owner's trackers.
pub(super) const TORRENT_CACHE: &str = "public, max-age=600";

/// What has its hash in its address.
pub(super) const STATIC_CACHE: &str = "public, max-age=31536000, immutable";

const ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// What search engines are told of a page that they are not to keep: the header's value and the page's own.
pub(super) const NO_ROBOTS: &str = "noindex, nofollow";

/// A body, and what is to be known of it.
pub(super) struct Answer {
    /// Its type.
    pub kind: &'static str,
    /// How long it may be kept.
    pub cache: &'static str,
    /// The headers of the request that it depends on, besides its host.
    pub vary: &'static str,
    /// The language it is in.
    pub language: Option<Language>,
    /// Whether search engines may keep it.
    pub robots: bool,
    /// The file name to save it under, as a `Content-Disposition`.
    pub saved_as: Option<String>,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Answer {
    /// A file that is the same for everybody and has its hash in its address.
    pub fn fixed(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            cache: STATIC_CACHE,
            vary: "",
            language: None,
            robots: true,
            saved_as: None,
            body: body.into(),
        }
    }

    /// The response to a request, or "not modified" to who has it already.
    pub fn to(self, request: &HeaderMap) -> Response {
        let digest = digest(&self.body);
        let is_known = knows(request, &digest);
        let mut response = match is_known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => self.body.into_response(),
        };
        let headers = response.headers_mut();
        let mut put = |name, value: &str| {
            // All of these are plain ASCII, whatever a release is called.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        // Weak: packed or not, it is the same (RFC 9110, 8.8.1).
        put(header::ETAG, &format!("W/\"{digest}\""));
        put(header::CACHE_CONTROL, self.cache);
        let encoding = packs(self.kind).then_some("Accept-Encoding");
        let vary = [self.vary].into_iter().chain(encoding);
        let vary: Vec<_> = vary.filter(|name| !name.is_empty()).collect();
        if !vary.is_empty() {
            put(header::VARY, &vary.join(", "));
        }
        if !self.robots {
            put(ROBOTS_TAG, NO_ROBOTS);
        }
        if is_known {
            return response;
        }
        put(header::CONTENT_TYPE, self.kind);
        if let Some(language) = self.language {
            put(header::CONTENT_LANGUAGE, language.tag());
        }
        if let Some(saved_as) = &self.saved_as {
            put(header::CONTENT_DISPOSITION, saved_as);
        }
        response
    }
}

/// Whether packing makes a type smaller: a picture is packed already, and a torrent is hashes.
pub(super) fn packs(kind: &str) -> bool {
    kind.starts_with("text/") || kind.contains("xml")
}

/// Whether a request is from somebody who has what has this digest (RFC 9110, 13.1.2: tags are compared weakly).
fn knows(request: &HeaderMap, digest: &str) -> bool {
    let etag = format!("\"{digest}\"");
    let known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut tags = known.flat_map(|value| value.split(','));
    tags.any(|tag| matches!(tag.trim().trim_start_matches("W/"), tag if tag == etag || tag == "*"))
}

/// A short name for some bytes, which changes with them.
pub(super) fn digest(bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
