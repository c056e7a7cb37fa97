//! Signing in and out.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::access::hash;
use super::auth::{self, Caller, Try};
use super::extract::Json;
use super::problem::Problem;
use super::{App, Shared};
use crate::base::Timestamp;
use crate::store::{Owner, SESSION_MAX_AGE_SECONDS, StoreError, TokenHash};

/// The session's cookie. Not `Secure`: the page is served over plain HTTP on the home network.
pub(super) const COOKIE: &str = "semoir_session";

/// Bytes of a token: nobody guesses 256 bits.
const TOKEN: usize = 32;

/// The session a request came with, an extension that [`super::access::require`] adds.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedIn(pub(super) TokenHash);

/// The hash of the token in a request's cookie. A cookie that is no token is none.
fn token_of(headers: &HeaderMap) -> Option<TokenHash> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == COOKIE)?;
    let is_token = token.len() == TOKEN * 2 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_token.then(|| hash(token))
}

/// The open session a request comes with.
pub(super) async fn signed_in(
    app: &Shared,
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Option<SignedIn>, StoreError> {
    let Some(token) = token_of(headers) else {
        return Ok(None);
    };
    let now = Timestamp::now();
    let address = caller.to_string();
    let open = app
        .store
        .run(move |store| store.use_session(&token, Some(&address), now));
    Ok(open.await?.then_some(SignedIn(token)))
}

/// An answer that sets a cookie.
pub(super) type WithCookie = (StatusCode, [(HeaderName, HeaderValue); 1]);

fn with_cookie(value: &str, seconds: i64) -> Result<WithCookie, Problem> {
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    // Made of hex digits and our own words: it cannot fail.
    let cookie = HeaderValue::try_from(cookie).map_err(|_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "The session cookie could not be made.")
    })?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]))
}

/// Begins a session of the browser that asks, which knows the password with that PHC string, and answers with its cookie.
pub(super) async fn begin(
    app: &Shared,
    password: String,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<WithCookie, Problem> {
    let token: String = rand::random::<[u8; TOKEN]>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let hashed = hash(&token);
    let address = caller.to_string();
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok().map(str::to_owned));
    let now = Timestamp::now();
    app.store
        .run(move |store| store.open_session(&hashed, &password, &address, agent.as_deref(), now))
        .await
        .map_err(|error| match error {
            StoreError::PasswordChanged => wrong_password(),
            error => error.into(),
        })?;
    // The oldest session may have gone to make room.
    app.tell();
    with_cookie(&token, SESSION_MAX_AGE_SECONDS)
}

/// The owner's password.
#[derive(Deserialize, ToSchema)]
pub(super) struct SignInRequest {
    /// The password.
    password: String,
}

/// Sign in
///
/// Answers with the session's cookie. Tries are limited, by address and altogether.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "session",
    request_body = SignInRequest,
    responses(
        (status = 204, description = "Signed in; the session is in the cookie `semoir_session`."),
        (status = 401, description = "The password is wrong.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The box has no owner yet.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn sign_in(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(request): Json<SignInRequest>,
) -> Result<WithCookie, Problem> {
    let attempt = Try::take(&app.sign_ins, &caller, is_known(&app, &caller).await?)?;
    let Owner::Claimed { password, .. } = app.store.run(|store| store.owner()).await? else {
        return Err(StoreError::Unclaimed.into());
    };
    if !auth::verify_password(&app.hashing, request.password, password.clone()).await? {
        return Err(wrong_password());
    }
    attempt.right();
    begin(&app, password, &caller, &headers).await
}

fn wrong_password() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "The password is wrong.")
}

/// Whether a browser at the caller's address is signed in: others that try at the password cannot keep its owner out.
async fn is_known(app: &Shared, caller: &Caller) -> Result<bool, StoreError> {
    let now = Timestamp::now();
    let address = caller.to_string();
    let sessions = app.store.run(move |store| store.sessions(now)).await?;
    Ok(sessions
        .iter()
        .any(|session| session.address.as_ref() == Some(&address)))
}

/// Sign out
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "session",
    responses(
        (status = 204, description = "Signed out."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn sign_out(
    State(app): State<App>,
    axum::Extension(SignedIn(token)): axum::Extension<SignedIn>,
) -> Result<WithCookie, Problem> {
    app.store
        .run(move |store| store.close_session(&token))
        .await?;
    app.tell();
    with_cookie("", 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let token = "0f".repeat(TOKEN);
        let found = |cookies: &[&str]| {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
            }
            token_of(&headers)
        };
        let ours = format!("{COOKIE}={token}");
        assert_eq!(found(&[&ours]), Some(hash(&token)));
        assert_eq!(
            found(&["a=b", &format!("x; y=1;{ours}; z=2")]),
            Some(hash(&token))
        );
        for other in [
            "",
            "semoir_session",
            "semoir_session=",
            "semoir_session=0f0f",
            &format!("x{ours}"),
            &format!("{ours}0"),
        ] {
            assert_eq!(found(&[other]), None, "{other}");
        }
        assert_eq!(found(&[&ours.replace("0f", "zz")]), None);
    }
}
