//! What every request must pass: it was meant for this box, and a write was sent by its own page.
//!
//! A page elsewhere on the web can make a browser send requests here. Two things stop it: the `Host` must be one by
//! which nobody else's name can lead here (against DNS rebinding), and a write must name our own page as its origin
//! (against request forgery, beside the session cookie's `SameSite=Strict`). A program with a token names none: no page
//! can make a browser send one.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::{App, access};
use crate::base::{Authority, Host};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Sent with every answer. No inline script or style, nothing from elsewhere, no frame around us.
const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Refuses what was not meant for this box, and writes that its own page did not send. Hands the host that was asked
/// for to the routes, as an extension of type [`Authority`].
pub(super) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match check(request.method(), request.headers(), &app.host_names) {
        Ok(host) => {
            request.extensions_mut().insert(host);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn check(method: &Method, headers: &HeaderMap, names: &[String]) -> Result<Authority, Problem> {
    let host = only(headers, header::HOST)
        .and_then(|host| host.parse::<Authority>().ok())
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "The request does not say which host it is for.",
            )
        })?;
    if !is_ours(&host, names) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Open this page by the box's address or by its name ending in .local; other names must be set in its \
             configuration first.",
        ));
    }
    if !method.is_safe() && !access::is_programs(headers) && !same_origin(headers, &host) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "This was sent by another page than the box's own, and was not carried out.",
        ));
    }
    Ok(host)
}

/// Whether nobody on the web can make their name lead here: addresses are not looked up, `localhost` and `*.local`
/// are looked up on this machine and this network, and the rest the owner has set.
fn is_ours(host: &Authority, names: &[String]) -> bool {
    match &host.host {
        Host::Ip(_) => true,
        Host::Name(name) => {
            name == "localhost"
                || name.ends_with(".localhost")
                || name.ends_with(".local")
                || names.iter().any(|own| host.is_named(own))
        }
    }
}

/// Whether a write comes from our own page, or from something that is no browser.
fn same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && site != "same-origin"
        && site != "none"
    {
        return false;
    }
    if !headers.contains_key(header::ORIGIN) {
        return true;
    }
    let port = |authority: &Authority, default| authority.port.unwrap_or(default);
    only(headers, header::ORIGIN)
        .and_then(|origin| {
            let (default, rest) = match origin.split_once("://")? {
                ("http", rest) => (80, rest),
                // A proxy that ends TLS in front of us.
                ("https", rest) => (443, rest),
                _ => return None,
            };
            let origin: Authority = rest.parse().ok()?;
            Some(origin.host == host.host && port(&origin, default) == port(host, default))
        })
        .unwrap_or(false)
}

/// The value of a header that is there once, as text.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Adds the headers that keep browsers strict, and keeps what the API says out of caches.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    fn status(method: Method, pairs: &[(&'static str, &str)]) -> Option<StatusCode> {
        let names = ["Box.Example".to_owned()];
        let checked = check(&method, &headers(pairs), &names);
        checked
            .err()
            .map(|problem| problem.into_response().status())
    }

    #[test]
    fn only_hosts_nobody_can_point_here() {
        for host in [
            "192.168.1.7",
            "[::1]:8080",
            "localhost:8080",
            "semoir.local",
            "SEMOIR.local.",
            "box.example:80",
        ] {
            assert_eq!(status(Method::GET, &[("host", host)]), None, "{host}");
        }
        for host in [
            "evil.example",
            "local",
            "semoir.local.evil.example",
            "xbox.example",
            "box.example.evil",
        ] {
            assert_eq!(
                status(Method::GET, &[("host", host)]),
                Some(StatusCode::FORBIDDEN),
                "{host}"
            );
        }
        for pairs in [
            &[][..],
            &[("host", "a b")],
            &[("host", "localhost"), ("host", "evil.example")],
        ] {
            assert_eq!(
                status(Method::GET, pairs),
                Some(StatusCode::BAD_REQUEST),
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn writes_come_from_our_own_page() {
        let write =
            |host: &str, origin: &str| status(Method::POST, &[("host", host), ("origin", origin)]);
        for (host, origin) in [
            ("semoir.local:8080", "http://semoir.local:8080"),
            ("semoir.local", "http://semoir.local"),
            ("semoir.local", "http://semoir.local:80"),
            ("semoir.local", "https://semoir.local"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(write(host, origin), None, "{host} {origin}");
        }
        for (host, origin) in [
            ("semoir.local:8080", "http://evil.example"),
            ("semoir.local:8080", "http://semoir.local"),
            ("semoir.local:8080", "http://semoir.local:8081"),
            ("semoir.local", "https://semoir.local:8443"),
            ("semoir.local", "null"),
            ("semoir.local", "file://semoir.local"),
            ("semoir.local", ""),
        ] {
            assert_eq!(
                write(host, origin),
                Some(StatusCode::FORBIDDEN),
                "{host} {origin}"
            );
        }
        let site = |site| {
            status(
                Method::DELETE,
                &[("host", "localhost"), ("sec-fetch-site", site)],
            )
        };
        assert_eq!(site("same-origin"), None);
        assert_eq!(site("cross-site"), Some(StatusCode::FORBIDDEN));
        assert_eq!(site("same-site"), Some(StatusCode::FORBIDDEN));
        let two = [
            ("host", "localhost"),
            ("origin", "http://localhost"),
            ("origin", "http://localhost"),
        ];
        assert_eq!(status(Method::PUT, &two), Some(StatusCode::FORBIDDEN));
        assert_eq!(
            status(
                Method::GET,
                &[("host", "localhost"), ("origin", "http://evil.example")]
            ),
            None
        );
    }
}
