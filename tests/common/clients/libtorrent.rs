//! libtorrent, driven through `tests/support/lt_client.py`, one JSON line each way.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Client, Limits, Link, Progress, text};
use crate::common::daemon::{Daemon, command};
use crate::common::net;

/// The Python that has libtorrent: the environment made by the tests' set-up, or the system's.
pub fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("a target folder");
    let own = target.join("venv/bin/python");
    if own.exists() { own } else { "python3".into() }
}

/// A running libtorrent session with one torrent.
pub struct Libtorrent {
    daemon: Daemon,
    dir: TempDir,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Libtorrent {
    /// Starts it on the link.
    pub fn start(link: &Link, limits: Limits) -> Libtorrent {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/lt_client.py");
        let mut command = command(python());
        command.arg(script).stdin(Stdio::piped());
        let mut daemon = Daemon::start("libtorrent", &mut command, &dir.path().join("log"));
        let (stdin, stdout) = (daemon.stdin(), BufReader::new(daemon.stdout()));
        let mut client = Libtorrent {
            daemon,
            dir,
            stdin,
            stdout,
        };
        let (kind, link) = match link {
            Link::Torrent(path) => ("torrent", text(path)),
            Link::Magnet(magnet) => ("magnet", magnet.as_str()),
        };
        let dir = text(client.dir.path()).to_owned();
        client.call(json!({
            "op": "start", kind: link, "dir": dir, "ip": net::fresh_ip().to_string(),
            "down": limits.down.unwrap_or(0), "up": limits.up.unwrap_or(0),
        }));
        client
    }

    /// Has it dial a peer that no tracker tells it of.
    pub fn dial(&mut self, peer: SocketAddr) {
        self.call(json!({ "op": "peer", "ip": peer.ip().to_string(), "port": peer.port() }));
    }

    /// Makes it a seeder: copies `original(i)` to where it expects file `i`, and lets it check.
    pub fn provide(&mut self, original: impl Fn(usize) -> PathBuf) {
        for (index, path) in self.files().into_iter().enumerate() {
            std::fs::create_dir_all(path.parent().expect("a file lies in a folder"))
                .expect("folders can be made");
            std::fs::copy(original(index), path).expect("content can be copied");
        }
        self.call(json!({ "op": "recheck" }));
    }

    fn call(&mut self, request: Value) -> Value {
        let mut line = request.to_string();
        line.push('\n');
        let sent = self.stdin.write_all(line.as_bytes());
        let mut answer = String::new();
        if sent.is_err() || self.stdout.read_line(&mut answer).unwrap_or(0) == 0 {
            panic!("libtorrent's driver ended:\n{}", self.daemon.tail());
        }
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

impl Client for Libtorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn progress(&mut self) -> Progress {
        let status = self.call(json!({ "op": "status" }));
        let number = |key: &str| status[key].as_u64().unwrap_or(0);
        Progress {
            have: number("have"),
            total: number("total"),
            complete: status["complete"] == true,
            peers: number("peers"),
            downloaded: number("downloaded"),
            error: status["error"].as_str().map(str::to_owned),
        }
    }

    fn files(&mut self) -> Vec<PathBuf> {
        let files = self.call(json!({ "op": "files" }));
        let files = files["files"]
            .as_array()
            .expect("libtorrent knows the files");
        files
            .iter()
            .map(|path| self.dir.path().join(path.as_str().expect("a path")))
            .collect()
    }
}
