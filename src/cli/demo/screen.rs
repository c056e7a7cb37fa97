//! What the demo shows: bars on a terminal, lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::leecher::Progress;
use crate::app::ReleaseView;
use crate::base::{Rate, Size};

/// Where there is no terminal: how often a line is written.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The screen.
pub(super) struct Screen {
    started: Instant,
    cap: Rate,
    bars: Option<Bars>,
    last_line: Option<Instant>,
}

struct Bars {
    all: MultiProgress,
    the_box: ProgressBar,
    leechers: Vec<ProgressBar>,
}

impl Screen {
    /// A screen for a release of `size` bytes, given away at `cap`.
    pub fn new(size: u64, cap: Rate, leechers: usize) -> Self {
        let terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self {
            started: Instant::now(),
            cap,
            bars: terminal.then(|| Bars::new(size, leechers)),
            last_line: None,
        }
    }

    /// Seconds since the demo began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Something happened.
    pub fn tell(&self, text: &str) {
        let line = format!("{:>5.1} s  {text}", self.elapsed().as_secs_f64());
        match &self.bars {
            // Where the terminal cannot be written to, nobody misses the line.
            Some(bars) => drop(bars.all.println(line)),
            None => print(&line),
        }
    }

    /// Shows how far everybody is.
    pub fn show(&mut self, release: &ReleaseView, leechers: &[Progress]) {
        let the_box = format!(
            "{}, {:.2} copies spent, {} of {}",
            release.stage,
            release.copies_spent,
            Rate(release.rate),
            self.cap
        );
        match &self.bars {
            Some(bars) => bars.show(release, the_box, leechers),
            None => {
                let due = self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY);
                if due && !leechers.is_empty() {
                    self.last_line = Some(Instant::now());
                    let share =
                        |leecher: &Progress| format!("{} %", percent(leecher.have, release.size));
                    let shares: Vec<String> = leechers.iter().map(share).collect();
                    self.tell(&format!("{the_box}; leechers have {}", shares.join(", ")));
                }
            }
        }
    }

    /// Leaves the bars as they are and writes the last lines below them.
    pub fn close(&self, lines: &[String]) {
        if let Some(bars) = &self.bars {
            bars.abandon();
        }
        lines.iter().for_each(|line| print(line));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            bars.abandon();
        }
    }
}

impl Bars {
    fn new(size: u64, leechers: usize) -> Self {
        let style = |bar: &str| {
            ProgressStyle::with_template(&format!("{{prefix:10}} {{bar:30.{bar}}} {{wide_msg}}"))
                .expect("the template is well-formed")
        };
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let add = |name: String, colour: &str| {
            all.add(ProgressBar::new(size))
                .with_style(style(colour))
                .with_prefix(name)
        };
        Self {
            the_box: add(String::from("the box"), "yellow"),
            leechers: (1..=leechers)
                .map(|n| add(format!("leecher {n}"), "green"))
                .collect(),
            all,
        }
    }

    fn show(&self, release: &ReleaseView, the_box: String, leechers: &[Progress]) {
        self.the_box
            .set_position(release.payload_bytes.min(release.size));
        self.the_box.set_message(the_box);
        for (bar, progress) in self.leechers.iter().zip(leechers) {
            bar.set_position(progress.have);
            bar.set_message(format!(
                "{}, down {}, up {}, {} peers",
                Size(progress.have),
                progress.down,
                progress.up,
                progress.peers
            ));
        }
    }

    fn abandon(&self) {
        self.the_box.abandon();
        self.leechers.iter().for_each(ProgressBar::abandon);
    }
}

/// Rounded down: what is not whole is not 100 %.
fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100) / whole.max(1)
}

/// Writes a line; whoever read them may have gone, and that is no reason to stop in the middle.
fn print(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
