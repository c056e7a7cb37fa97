//! `semoir seed`: one content, in the foreground.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::daemon::{Daemon, command};
use super::wait::wait_for;
use super::{net, torrent::Torrent};

/// From its start to its first line: hashing a small content included.
const START_BOUND: Duration = Duration::from_secs(60);

/// What `semoir seed` is told beside the path.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--torrent`: a .torrent that exists already.
    pub torrent: Option<PathBuf>,
    /// `--tracker`, each.
    pub trackers: Vec<String>,
    /// `--cap`, in bytes per second on the wire.
    pub cap: Option<u64>,
    /// Further arguments.
    pub args: Vec<String>,
}

/// One line of figures, and when it came.
#[derive(Debug, Clone)]
pub struct Figures {
    /// When the line was read.
    pub at: Instant,
    /// Bytes on the wire, ever.
    pub wire: u64,
    /// Payload bytes, ever.
    pub payload: u64,
    /// The whole line.
    pub line: Value,
}

/// A running `semoir seed`.
pub struct Seed {
    daemon: Daemon,
    /// State and log.
    pub dir: TempDir,
    /// Where it takes peers.
    pub addr: String,
    /// Hexadecimal, lower case.
    pub info_hash: String,
    /// As it gives it.
    pub magnet: String,
    figures: Arc<Mutex<Vec<Figures>>>,
}

impl Seed {
    /// Starts it on `path`, and waits until it listens.
    pub fn start(path: &Path, options: &Options) -> Seed {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = command(env!("CARGO_BIN_EXE_semoir"));
        command.arg("seed").arg(path).args([
            "--json",
            "--keep",
            "--offline",
            "--no-dht",
            "--listen",
        ]);
        // A tracker takes a peer to be where its announce comes from, which on loopback is 127.0.0.1.
        command.arg(net::any_port(std::net::Ipv4Addr::LOCALHOST).to_string());
        command.arg("--state").arg(dir.path().join("state"));
        if let Some(torrent) = &options.torrent {
            command.arg("--torrent").arg(torrent);
        }
        for tracker in &options.trackers {
            command.args(["--tracker", tracker]);
        }
        if let Some(cap) = options.cap {
            command.args(["--cap", &cap.to_string()]);
        }
        command.args(&options.args);
        let mut daemon = Daemon::start("semoir seed", &mut command, &dir.path().join("log"));
        let lines = daemon.lines();
        let mut waited = Duration::ZERO;
        let first = loop {
            let step = Duration::from_millis(200);
            match lines.recv_timeout(step) {
                Ok(line) => break line,
                Err(_) => daemon.assert_alive(),
            }
            waited += step;
            assert!(
                waited < START_BOUND,
                "semoir seed prints nothing:\n{}",
                daemon.tail()
            );
        };
        let first: Value =
            serde_json::from_str(&first).unwrap_or_else(|error| panic!("{error}: {first}"));
        let text = |key: &str| {
            first[key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key} in {first}"))
                .to_owned()
        };
        let figures = Arc::<Mutex<Vec<Figures>>>::default();
        let written = figures.clone();
        std::thread::spawn(move || {
            for line in lines {
                let Ok(line) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                let number = |key: &str| line[key].as_u64().unwrap_or(0);
                let (wire, payload) = (number("wire"), number("payload"));
                let figures = Figures {
                    at: Instant::now(),
                    wire,
                    payload,
                    line,
                };
                written
                    .lock()
                    .expect("no thread panics holding this")
                    .push(figures);
            }
        });
        let (addr, info_hash, magnet) = (text("listening"), text("info_hash"), text("magnet"));
        Seed {
            daemon,
            dir,
            addr,
            info_hash,
            magnet,
            figures,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Fails the test when it has ended.
    pub fn assert_alive(&mut self) {
        self.daemon.assert_alive();
    }

    /// Every line of figures so far.
    pub fn figures(&self) -> Vec<Figures> {
        self.figures
            .lock()
            .expect("no thread panics holding this")
            .clone()
    }

    /// The next line of figures that `enough` accepts.
    pub fn wait_figures(
        &mut self,
        what: &str,
        bound: Duration,
        enough: impl Fn(&Figures) -> bool,
    ) -> Figures {
        wait_for(what, bound, || {
            self.daemon.assert_alive();
            self.figures()
                .last()
                .filter(|figures| enough(figures))
                .cloned()
        })
    }

    /// SIGTERM, and the way it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        self.daemon.terminate(Duration::from_secs(15))
    }
}

/// `semoir create` on `path`: the .torrent it writes, read by somebody else.
pub fn create(path: &Path, to: &Path, args: &[&str]) -> Torrent {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_semoir"));
    command
        .arg("create")
        .arg(path)
        .arg("-o")
        .arg(to)
        .args(args)
        .env("SEMOIR_OFFLINE", "1");
    let made = command.output().expect("semoir starts");
    assert!(
        made.status.success(),
        "semoir create: {}\n{}{}",
        made.status,
        String::from_utf8_lossy(&made.stdout),
        String::from_utf8_lossy(&made.stderr)
    );
    Torrent::parse(&std::fs::read(to).expect("semoir create wrote a torrent"))
}
