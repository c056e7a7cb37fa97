//! HTTP as the tests speak it, blocking, and the runtime beneath it and the in-process client.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

/// A well-behaved request over loopback that takes longer than this has failed.
const REQUEST_BOUND: Duration = Duration::from_secs(20);

/// The test process's runtime.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime starts")
    })
}

fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_BOUND)
            .build()
            .expect("an HTTP client starts")
    })
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, whatever it is.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; fails the test when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

/// One request; `Err` when no answer came.
pub fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Answer, String> {
    request_within(REQUEST_BOUND, method, url, headers, body)
}

/// One request that may take so long, body included.
pub fn request_within(
    bound: Duration,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Answer, String> {
    let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = client().request(method, url).timeout(bound).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    runtime().block_on(async {
        let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
        Ok(Answer {
            status: answer.status().as_u16(),
            headers: answer
                .headers()
                .iter()
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect(),
            body: answer
                .bytes()
                .await
                .map_err(|error| format!("{error:?}"))?
                .to_vec(),
        })
    })
}

/// GET without cookies.
pub fn get(url: &str) -> Result<Answer, String> {
    request("GET", url, &[], Vec::new())
}
