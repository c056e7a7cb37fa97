//! Network shares: where they are, who the box is there, and how they are. Their passwords come in, and never out.

use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::extract::{Json, Path};
use super::french;
use super::problem::Problem;
use crate::app::handle::Order;
use crate::app::shares::ShareState;
use crate::base::{Language, Secret, ShareAddress, ShareLogin, ShareProtocol, SourceId, Timestamp};
use crate::store::Share;

/// How a share is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Protocol {
    /// SMB, as Windows, Samba and most network storage have it.
    Smb,
    /// NFS.
    Nfs,
}

impl From<Protocol> for ShareProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Smb => ShareProtocol::Smb,
            Protocol::Nfs => ShareProtocol::Nfs,
        }
    }
}

/// A network share.
#[derive(Serialize, ToSchema)]
pub(super) struct ShareView {
    /// The number of the source it is.
    id: i64,
    /// How it is reached.
    protocol: Protocol,
    /// The server, with its port if that is not the usual one.
    server: String,
    /// SMB: the share's name and the folder in it. NFS: the exported path.
    folder: String,
    /// The user at an SMB server; none is a guest.
    user: Option<String>,
    /// The user's domain.
    domain: Option<String>,
    /// Whether a password is kept. The password itself is shown to nobody.
    has_password: bool,
    /// How it is: `opening`, `here`, or `failing`.
    #[schema(example = "here")]
    state: &'static str,
    /// Why it is failing, in plain words and the language that the request accepts.
    why: Option<String>,
    /// When it is tried again, in Unix time; none while it is.
    #[schema(value_type = Option<i64>)]
    retry_at: Option<Timestamp>,
}

impl ShareView {
    fn new(share: Share, state: ShareState, language: Language) -> Self {
        let (state, why, retry) = match state {
            ShareState::Opening => ("opening", None, None),
            ShareState::Here => ("here", None, None),
            ShareState::Failing { why, retry } => {
                let mut why = why.to_string();
                french::translate(&mut why, language);
                ("failing", Some(why), retry)
            }
        };
        let retry_at = retry.map(|at| {
            let wait = at.saturating_duration_since(Instant::now());
            Timestamp(Timestamp::now().0 + wait.as_secs() as i64)
        });
        Self {
            id: share.source.0,
            protocol: match share.address.protocol() {
                ShareProtocol::Smb => Protocol::Smb,
                ShareProtocol::Nfs => Protocol::Nfs,
            },
            server: share.address.server().to_string(),
            folder: share.address.folder().to_owned(),
            has_password: share.login.password.is_some(),
            user: share.login.user,
            domain: share.login.domain,
            state,
            why,
            retry_at,
        }
    }
}

/// A share to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareRequest {
    /// How it is reached.
    protocol: Protocol,
    /// The server: a name or an address, with its port if that is not the usual one.
    server: String,
    /// SMB: the share's name, and the folder in it if it is not the whole. NFS: the exported path.
    folder: String,
    /// The user at an SMB server, also as `DOMAIN\user`; none is a guest.
    #[serde(default)]
    user: Option<String>,
    /// The user's domain.
    #[serde(default)]
    domain: Option<String>,
    /// The user's password.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    password: Option<String>,
    /// Share what is found in it without asking.
    #[serde(default)]
    auto_share: bool,
}

/// A change to a share. What is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SharePatch {
    /// How it is reached.
    #[serde(default)]
    protocol: Option<Protocol>,
    /// The server. With another one, the password that is kept is forgotten.
    #[serde(default)]
    server: Option<String>,
    /// The folder.
    #[serde(default)]
    folder: Option<String>,
    /// The user; empty for a guest, whose password is forgotten.
    #[serde(default)]
    user: Option<String>,
    /// The user's domain; empty for none.
    #[serde(default)]
    domain: Option<String>,
    /// The user's password; empty for none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    password: Option<String>,
}

