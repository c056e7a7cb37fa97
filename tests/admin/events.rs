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
