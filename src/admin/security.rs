//! What the API's description says of sessions and tokens, made from the table that they are held to.

use axum::http::Method;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, ResponseBuilder};

use super::access::{Access, access};
use super::session::COOKIE;

/// The name of the browser's proof.
const SESSION: &str = "session";
/// The name of a program's.
const TOKEN: &str = "token";

/// The operations of a path, each with its method.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
        (Method::PATCH, &mut item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Adds both proofs, and to each route which of them it takes, and the scope that a token must have.
pub(super) fn describe(document: &mut OpenApi) {
    let cookie = ApiKeyValue::with_description(COOKIE, "A browser that is signed in.");
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token that the owner made. Its scope is `metrics`, `read` or `manage`; each includes the ones before.",
        ))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let session = SecurityRequirement::new(SESSION, [""; 0]);
            operation.security = Some(match access(&method, path) {
                Access::Anyone => continue,
                Access::Owner => vec![session],
                Access::Token(scope) => {
                    vec![session, SecurityRequirement::new(TOKEN, [scope.as_str()])]
                }
            });
            let refused = ResponseBuilder::new()
                .description("The token is not good for this.")
                .content(
                    "application/problem+json",
                    ContentBuilder::new()
                        .schema(Some(Ref::from_schema_name("Problem")))
                        .build(),
                );
            let responses = &mut operation.responses.responses;
            responses
                .entry("403".to_owned())
                .or_insert_with(|| refused.build().into());
        }
    }
}
