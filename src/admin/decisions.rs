//! What was decided, of all releases.

use axum::Extension;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::Query;
use super::problem::Problem;
use super::{App, french};
use crate::base::Language;
use crate::store::LoggedDecision;

/// Decisions in an answer unless fewer are asked for: what a page shows at once, and a little more.
const MAX_DECISIONS: usize = 100;

/// Which part of the log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// Only what was decided before the decision of this identifier.
    before: Option<i64>,
    /// Decisions in the answer; 100 at most, and unless set.
    limit: Option<usize>,
}

/// What was decided
///
/// The decisions about all releases, latest first. The next page is asked for with the identifier of the last one.
#[utoipa::path(
    get, path = "/api/v1/decisions", tag = "overview",
    params(Page),
    responses(
        (status = 200, description = "The decisions; none when there are no more.", body = Vec<LoggedDecision>),
        (status = 400, description = "Not a number.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn decisions(
    State(app): State<App>,
    Extension(language): Extension<Language>,
    Query(page): Query<Page>,
) -> Result<axum::Json<Vec<LoggedDecision>>, Problem> {
    let limit = page.limit.unwrap_or(MAX_DECISIONS).min(MAX_DECISIONS);
    let read = app
        .store
        .run(move |store| store.latest_decisions(page.before, limit));
    let mut decisions = read.await?;
    for decision in &mut decisions {
        french::translate(&mut decision.reason, language);
    }
    Ok(axum::Json(decisions))
}
