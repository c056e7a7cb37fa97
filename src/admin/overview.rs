//! The live picture, once.

use axum::extract::State;
use axum::{Extension, Json};

use super::App;
use super::links::Links;
use super::problem::Problem;
use crate::app::Overview;
use crate::base::{Authority, Language};

/// The live picture
#[utoipa::path(
    get, path = "/api/v1/overview", tag = "overview",
    responses(
        (status = 200, description = "The picture.", body = Overview),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn overview(
    State(app): State<App>,
    Extension(host): Extension<Authority>,
    Extension(language): Extension<Language>,
) -> Result<Json<Overview>, Problem> {
    let links = Links::for_host(&app, &host).await?;
    Ok(Json(links.fill(&app.handle.overview(), language)))
}
