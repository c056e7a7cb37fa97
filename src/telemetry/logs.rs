//! The last lines of the log, for the owner's page: a box in a cupboard has no terminal.
//!
//! Lines of our own, and of libraries what they warn of. Whatever filter the owner sets for the log, what libraries say
//! in detail (the bytes of a request, a header) never gets here.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::base::Timestamp;

/// Lines kept: a busy day's, and with [`MAX_LINE`] less than a megabyte of memory.
const MAX_LINES: usize = 1_000;

/// Bytes of a line, after which it is cut: file names can be as long as the system lets them.
const MAX_LINE: usize = 800;

/// What our own lines come from.
const OURS: &str = "semoir";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number, counted from 1 since the start.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// How grave it is.
    pub level: Level,
    /// The part of the program that wrote it.
    pub target: String,
    /// What it says, on one line.
    pub text: String,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<LogLine>,
    written: u64,
}

/// The last lines. Cheap to clone; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Logs(Arc<Mutex<Ring>>);

impl Logs {
    /// No lines yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What writes into these lines.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        Writer(self.clone())
    }

    /// At most `count` lines after number `after` that are at least as grave as `level`: the last of them, oldest first.
    pub fn after(&self, after: u64, level: Level, count: usize) -> Vec<LogLine> {
        let ring = self.0.lock();
        let newest_first = ring.lines.iter().rev();
        let mut lines: Vec<LogLine> = newest_first
            .take_while(|line| line.number > after)
            .filter(|line| line.level <= level)
            .take(count)
            .cloned()
            .collect();
        lines.reverse();
        lines
    }

    /// How many lines were written since the start: the number of the last.
    pub fn written(&self) -> u64 {
        self.0.lock().written
    }

    fn push(&self, level: Level, target: &str, text: String) {
        let mut ring = self.0.lock();
        if ring.lines.len() >= MAX_LINES {
            ring.lines.pop_front();
        }
        ring.written += 1;
        let number = ring.written;
        ring.lines.push_back(LogLine {
            number,
            at: Timestamp::now(),
            level,
            target: target.to_owned(),
            text,
        });
    }
}

struct Writer(Logs);

impl<S: Subscriber> Layer<S> for Writer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let (level, target) = (*metadata.level(), metadata.target());
        let ours = target == OURS || target.starts_with("semoir::");
        if !ours && level > Level::WARN {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        self.0.push(level, target, text.whole());
    }
}

/// An event as one line: its message, then its fields.
#[derive(Default)]
struct Text {
    message: Line,
    fields: Line,
}

impl Text {
    fn whole(mut self) -> String {
        // A `Line` takes what fits and never fails.
        let _ = self.message.write_str(&self.fields.0);
        self.message.0
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

/// Text without control characters, cut at [`MAX_LINE`]: a file name may hold a newline, and a line must not look like
/// two, nor move a terminal's cursor.
#[derive(Default)]
struct Line(String);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if self.0.len() >= MAX_LINE {
                return Ok(());
            }
            if char.is_control() {
                self.0.extend(char.escape_default());
            } else {
                self.0.push(char);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The lines of what `call` logs, everything let through.
    fn lines_of(call: impl FnOnce()) -> Logs {
        let logs = Logs::new();
        with_default(tracing_subscriber::registry().with(logs.layer()), call);
        logs
    }

    fn texts(logs: &Logs, after: u64, level: Level) -> Vec<String> {
        let lines = logs.after(after, level, usize::MAX);
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_found_by_number_and_level() {
        let logs = lines_of(|| {
            tracing::info!(release = 7, "shared");
            tracing::debug!("a detail");
            tracing::error!(error = %"no room", "could not");
            tracing::warn!("slow");
        });
        assert_eq!(
            texts(&logs, 0, Level::INFO),
            ["shared release=7", "could not error=no room", "slow"]
        );
        assert_eq!(texts(&logs, 0, Level::WARN).len(), 2);
        assert_eq!(texts(&logs, 2, Level::TRACE), texts(&logs, 2, Level::WARN));
        assert_eq!(texts(&logs, 4, Level::TRACE), [""; 0]);
        assert_eq!(logs.written(), 4);
        let last = logs.after(0, Level::TRACE, 1);
        assert_eq!((last.len(), last[0].number), (1, 4));
        assert_eq!(last[0].level, Level::WARN);
        assert!(last[0].target.starts_with("semoir::telemetry"));
    }

    #[test]
    fn they_are_bounded_in_number_and_length() {
        let long = "é".repeat(100_000);
        let logs = lines_of(|| {
            for number in 0..MAX_LINES as u64 + 10 {
                tracing::info!(number, name = long.as_str(), "{long}");
            }
        });
        let lines = logs.after(0, Level::TRACE, usize::MAX);
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines[0].number, 11);
        assert!(lines.iter().all(|line| line.text.len() <= MAX_LINE + 1));
    }

    #[test]
    fn a_hostile_name_stays_on_its_line() {
        let logs = lines_of(|| {
            let name = "film\n2026 ERROR semoir: \u{1b}[2J\u{202e}";
            tracing::info!(name, "found");
        });
        let [line] = &logs.after(0, Level::TRACE, 9)[..] else {
            panic!("one line");
        };
        assert!(!line.text.contains(char::is_control), "{:?}", line.text);
        assert!(line.text.starts_with(r"found name=film\n2026"));
    }

    #[test]
    fn libraries_only_warn() {
        let logs = lines_of(|| {
            tracing::trace!(target: "hyper::proto", "cookie: semoir_session=1");
            tracing::info!(target: "semoirish", "not ours");
            tracing::warn!(target: "librqbit_dht", "trouble");
        });
        assert_eq!(texts(&logs, 0, Level::TRACE), ["trouble"]);
    }
}
