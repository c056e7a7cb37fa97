//! Who may use which route: one table, and what holds requests to it.
//!
//! A route that is not in the table is nobody's. A test compares the table with the routes there are.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use librqbit_sha1_wrapper::{ISha256, Sha256};

use super::auth::Caller;
use super::problem::Problem;
use super::session::{self, SignedIn};
use super::{App, Shared};
use crate::base::Timestamp;
use crate::store::{Scope, StoreError, TokenHash};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever reaches the listener.
    Anyone,
    /// The owner, and programs with a token of at least this scope.
    Token(Scope),
    /// The owner at a browser that is signed in, alone.
    Owner,
}

use Access::{Anyone, Owner, Token};
use Scope::{Manage, Metrics, Read};

/// Every route of the API.
#[rustfmt::skip]
pub(super) const ROUTES: &[(&str, &str, Access)] = &[
    ("GET",    "/metrics",                             Token(Metrics)),
    ("GET",    "/api/v1/box",                          Anyone),
    ("POST",   "/api/v1/box/code",                     Anyone),
    ("POST",   "/api/v1/box/claim",                    Anyone),
    ("POST",   "/api/v1/session",                      Anyone),
    ("DELETE", "/api/v1/session",                      Owner),
    ("PUT",    "/api/v1/account/password",             Owner),
    ("GET",    "/api/v1/account/sessions",             Owner),
    ("DELETE", "/api/v1/account/sessions",             Owner),
    ("DELETE", "/api/v1/account/sessions/{id}",        Owner),
    ("GET",    "/api/v1/account/tokens",               Owner),
    ("POST",   "/api/v1/account/tokens",               Owner),
    ("DELETE", "/api/v1/account/tokens/{id}",          Owner),
    ("GET",    "/api/v1/box/state",                    Token(Read)),
    ("GET",    "/api/v1/box/logs",                     Token(Read)),
    ("GET",    "/api/v1/box/journals/{start}",         Owner),
    ("POST",   "/api/v1/box/restart",                  Owner),
    ("POST",   "/api/v1/box/reset",                    Owner),
    ("GET",    "/api/v1/box/system",                   Owner),
    ("PUT",    "/api/v1/box/update",                   Owner),
    ("DELETE", "/api/v1/box/update",                   Owner),
    ("POST",   "/api/v1/box/update/install",           Owner),
    ("POST",   "/api/v1/box/power",                    Owner),
    ("PUT",    "/api/v1/box/wifi",                     Owner),
    ("DELETE", "/api/v1/box/wifi",                     Owner),
    ("GET",    "/api/v1/backup",                       Token(Read)),
    ("POST",   "/api/v1/backup",                       Token(Manage)),
    ("GET",    "/api/v1/overview",                     Token(Read)),
    ("GET",    "/api/v1/events",                       Token(Read)),
    ("GET",    "/api/v1/history",                      Token(Read)),
    ("GET",    "/api/v1/decisions",                    Token(Read)),
    ("GET",    "/api/v1/releases/{id}",                Token(Read)),
    ("DELETE", "/api/v1/releases/{id}",                Token(Manage)),
    ("POST",   "/api/v1/releases/{id}/share",          Token(Manage)),
    ("POST",   "/api/v1/releases/{id}/pause",          Token(Manage)),
    ("POST",   "/api/v1/releases/{id}/resume",         Token(Manage)),
    ("GET",    "/api/v1/releases/{id}/torrent",        Token(Read)),
    ("GET",    "/api/v1/releases/{id}/history",        Token(Read)),
    ("GET",    "/api/v1/releases/{id}/pieces",         Token(Read)),
    ("GET",    "/api/v1/releases/{id}/kit",            Token(Read)),
    ("GET",    "/api/v1/releases/{id}/kit/qr.svg",     Token(Read)),
    ("GET",    "/api/v1/releases/{id}/kit/page.zip",   Token(Read)),
    ("GET",    "/api/v1/releases/{id}/settings",       Token(Read)),
    ("PATCH",  "/api/v1/releases/{id}/settings",       Token(Manage)),
    ("POST",   "/api/v1/sources/rescan",               Token(Manage)),
    ("PATCH",  "/api/v1/sources/{id}",                 Token(Manage)),
    ("DELETE", "/api/v1/sources/{id}",                 Token(Manage)),
    ("POST",   "/api/v1/sources/{id}/format",          Owner),
    ("PUT",    "/api/v1/sources/{id}/approval",        Owner),
    ("GET",    "/api/v1/shares",                       Token(Read)),
    ("POST",   "/api/v1/shares",                       Token(Manage)),
    ("PATCH",  "/api/v1/shares/{id}",                  Token(Manage)),
    ("DELETE", "/api/v1/shares/{id}",                  Token(Manage)),
    ("POST",   "/api/v1/shares/{id}/try",              Token(Manage)),
    ("GET",    "/api/v1/settings",                     Token(Read)),
    ("PATCH",  "/api/v1/settings",                     Token(Manage)),
    ("POST",   "/api/v1/uploads",                      Token(Manage)),
    ("GET",    "/api/v1/uploads/{id}",                 Token(Read)),
    ("DELETE", "/api/v1/uploads/{id}",                 Token(Manage)),
    ("PUT",    "/api/v1/uploads/{id}/files/{index}",   Token(Manage)),
    ("POST",   "/api/v1/uploads/{id}/finish",          Token(Manage)),
];

