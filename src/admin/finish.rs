//! A change is made whole.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Answers a request, and when it changes something does so to the end, whether or not the browser waits for it: whoever
/// closes a page would otherwise leave a setting in the database that nobody was told of, or an update that is neither being
/// installed nor not. A body that is still to come ends with the connection.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The box is shutting down.")
            .into_response(),
    }
}
