//! aria2, driven over its JSON-RPC.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Client, Limits, Link, Progress, text};
use crate::common::daemon::{Daemon, command};
use crate::common::wait::wait_for;
use crate::common::{http, net};

/// From its start to its first RPC answer, on a busy machine.
const START_BOUND: Duration = Duration::from_secs(30);

/// A running `aria2c` with one torrent. It goes on seeding when it has everything.
pub struct Aria2 {
    daemon: Daemon,
    dir: TempDir,
    rpc: String,
}

impl Aria2 {
    /// Starts it on the link.
    pub fn start(link: &Link, limits: Limits) -> Aria2 {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ip = net::fresh_ip();
        // Its RPC listens on 127.0.0.1 whatever it is told, where others listen as well.
        let rpc_port = net::free_port(std::net::Ipv4Addr::LOCALHOST);
        let mut command = command("aria2c");
        command
            .arg("--no-conf=true")
            .arg(format!("--dir={}", text(dir.path())))
            .arg(format!("--interface={ip}"))
            .arg(format!("--listen-port={}", net::free_port(ip)))
            .arg("--enable-rpc=true")
            .arg(format!("--rpc-listen-port={rpc_port}"))
            .arg("--disable-ipv6=true")
            // aria2 asks UDP trackers through its DHT's socket only. It knows no node, so that it stays alone.
            .arg("--enable-dht=true")
            .arg(format!("--dht-listen-port={}", net::free_port(ip)))
            .arg(format!("--dht-file-path={}/dht.dat", text(dir.path())))
            .arg("--enable-dht6=false")
            .arg("--bt-enable-lpd=false")
            .arg("--seed-ratio=0.0")
            .arg("--file-allocation=none")
            .arg("--bt-save-metadata=false")
            .arg("--allow-overwrite=true")
            .arg("--console-log-level=notice")
            .arg("--summary-interval=0")
            .arg(format!(
                "--max-overall-download-limit={}",
                limits.down.unwrap_or(0)
            ))
            .arg(format!(
                "--max-overall-upload-limit={}",
                limits.up.unwrap_or(0)
            ))
            .arg(match link {
                Link::Torrent(path) => text(path),
                Link::Magnet(magnet) => magnet,
            })
            .env("HOME", dir.path())
            // What it has to say goes to stdout, which nobody reads.
            .stdout(std::fs::File::create(dir.path().join("out")).expect("a file can be made"));
        let daemon = Daemon::start("aria2c", &mut command, &dir.path().join("log"));
        let mut client = Aria2 {
            daemon,
            rpc: format!("http://127.0.0.1:{rpc_port}/jsonrpc"),
            dir,
        };
        wait_for("aria2's RPC answers", START_BOUND, || {
            client.daemon.assert_alive();
            client.call("aria2.getVersion", json!([])).ok()
        });
        client
    }

    fn call(&self, method: &str, params: Value) -> Result<Value, String> {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let answer = http::request("POST", &self.rpc, &[], body.into_bytes())?.json();
        answer
            .get("result")
            .cloned()
            .ok_or_else(|| answer.to_string())
    }

    /// The download itself; none while only a magnet's metadata is being fetched.
    fn download(&mut self) -> Option<Value> {
        self.daemon.assert_alive();
        let lists = [
            ("aria2.tellActive", json!([])),
            ("aria2.tellWaiting", json!([0, 10])),
            ("aria2.tellStopped", json!([0, 10])),
        ];
        lists
            .into_iter()
            .filter_map(|(method, params)| self.call(method, params).ok())
            .flat_map(|list| list.as_array().cloned().unwrap_or_default())
            .find(|download| {
                let path = download["files"][0]["path"].as_str().unwrap_or_default();
                !path.starts_with("[METADATA]") && !path.is_empty()
            })
    }
}

impl Client for Aria2 {
    fn name(&self) -> &'static str {
        "aria2"
    }

    fn progress(&mut self) -> Progress {
        let Some(download) = self.download() else {
            return Progress::default();
        };
        // aria2 writes numbers as strings.
        let number = |key: &str| {
            download[key]
                .as_str()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        let total = number("totalLength");
        Progress {
            have: number("completedLength"),
            total,
            complete: total > 0
                && number("completedLength") == total
                && download["seeder"] == "true",
            peers: number("connections"),
            downloaded: number("completedLength"),
            error: download["errorMessage"].as_str().map(str::to_owned),
        }
    }

    fn files(&mut self) -> Vec<PathBuf> {
        let download = self.download().expect("aria2 has a download");
        let mut files: Vec<(u64, PathBuf)> = download["files"]
            .as_array()
            .expect("a download has files")
            .iter()
            .map(|file| {
                let index = file["index"]
                    .as_str()
                    .and_then(|text| text.parse().ok())
                    .expect("a file has an index");
                (
                    index,
                    PathBuf::from(file["path"].as_str().expect("a file has a path")),
                )
            })
            .collect();
        files.sort();
        files.into_iter().map(|(_, path)| path).collect()
    }
}
