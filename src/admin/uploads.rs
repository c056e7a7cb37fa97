//! Sending files to the box.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::extract::{Json, Path, Query};
use super::problem::Problem;
use crate::app::handle::Order;
use crate::app::uploads::{NewFile, Progress, UploadError, Uploads};
use crate::base::Timestamp;

/// Bytes in the JSON that begins an upload: ten thousand files with paths of some length.
const MAX_LIST: usize = 4 << 20;

/// Characters of a request's key that are remembered: a UUID has 36.
const MAX_KEY: usize = 64;

/// How long a drive may take to say how much room it has, and to make a folder: one that spins up takes ten seconds.
const BEGIN: Duration = Duration::from_secs(30);

/// A file that will be sent.
#[derive(Deserialize, ToSchema)]
pub(super) struct UploadRequestFile {
    /// Path below the upload, with `/` between names. A single file named like the upload is that upload itself.
    path: String,
    /// Bytes.
    size: u64,
}

/// An upload to begin.
#[derive(Deserialize, ToSchema)]
pub(super) struct UploadRequest {
    /// The name it will have on the box: the file's, or the folder's.
    name: String,
    /// Its files; 10,000 at most.
    files: Vec<UploadRequestFile>,
}

/// One file of an upload.
#[derive(Serialize, ToSchema)]
pub(super) struct UploadFile {
    /// Path below the upload.
    path: String,
    /// Bytes.
    size: u64,
    /// Bytes the box has; the next ones begin there.
    received: u64,
}

/// An upload under way.
#[derive(Serialize, ToSchema)]
pub(super) struct Upload {
    /// Its identifier.
    id: String,
    /// The name it will have.
    name: String,
    /// Its files, in the order in which they were named; their places are their numbers.
    files: Vec<UploadFile>,
    /// The drive it is on, while that is not here.
    waits_for: Option<String>,
}

impl From<Progress> for Upload {
    fn from(progress: Progress) -> Self {
        let file = |(file, received): (NewFile, u64)| UploadFile {
            path: file.path,
            size: file.size,
            received,
        };
        Self {
            id: progress.id,
            name: progress.name,
            files: progress.files.into_iter().map(file).collect(),
            waits_for: progress.waits_for,
        }
    }
}

/// How much of a file the box has.
#[derive(Serialize, ToSchema)]
pub(super) struct Received {
    /// Bytes; the next ones begin there.
    received: u64,
}

/// Runs a call that waits for the disk where that is allowed.
async fn on_disk<T: Send + 'static>(
    app: &App,
    call: impl FnOnce(&Uploads) -> Result<T, UploadError> + Send + 'static,
) -> Result<T, Problem> {
    let uploads = app.uploads.clone();
    let done = tokio::task::spawn_blocking(move || call(&uploads))
        .await
        .map_err(|error| {
            tracing::error!(%error, "a call to the uploads was lost");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The box could not look at its uploads.",
            )
        })?;
    Ok(done?)
}

/// Begin an upload
///
/// Names and sizes are said first, so that what cannot be is refused before a byte is sent.
#[utoipa::path(
    post, path = "/api/v1/uploads", tag = "uploads",
    request_body = UploadRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Who was not answered asks again with the same, of 64 characters at most, and is told of the upload that was begun."),
    ),
    responses(
        (status = 201, description = "It can begin.", body = Upload),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A name cannot be used.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many uploads are open.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The drive that uploads go to is not here, or does not answer.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "It will not fit.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn begin_upload(
    State(app): State<App>,
    mut request: Request,
) -> Result<(StatusCode, axum::Json<Upload>), Problem> {
    DefaultBodyLimit::max(MAX_LIST).apply(&mut request);
    let key = request.headers().get("idempotency-key");
    let key = key.and_then(|key| key.to_str().ok().map(str::to_owned));
    let key = key.filter(|key| key.len() <= MAX_KEY);
    let Json(wanted) = Json::<UploadRequest>::from_request(request, &()).await?;
    let file = |file: UploadRequestFile| NewFile {
        path: file.path,
        size: file.size,
    };
    let files = wanted.files.into_iter().map(file).collect();
    let now = Timestamp::now();
    let begun = on_disk(&app, move |uploads| {
        uploads.begin(&wanted.name, files, key, now)
    });
    let begun = timeout(BEGIN, begun).await.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The drive that uploads go to does not answer.",
        )
    })??;
    Ok((StatusCode::CREATED, axum::Json(begun.into())))
}

