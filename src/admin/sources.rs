//! Where releases come from.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::extract::{Json, Path};
use super::problem::Problem;
use crate::app::handle::{FormatWish, Order};
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

/// Forget a source that is away
///
/// It and its releases leave the list, and the torrents that were given out end. What was sent stays counted. A drive that is
/// plugged in again is found anew.
#[utoipa::path(
    delete, path = "/api/v1/sources/{id}", tag = "sources",
    params(("id" = i64, Path, description = "The source.")),
    responses(
        (status = 204, description = "It is forgotten."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such source.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is here, or is a folder that was named when the box was started.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn forget_source(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    app.handle.order(Order::Forget(SourceId(id))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A drive to be formatted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FormatOrder {
    /// The drive's name, typed by its owner.
    name: String,
    /// What it is to be called: 1 to 16 bytes.
    label: String,
    /// That its owner was told what is on it, and wants it emptied all the same.
    #[serde(default)]
    told: bool,
}

/// Format a drive for uploads
///
/// Everything on it is deleted, and uploads go to it from then on. Answers when it is done, which takes a minute or so.
/// Without `told`, a drive with files on it is refused, and the answer says what is on it.
#[utoipa::path(
    post, path = "/api/v1/sources/{id}/format", tag = "sources",
    params(("id" = i64, Path, description = "The drive.")),
    request_body = FormatOrder,
    responses(
        (status = 204, description = "It is formatted."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "It holds the system, or is built in and not approved.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such drive.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is something on it.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "That is not its name, or no label.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be written to, or there is nobody to do it.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn format_source(
    State(app): State<App>,
    Path(id): Path<i64>,
    Json(FormatOrder { name, label, told }): Json<FormatOrder>,
) -> Result<StatusCode, Problem> {
    let wish = FormatWish { name, label, told };
    // Once begun it goes on to its end, whatever becomes of the request.
    let (handle, store) = (app.handle.clone(), app.store.clone());
    let done = tokio::spawn(async move { handle.format(&store, SourceId(id), wish).await });
    match done.await {
        Ok(done) => done?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
    app.tell();
    Ok(StatusCode::NO_CONTENT)
}

/// What is wanted of a drive that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    /// Whether it is used.
    approved: bool,
}

/// Use a built-in drive, or stop using it
///
/// What was plugged in is used without. A drive that holds the system never is.
#[utoipa::path(
    put, path = "/api/v1/sources/{id}/approval", tag = "sources",
    params(("id" = i64, Path, description = "The drive.")),
    request_body = Approval,
    responses(
        (status = 204, description = "It is noted; how the drive is then is in the overview in a moment."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such source.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is no drive that is built in.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "There is nobody to do it.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn approve_source(
    State(app): State<App>,
    Path(id): Path<i64>,
    Json(Approval { approved }): Json<Approval>,
) -> Result<StatusCode, Problem> {
    app.handle
        .approve(&app.store, SourceId(id), approved)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
