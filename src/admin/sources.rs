//! Where releases come from.

use axum::extract::State;
use axum::http::StatusCode;

use super::App;
use super::problem::Problem;
use crate::app::handle::Order;

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
