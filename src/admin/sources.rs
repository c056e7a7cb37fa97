//! Where releases come from.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::extract::{Json, Path};
use super::problem::Problem;
use crate::app::handle::Order;
use crate::base::SourceId;

/// Look at every source now
#[utoipa::path(
    post, path = "/api/v1/sources/rescan", tag = "sources",
    responses(
        (status = 204, description = "Done."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rescan(State(app): State<App>) -> Result<StatusCode, Problem> {
    app.handle.order(Order::Rescan).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is wanted of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceSettings {
    /// Share what is found in it without asking.
    auto_share: bool,
}

/// Change what is wanted of one source
///
/// What is shared already stays so.
#[utoipa::path(
    patch, path = "/api/v1/sources/{id}", tag = "sources",
    params(("id" = i64, Path, description = "The source.")),
    request_body = SourceSettings,
    responses(
        (status = 200, description = "What is wanted of it now.", body = SourceSettings),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such source.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change_source(
    State(app): State<App>,
    Path(id): Path<i64>,
    Json(wanted): Json<SourceSettings>,
) -> Result<axum::Json<SourceSettings>, Problem> {
    let change = app
        .store
        .run(move |store| store.set_auto_share(SourceId(id), wanted.auto_share));
    change.await?;
    app.tell();
    app.handle.order(Order::ReloadSources).await?;
    Ok(axum::Json(wanted))
}
