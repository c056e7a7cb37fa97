//! A box as its owner meets it: its pages, over HTTP, with his session.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{self, Answer};
use super::torrent::Torrent;
use super::wait::PAUSE;

/// The owner's password in every test.
const PASSWORD: &str = "correct horse battery staple";

/// The pages of a box, wherever it runs.
pub struct Owner {
    cookie: String,
    /// The owner's page, without the trailing slash.
    pub admin: String,
    /// The public page, without the trailing slash.
    pub public: String,
    /// Between two looks at its pages, while something is waited for.
    pub pause: Duration,
}

impl Owner {
    /// Somebody who is not signed in yet.
    pub fn new(admin: String, public: String) -> Owner {
        Owner {
            cookie: String::new(),
            admin,
            public,
            pause: PAUSE,
        }
    }

    /// Claims the box with its setup code.
    pub fn claim(&mut self, code: &str) {
        let body = json!({ "code": code, "password": PASSWORD });
        let answer = self.open("POST", "/api/v1/box/claim", body);
        assert_eq!(answer.status, 204, "claiming: {}", answer.text());
        self.keep_cookie(&answer);
    }

    /// Signs in to a box that is claimed; fails the test when it is not any more.
    pub fn sign_in(&mut self) {
        let state = self.open("GET", "/api/v1/box", Value::Null).json();
        assert_eq!(
            state["claimed"], true,
            "a claimed box stays claimed: {state}"
        );
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

    /// Waits until one release (the first that `which` accepts) is as `enough` wants it; `meanwhile` may fail the test.
    pub fn wait_release_while(
        &self,
        what: &str,
        bound: Duration,
        mut meanwhile: impl FnMut(),
        enough: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut seen = Vec::new();
        let deadline = Instant::now() + bound;
        loop {
            meanwhile();
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
            std::thread::sleep(self.pause);
        }
    }

    /// The .torrent of a release, from the public listener.
    pub fn torrent(&self, release: &Value) -> (Torrent, Vec<u8>) {
        let hash = release["info_hash"].as_str().expect("hashed");
        let url = format!("{}/t/{hash}.torrent", self.public);
        let answer = http::get(&url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        (Torrent::parse(&answer.body), answer.body)
    }

    /// Sets the owner's cap, in bytes per second on the wire.
    pub fn set_cap(&self, cap: u64) {
        let answer = self.api("PATCH", "/settings", Some(json!({ "upstream_cap": cap })));
        assert!(answer.status < 300, "{}", answer.text());
    }

    /// Has every source looked at now.
    pub fn rescan(&self) {
        let answer = self.api("POST", "/sources/rescan", None);
        assert_eq!(answer.status, 204, "looking again: {}", answer.text());
    }

    /// The embedded tracker over HTTP.
    pub fn http_tracker(&self) -> String {
        format!("{}/announce", self.public)
    }

    /// The session's cookie, for requests that are written by hand.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }
}

/// Whether a release is on offer; fails the test when it failed.
pub fn seeding(release: &Value) -> bool {
    assert_ne!(release["stage"], "failed", "{release}");
    matches!(
        release["stage"].as_str(),
        Some("spreading" | "supporting" | "retired")
    )
}
