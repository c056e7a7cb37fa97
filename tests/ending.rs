//! The owner ends the box: restart and factory reset, by its page's API, met from the outside.

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::daemon::{Daemon, command};
use common::wait::wait_for;
use common::{http, net};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// From an order to the end, or from a start to the first lines.
const BOUND: Duration = Duration::from_secs(30);

const PASSWORD: &str = "correct horse battery staple";

/// The exit status that asks to be started again.
const RESTART: i32 = 75;

/// A box at fixed addresses, so that it comes back where it was.
struct Spot {
    dir: tempfile::TempDir,
    addrs: [SocketAddr; 3],
}

/// A start of it.
struct Run {
    daemon: Daemon,
    lock: PathBuf,
    code: String,
    cookie: String,
    admin: String,
}

impl Spot {
    fn new() -> Self {
        let addr = || {
            let ip = net::fresh_ip();
            SocketAddr::from((ip, net::free_port(ip)))
        };
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            addrs: [addr(), addr(), addr()],
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    fn flags(&self, command: &mut Command) {
        command.args(["serve", "--offline", "--data"]);
        command.arg(self.data());
        command.arg("--source").arg(self.source());
        for (flag, addr) in ["--admin", "--public", "--peer"].iter().zip(self.addrs) {
            command.args([flag, addr.to_string().as_str()]);
        }
    }

    /// Starts it by hand, or below our own supervisor. It has no owner then.
    fn start(&self, supervised: bool) -> Run {
        fs::create_dir_all(self.source()).expect("a folder can be made");
        let program = env!("CARGO_BIN_EXE_semoir");
        let mut command = if supervised {
            let mut shell = command("sh");
            shell.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/supervise.sh"));
            shell.arg(program);
            shell
        } else {
            command(program)
        };
        for variable in ["SEMOIR_SUPERVISED", "INVOCATION_ID", "NOTIFY_SOCKET"] {
            command.env_remove(variable);
        }
        self.flags(&mut command);
        let mut daemon = Daemon::start("semoir serve", &mut command, &self.dir.path().join("log"));
        let lines = daemon.lines();
        let mut said: Vec<String> = Vec::new();
        // The last of its lines.
        let code = wait_for("it shows a setup code", BOUND, || {
            daemon.assert_alive();
            said.extend(lines.try_iter());
            let found = said
                .iter()
                .find_map(|line| line.strip_prefix("setup code "));
            found.map(str::to_owned)
        });
        Run {
            daemon,
            lock: self.data().join("semoir.lock"),
            code,
            cookie: String::new(),
            admin: format!("http://{}", self.addrs[0]),
        }
    }
}

impl Run {
    fn api(&self, method: &str, path: &str, body: Value) -> http::Answer {
        let headers = [
            ("Content-Type", "application/json"),
            ("Cookie", self.cookie.as_str()),
        ];
        let url = format!("{}/api/v1{path}", self.admin);
        http::request(method, &url, &headers, body.to_string().into_bytes())
            .unwrap_or_else(|error| panic!("{method} {url}: {error}"))
    }

    fn claim(&mut self) {
        let body = json!({ "code": self.code, "password": PASSWORD });
        let claimed = self.api("POST", "/box/claim", body);
        assert_eq!(claimed.status, 204, "{}", claimed.text());
        let cookie = claimed.header("set-cookie").expect("a session");
        self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    }

    /// Waits until it ended by itself, and returns its exit status.
    fn ended(&mut self) -> i32 {
        let status = wait_for("it ends", BOUND, || self.daemon.ended());
        status.code().expect("it was not killed")
    }

