//! What the box logged last, and what earlier starts of the whole system did.

use axum::Json as JsonBody;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::extract::{Path, Query, TakesGzip};
use super::problem::Problem;
use crate::app::system::Start;
use crate::base::{Timestamp, disposition};

/// Most lines of the log in one answer.
const MAX_LINES: usize = 500;

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

/// The journal of an earlier start
///
/// What the whole system logged, its last 5,000 lines. Nothing is kept of a start that ended without warning: by a pulled
/// plug, or by the watchdog.
#[utoipa::path(
    get, path = "/api/v1/box/journals/{start}", tag = "system",
    params(("start" = Start, Path, description = "Which start.")),
    responses(
        (status = 200, description = "A text in English, with `Content-Encoding: gzip`; a packed file (`application/gzip`) for whoever does not take that.", body = String, content_type = "text/plain"),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "None is kept of that start.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "It cannot be read.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn journal(
    State(app): State<App>,
    Path(start): Path<Start>,
    TakesGzip(takes_gzip): TakesGzip,
) -> Result<Response, Problem> {
    let journal = app.system.journal(start).await?;
    let name = match start {
        Start::Last => "semoir-journal-last.txt",
        Start::Before => "semoir-journal-before.txt",
    };
    let both = [
        (header::VARY, header::ACCEPT_ENCODING.to_string()),
        (header::CONTENT_LENGTH, journal.bytes.to_string()),
    ];
    let saved = |kind: &str, name: &str| {
        [
            (header::CONTENT_TYPE, kind.to_owned()),
            (header::CONTENT_DISPOSITION, disposition::attachment(name)),
        ]
    };
    let body = Body::from_stream(ReaderStream::new(File::from_std(journal.file)));
    Ok(if takes_gzip {
        let text = saved("text/plain; charset=utf-8", name);
        let coding = [(header::CONTENT_ENCODING, "gzip")];
        (both, text, coding, body).into_response()
    } else {
        let file = saved("application/gzip", &format!("{name}.gz"));
        (both, file, body).into_response()
    })
}