/// Who may use the route of that method and path, as it is written in the table. What is not in it is the owner's, so that a
/// forgotten line opens nothing.
pub(super) fn access(method: &Method, path: &str) -> Access {
    // What answers GET answers HEAD.
    let method = if method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let row = ROUTES
        .iter()
        .find(|(its_method, its_path, _)| *its_method == method && *its_path == path);
    row.map_or(Owner, |(_, _, access)| *access)
}

/// What a token begins with, so that one that was published by mistake is known for what it is.
pub(super) const TOKEN_PREFIX: &str = "semoir_";

/// Characters after the prefix: 32 random bytes in hex.
const TOKEN_DIGITS: usize = 64;

/// The hash by which a token is known.
pub(super) fn hash(token: &str) -> TokenHash {
    let mut hash = Sha256::new();
    hash.update(token.as_bytes());
    hash.finish()
}

/// What a request proves itself with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Credential {
    /// A browser's session.
    Session(SignedIn),
    /// A program's token.
    Token(TokenHash),
}

impl Credential {
    /// Whether it is good still.
    pub(super) async fn is_good(&self, app: &Shared) -> Result<bool, StoreError> {
        let now = Timestamp::now();
        match *self {
            Credential::Session(SignedIn(token)) => {
                let call = move |store: &crate::store::Store| store.use_session(&token, None, now);
                app.store.run(call).await
            }
            Credential::Token(token) => {
                let call = move |store: &crate::store::Store| store.use_token(&token, now);
                Ok(app.store.run(call).await?.is_some())
            }
        }
    }
}

/// The token in a request, if it has the header for one: none within when what is there is no token.
fn bearer(headers: &HeaderMap) -> Option<Option<TokenHash>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?;
    let token = || {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let digits = token.trim_start().strip_prefix(TOKEN_PREFIX)?;
        let is_token = scheme.eq_ignore_ascii_case("bearer")
            && digits.len() == TOKEN_DIGITS
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_token.then(|| hash(token.trim_start()))
    };
    Some(token().filter(|_| values.next().is_none()))
}

/// Whether a request comes from a program: with a token, and with no cookie. No page elsewhere can make a browser send one.
pub(super) fn is_programs(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::COOKIE) && bearer(headers).is_some_and(|token| token.is_some())
}

/// Looks whether a request may use a route. A request with a token is judged by it alone, whatever cookie it has.
pub(super) async fn check(
    app: &Shared,
    headers: &HeaderMap,
    caller: &Caller,
    access: Access,
) -> Result<Credential, Problem> {
    let Some(token) = bearer(headers) else {
        let session = session::signed_in(app, headers, caller).await?;
        let session = session
            .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "Sign in to the box first."))?;
        return Ok(Credential::Session(session));
    };
    let now = Timestamp::now();
    let scope = match token {
        Some(token) => app.store.run(move |store| store.use_token(&token, now)),
        None => return Err(bad_token()),
    };
    let has = scope.await?.ok_or_else(bad_token)?;
    match (access, token) {
        (Token(needed), Some(token)) if has >= needed => Ok(Credential::Token(token)),
        (Token(needed), _) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "This token is good for “{}”, and this needs one for “{}”.",
                has.as_str(),
                needed.as_str()
            ),
        )),
        _ => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "This is for the owner at the box's page, and for no token.",
        )),
    }
}

fn bad_token() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "This is no token of this box's, or it has expired or was revoked.",
    )
}

/// Lets those pass who may use the route they ask for. Hands it what they proved themselves with, and the session where it
/// is one, as extensions.
pub(super) async fn require(
    State(app): State<App>,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let access = access(request.method(), path.map_or("", |path| path.as_str()));
    match check(&app, request.headers(), &caller, access).await {
        Ok(credential) => {
            if let Credential::Session(session) = credential {
                request.extensions_mut().insert(session);
            }
            request.extensions_mut().insert(credential);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_read_from_its_header_alone() {
        let token = format!("{TOKEN_PREFIX}{}", "0f".repeat(32));
        let found = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_str(value).unwrap();
                headers.append(header::AUTHORIZATION, value);
            }
            bearer(&headers)
        };
        assert_eq!(found(&[]), None);
        for good in [format!("Bearer {token}"), format!("bearer  {token}")] {
            assert_eq!(found(&[&good]), Some(Some(hash(&token))), "{good}");
        }
        let good = format!("Bearer {token}");
        for bad in [
            vec![""],
            vec!["Bearer"],
            vec![token.as_str()],
            vec!["Basic c2Vtb2ly"],
            vec![&good[..good.len() - 1]],
            vec![good.as_str(), good.as_str()],
        ] {
            assert_eq!(found(&bad), Some(None), "{bad:?}");
        }
        assert_eq!(found(&[&format!("{good}0")]), Some(None));
        assert_eq!(found(&[&good.replace("0f", "zz")]), Some(None));
    }

    #[test]
    fn what_is_not_in_the_table_is_the_owners() {
        assert_eq!(access(&Method::GET, "/api/v1/new"), Owner);
        assert_eq!(access(&Method::DELETE, "/api/v1/settings"), Owner);
        assert_eq!(access(&Method::HEAD, "/api/v1/settings"), Token(Read));
        assert_eq!(access(&Method::GET, ""), Owner);
    }
}
