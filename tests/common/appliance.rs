//! `semoir serve`: the box, met through its listeners only.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::daemon::{Daemon, command};
use super::http::{self, Answer};
use super::net;
use super::torrent::Torrent;
use super::wait::wait_for;

/// From its start to the last of its first lines.
const START_BOUND: Duration = Duration::from_secs(30);

/// The owner's password in every test.
const PASSWORD: &str = "correct horse battery staple";

/// A running `semoir serve`, claimed by the test.
pub struct Appliance {
    daemon: Daemon,
    data: PathBuf,
    sources: Vec<PathBuf>,
    ip: std::net::Ipv4Addr,
    cookie: String,
    /// The owner's page, without the trailing slash.
    pub admin: String,
    /// The public page, without the trailing slash.
    pub public: String,
    /// Where it takes peers.
    pub peers: SocketAddr,
    code: Option<String>,
}

impl Appliance {
    /// Starts a box with its state in `data`, waits for its listeners, and claims it.
    pub fn start(data: &Path, sources: &[&Path]) -> Appliance {
        let sources: Vec<PathBuf> = sources.iter().map(|source| source.to_path_buf()).collect();
        let ip = net::fresh_ip();
        let started = launch(data, &sources, [net::any_port(ip); 3], true);
        let mut appliance = Appliance {
            daemon: started.daemon,
            data: data.to_owned(),
            sources,
            ip,
            cookie: String::new(),
            admin: started.admin,
            public: started.public,
            peers: started.peers,
            code: started.code,
        };
        appliance.claim();
        appliance
    }

    fn claim(&mut self) {
        let code = self.code.clone().expect("a new box prints its setup code");
        let body = json!({ "code": code, "password": PASSWORD });
        let answer = self.open("POST", "/api/v1/box/claim", body);
        assert_eq!(answer.status, 204, "claiming: {}", answer.text());
        self.keep_cookie(&answer);
    }

    fn sign_in(&mut self) {
        let answer = self.open("POST", "/api/v1/session", json!({ "password": PASSWORD }));
        assert_eq!(answer.status, 204, "signing in: {}", answer.text());
        self.keep_cookie(&answer);
    }

    /// A request without a session.
    fn open(&self, method: &str, path: &str, body: Value) -> Answer {
        let headers = [("Content-Type", "application/json")];
        let url = format!("{}{path}", self.admin);
        http::request(method, &url, &headers, body.to_string().into_bytes())
            .unwrap_or_else(|error| panic!("{method} {url}: {error}"))
    }

    fn keep_cookie(&mut self, answer: &Answer) {
        let cookie = answer
            .header("set-cookie")
            .expect("a session comes as a cookie");
        self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    }

