//! The whole system under the box: updates, power, Wi-Fi.

use axum::Json as JsonBody;
use axum::extract::{Extension, Request, State};
use axum::http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::App;
use super::extract::Json;
use super::french;
use super::problem::{Problem, sentence};
use crate::app::system::{Power, SystemView, UpdateView, WifiWish};
use crate::base::{Language, Secret};

/// How the system is
///
/// Where the box is not a whole system, but a program on somebody's computer, nothing but its version is said.
#[utoipa::path(
    get, path = "/api/v1/box/system", tag = "system",
    responses(
        (status = 200, description = "The system.", body = SystemView),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn system(
    State(app): State<App>,
    Extension(language): Extension<Language>,
) -> JsonBody<SystemView> {
    let mut view = app.system.view().await;
    say(&mut view.update.problem, language);
    if let Some(last) = &mut view.last {
        say(&mut last.reason, language);
    }
    if let Some(wifi) = &mut view.wifi {
        say(&mut wifi.problem, language);
    }
    JsonBody(view)
}

/// Makes a sentence of its own of what went wrong, in the language that the browser wants.
fn say(text: &mut Option<String>, language: Language) {
    if let Some(text) = text {
        *text = sentence(text);
        french::translate(text, language);
    }
}

/// Send an update
///
/// The whole bundle, as `make image` makes it. Answers when it was received and its signature checked; nothing is installed
/// by this. It takes the place of one that was received before.
#[utoipa::path(
    put, path = "/api/v1/box/update", tag = "system",
    request_body(content = inline(Vec<u8>), content_type = "application/octet-stream", description = "The bundle; the request says its length."),
    responses(
        (status = 200, description = "It may be installed.", body = UpdateView),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "This box is not a whole system.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another update is being received or installed, or waits for a restart.", body = Problem, content_type = "application/problem+json"),
        (status = 411, description = "The request does not say its length.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "It is larger than an update can be.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is no update, was altered, is signed by somebody else, or is for another board.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The connection broke off, or the update could not be looked at.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "It will not fit.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn receive_update(
    State(app): State<App>,
    Extension(language): Extension<Language>,
    request: Request,
) -> Result<JsonBody<UpdateView>, Problem> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
    let length: u64 = length.ok_or_else(|| {
        Problem::new(
            StatusCode::LENGTH_REQUIRED,
            "The request does not say how long the update is.",
        )
    })?;
    let body = request.into_body().into_data_stream();
    let mut update = app.system.receive(length, body).await?;
    say(&mut update.problem, language);
    Ok(JsonBody(update))
}

/// Forget an update
///
/// What was received is deleted. One that was installed waits for the restart, and stays.
#[utoipa::path(
    delete, path = "/api/v1/box/update", tag = "system",
    responses(
        (status = 204, description = "There is none."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "This box is not a whole system.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is being received or installed, or is installed.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn forget_update(State(app): State<App>) -> Result<StatusCode, Problem> {
    app.system.forget_update().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Install the update
///
/// Beside the system that runs, which goes on. How far it is `GET /api/v1/box/system` says.
#[utoipa::path(
    post, path = "/api/v1/box/update/install", tag = "system",
    responses(
        (status = 202, description = "It is being installed."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "This box is not a whole system.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is none that could be.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The system does not answer.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn install_update(State(app): State<App>) -> Result<StatusCode, Problem> {
    app.system.install().await?;
    Ok(StatusCode::ACCEPTED)
}

/// What the machine is to do.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PowerAction {
    /// End, and start again; with the update, where one is installed.
    Restart,
    /// Switch itself off.
    ShutDown,
}

/// What the machine is to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PowerRequest {
    /// Which of the two.
    action: PowerAction,
}

/// Restart or switch off
///
/// The whole machine; `POST /api/v1/box/restart` is for the program alone.
#[utoipa::path(
    post, path = "/api/v1/box/power", tag = "system",
    request_body = PowerRequest,
    responses(
        (status = 202, description = "It does."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "This box is not a whole system.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "An update is being installed.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "That is not understood.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The system does not answer.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn power(
    State(app): State<App>,
    Json(request): Json<PowerRequest>,
) -> Result<StatusCode, Problem> {
    let power = match request.action {
        PowerAction::Restart => Power::Restart,
        PowerAction::ShutDown => Power::ShutDown,
    };
    app.system.power(power).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The Wi-Fi to join. Has no `Debug`: there is a password in it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WifiRequest {
    /// Its name: 1 to 32 bytes.
    network: String,
    /// Its password: 8 to 63 plain characters; empty when it has none.
    password: String,
    /// The country whose rules for radio hold, as two letters.
    country: Option<String>,
}

/// Join a Wi-Fi
///
/// Now and at each start, in place of the one before. Whether it lets the box in `GET /api/v1/box/system` says.
#[utoipa::path(
    put, path = "/api/v1/box/wifi", tag = "system",
    request_body = WifiRequest,
    responses(
        (status = 204, description = "The box tries to."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "This box is not a whole system, or has no Wi-Fi.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Name, password or country cannot be.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The system does not answer.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn join_wifi(
    State(app): State<App>,
    Json(request): Json<WifiRequest>,
) -> Result<StatusCode, Problem> {
    let wish = WifiWish {
        network: request.network,
        password: Secret::new(request.password),
        country: request.country,
    };
    app.system.join_wifi(wish).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leave the Wi-Fi
///
/// Its name and password are forgotten.
#[utoipa::path(
    delete, path = "/api/v1/box/wifi", tag = "system",
    responses(
        (status = 204, description = "Done."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "This box is not a whole system, or has no Wi-Fi.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The system does not answer.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn leave_wifi(State(app): State<App>) -> Result<StatusCode, Problem> {
    app.system.leave_wifi().await?;
    Ok(StatusCode::NO_CONTENT)
}
