//! The swarms, closer than the live picture shows them.

use axum::extract::State;

use super::App;
use super::extract::Path;
use super::problem::Problem;
use crate::app::{HistoryView, PiecesView};
use crate::base::ReleaseId;
use crate::store::{Release, StoreError};

/// The box since it started
///
/// What left, and who was there. It is kept in memory only, and begins anew with the box.
#[utoipa::path(
    get, path = "/api/v1/history", tag = "overview",
    responses(
        (status = 200, description = "The figures over time.", body = HistoryView),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn history(State(app): State<App>) -> axum::Json<HistoryView> {
    axum::Json(app.handle.history(None))
}

/// The swarm of a release since the box started
///
/// It is kept in memory only, and begins when somebody comes. Empty when nobody was there.
#[utoipa::path(
    get, path = "/api/v1/releases/{id}/history", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 200, description = "The figures over time.", body = HistoryView),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn release_history(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<axum::Json<HistoryView>, Problem> {
    let release = there(&app, ReleaseId(id)).await?;
    Ok(axum::Json(app.handle.history(Some(release.id))))
}

/// Where the pieces of a release are
///
/// Among the peers who are connected now. Of a torrent of many pieces several share a cell.
#[utoipa::path(
    get, path = "/api/v1/releases/{id}/pieces", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 200, description = "The map; without pieces before the release is hashed.", body = PiecesView),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn release_pieces(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<axum::Json<PiecesView>, Problem> {
    let release = there(&app, ReleaseId(id)).await?;
    let (Some(info_hash), Some(length)) = (release.info_hash, release.piece_length) else {
        return Ok(axum::Json(PiecesView::default()));
    };
    let pieces = release.size.div_ceil(u64::from(length.max(1)));
    let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
    Ok(axum::Json(app.handle.pieces(info_hash, pieces).await))
}

/// A release that was not removed.
async fn there(app: &App, id: ReleaseId) -> Result<Release, Problem> {
    let release = app.store.run(move |store| store.release(id)).await?;
    match release.removed {
        Some(_) => Err(StoreError::NoSuchRelease(id).into()),
        None => Ok(release),
    }
}
