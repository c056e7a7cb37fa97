use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use tokio::time::timeout;

use crate::client::{Browser, TestBox, picture};

/// Longer than anything here takes, on a machine with much to do.
const BOUND: Duration = Duration::from_secs(30);

async fn open(browser: &Browser) -> BodyDataStream {
    let request = browser
        .request("GET", "/api/v1/events")
        .body(Body::empty())
        .unwrap();
    let answer = browser.open(request).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    answer.into_body().into_data_stream()
}

/// The next event; none at the end of the stream.
async fn next(stream: &mut BodyDataStream) -> Option<String> {
    let part = timeout(BOUND, stream.next())
        .await
        .expect("neither an event nor an end");
    part.map(|bytes| String::from_utf8(bytes.unwrap().to_vec()).unwrap())
}

fn at(event: &str) -> i64 {
    let data = event
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    assert!(
        event.contains("event: overview\n") && event.ends_with("\n\n"),
        "{event}"
    );
    serde_json::from_str::<serde_json::Value>(data).unwrap()["at"]
        .as_i64()
        .unwrap()
}

#[tokio::test]
async fn one_at_once_then_changes_at_most_one_a_second() {
    let (the_box, browser) = TestBox::owned().await;
    let mut stream = open(&browser).await;
    assert_eq!(at(&next(&mut stream).await.unwrap()), 1);
    let first = Instant::now();
    let mut now = picture();
    for moment in 2..=50 {
        now.at.0 = moment;
        the_box.pictures.send_replace(Arc::new(now.clone()));
    }
    assert_eq!(at(&next(&mut stream).await.unwrap()), 50, "not the latest");
    assert!(
        first.elapsed() >= Duration::from_millis(900),
        "{:?}",
        first.elapsed()
    );

    // The conductor's end is the stream's end: a shutdown does not wait for open pages.
    drop(the_box.pictures);
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn ends_with_the_session() {
    let (the_box, browser) = TestBox::owned().await;
    let mut stream = open(&browser).await;
    next(&mut stream).await.unwrap();
    assert_eq!(browser.call("DELETE", "/api/v1/session").await.status, 204);
    assert_eq!(next(&mut stream).await, None);
    drop(the_box);
}

#[tokio::test]
async fn streams_are_bounded_and_given_back() {
    let (_the_box, browser) = TestBox::owned().await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(open(&browser).await);
    }
    browser.get("/api/v1/events").await.problem(429);
    streams.pop();
    let mut last = open(&browser).await;
    next(&mut last).await.unwrap();
}

#[tokio::test]
async fn pages_hear_that_something_was_set_elsewhere() {
    let (_the_box, browser) = TestBox::owned().await;
    let mut stream = open(&browser).await;
    next(&mut stream).await.unwrap();
    let mut heard = Vec::new();
    for (method, path, body) in [
        ("PATCH", "/api/v1/settings", r#"{"relays":4}"#),
        (
            "POST",
            "/api/v1/account/tokens",
            r#"{"name":"a","scope":"read"}"#,
        ),
        ("DELETE", "/api/v1/account/tokens/1", ""),
        ("DELETE", "/api/v1/account/sessions", ""),
        ("POST", "/api/v1/backup", r#"{"semoir_backup":1,"made":1}"#),
    ] {
        let answer = browser.json(method, path, body).await;
        assert!(answer.status.is_success(), "{answer:?}");
        let event = next(&mut stream).await.unwrap();
        assert!(event.contains("event: changed\n"), "{event}");
        heard.push(event);
    }
    heard.dedup();
    assert_eq!(heard.len(), 5, "{heard:?}");
}

#[tokio::test]
async fn a_programs_stream_ends_with_its_token() {
    let (the_box, browser) = TestBox::owned().await;
    let program = the_box.program(&browser, "read").await;
    let mut stream = open(&program).await;
    next(&mut stream).await.unwrap();
    let revoked = browser.call("DELETE", "/api/v1/account/tokens/1").await;
    assert_eq!(revoked.status, 204);
    assert_eq!(next(&mut stream).await, None);
}
