//! The owner's account: the password, and the browsers that are signed in. No token reaches any of it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json as JsonBody};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::auth::{self, Caller, Try};
use super::extract::{Json, Path};
use super::problem::Problem;
use super::session::SignedIn;
use crate::base::Timestamp;
use crate::store::{Owner, StoreError, TokenHash};

/// A change of the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The password as it is.
    old: String,
    /// The password as it is to be: 8 characters to 1024 bytes.
    new: String,
}

/// Change the password
///
/// Asks for the old one: a browser that was left signed in is not enough. Ends every session but this one; tokens stay. Tries
/// are limited together with those of signing in.
#[utoipa::path(
    put, path = "/api/v1/account/password", tag = "account",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "Changed."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The old password is wrong, or this is a token.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was changed meanwhile.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The new password is too short or too long.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change_password(
    State(app): State<App>,
    caller: Caller,
    Extension(SignedIn(session)): Extension<SignedIn>,
    Json(change): Json<PasswordChange>,
) -> Result<StatusCode, Problem> {
    // Before the old one is looked at, so that a short one costs no try.
    auth::check_new(&change.new)?;
    let attempt = Try::take(&app.sign_ins, &caller, true)?;
    let Owner::Claimed { password: was, .. } = app.store.run(|store| store.owner()).await? else {
        return Err(StoreError::Unclaimed.into());
    };
    if !auth::verify_password(&app.hashing, change.old, was.clone()).await? {
        // Not 401: the session is good.
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "The old password is wrong.",
        ));
    }
    attempt.right();
    let password = auth::hash_password(&app.hashing, change.new).await?;
    app.store
        .run(move |store| store.set_password(&password, &was, &session))
        .await?;
    tracing::info!("the owner changed the password; other sessions are ended");
    app.tell();
    Ok(StatusCode::NO_CONTENT)
}

/// A browser that is signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionView {
    /// What to end it by.
    id: String,
    /// When the owner signed in, in Unix time.
    #[schema(value_type = i64)]
    created: Timestamp,
    /// When it was last used; may be a minute behind.
    #[schema(value_type = i64)]
    seen: Timestamp,
    /// The network address it was last used from; none when that is not known.
    address: Option<String>,
    /// What the browser says it is (its `User-Agent`).
    agent: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

/// What a session is called to others: the beginning of the hash it is known by, which opens nothing.
fn id_of(token: &TokenHash) -> String {
    token[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The browsers that are signed in
///
/// The one used last first.
#[utoipa::path(
    get, path = "/api/v1/account/sessions", tag = "account",
    responses(
        (status = 200, description = "They.", body = [SessionView]),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn sessions(
    State(app): State<App>,
    Extension(SignedIn(own)): Extension<SignedIn>,
) -> Result<JsonBody<Vec<SessionView>>, Problem> {
    let now = Timestamp::now();
    let sessions = app.store.run(move |store| store.sessions(now)).await?;
    let views = sessions.into_iter().map(|session| SessionView {
        id: id_of(&session.token),
        created: session.created,
        seen: session.seen,
        address: session.address,
        agent: session.agent,
        current: session.token == own,
    });
    Ok(JsonBody(views.collect()))
}

/// End one session
#[utoipa::path(
    delete, path = "/api/v1/account/sessions/{id}", tag = "account",
    params(("id" = String, Path, description = "The session.")),
    responses(
        (status = 204, description = "Ended."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such session.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn end_session(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let now = Timestamp::now();
    let sessions = app.store.run(move |store| store.sessions(now)).await?;
    let found = sessions.into_iter().find(|one| id_of(&one.token) == id);
    let token = found.map(|one| one.token).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such session; it may have ended already.",
        )
    })?;
    app.store
        .run(move |store| store.close_session(&token))
        .await?;
    app.tell();
    Ok(StatusCode::NO_CONTENT)
}

/// End all other sessions
#[utoipa::path(
    delete, path = "/api/v1/account/sessions", tag = "account",
    responses(
        (status = 204, description = "Ended; this one goes on."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn end_other_sessions(
    State(app): State<App>,
    Extension(SignedIn(own)): Extension<SignedIn>,
) -> Result<StatusCode, Problem> {
    app.store
        .run(move |store| store.close_other_sessions(&own))
        .await?;
    app.tell();
    Ok(StatusCode::NO_CONTENT)
}
