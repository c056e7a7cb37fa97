//! The box as a machine: its state, starting it again, and forgetting everything.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::extract::Json;
use super::problem::Problem;
use crate::app::handle::Order;

/// The box as a machine.
#[derive(Serialize, ToSchema)]
pub(super) struct BoxState {
    /// The daemon's version.
    version: &'static str,
    /// Seconds since it started.
    uptime: u64,
    /// Whether something starts it again when it ends, so that it can be told to restart.
    supervised: bool,
}

/// How the box is
#[utoipa::path(
    get, path = "/api/v1/box/state", tag = "box",
    responses(
        (status = 200, description = "Its state.", body = BoxState),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn box_state(State(app): State<App>) -> JsonBody<BoxState> {
    JsonBody(BoxState {
        version: env!("CARGO_PKG_VERSION"),
        uptime: app.started.elapsed().as_secs(),
        supervised: app.supervised,
    })
}

/// Start the box again
///
/// It ends in good order, with an exit status that asks whoever started it to do so again.
#[utoipa::path(
    post, path = "/api/v1/box/restart", tag = "box",
    responses(
        (status = 202, description = "It ends now."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nothing would start it again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn restart(State(app): State<App>) -> Result<StatusCode, Problem> {
    if !app.supervised {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "Nothing would start the box again: it was started by hand. Stop it and start it there.",
        ));
    }
    app.handle.order(Order::Restart).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What is to be forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetRequest {
    /// The box's name, typed by its owner.
    name: String,
    /// Whether what was uploaded to the box stays on it. There is no default: the owner says so.
    keep_uploads: bool,
}

/// Forget everything
///
/// The account, tokens, settings, torrents, and what everything cost. Files of sources are never touched; uploads stay or
/// are deleted, as said. The box then ends, to be started again as a new one.
#[utoipa::path(
    post, path = "/api/v1/box/reset", tag = "box",
    request_body = ResetRequest,
    responses(
        (status = 202, description = "It ends now, and forgets when it starts."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "That is not the box's name.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn reset(
    State(app): State<App>,
    Json(request): Json<ResetRequest>,
) -> Result<StatusCode, Problem> {
    let name = app.store.run(|store| store.settings()).await?.box_name;
    if request.name.trim() != name.as_deref().unwrap_or(&app.name).trim() {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "That is not the name of this box; nothing was forgotten.",
        ));
    }
    let keep_uploads = request.keep_uploads;
    app.handle.order(Order::Reset { keep_uploads }).await?;
    Ok(StatusCode::ACCEPTED)
}