/// How far an upload is
#[utoipa::path(
    get, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path, description = "The upload.")),
    responses(
        (status = 200, description = "The upload.", body = Upload),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such upload.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn upload(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<axum::Json<Upload>, Problem> {
    Ok(axum::Json(app.uploads.progress(&id)?.into()))
}

/// Where bytes of a file begin.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChunkQuery {
    /// Bytes before the first one sent; what the box has of the file.
    offset: u64,
}

/// Send the next bytes of a file
///
/// As many as one likes, up to the file's end. With a `Content-Digest` they count when all have arrived and are what it says;
/// without, what arrived is kept when the connection breaks.
#[utoipa::path(
    put, path = "/api/v1/uploads/{id}/files/{index}", tag = "uploads",
    params(
        ("id" = String, Path, description = "The upload."),
        ("index" = u32, Path, description = "The file's number, from 0."),
        ChunkQuery,
        ("Content-Digest" = Option<String>, Header, description = "RFC 9530; `crc32c` is compared, of other algorithms nothing is said."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "They are here.", body = Received),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such upload or file.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "They must begin at `received`, were damaged on their way, or the file is being sent already.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "More arrived than the file was said to have, or the digest is none.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many files are being sent.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The upload's drive is not here.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put_chunk(
    State(app): State<App>,
    Path((id, index)): Path<(String, usize)>,
    Query(query): Query<ChunkQuery>,
    request: Request,
) -> Result<axum::Json<Received>, Problem> {
    let crc32c = crc32c_of(request.headers())?;
    let body = request.into_body().into_data_stream();
    let uploads = &app.uploads;
    let received = uploads
        .receive(&id, index, query.offset, crc32c, body)
        .await?;
    Ok(axum::Json(Received { received }))
}

/// The CRC-32C that a request says its body has: member `crc32c` of the dictionary `Content-Digest` (RFC 9530, RFC 9651). A
/// browser on plain HTTP has no better digest at hand, and against whoever changes bytes on purpose there, none would help.
fn crc32c_of(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let fields = headers.get_all("content-digest").iter();
    let members = fields.flat_map(|field| field.as_bytes().split(|&byte| byte == b','));
    let mut found = None;
    for value in members.filter_map(|member| member.trim_ascii().strip_prefix(b"crc32c=")) {
        let coded = value
            .strip_prefix(b":")
            .and_then(|value| value.strip_suffix(b":"));
        let digest = coded.and_then(|coded| BASE64_STANDARD.decode(coded).ok());
        let digest = digest.and_then(|digest| <[u8; 4]>::try_from(digest).ok());
        found = Some(u32::from_be_bytes(digest.ok_or_else(|| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The digest of the bytes cannot be read: it must be four bytes in Base64 between colons.",
            )
        })?));
    }
    Ok(found)
}

/// Everything was sent
///
/// Puts the upload in its place, and the box looks at it.
#[utoipa::path(
    post, path = "/api/v1/uploads/{id}/finish", tag = "uploads",
    params(("id" = String, Path, description = "The upload.")),
    responses(
        (status = 204, description = "It is in its place."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such upload.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is missing, or its name was taken.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn finish_upload(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    on_disk(&app, move |uploads| uploads.finish(&id)).await?;
    // It is in its place whatever becomes of this: the next look finds it.
    if let Err(error) = app.handle.order(Order::Rescan).await {
        tracing::warn!(%error, "an upload is in its place, and the box cannot look at it now");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Cancel an upload
///
/// What was sent of it is deleted.
#[utoipa::path(
    delete, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(("id" = String, Path, description = "The upload.")),
    responses(
        (status = 204, description = "Done."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such upload.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is being finished.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel_upload(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    on_disk(&app, move |uploads| uploads.cancel(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
