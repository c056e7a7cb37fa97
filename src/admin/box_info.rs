//! The box itself: what anyone may know of it, and claiming it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{self, Caller, Try};
use super::extract::Json;
use super::problem::Problem;
use super::session::{self, WithCookie};
use super::setup_code;
use super::{App, Shared};
use crate::base::{Timestamp, whole};
use crate::store::{Owner, StoreError};

/// What anyone on the owner's network may know of the box.
#[derive(Serialize, ToSchema)]
pub(super) struct BoxInfo {
    /// The box's name.
    name: String,
    /// The daemon's version.
    version: &'static str,
    /// Whether it has an owner.
    claimed: bool,
    /// Whether this request came with an open session.
    signed_in: bool,
    /// Port of the public listener.
    public_port: u16,
    /// `host` or `host:port` of the public listener seen from outside, where the owner set one.
    public_host: Option<String>,
}

/// What anyone may know
#[utoipa::path(
    get, path = "/api/v1/box", tag = "box",
    responses((status = 200, description = "The box.", body = BoxInfo))
)]
pub(super) async fn box_info(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<axum::Json<BoxInfo>, Problem> {
    let signed_in = session::signed_in(&app, &headers, &caller).await?.is_some();
    let (owner, settings) = app
        .store
        .run(|store| Ok((store.owner()?, store.settings()?)))
        .await?;
    Ok(axum::Json(BoxInfo {
        name: settings.box_name.unwrap_or_else(|| app.name.clone()),
        version: env!("CARGO_PKG_VERSION"),
        claimed: matches!(owner, Owner::Claimed { .. }),
        signed_in,
        public_port: app.public_port,
        public_host: settings.public_host,
    }))
}

/// The first owner's proof and choice.
#[derive(Deserialize, ToSchema)]
pub(super) struct ClaimRequest {
    /// The setup code the box showed, `XXXX-XXXX`; case, dashes and blanks do not matter.
    code: String,
    /// The password the owner chose: 8 characters to 1024 bytes.
    password: String,
}

/// Whether this is the code that the box shows. A wrong one costs the caller a try at claiming.
async fn check_code(app: &Shared, caller: &Caller, code: &str) -> Result<(), Problem> {
    let Owner::Unclaimed { setup_code } = app.store.run(|store| store.owner()).await? else {
        return Err(StoreError::Claimed.into());
    };
    let attempt = Try::take(&app.claims, caller, false)?;
    if !setup_code.is_some_and(|hash| setup_code::matches(code, &hash)) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "The setup code is wrong. It is shown where the box was started, and changes at each start.",
        ));
    }
    attempt.right();
    Ok(())
}

/// A setup code, alone.
#[derive(Deserialize, ToSchema)]
pub(super) struct CodeRequest {
    /// The setup code the box showed, `XXXX-XXXX`; case, dashes and blanks do not matter.
    code: String,
}

/// Look whether a setup code is right
///
/// So that a wrong one is said before a password is chosen. Claims nothing, and is no other way to guess: tries are
/// counted together with those at claiming.
#[utoipa::path(
    post, path = "/api/v1/box/code", tag = "box",
    request_body = CodeRequest,
    responses(
        (status = 204, description = "It is right."),
        (status = 403, description = "It is wrong.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The box has an owner already.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn code(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<CodeRequest>,
) -> Result<StatusCode, Problem> {
    check_code(&app, &caller, &request.code).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Claim the box with its setup code
///
/// Sets the owner's password and signs in. Tries are limited, by address and altogether.
#[utoipa::path(
    post, path = "/api/v1/box/claim", tag = "box",
    request_body = ClaimRequest,
    responses(
        (status = 204, description = "Claimed; the session is in the cookie `semoir_session`."),
        (status = 403, description = "The code is wrong.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The box has an owner already.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The password is too short or too long.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn claim(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(request): Json<ClaimRequest>,
) -> Result<WithCookie, Problem> {
    if matches!(
        app.store.run(|store| store.owner()).await?,
        Owner::Claimed { .. }
    ) {
        return Err(StoreError::Claimed.into());
    }
    // Before the code is looked at, so that a short password costs no try.
    auth::check_new(&request.password)?;
    check_code(&app, &caller, &request.code).await?;
    let password = auth::hash_password(&app.hashing, request.password).await?;
    let now = Timestamp::now();
    let claimed = password.clone();
    app.store
        .run(move |store| store.claim(&claimed, now))
        .await?;
    // It claims nothing any more: whoever shows it takes it away.
    if let Some(path) = &app.setup_code_file
        && let Err(error) = whole::remove(path)
    {
        tracing::warn!(%error, path = %path.display(), "the setup code stays where it is shown");
    }
    session::begin(&app, password, &caller, &headers).await
}
