//! What the owner set, to be kept elsewhere and brought back.

use axum::Json as JsonBody;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};

use super::App;
use super::extract::Json;
use super::problem::Problem;
use crate::app::handle::Order;
use crate::base::Timestamp;
use crate::store::{Backup, Restored};

/// Bytes in a backup: settings of ten thousand releases.
const MAX_BACKUP: usize = 8 << 20;

/// Back up what was set
///
/// Settings, what is wanted of single releases, and the rules of sources. Nothing secret is in it.
#[utoipa::path(
    get, path = "/api/v1/backup", tag = "settings",
    responses(
        (status = 200, description = "The backup.", body = Backup),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn backup(State(app): State<App>) -> Result<JsonBody<Backup>, Problem> {
    let now = Timestamp::now();
    Ok(JsonBody(
        app.store.run(move |store| store.backup(now)).await?,
    ))
}

/// Restore a backup
///
/// Everything is looked at before anything is changed. What the backup does not name stays as it is; what this box does not
/// have is left out, and said.
#[utoipa::path(
    post, path = "/api/v1/backup", tag = "settings",
    request_body = Backup,
    responses(
        (status = 200, description = "What was restored, and what was not.", body = Restored),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be restored; nothing was changed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn restore(
    State(app): State<App>,
    mut request: Request,
) -> Result<JsonBody<Restored>, Problem> {
    DefaultBodyLimit::max(MAX_BACKUP).apply(&mut request);
    let Json(backup) = Json::<Backup>::from_request(request, &()).await?;
    let restored = app
        .store
        .run(move |store| store.restore_backup(&backup))
        .await?;
    app.tell();
    app.handle.order(Order::ReloadSettings).await?;
    app.handle.order(Order::ReloadSources).await?;
    Ok(JsonBody(restored))
}
