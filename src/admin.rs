//! The owner's API and page.
//!
//! Everything under `/api/v1` but a few named routes needs a session or a token; what is not under it is the page's own
//! files. From the outside in, a request passes `guard` (which host was meant, which page sent it), `access` (who may use
//! the route), and then its route; what went wrong is said on the way out in the browser's language (`french`). What changes
//! something is brought to its end also when the browser goes away (`finish`). The API is described by the OpenAPI document
//! that the routes themselves make ([`openapi`]).

mod access;
mod account;
mod assets;
mod auth;
mod backup;
mod box_info;
mod box_state;
mod decisions;
mod events;
mod extract;
mod finish;
mod french;
mod guard;
mod kit;
mod limiter;
mod links;
mod logs;
mod metrics;
mod overview;
mod problem;
mod release_settings;
mod releases;
mod security;
mod session;
mod settings;
mod setup_code;
mod shares;
mod sources;
mod swarms;
mod system;
mod tag;
mod tokens;
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router, middleware};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Handle;
use crate::app::system::System;
use crate::app::uploads::Uploads;
use crate::base::Press;
use crate::store::Store;
use crate::telemetry::Logs;

pub use auth::{
    AuthError, MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS, check_owner_hash, claim_with_hash,
    claim_with_password, hash_owner_password,
};
pub use french::french;
pub use setup_code::{SetupCode, renew_setup_code};

use limiter::Limiter;

/// Bytes in the JSON of a request. The largest is a list of trackers.
const MAX_JSON: usize = 64 << 10;

/// What the admin routes need.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// The database.
    pub store: Store,
    /// The way to the conductor.
    pub handle: Handle,
    /// Receives what the browser sends.
    pub uploads: Uploads,
    /// The box's name, as its page shows it.
    pub name: String,
    /// Names by which the page may be opened, besides addresses, `localhost` and `*.local`.
    pub host_names: Vec<String>,
    /// Port of the public listener.
    pub public_port: u16,
    /// The last lines of the log.
    pub logs: Logs,
    /// Whether something starts the box again when it ends.
    pub supervised: bool,
    /// Where the setup code lies for whoever shows it, until the box is claimed.
    pub setup_code_file: Option<PathBuf>,
    /// Makes what is handed out of a release.
    pub press: Arc<dyn Press>,
    /// The way to the whole system, where the box is one.
    pub system: System,
}

/// What the routes share.
struct Shared {
    store: Store,
    handle: Handle,
    uploads: Uploads,
    name: String,
    host_names: Vec<String>,
    public_port: u16,
    press: Arc<dyn Press>,
    /// Tries at the setup code.
    claims: Mutex<Limiter>,
    /// Tries at the password.
    sign_ins: Mutex<Limiter>,
    /// Passwords being hashed, each of which takes its memory.
    hashing: Arc<Semaphore>,
    /// Streams of events that are open.
    streams: Arc<Semaphore>,
    /// Changes whenever a session or token ends before its time, or something is set that other pages show.
    news: watch::Sender<u64>,
    logs: Logs,
    supervised: bool,
    setup_code_file: Option<PathBuf>,
    system: System,
    started: Instant,
}

impl Shared {
    /// Tells every open page that settings, sessions or tokens changed.
    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }
}

type App = Arc<Shared>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Semoir",
        description = "The owner's interface to the box.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "box", description = "The box itself, and claiming it"),
        (name = "system", description = "The whole system under the box: updates, power, Wi-Fi"),
        (name = "session", description = "Signing in and out"),
        (name = "account", description = "The password, the browsers that are signed in, and tokens for programs"),
        (name = "overview", description = "The live picture"),
        (name = "releases", description = "What is shared"),
        (name = "sources", description = "Where it comes from"),
        (name = "settings", description = "What the owner can change"),
        (name = "uploads", description = "Sending files to the box")
    )
)]
struct Document;

