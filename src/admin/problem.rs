//! Errors as the API tells them (RFC 9457).

use axum::body::Body;
use axum::extract::Request;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::french;
use crate::app::handle::{DriveError, OrderError};
use crate::app::system::{IncomingError, SystemError};
use crate::app::uploads::UploadError;
use crate::base::{BadShare, ErrorKind, Kind, Language};
use crate::store::StoreError;

/// An error (RFC 9457), sent as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says what sort of error it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    about: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16)]
    status: StatusCode,
    /// A sentence for the owner, in the language that the request accepts: English or French.
    detail: String,
    /// For bytes of an upload that do not begin where they should: where they should.
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    /// Seconds after which another try is worth it.
    #[serde(skip)]
    retry_after: Option<u64>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem of that status, with a sentence for the owner.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            about: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            detail: detail.into(),
            received: None,
            retry_after: None,
        }
    }

    /// A problem of that status, to be tried again after some seconds.
    pub(super) fn retry(status: StatusCode, seconds: u64, detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(status, detail)
        }
    }

    fn of(error: &impl Kind) -> Self {
        let status = match error.kind() {
            ErrorKind::BadInput => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%error, "a request to the admin API failed");
        }
        Self::new(status, sentence(&error.to_string()))
    }
}

/// An error's text as a sentence of its own.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    let mut sentence: String = first.chain(chars).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let problem = Self::of(&error);
        match error {
            // A change that says what it was made for is told so (RFC 9110).
            StoreError::SettingsChanged => {
                Self::new(StatusCode::PRECONDITION_FAILED, problem.detail)
            }
            _ => problem,
        }
    }
}

impl From<BadShare> for Problem {
    fn from(error: BadShare) -> Self {
        Self::of(&error)
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        Self::of(&error)
    }
}

impl From<DriveError> for Problem {
    fn from(error: DriveError) -> Self {
        Self::of(&error)
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        Self {
            received: error.received(),
            ..Self::of(&error)
        }
    }
}

impl From<SystemError> for Problem {
    fn from(error: SystemError) -> Self {
        let problem = Self::of(&error);
        match error {
            SystemError::Incoming(IncomingError::TooLarge(_)) => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, problem.detail)
            }
            _ => problem,
        }
    }
}

impl From<super::AuthError> for Problem {
    fn from(error: super::AuthError) -> Self {
        Self::of(&error)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), sentence(&rejection.body_text()))
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), sentence(&rejection.body_text()))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "application/problem+json"),
            (header::CONTENT_LANGUAGE, Language::English.tag()),
        ];
        let status = self.status;
        let retry_after = self.retry_after;
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, headers, body).into_response();
        // To be said in another language on its way out.
        response.extensions_mut().insert(self);
        if let Some(seconds) = retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            // For programs; browsers show no window of their own for this scheme.
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Says problems in the language that the browser wants, where they are known in it. Hands the
/// language to the routes, as an extension of type [`Language`].
pub(super) async fn in_language(mut request: Request, next: Next) -> Response {
    let wanted = request.headers().get(header::ACCEPT_LANGUAGE);
    let wanted = wanted.and_then(|value| value.to_str().ok());
    let language = Language::accepted(wanted.unwrap_or_default());
    request.extensions_mut().insert(language);
    let mut response = next.run(request).await;
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>()
        && language == Language::French
        && let Some(detail) = french::french(&problem.detail)
    {
        problem.detail = detail;
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        *response.body_mut() = Body::from(body);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        let tag = HeaderValue::from_static(language.tag());
        headers.insert(header::CONTENT_LANGUAGE, tag);
    }
    response
}

/// For routes that do not know the method.
pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not take requests of this kind.",
    )
}
