//! The box as a machine: its state, its log, starting it again, and forgetting everything.

use axum::Json as JsonBody;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::extract::{Json, Query};
use super::problem::Problem;
use crate::app::handle::Order;
use crate::base::Timestamp;

/// Most lines of the log in one answer.
const MAX_LINES: usize = 500;

/// The box as a machine.
#[derive(Serialize, ToSchema)]
pub(super) struct BoxState {
    /// The daemon's version.
    version: &'static str,
    /// Seconds since it started.
    uptime: u64,
    /// Whether something starts it again when it ends, so that it can be told to restart.
    supervised: bool,
}

/// How the box is
#[utoipa::path(
    get, path = "/api/v1/box/state", tag = "box",
    responses(
        (status = 200, description = "Its state.", body = BoxState),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn box_state(State(app): State<App>) -> JsonBody<BoxState> {
    JsonBody(BoxState {
        version: env!("CARGO_PKG_VERSION"),
        uptime: app.started.elapsed().as_secs(),
        supervised: app.supervised,
    })
}

/// How grave a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// News.
    Info,
    /// Details.
    Debug,
    /// Every step.
    Trace,
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => tracing::Level::ERROR,
            Level::Warn => tracing::Level::WARN,
            Level::Info => tracing::Level::INFO,
            Level::Debug => tracing::Level::DEBUG,
            Level::Trace => tracing::Level::TRACE,
        }
    }
}

impl From<tracing::Level> for Level {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG => Level::Debug,
            _ => Level::Trace,
        }
    }
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// Those after the one of this number; all of them unless given.
    #[param(required = false)]
    #[serde(default)]
    after: u64,
    /// Those at least as grave; every one unless given.
    level: Option<Level>,
}

/// One line of the log.
#[derive(Serialize, ToSchema)]
pub(super) struct LogLine {
    /// Its number, counted from 1 since the start.
    number: u64,
    /// When it was written, in Unix time.
    #[schema(value_type = i64)]
    at: Timestamp,
    /// How grave it is.
    level: Level,
    /// The part of the program that wrote it.
    target: String,
    /// What it says.
    text: String,
}

/// The last lines of the log.
#[derive(Serialize, ToSchema)]
pub(super) struct LogView {
    /// The lines, oldest first; the last 500 at most.
    lines: Vec<LogLine>,
    /// The number to ask for what comes after. Smaller than it was when the box was started again.
    last: u64,
}

/// The last lines of the log
///
/// The box keeps a thousand of them in memory, since it started.
#[utoipa::path(
    get, path = "/api/v1/box/logs", tag = "box",
    params(LogQuery),
    responses(
        (status = 200, description = "The lines.", body = LogView),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn logs(
    State(app): State<App>,
    Query(query): Query<LogQuery>,
) -> JsonBody<LogView> {
    // Before the lines are read: what is written between the two is sent twice, not never.
    let last = app.logs.written();
    let level = query.level.unwrap_or(Level::Trace).into();
    // Numbers begin anew with the box.
    let after = if query.after > last { 0 } else { query.after };
    let lines = app.logs.after(after, level, MAX_LINES);
    let lines = lines.into_iter().take_while(|line| line.number <= last);
    let lines = lines.map(|line| LogLine {
        number: line.number,
        at: line.at,
        level: line.level.into(),
        target: line.target,
        text: line.text,
    });
    JsonBody(LogView {
        lines: lines.collect(),
        last,
    })
}

/// Start the box again
///
/// It ends in good order, with an exit status that asks whoever started it to do so again.
#[utoipa::path(
    post, path = "/api/v1/box/restart", tag = "box",
    responses(
        (status = 202, description = "It ends now."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nothing would start it again.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn restart(State(app): State<App>) -> Result<StatusCode, Problem> {
    if !app.supervised {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "Nothing would start the box again: it was started by hand. Stop it and start it there.",
        ));
    }
    app.handle.order(Order::Restart).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What is to be forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetRequest {
    /// The box's name, typed by its owner.
    name: String,
    /// Whether what was uploaded to the box stays on it. There is no default: the owner says so.
    keep_uploads: bool,
}

/// Forget everything
///
/// The account, tokens, settings, torrents, and what everything cost. Files of sources are never touched; uploads stay or
/// are deleted, as said. The box then ends, to be started again as a new one.
#[utoipa::path(
    post, path = "/api/v1/box/reset", tag = "box",
    request_body = ResetRequest,
    responses(
        (status = 202, description = "It ends now, and forgets when it starts."),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "That is not the box's name.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn reset(
    State(app): State<App>,
    Json(request): Json<ResetRequest>,
) -> Result<StatusCode, Problem> {
    let name = app.store.run(|store| store.settings()).await?.box_name;
    if request.name.trim() != name.as_deref().unwrap_or(&app.name).trim() {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "That is not the name of this box; nothing was forgotten.",
        ));
    }
    let keep_uploads = request.keep_uploads;
    app.handle.order(Order::Reset { keep_uploads }).await?;
    Ok(StatusCode::ACCEPTED)
}
