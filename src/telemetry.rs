//! What the box tells those who run it: logs to journald, or to stderr where there is none; figures for monitoring.

pub mod logs;
pub mod metrics;

use std::io::IsTerminal;
use std::sync::LazyLock;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

pub use logs::Logs;

/// The environment variable that says what is logged, in the syntax of `tracing`'s filters: `semoir=debug`.
pub const FILTER: &str = "SEMOIR_LOG";
/// What is logged unless it says otherwise. Libraries are quiet: their news is not the owner's.
const DEFAULT_FILTER: &str = "warn,semoir=info,librqbit=error,librqbit_dht=error";

/// As [`DEFAULT_FILTER`], for commands that tell their news themselves.
const QUIET_FILTER: &str = "warn,librqbit=off";

/// The last lines of this process, written from [`start`] on.
static LOGS: LazyLock<Logs> = LazyLock::new(Logs::new);

/// The last lines of what this process logged.
pub fn logs() -> Logs {
    LOGS.clone()
}

/// Starts logging. When systemd runs us, journald gets fields with their names; otherwise stderr gets lines. A second
/// call changes nothing.
pub fn start() {
    start_with(DEFAULT_FILTER);
}

/// As [`start`], warnings and errors only.
pub fn start_quiet() {
    start_with(QUIET_FILTER);
}

fn start_with(default_filter: &str) {
    let filter = || {
        std::env::var(FILTER)
            .ok()
            .and_then(|text| EnvFilter::try_new(text).ok())
            .unwrap_or_else(|| EnvFilter::new(default_filter))
    };
    // systemd sets this when our stderr is the journal: then lines would lose their level and fields.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let layer = match journal {
        Some(journal) => journal.boxed(),
        None => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(layer.with_filter(filter()))
        .with(logs().layer().with_filter(filter()))
        .try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "logging had been started already");
    }
}
