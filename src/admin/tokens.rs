//! Tokens: what programs prove themselves with. Only the owner makes and revokes them.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::access::{TOKEN_PREFIX, hash};
use super::extract::{Json, Path};
use super::problem::Problem;
use crate::base::Timestamp;
use crate::store::{ApiToken, NewToken, Scope};

/// The longest name of a token, in characters: it is to fit on a line.
const MAX_NAME: usize = 60;

/// The longest time a token with an end can be good for, in days: longer is for ever.
const MAX_DAYS: u32 = 3_650;

/// A token, without what it is made of.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenView {
    /// Its number.
    id: i64,
    /// What the owner calls it.
    name: String,
    /// What it is good for.
    scope: Scope,
    /// When it was made, in Unix time.
    #[schema(value_type = i64)]
    created: Timestamp,
    /// After when it is good for nothing; none is never.
    #[schema(value_type = Option<i64>)]
    expires: Option<Timestamp>,
    /// Whether it is good for nothing any more.
    expired: bool,
    /// When it was last used, none while it was not; may be an hour behind.
    #[schema(value_type = Option<i64>)]
    used: Option<Timestamp>,
}

impl TokenView {
    fn new(token: ApiToken, now: Timestamp) -> Self {
        Self {
            expired: token.is_expired(now),
            id: token.id,
            name: token.name,
            scope: token.scope,
            created: token.created,
            expires: token.expires,
            used: token.used,
        }
    }
}

/// The tokens
///
/// Expired ones too, oldest first.
#[utoipa::path(
    get, path = "/api/v1/account/tokens", tag = "account",
    responses(
        (status = 200, description = "They.", body = [TokenView]),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn tokens(State(app): State<App>) -> Result<JsonBody<Vec<TokenView>>, Problem> {
    let now = Timestamp::now();
    let tokens = app.store.run(|store| store.tokens()).await?;
    let views = tokens.into_iter().map(|token| TokenView::new(token, now));
    Ok(JsonBody(views.collect()))
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    /// What to call it: 1 to 60 characters.
    name: String,
    /// What it is to be good for.
    scope: Scope,
    /// Days after which it is good for nothing, 1 to 3650; none is never.
    days: Option<u32>,
}

/// A token that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct NewTokenView {
    /// The token: to be sent as `Authorization: Bearer …`. It is shown this once.
    secret: String,
    /// What is kept of it.
    token: TokenView,
}

/// Make a token
#[utoipa::path(
    post, path = "/api/v1/account/tokens", tag = "account",
    request_body = TokenRequest,
    responses(
        (status = 201, description = "Made.", body = NewTokenView),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There are too many.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The name or the time cannot be.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn make_token(
    State(app): State<App>,
    Json(request): Json<TokenRequest>,
) -> Result<(StatusCode, JsonBody<NewTokenView>), Problem> {
    let name = request.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.contains(char::is_control) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("Give the token a name of at most {MAX_NAME} characters."),
        ));
    }
    if request
        .days
        .is_some_and(|days| !(1..=MAX_DAYS).contains(&days))
    {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("A token is good for 1 to {MAX_DAYS} days, or for ever."),
        ));
    }
    let digits: String = rand::random::<[u8; 32]>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let secret = format!("{TOKEN_PREFIX}{digits}");
    let (token, scope) = (hash(&secret), request.scope);
    let now = Timestamp::now();
    let expires = request
        .days
        .map(|days| Timestamp(now.0 + i64::from(days) * 86_400));
    let add = app.store.run(move |store| {
        let new = NewToken {
            token: &token,
            name: &name,
            scope,
            expires,
        };
        store.add_token(new, now)
    });
    let token = TokenView::new(add.await?, now);
    app.tell();
    Ok((
        StatusCode::CREATED,
        JsonBody(NewTokenView { secret, token }),
    ))
}

/// Revoke a token
#[utoipa::path(
    delete, path = "/api/v1/account/tokens/{id}", tag = "account",
    params(("id" = i64, Path, description = "The token.")),
    responses(
        (status = 204, description = "It is good for nothing from now on."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such token.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke_token(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    app.store.run(move |store| store.remove_token(id)).await?;
    app.tell();
    Ok(StatusCode::NO_CONTENT)
}
