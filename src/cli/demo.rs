//! `semoir demo`: the whole life of a release in about a minute, on this computer alone.
//!
//! Nothing in it is a mock-up: the box is the conductor, database, tracker and public page that `semoir serve` runs,
//! the leechers are librqbit, and they talk over TCP on loopback. What differs: a limit low enough to watch, waits before
//! retiring and before giving somebody up that are short enough to watch, and files that are gone at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::signals;
use crate::base::{Rate, Size};
use crate::policy::retire::Rule;

mod appliance;
mod error;
mod leecher;
mod play;
mod sample;
mod screen;

pub use error::DemoError;

use appliance::{Appliance, Orders};
use play::Play;
use screen::Screen;

/// How far apart the box must have seen each relay at least twice before it retires the release, here: long enough for
/// a reader. In earnest see [`Rule::APART`].
const APART: Duration = Duration::from_secs(3);
/// How long they must have been enough then. In earnest see [`Rule::SUSTAIN`].
const SUSTAIN: Duration = Duration::from_secs(1);
/// The least time between a stop and a return, here. In earnest see [`Rule::DWELL`].
const DWELL: Duration = Duration::from_secs(2);
/// How long one must have been looked for in vain, here: nobody in the demo is only away for a moment. In earnest see
/// [`Rule::PATIENCE`].
const GONE_AFTER: Duration = Duration::from_secs(1);
/// How long the demo may take besides what the line needs; a computer may be slow.
const PATIENCE: Duration = Duration::from_secs(90);
/// The demo gives up after this many times what the line needs for one copy, and [`PATIENCE`]: two copies leave.
const PATIENCE_COPIES: u32 = 6;
/// Smaller samples are over before the first picture.
const MIN_SIZE: u64 = 1 << 20;
/// Larger ones fill a temporary folder that may be memory: there is one copy for the box and one for each leecher.
const MAX_SIZE: u64 = 2 << 30;
/// The slowest line shown: librqbit's limiter works by the block, and below this the wait is for that.
const MIN_CAP: u64 = 64 << 10;

/// What is shown.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Share this much, 1MiB to 2GiB
    #[arg(long, value_name = "SIZE", default_value_t = Size(32 << 20))]
    pub size: Size,
    /// The box uploads no faster, everything on the wire counted; at least 64KiB/s
    #[arg(long, value_name = "RATE", default_value_t = Rate(3 << 19))]
    pub cap: Rate,
    /// This many download it
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub leechers: u32,
}

impl Args {
    fn check(&self) -> Result<(), DemoError> {
        if !(MIN_SIZE..=MAX_SIZE).contains(&self.size.0) {
            return Err(DemoError::Size(self.size));
        }
        if self.cap.0 < MIN_CAP {
            return Err(DemoError::Cap(self.cap));
        }
        Ok(())
    }

    /// How long it may take.
    fn bound(&self) -> Duration {
        let one_copy = Duration::from_secs_f64(self.size.0 as f64 / self.cap.0 as f64);
        PATIENCE + one_copy * PATIENCE_COPIES
    }
}

/// Takes HTTP proxies out of this process's environment: librqbit would send its announces to the box's tracker on
/// loopback through them. To be called before any thread is started.
pub fn forget_proxies() {
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        // SAFETY: called from `main` before the runtime, while this is the only thread.
        unsafe { std::env::remove_var(name) };
    }
}

/// Shows it.
///
/// # Errors
/// See [`DemoError`]. Whatever happens, nothing is left behind.
pub async fn run(args: Args) -> Result<(), DemoError> {
    args.check()?;
    let stop = signals::stop_on_signals().map_err(|error| DemoError::Io {
        path: "signals".into(),
        error,
    })?;
    let folder = tempfile::Builder::new()
        .prefix("semoir-demo-")
        .tempdir()
        .map_err(|error| DemoError::Io {
            path: std::env::temp_dir(),
            error,
        })?;
    let mut screen = Screen::new(args.size.0, args.cap, args.leechers as usize);
    let shown = show(&args, folder.path(), &mut screen, &stop).await;
    let removed = remove(folder);
    let summary = shown?;
    removed?;
    screen.close(&summary);
    Ok(())
}

async fn show(
    args: &Args,
    folder: &Path,
    screen: &mut Screen,
    stop: &CancellationToken,
) -> Result<Vec<String>, DemoError> {
    let media = folder.join("media");
    let (making, size) = (media.clone(), args.size);
    let made = tokio::task::spawn_blocking(move || sample::make(&making, size.0)).await;
    made.map_err(|error| DemoError::Failed(error.to_string()))?
        .map_err(|(path, error)| DemoError::Io { path, error })?;
    screen.tell(&format!(
        "a sample of {size} is made; the box may upload {}, {} leechers wait",
        args.cap, args.leechers
    ));
    screen.tell(&format!(
        "before it retires a release the box makes sure that the others stay: in earnest for {} minutes, here for {} \
         seconds",
        (Rule::APART + Rule::SUSTAIN).as_secs() / 60,
        (APART + SUSTAIN).as_secs()
    ));
    let data = subfolder(folder, "box")?;
    let appliance = Appliance::start(Orders {
        data: &data,
        media,
        cap: args.cap,
        rule: Rule {
            relays: args.leechers,
            apart: APART,
            sustain: SUSTAIN,
            missed: 1,
            patience: GONE_AFTER,
            dwell: DWELL,
            ..Rule::default()
        },
    })
    .await?;
    screen.tell(&format!("its public page is http://{}/", appliance.public));
    let bound = args.bound();
    let mut play = Play::new(args, folder, &appliance, screen);
    let played = tokio::select! {
        played = play.run() => played,
        () = stop.cancelled() => Err(DemoError::Stopped),
        () = tokio::time::sleep(bound) => Err(DemoError::TooLong { bound, state: play.state() }),
    };
    join_all(play.leechers.iter().map(|leecher| leecher.stop())).await;
    drop(play);
    appliance.stop().await;
    played
}

fn subfolder(folder: &Path, name: &str) -> Result<PathBuf, DemoError> {
    let path = folder.join(name);
    match fs::create_dir(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(DemoError::Io { path, error }),
    }
}

fn remove(folder: TempDir) -> Result<(), DemoError> {
    let path = folder.path().to_owned();
    folder
        .close()
        .map_err(|error| DemoError::Io { path, error })
}
