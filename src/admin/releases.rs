//! What is shared.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::Path;
use super::links::Links;
use super::problem::Problem;
use super::{App, french};
use crate::app::handle::{Order, OrderError};
use crate::app::{RelayView, ReleaseView};
use crate::base::{
    Authority, InfoHash, Language, ReleaseId, SourceId, Stage, Timestamp, disposition,
};
use crate::store::{Decision, StoreError};

/// Files of a release in an answer; the rest are counted.
const MAX_FILES: usize = 1000;

/// Decisions about a release in an answer, the latest.
const MAX_DECISIONS: usize = 500;

/// One file of a release.
#[derive(Serialize, ToSchema)]
pub(super) struct ReleaseFile {
    /// Path inside the release, made readable where it is not UTF-8; empty when the release is one file.
    path: String,
    /// Bytes.
    length: u64,
}

/// One release with its files and its decisions.
#[derive(Serialize, ToSchema)]
pub(super) struct ReleaseDetail {
    /// Its identifier.
    #[schema(value_type = i64)]
    id: ReleaseId,
    /// The source it comes from.
    #[schema(value_type = i64)]
    source: SourceId,
    /// Its name: the file's or folder's, made readable where it is not UTF-8.
    name: String,
    /// Where it is in its life.
    #[schema(value_type = String, example = "spreading")]
    stage: Stage,
    /// Why it is in that stage, in plain words.
    reason: String,
    /// Since when it is in that stage.
    #[schema(value_type = i64)]
    since: Timestamp,
    /// Bytes of content.
    size: u64,
    /// The first 1000 files.
    files: Vec<ReleaseFile>,
    /// Number of all files.
    total_files: u64,
    /// Bytes hashed so far; equals `size` once a torrent exists.
    hashed: u64,
    /// The swarm's name, once hashed.
    #[schema(value_type = Option<String>)]
    info_hash: Option<InfoHash>,
    /// Bytes in a piece, once hashed.
    piece_length: Option<u32>,
    /// Number of pieces, once hashed.
    pieces: Option<u32>,
    /// The magnet link, once hashed.
    magnet: Option<String>,
    /// Payload bytes uploaded of the content that it has now ÷ size.
    copies_spent: f64,
    /// Payload bytes uploaded, ever.
    payload_bytes: u64,
    /// Bytes uploaded on the wire, ever: payload, protocol, TCP/IP headers.
    wire_bytes: u64,
    /// Wire bytes per second, now.
    rate: u64,
    /// Connected peers.
    peers: u32,
    /// Connected peers and known others that were seen to hold every piece.
    relays: u32,
    /// Those among them that served a block of ours when they were asked for one.
    proven: u32,
    /// Who they are, the best known first, and others that are only said to hold it.
    carriers: Vec<RelayView>,
    /// Distributed copies among the peers we see, ourselves left out.
    availability: f64,
    /// What was decided about it, latest first, 500 at most.
    decisions: Vec<Decision>,
}

/// One release
#[utoipa::path(
    get, path = "/api/v1/releases/{id}", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 200, description = "The release.", body = ReleaseDetail),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn release(
    State(app): State<App>,
    Extension(host): Extension<Authority>,
    Extension(language): Extension<Language>,
    Path(id): Path<i64>,
) -> Result<axum::Json<ReleaseDetail>, Problem> {
    let id = ReleaseId(id);
    let read = app.store.run(move |store| {
        let release = store.release(id)?;
        if release.removed.is_some() {
            return Err(StoreError::NoSuchRelease(id));
        }
        let cost = store.spent(id)?;
        Ok((
            release,
            cost,
            store.relays(id)?,
            store.files(id, MAX_FILES)?,
            store.decisions(id, MAX_DECISIONS)?,
        ))
    });
    let (release, cost, relays, files, mut decisions) = read.await?;
    let picture = app.handle.overview();
    let live = picture.releases.iter().find(|view| view.id == id).cloned();
    let mut view = live.unwrap_or_else(|| ReleaseView::catalogued(&release, cost));
    if view.carriers.is_empty() {
        view.carriers = relays.iter().map(RelayView::from).collect();
    }
    let decided = decisions.iter_mut().map(|decision| &mut decision.reason);
    for said in decided.chain([&mut view.reason]) {
        french::translate(said, language);
    }
    let links = Links::for_host(&app, &host).await?;
    let file = |(path, length): (std::path::PathBuf, u64)| ReleaseFile {
        path: path.to_string_lossy().into_owned(),
        length,
    };
    Ok(axum::Json(ReleaseDetail {
        magnet: links.magnet(&view),
        id: view.id,
        source: view.source,
        name: view.name,
        stage: view.stage,
        reason: view.reason,
        since: view.since,
        size: view.size,
        files: files.into_iter().map(file).collect(),
        total_files: view.files,
        hashed: view.hashed,
        info_hash: view.info_hash,
        piece_length: view.piece_length,
        pieces: view.pieces,
        copies_spent: view.copies_spent,
        payload_bytes: view.payload_bytes,
        wire_bytes: view.wire_bytes,
        rate: view.rate,
        peers: view.peers,
        relays: view.relays,
        proven: view.proven,
        carriers: view.carriers,
        availability: view.availability,
        decisions,
    }))
}

async fn order(app: &App, order: Order) -> Result<StatusCode, Problem> {
    let done: Result<(), OrderError> = app.handle.order(order).await;
    done?;
    Ok(StatusCode::NO_CONTENT)
}

/// Share a release
///
/// Takes up one that was found and not shared, or tries a failed one again.
#[utoipa::path(
    post, path = "/api/v1/releases/{id}/share", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 204, description = "Done."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not in this stage.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn share_release(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    order(&app, Order::Share(ReleaseId(id))).await
}

/// Pause a release
#[utoipa::path(
    post, path = "/api/v1/releases/{id}/pause", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 204, description = "Done."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not in this stage.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn pause_release(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    order(&app, Order::Pause(ReleaseId(id))).await
}

/// Resume a release
#[utoipa::path(
    post, path = "/api/v1/releases/{id}/resume", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 204, description = "Done."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not in this stage.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resume_release(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    order(&app, Order::Resume(ReleaseId(id))).await
}

/// Remove a release
///
/// What was uploaded is deleted from the box; files of other sources are never touched.
#[utoipa::path(
    delete, path = "/api/v1/releases/{id}", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 204, description = "Done."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not in this stage.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn remove_release(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    order(&app, Order::Remove(ReleaseId(id))).await
}

/// The .torrent file
#[utoipa::path(
    get, path = "/api/v1/releases/{id}/torrent", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 200, description = "The file.", body = Vec<u8>, content_type = "application/x-bittorrent"),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not hashed yet.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn release_torrent(
    State(app): State<App>,
    Extension(host): Extension<Authority>,
    Path(id): Path<i64>,
) -> Result<([(HeaderName, String); 2], Vec<u8>), Problem> {
    let id = ReleaseId(id);
    let read = app.store.run(move |store| {
        let release = store.release(id)?;
        if release.removed.is_some() {
            return Err(StoreError::NoSuchRelease(id));
        }
        Ok((release, store.torrent(id)?))
    });
    let (release, info) = read.await?;
    let info = info.ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "This is not hashed yet, and has no torrent.",
        )
    })?;
    let links = Links::for_host(&app, &host).await?;
    let file_name = format!("{}.torrent", release.display_name());
    let headers = [
        (header::CONTENT_TYPE, "application/x-bittorrent".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            disposition::attachment(&file_name),
        ),
    ];
    Ok((headers, links.torrent(&info)))
}