/// Routes that answer without a session.
fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(box_info::box_info))
        .routes(routes!(box_info::code))
        .routes(routes!(box_info::claim))
        .routes(routes!(session::sign_in))
}

/// Routes that need one, or a token.
fn owners_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session::sign_out))
        .routes(routes!(account::change_password))
        .routes(routes!(account::sessions, account::end_other_sessions))
        .routes(routes!(account::end_session))
        .routes(routes!(tokens::tokens, tokens::make_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(box_state::box_state))
        .routes(routes!(logs::logs))
        .routes(routes!(logs::journal))
        .routes(routes!(box_state::restart))
        .routes(routes!(box_state::reset))
        .routes(routes!(system::system))
        .routes(routes!(system::receive_update, system::forget_update))
        .routes(routes!(system::install_update))
        .routes(routes!(system::power))
        .routes(routes!(system::join_wifi, system::leave_wifi))
        .routes(routes!(backup::backup, backup::restore))
        .routes(routes!(overview::overview))
        .routes(routes!(events::events))
        .routes(routes!(decisions::decisions))
        .routes(routes!(swarms::history))
        .routes(routes!(swarms::release_history))
        .routes(routes!(swarms::release_pieces))
        .routes(routes!(releases::release, releases::remove_release))
        .routes(routes!(releases::share_release))
        .routes(routes!(releases::pause_release))
        .routes(routes!(releases::resume_release))
        .routes(routes!(releases::release_torrent))
        .routes(routes!(kit::share_kit))
        .routes(routes!(kit::qr_code))
        .routes(routes!(kit::static_page))
        .routes(routes!(
            release_settings::release_settings,
            release_settings::change_release_settings
        ))
        .routes(routes!(sources::rescan))
        .routes(routes!(sources::change_source, sources::forget_source))
        .routes(routes!(sources::format_source))
        .routes(routes!(sources::approve_source))
        .routes(routes!(shares::shares, shares::add_share))
        .routes(routes!(shares::change_share, shares::remove_share))
        .routes(routes!(shares::try_share))
        .routes(routes!(settings::settings, settings::change_settings))
        .routes(routes!(uploads::begin_upload))
        .routes(routes!(uploads::upload, uploads::cancel_upload))
        .routes(routes!(uploads::put_chunk))
        .routes(routes!(uploads::finish_upload))
}

/// The API's description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = open_routes().merge(owners_routes()).into_openapi();
    security::describe(&mut document);
    document
}

/// The admin listener's routes. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: the limits on
/// tries are by address, and without one all callers count as one.
pub fn router(state: AdminState) -> Router {
    let app: App = Arc::new(Shared {
        store: state.store,
        handle: state.handle,
        uploads: state.uploads,
        name: state.name,
        host_names: state.host_names,
        public_port: state.public_port,
        press: state.press,
        claims: Mutex::new(Limiter::new()),
        sign_ins: Mutex::new(Limiter::new()),
        hashing: Arc::new(Semaphore::new(auth::MAX_HASHING)),
        streams: Arc::new(Semaphore::new(events::MAX_STREAMS)),
        news: watch::Sender::new(0),
        logs: state.logs,
        supervised: state.supervised,
        setup_code_file: state.setup_code_file,
        system: state.system,
        started: Instant::now(),
    });
    let owners = Router::from(owners_routes()).route_layer(middleware::from_fn_with_state(
        Arc::clone(&app),
        access::require,
    ));
    let document = openapi();
    Router::from(open_routes())
        .merge(owners)
        .route(
            "/api/v1/openapi.json",
            get(move || async move { Json(document) }),
        )
        .route(metrics::PATH, get(metrics::metrics))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(assets::serve)
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&app),
            guard::guard,
        ))
        .layer(middleware::from_fn(problem::in_language))
        .layer(middleware::from_fn(guard::security_headers))
        .layer(middleware::from_fn(finish::finish))
        .with_state(app)
}