    /// What anyone may know, once it answers.
    fn info(&self) -> Option<Value> {
        let url = format!("{}/api/v1/box", self.admin);
        Some(http::get(&url).ok()?.json())
    }
}

impl Drop for Run {
    /// What a supervisor runs outlives it when it is killed, as a failed test does.
    fn drop(&mut self) {
        let pid = fs::read_to_string(&self.lock).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse()
            && self.daemon.alive()
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Uploads a file of four bytes called `gift.txt`.
fn upload(run: &Run) {
    let wanted = json!({ "name": "gift.txt", "files": [{ "path": "gift.txt", "size": 4 }] });
    let begun = run.api("POST", "/uploads", wanted);
    assert_eq!(begun.status, 201, "{}", begun.text());
    let id = begun.json()["id"].as_str().expect("an id").to_owned();
    let url = format!("{}/api/v1/uploads/{id}/files/0?offset=0", run.admin);
    let headers = [("Cookie", run.cookie.as_str())];
    let put = http::request("PUT", &url, &headers, b"gift".to_vec()).expect("it answers");
    assert_eq!(put.status, 200, "{}", put.text());
    let done = run.api("POST", &format!("/uploads/{id}/finish"), json!({}));
    assert!(done.status < 300, "{}", done.text());
}

fn reset(run: &Run, keep_uploads: bool) {
    let body = json!({ "name": "Semoir", "keep_uploads": keep_uploads });
    let answer = run.api("POST", "/box/reset", body);
    assert_eq!(answer.status, 202, "{}", answer.text());
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("it can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

#[test]
fn a_box_below_a_supervisor_comes_back_as_it_was() {
    let spot = Spot::new();
    let mut run = spot.start(true);
    run.claim();
    let state = run.api("GET", "/box/state", json!({})).json();
    assert_eq!(state["supervised"], true);
    // The pid in the data folder's lock is of this start, and then of the next.
    let pid = || fs::read_to_string(spot.data().join("semoir.lock")).unwrap_or_default();
    let before = pid();
    let answer = run.api("POST", "/box/restart", json!({}));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let info = wait_for("another process answers", BOUND, || {
        run.daemon.assert_alive();
        (!pid().is_empty() && pid() != before)
            .then(|| run.info())
            .flatten()
    });
    assert_eq!(info["claimed"], true);
    let overview = run.api("GET", "/overview", json!({}));
    assert_eq!(
        overview.status, 200,
        "the session did not outlive the restart"
    );
    let status = run.daemon.terminate(BOUND);
    assert_eq!(
        status.code(),
        Some(0),
        "whoever ends the supervisor means the box"
    );
    assert!(run.info().is_none(), "it was left running");
}

#[test]
fn a_box_started_by_hand_says_so_and_stays() {
    let spot = Spot::new();
    let mut run = spot.start(false);
    run.claim();
    let state = run.api("GET", "/box/state", json!({})).json();
    assert_eq!(state["supervised"], false);
    assert_eq!(run.api("POST", "/box/restart", json!({})).status, 409);
    run.daemon.assert_alive();
    assert_eq!(run.daemon.terminate(BOUND).code(), Some(0));
}

#[test]
fn a_reset_forgets_everything_and_never_touches_a_source() {
    for keep_uploads in [true, false] {
        let spot = Spot::new();
        fs::create_dir_all(spot.source()).expect("a folder can be made");
        fs::write(spot.source().join("mine.txt"), "mine").expect("a file can be written");
        let mut run = spot.start(false);
        run.claim();
        upload(&run);
        let made = run.api(
            "POST",
            "/account/tokens",
            json!({ "name": "a", "scope": "read" }),
        );
        assert_eq!(made.status, 201, "{}", made.text());
        run.api("PATCH", "/settings", json!({ "relays": 9 }));
        for name in ["copy-4", "copy.part", "set-aside-6-1764315000-1764000000"] {
            let name = format!("semoir.db.{name}");
            fs::write(spot.data().join(name), "mine").expect("a file can be written");
        }
        reset(&run, keep_uploads);
        assert_eq!(run.ended(), RESTART);
        drop(run);

        let mut again = spot.start(false);
        let left = names(&spot.data());
        assert!(
            !left.iter().any(|n| n.starts_with("semoir.db.")),
            "{left:?}"
        );
        let info = again.info().expect("it answers");
        assert_eq!(info["claimed"], false);
        assert_eq!(again.api("GET", "/overview", json!({})).status, 401);
        again.claim();
        assert_eq!(again.api("GET", "/settings", json!({})).json()["relays"], 3);
        assert_eq!(
            again.api("GET", "/account/tokens", json!({})).json(),
            json!([])
        );
        let left: &[&str] = if keep_uploads { &["gift.txt"] } else { &[] };
        assert_eq!(names(&spot.data().join("uploads")), left);
        assert_eq!(names(&spot.source()), ["mine.txt"]);
        // What is here is found again, and only that.
        let expected = if keep_uploads { 2 } else { 1 };
        wait_for("releases are found again", BOUND, || {
            let overview = again.api("GET", "/overview", json!({})).json();
            let found = overview["releases"].as_array().map_or(0, Vec::len);
            assert!(found <= expected, "{overview}");
            (found == expected).then_some(())
        });
    }
}

#[test]
fn a_reset_that_lost_its_power_is_finished_by_the_next_start() {
    let spot = Spot::new();
    let mut run = spot.start(false);
    run.claim();
    upload(&run);
    reset(&run, false);
    assert_eq!(run.ended(), RESTART);
    drop(run);
    // The start that was to forget got as far as the database, and no further.
    fs::remove_file(spot.data().join("semoir.db")).expect("it was there");
    let again = spot.start(false);
    assert_eq!(again.info().expect("it answers")["claimed"], false);
    assert_eq!(names(&spot.data().join("uploads")), [""; 0]);
}
