//! What a visitor is told when there is nothing to show.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::pages;
use crate::base::Language;
use crate::store::StoreError;

/// Why there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No such page, or no longer.
    NothingHere,
    /// The owner lists nothing.
    NoIndex,
    /// Something else than reading was tried.
    ReadOnly,
    /// The request does not say which host it is for.
    BadHost,
    /// The database refused.
    Broken,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a public page could not be made");
        Failure::Broken
    }
}

impl IntoResponse for Failure {
    /// Without words: which language they are to be in, only the request says.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Failure {
    fn status(self) -> StatusCode {
        match self {
            Failure::NothingHere | Failure::NoIndex => StatusCode::NOT_FOUND,
            Failure::ReadOnly => StatusCode::METHOD_NOT_ALLOWED,
            Failure::BadHost => StatusCode::BAD_REQUEST,
            Failure::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn words(self, language: Language) -> (&'static str, &'static str) {
        match self {
            Failure::NothingHere => language.pick(
                (
                    "Nothing here",
                    "What you are looking for is not, or no longer, shared here. If somebody gave you this address, \
                     look whether all of it was copied.",
                ),
                (
                    "Rien ici",
                    "Ce que vous cherchez n’est pas partagé ici, ou ne l’est plus. Si quelqu’un vous a donné cette \
                     adresse, vérifiez qu’elle est complète.",
                ),
            ),
            Failure::NoIndex => language.pick(
                (
                    "There is no list here",
                    "This box shares things by their links, and lists none of them. Ask whoever sent you here for the \
                     link to what you are looking for.",
                ),
                (
                    "Il n’y a pas de liste ici",
                    "Ce boîtier partage par lien, sans rien lister. Demandez le lien de ce que vous cherchez à la \
                     personne qui vous envoie ici.",
                ),
            ),
            Failure::ReadOnly => language.pick(
                ("Read only", "These pages can be read, and nothing else."),
                ("Lecture seule", "Ces pages se lisent, et rien d’autre."),
            ),
            Failure::BadHost => language.pick(
                (
                    "Bad request",
                    "The request does not say which host it is for.",
                ),
                (
                    "Requête incorrecte",
                    "La requête ne dit pas à quelle machine elle s’adresse.",
                ),
            ),
            Failure::Broken => language.pick(
                (
                    "Out of order",
                    "This box cannot look at its own state now. Try again in a moment.",
                ),
                (
                    "En panne",
                    "Ce boîtier ne peut pas lire son propre état. Réessayez dans un instant.",
                ),
            ),
        }
    }

    /// The whole answer.
    pub fn page(self, language: Language) -> Response {
        let (title, text) = self.words(language);
        let kind: [(HeaderName, &str); 5] = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::VARY, "Accept-Language"),
            (header::CONTENT_LANGUAGE, language.tag()),
            (HeaderName::from_static("x-robots-tag"), "noindex"),
        ];
        // Where there is no list, no link leads to it; a link to a list that is off says what this page would.
        let back = self == Failure::NothingHere;
        let body = pages::message(language, title, text, back);
        let mut response = (self.status(), kind, body).into_response();
        if self == Failure::ReadOnly {
            // RFC 9110, 15.5.6.
            let read = header::HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, read);
        }
        response
    }
}
