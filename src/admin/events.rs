//! The live picture, as it changes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::Event;
use futures::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::App;
use super::access::Credential;
use super::links::Links;
use super::problem::Problem;
use crate::app::Overview;
use crate::base::{Authority, Language};

/// Streams open at once: a few pages on a few devices. Each costs a socket and a picture a second.
pub(super) const MAX_STREAMS: usize = 16;

/// The least time between two pictures.
const PACE: Duration = Duration::from_secs(1);

/// A comment is sent when there was nothing else for this long, so that proxies and pages know the line is alive.
const ALIVE: Duration = Duration::from_secs(15);

/// One open stream.
struct Pictures {
    app: App,
    host: Authority,
    language: Language,
    credential: Credential,
    pictures: watch::Receiver<Arc<Overview>>,
    news: watch::Receiver<u64>,
    not_before: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Pictures {
    /// The next event; none when the session, the token or the box is at its end.
    async fn next(&mut self) -> Option<Event> {
        let pictures = &mut self.pictures;
        let changed = async {
            sleep_until(self.not_before).await;
            pictures.changed().await
        };
        let alive = tokio::select! {
            // A session ended, perhaps this one, or something was set.
            news = self.news.changed() => {
                news.ok()?;
                if !self.is_open().await {
                    return None;
                }
                let count = *self.news.borrow_and_update();
                return Event::default().event("changed").json_data(count).ok();
            }
            changed = timeout(ALIVE, changed) => match changed {
                Ok(changed) => {
                    changed.ok()?;
                    false
                }
                Err(_) => true,
            },
        };
        if !self.is_open().await {
            return None;
        }
        if alive {
            return Some(Event::default().comment("alive"));
        }
        self.not_before = Instant::now() + PACE;
        let links = Links::for_host(&self.app, &self.host).await.ok()?;
        let picture = Arc::clone(&self.pictures.borrow_and_update());
        Event::default()
            .event("overview")
            .json_data(links.fill(&picture, self.language))
            .ok()
    }

    async fn is_open(&self) -> bool {
        self.credential.is_good(&self.app).await.unwrap_or(false)
    }
}

/// The live picture as server-sent events
///
/// Events `overview` with an `Overview` as their data: one at once, then one when something changed, at most one a
/// second. Events `changed`, with a number that is never the same: settings, sessions or tokens changed, and are to be
/// read again. Ends with the session or token.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "overview",
    responses(
        (status = 200, description = "The stream.", body = String, content_type = "text/event-stream"),
        (status = 401, description = "Not signed in.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many streams are open.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    State(app): State<App>,
    Extension(credential): Extension<Credential>,
    Extension(host): Extension<Authority>,
    Extension(language): Extension<Language>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let permit = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Problem::retry(
            status,
            5,
            "Too many pages of this box are open; close one of them.",
        )
    })?;
    let mut pictures = app.handle.watch();
    // The first is sent at once.
    pictures.mark_changed();
    let open = Pictures {
        host,
        language,
        credential,
        pictures,
        news: app.news.subscribe(),
        not_before: Instant::now(),
        _permit: permit,
        app,
    };
    Ok(Sse::new(stream::unfold(open, |mut open| async move {
        open.next().await.map(|event| (Ok(event), open))
    })))
}
