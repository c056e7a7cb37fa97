//! What the owner hands out of a release: links, a QR code, HTML to paste, a page to put elsewhere.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::extract::{Path, Query};
use super::links::Links;
use super::problem::Problem;
use crate::base::{Authority, Handout, InfoHash, Language, ReleaseId, Stage, disposition};
use crate::store::{Release, StoreError};

/// Files named on the page that is handed out; the rest are counted.
const MAX_FILES: usize = 200;

/// What is handed out of a release.
#[derive(Serialize, ToSchema)]
pub(super) struct ShareKit {
    /// Its page on the public listener.
    page: String,
    /// Its `.torrent` there.
    torrent: String,
    /// Its magnet link.
    magnet: String,
    /// HTML to paste into a page of the owner's.
    snippet: String,
    /// Whether the links lead where only the owner's own network does: he set no public host, and opened his page by an
    /// address or name of the house.
    local: bool,
}

/// A release with what is needed to hand it out.
struct Subject {
    release: Release,
    name: String,
    info_hash: InfoHash,
    info: Vec<u8>,
    files: Vec<(PathBuf, u64)>,
    links: Links,
    language: Language,
}

impl Subject {
    /// Reads it for a browser that opened the owner's page at `host`.
    async fn read(
        app: &App,
        id: i64,
        host: &Authority,
        language: Language,
    ) -> Result<Self, Problem> {
        let id = ReleaseId(id);
        let read = app.store.run(move |store| {
            let release = store.release(id)?;
            if release.removed.is_some() {
                return Err(StoreError::NoSuchRelease(id));
            }
            Ok((release, store.torrent(id)?, store.files(id, MAX_FILES)?))
        });
        let (release, info, files) = read.await?;
        // One that failed has no page, though its torrent may be there.
        let is_shared = !matches!(release.stage, Stage::Found | Stage::Hashing | Stage::Failed);
        let (Some(info_hash), Some(info), true) = (release.info_hash, info, is_shared) else {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "This is not shared now, and there is nothing to hand out of it.",
            ));
        };
        Ok(Self {
            name: release.display_name(),
            release,
            info_hash,
            info,
            files,
            links: Links::for_host(app, host).await?,
            language,
        })
    }

    fn handout(&self) -> Handout<'_> {
        Handout {
            raw_name: self.release.name.as_bytes(),
            name: &self.name,
            info_hash: self.info_hash,
            size: self.release.size,
            files: &self.files,
            total_files: self.release.files,
            info: &self.info,
            trackers: &self.links.trackers,
            public: &self.links.public,
            contact: self.links.contact.as_deref(),
            language: self.language,
        }
    }
}

/// What to hand out
///
/// The snippet is in the language that the request accepts.
#[utoipa::path(
    get, path = "/api/v1/releases/{id}/kit", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 200, description = "Links and HTML.", body = ShareKit),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not hashed yet, or failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn share_kit(
    State(app): State<App>,
    Extension(host): Extension<Authority>,
    Path(id): Path<i64>,
    Extension(language): Extension<Language>,
) -> Result<axum::Json<ShareKit>, Problem> {
    let subject = Subject::read(&app, id, &host, language).await?;
    let handout = subject.handout();
    Ok(axum::Json(ShareKit {
        page: handout.page(),
        torrent: handout.torrent_url(),
        magnet: handout.magnet(),
        snippet: app.press.snippet(&handout),
        local: subject.links.public.is_local(),
    }))
}

/// Which link a QR code holds.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum QrOf {
    /// The public page.
    #[default]
    Page,
    /// The magnet link, without its trackers where they make it too long.
    Magnet,
}

/// What is asked of a QR code.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct QrQuery {
    /// Which link it holds: `page`, or `magnet`.
    #[serde(default)]
    #[param(inline, required = false)]
    of: QrOf,
    /// Any number: a browser keeps an image by its address, and asks again only where that is another.
    #[serde(default, rename = "v")]
    #[param(rename = "v", required = false)]
    _version: Option<u64>,
}

/// A QR code
#[utoipa::path(
    get, path = "/api/v1/releases/{id}/kit/qr.svg", tag = "releases",
    params(("id" = i64, Path, description = "The release."), QrQuery),
    responses(
        (status = 200, description = "The image.", body = String, content_type = "image/svg+xml"),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not hashed yet, or failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn qr_code(
    State(app): State<App>,
    Extension(host): Extension<Authority>,
    Path(id): Path<i64>,
    Query(query): Query<QrQuery>,
    Extension(language): Extension<Language>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let subject = Subject::read(&app, id, &host, language).await?;
    let handout = subject.handout();
    let image = match query.of {
        QrOf::Page => app.press.qr(&handout.page()),
        QrOf::Magnet => {
            let image = app.press.qr(&handout.magnet());
            image.or_else(|| app.press.qr(&handout.short_magnet()))
        }
    };
    let image = image.ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "The box's public name is too long for a QR code.",
        )
    })?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], image))
}

/// A page to put elsewhere
///
/// A ZIP archive with the .torrent and a page for it that works from a file or any web server, with no box behind it. In
/// the language that the request accepts.
#[utoipa::path(
    get, path = "/api/v1/releases/{id}/kit/page.zip", tag = "releases",
    params(("id" = i64, Path, description = "The release.")),
    responses(
        (status = 200, description = "The archive.", body = Vec<u8>, content_type = "application/zip"),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such release.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not hashed yet, or failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn static_page(
    State(app): State<App>,
    Extension(host): Extension<Authority>,
    Path(id): Path<i64>,
    Extension(language): Extension<Language>,
) -> Result<([(HeaderName, String); 2], Vec<u8>), Problem> {
    let subject = Subject::read(&app, id, &host, language).await?;
    let name = format!("{}.zip", subject.name);
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, disposition::attachment(&name)),
    ];
    Ok((headers, app.press.archive(&subject.handout())))
}
