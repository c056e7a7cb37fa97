//! Transmission's daemon, driven over its RPC.
//!
//! Transmission takes no peer on 127/8 or ::1 from a tracker or from PEX, but takes one that dials in. So on loopback the
//! other side has to learn of it and dial.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Client, Limits, Link, Progress, text};
use crate::common::content::Tree;
use crate::common::daemon::{Daemon, command};
use crate::common::wait::wait_for;
use crate::common::{http, net};

/// From its start to its first RPC answer, on a busy machine.
const START_BOUND: Duration = Duration::from_secs(30);

/// A running `transmission-daemon` with one torrent.
pub struct Transmission {
    daemon: Daemon,
    dir: TempDir,
    rpc: String,
    session: String,
    torrent: i64,
}

impl Transmission {
    /// Starts it and gives it the link.
    pub fn start(link: &Link, limits: Limits) -> Transmission {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let ip = net::fresh_ip();
        let rpc_port = net::free_port(ip);
        let settings = settings(ip, rpc_port, text(dir.path()), limits);
        std::fs::write(dir.path().join("settings.json"), settings.to_string())
            .expect("settings can be written");
        let mut command = command("transmission-daemon");
        command
            .args(["--foreground", "--config-dir", text(dir.path())])
            .env("HOME", dir.path());
        let daemon = Daemon::start("transmission-daemon", &mut command, &dir.path().join("log"));
        let mut client = Transmission {
            daemon,
            rpc: format!("http://{ip}:{rpc_port}/transmission/rpc"),
            session: String::new(),
            torrent: 0,
            dir,
        };
        client.session = wait_for("transmission's RPC answers", START_BOUND, || {
            client.daemon.assert_alive();
            let refusal = http::get(&client.rpc).ok()?;
            Some(refusal.header("x-transmission-session-id")?.to_owned())
        });
        let link = match link {
            Link::Torrent(path) => text(path),
            Link::Magnet(magnet) => magnet,
        };
        let added = client.call("torrent-add", json!({ "filename": link }));
        client.torrent = added["torrent-added"]["id"]
            .as_i64()
            .unwrap_or_else(|| panic!("transmission does not take {link}: {added}"));
        client
    }

    fn call(&mut self, method: &str, arguments: Value) -> Value {
        self.daemon.assert_alive();
        let body = json!({ "method": method, "arguments": arguments }).to_string();
        let headers = [("X-Transmission-Session-Id", self.session.as_str())];
        let answer = http::request("POST", &self.rpc, &headers, body.into_bytes())
            .unwrap_or_else(|error| panic!("transmission's RPC: {error}"))
            .json();
        assert_eq!(
            answer["result"], "success",
            "transmission, {method}: {answer}"
        );
        answer["arguments"].clone()
    }

    fn torrent(&mut self, fields: Value) -> Value {
        let ids = [self.torrent];
        self.call("torrent-get", json!({ "ids": ids, "fields": fields }))["torrents"][0].clone()
    }
}

/// Off are: DHT, LSD, uTP, port forwarding, the `.part` suffix (a 255-byte name has no room for it), its write cache.
/// Rates are given in kB/s, so capped clients get multiples of 1000. Encryption stays at its default (preferred).
fn settings(ip: Ipv4Addr, rpc_port: u16, dir: &str, limits: Limits) -> Value {
    let kilo = |rate: Option<u32>| rate.map_or(0, |rate| rate / 1000);
    json!({
        "bind-address-ipv4": ip.to_string(),
        "bind-address-ipv6": "::1",
        "cache-size-mb": 0,
        "dht-enabled": false,
        "download-dir": format!("{dir}/downloads"),
        "encryption": 1,
        "lpd-enabled": false,
        "peer-port": net::free_port(ip),
        "peer-port-random-on-start": false,
        "port-forwarding-enabled": false,
        "ratio-limit-enabled": false,
        "idle-seeding-limit-enabled": false,
        "rename-partial-files": false,
        "rpc-authentication-required": false,
        "rpc-bind-address": ip.to_string(),
        "rpc-host-whitelist-enabled": false,
        "rpc-port": rpc_port,
        "rpc-whitelist-enabled": false,
        "speed-limit-down": kilo(limits.down),
        "speed-limit-down-enabled": limits.down.is_some(),
        "speed-limit-up": kilo(limits.up),
        "speed-limit-up-enabled": limits.up.is_some(),
        "start-added-torrents": true,
        "utp-enabled": false,
    })
}

impl Client for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn progress(&mut self) -> Progress {
        let fields = [
            "metadataPercentComplete",
            "percentDone",
            "leftUntilDone",
            "sizeWhenDone",
            "haveValid",
            "peersConnected",
            "downloadedEver",
            "corruptEver",
            "error",
            "errorString",
            "status",
        ];
        let torrent = self.torrent(json!(fields));
        let number = |key: &str| torrent[key].as_u64().unwrap_or(0);
        let known = torrent["metadataPercentComplete"].as_f64() == Some(1.0);
        Progress {
            have: number("haveValid"),
            total: if known { number("sizeWhenDone") } else { 0 },
            complete: known
                && number("sizeWhenDone") > 0
                && torrent["leftUntilDone"].as_u64() == Some(0),
            peers: number("peersConnected"),
            downloaded: number("downloadedEver") + number("corruptEver"),
            error: (number("error") != 0).then(|| torrent["errorString"].to_string()),
        }
    }

    /// 3.00 does not; later ones do, which is as well.
    fn makes_empty_files(&self) -> bool {
        false
    }

    fn files(&mut self) -> Vec<PathBuf> {
        let downloads = self.dir.path().join("downloads");
        let written: Vec<PathBuf> = Tree::existing(&downloads)
            .files()
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        let torrent = self.torrent(json!(["files"]));
        let files = torrent["files"].as_array().expect("a torrent has files");
        files
            .iter()
            .map(|file| {
                let name = file["name"].as_str().expect("a file has a name");
                let meant = written.iter().find(|path| as_its_rpc_writes(path) == name);
                downloads.join(meant.map_or(Path::new(name), PathBuf::as_path))
            })
            .collect()
    }
}

/// 3.00 escapes a letter beyond U+FFFF as one `\u` with five digits, so that a reader sees another letter and a digit.
fn as_its_rpc_writes(path: &Path) -> String {
    let mut text = String::new();
    for letter in path.to_string_lossy().chars() {
        let code = u32::from(letter);
        match char::from_u32(code >> 4) {
            Some(first) if code > 0xffff => {
                text.extend([first, char::from_digit(code & 15, 16).unwrap_or('?')])
            }
            _ => text.push(letter),
        }
    }
    text
}