    /// A request as the owner.
    pub fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let headers = [
            ("Cookie", self.cookie.as_str()),
            ("Content-Type", "application/json"),
        ];
        let url = format!("{}/api/v1{path}", self.admin);
        let body = body
            .map(|body| body.to_string().into_bytes())
            .unwrap_or_default();
        http::request(method, &url, &headers, body)
            .unwrap_or_else(|error| panic!("{method} {url}: {error}"))
    }

    /// The picture of the box now.
    pub fn overview(&self) -> Value {
        let answer = self.api("GET", "/overview", None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Every release, as the page sees it.
    pub fn releases(&self) -> Vec<Value> {
        self.overview()["releases"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// Waits until one release (the first that `which` accepts) is as `enough` wants it.
    pub fn wait_release(
        &mut self,
        what: &str,
        bound: Duration,
        enough: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut seen = Vec::new();
        let deadline = Instant::now() + bound;
        loop {
            self.daemon.assert_alive();
            seen = Some(self.releases())
                .filter(|now| !now.is_empty())
                .unwrap_or(seen);
            if let Some(release) = seen.iter().find(|release| enough(release)) {
                return release.clone();
            }
            assert!(
                Instant::now() < deadline,
                "no release {what} within {bound:?}: {seen:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the release is being seeded, and fetches its .torrent from the public listener.
    pub fn wait_seeding(&mut self, bound: Duration) -> (Value, Torrent, Vec<u8>) {
        let seeding = |release: &Value| {
            assert_ne!(release["stage"], "failed", "{release}");
            matches!(
                release["stage"].as_str(),
                Some("spreading" | "supporting" | "retired")
            )
        };
        let release = self.wait_release("is being seeded", bound, seeding);
        let url = format!(
            "{}/t/{}.torrent",
            self.public,
            release["info_hash"].as_str().expect("hashed")
        );
        let answer = http::get(&url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        let torrent = Torrent::parse(&answer.body);
        (release, torrent, answer.body)
    }

    /// Sets the owner's cap, in bytes per second on the wire.
    pub fn set_cap(&self, cap: u64) {
        let answer = self.api("PATCH", "/settings", Some(json!({ "upstream_cap": cap })));
        assert!(answer.status < 300, "{}", answer.text());
    }

    /// The embedded tracker over HTTP.
    pub fn http_tracker(&self) -> String {
        format!("{}/announce", self.public)
    }

    /// The embedded tracker over UDP: the public listener's port.
    pub fn udp_tracker(&self) -> String {
        format!(
            "udp://{}/announce",
            self.public.trim_start_matches("http://")
        )
    }

    /// The public listener.
    pub fn public_addr(&self) -> SocketAddr {
        self.public
            .trim_start_matches("http://")
            .parse()
            .expect("an address")
    }

    /// The admin listener.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin
            .trim_start_matches("http://")
            .parse()
            .expect("an address")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Fails the test when it has ended.
    pub fn assert_alive(&mut self) {
        self.daemon.assert_alive();
    }

    /// The session's cookie, for requests that are written by hand.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// SIGTERM, and waits for the end; fails when it takes longer than `bound`.
    pub fn terminate(&mut self, bound: Duration) -> std::process::ExitStatus {
        self.daemon.terminate(bound)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts again on the same state and the same addresses, as a box does after a power cut, and signs in.
    pub fn restart(&mut self) {
        self.daemon.kill();
        let addrs = [self.admin_addr(), self.public_addr(), self.peers];
        let started = launch(&self.data, &self.sources, addrs, false);
        self.daemon = started.daemon;
        (self.admin, self.public, self.peers) = (started.admin, started.public, started.peers);
        let state = self.open("GET", "/api/v1/box", Value::Null).json();
        assert_eq!(
            state["claimed"], true,
            "a claimed box stays claimed: {state}"
        );
        self.sign_in();
    }

    /// Its address.
    pub fn ip(&self) -> std::net::Ipv4Addr {
        self.ip
    }
}

struct Started {
    daemon: Daemon,
    admin: String,
    public: String,
    peers: SocketAddr,
    code: Option<String>,
}

/// A new box prints a setup code as well, which is waited for.
fn launch(
    data: &Path,
    sources: &[PathBuf],
    [admin, public, peer]: [SocketAddr; 3],
    new: bool,
) -> Started {
    let mut command = command(env!("CARGO_BIN_EXE_semoir"));
    command.args(["serve", "--offline", "--data"]).arg(data);
    command.args([
        "--admin",
        &admin.to_string(),
        "--public",
        &public.to_string(),
        "--peer",
        &peer.to_string(),
    ]);
    for source in sources {
        command.arg("--source").arg(source);
    }
    std::fs::create_dir_all(data).expect("the state's folder can be made");
    let log = data.with_extension("log");
    let mut daemon = Daemon::start("semoir serve", &mut command, &log);
    let lines = daemon.lines();
    let (mut admin, mut public, mut peers, mut code) = (None, None, None, None);
    wait_for("semoir serve prints its addresses", START_BOUND, || {
        daemon.assert_alive();
        for line in lines.try_iter() {
            match line
                .split_once(' ')
                .map(|(word, rest)| (word, rest.trim().trim_end_matches('/').to_owned()))
            {
                Some(("admin", url)) => admin = Some(url),
                Some(("public", url)) => public = Some(url),
                Some(("peers", addr)) => peers = addr.parse().ok(),
                Some(("setup", rest)) => code = rest.strip_prefix("code ").map(str::to_owned),
                _ => {}
            }
        }
        (admin.is_some() && public.is_some() && peers.is_some() && (code.is_some() || !new))
            .then_some(())
    });
    let take = |url: Option<String>| url.expect("waited for");
    Started {
        daemon,
        admin: take(admin),
        public: take(public),
        peers: peers.expect("waited for"),
        code,
    }
}