/// What a form means by an empty field.
fn given(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The domain in front of a user, as Windows writes it.
fn apart(login: &mut ShareLogin) {
    let parts = login.user.as_deref().and_then(|user| user.split_once('\\'));
    let parts = parts.map(|(domain, user)| (domain.to_owned(), user.to_owned()));
    if let Some((domain, user)) = parts {
        (login.domain, login.user) = (given(&domain), given(&user));
    }
}

/// Has the change that was written down taken up, and tells every page.
async fn changed(app: &App) -> Result<(), Problem> {
    app.handle.order(Order::ReloadShares).await?;
    app.tell();
    Ok(())
}

/// The network shares
#[utoipa::path(
    get, path = "/api/v1/shares", tag = "sources",
    responses(
        (status = 200, description = "They, oldest first.", body = [ShareView]),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn shares(
    State(app): State<App>,
    Extension(language): Extension<Language>,
) -> Result<axum::Json<Vec<ShareView>>, Problem> {
    let shares = app.store.run(|store| store.shares()).await?;
    let view = |share: Share| {
        let state = app.handle.share_state(share.source);
        ShareView::new(share, state, language)
    };
    Ok(axum::Json(shares.into_iter().map(view).collect()))
}

/// Add a network share
///
/// It is taken up whether its server is there now or not; how it fares is in its state.
#[utoipa::path(
    post, path = "/api/v1/shares", tag = "sources",
    request_body = ShareRequest,
    responses(
        (status = 201, description = "It is being opened.", body = ShareView),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is there already, or there are too many.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Something of it cannot be.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn add_share(
    State(app): State<App>,
    Json(new): Json<ShareRequest>,
) -> Result<(StatusCode, axum::Json<ShareView>), Problem> {
    let address = ShareAddress::new(new.protocol.into(), &new.server, &new.folder)?;
    let mut login = ShareLogin {
        user: new.user.as_deref().and_then(given),
        domain: new.domain.as_deref().and_then(given),
        password: new
            .password
            .filter(|text| !text.is_empty())
            .map(Secret::new),
    };
    apart(&mut login);
    let (auto_share, now) = (new.auto_share, Timestamp::now());
    let add = app
        .store
        .run(move |store| store.add_share(&address, &login, auto_share, now));
    let share = add.await?;
    changed(&app).await?;
    let view = ShareView::new(share, ShareState::Opening, Language::English);
    Ok((StatusCode::CREATED, axum::Json(view)))
}

/// Change a network share
///
/// It stays the same source, and is opened anew at once. A password goes only to the server that it was given for: with
/// another server and no new password, the one that is kept is forgotten.
#[utoipa::path(
    patch, path = "/api/v1/shares/{id}", tag = "sources",
    params(("id" = i64, Path, description = "The share.")),
    request_body = SharePatch,
    responses(
        (status = 200, description = "It is being opened.", body = ShareView),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such share.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "That is another share already.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Something of it cannot be.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change_share(
    State(app): State<App>,
    Path(id): Path<i64>,
    Json(patch): Json<SharePatch>,
) -> Result<axum::Json<ShareView>, Problem> {
    let id = SourceId(id);
    let known = app.store.run(move |store| store.share(id)).await?.address;
    let protocol = patch.protocol.map_or(known.protocol(), Into::into);
    let server = patch.server.unwrap_or_else(|| known.server().to_string());
    let folder = patch.folder.as_deref().unwrap_or(known.folder());
    let address = ShareAddress::new(protocol, &server, folder)?;
    let change = app.store.run(move |store| {
        store.change_share(id, |share| {
            let goes_elsewhere = (share.address.server(), share.address.port())
                != (address.server(), address.port());
            let login = &mut share.login;
            if let Some(user) = &patch.user {
                login.user = given(user);
            }
            if let Some(domain) = &patch.domain {
                login.domain = given(domain);
            }
            if goes_elsewhere || login.user.is_none() {
                login.password = None;
            }
            if login.user.is_none() {
                login.domain = None;
            }
            if let Some(password) = patch.password {
                login.password = Some(password)
                    .filter(|text| !text.is_empty())
                    .map(Secret::new);
            }
            apart(login);
            share.address = address;
        })
    });
    let share = change.await?;
    changed(&app).await?;
    let view = ShareView::new(share, ShareState::Opening, Language::English);
    Ok(axum::Json(view))
}

/// Remove a network share
///
/// Nothing on its server changes. What is shared from it stops, and is known again when the share is added again.
#[utoipa::path(
    delete, path = "/api/v1/shares/{id}", tag = "sources",
    params(("id" = i64, Path, description = "The share.")),
    responses(
        (status = 204, description = "It is no source any more, and its password is forgotten."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such share.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn remove_share(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    let now = Timestamp::now();
    let remove = app
        .store
        .run(move |store| store.remove_share(SourceId(id), now));
    remove.await?;
    changed(&app).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a network share now
///
/// Whatever it waits for. How it fares is in its state.
#[utoipa::path(
    post, path = "/api/v1/shares/{id}/try", tag = "sources",
    params(("id" = i64, Path, description = "The share.")),
    responses(
        (status = 204, description = "It is being tried."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such share.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn try_share(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    let id = SourceId(id);
    app.store.run(move |store| store.share(id)).await?;
    app.handle.order(Order::TryShare(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
