//! Tags of what can be changed from several pages: a change says which state it was made for (RFC 9110, `If-Match`).

use axum::Json;
use axum::http::{HeaderMap, HeaderName, header};
use serde::Serialize;

use super::access::hash;

/// Something that can be changed, and the tag of its state.
pub(super) type Tagged<T> = ([(HeaderName, String); 1], Json<T>);

/// `state` with its tag.
pub(super) fn tagged<T: Serialize>(state: T) -> Tagged<T> {
    ([(header::ETAG, tag_of(&state))], Json(state))
}

/// Whether a state is the one that a change was made for. A change that does not say is made for any.
pub(super) fn expected<T: Serialize>(headers: &HeaderMap) -> impl FnOnce(&T) -> bool + use<T> {
    let wanted = headers.get(header::IF_MATCH).cloned();
    move |state| wanted.is_none_or(|wanted| wanted == "*" || wanted == tag_of(state))
}

/// The same for the same state, another for another.
fn tag_of<T: Serialize>(state: &T) -> String {
    // Settings are made of what JSON has.
    let json = serde_json::to_string(state).unwrap_or_default();
    let hash = hash(&json);
    let digits: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}
