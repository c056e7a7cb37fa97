//! The API's description: checked in, and true.

use axum::body::Body;
use serde_json::Value;

use crate::client::TestBox;

/// Set to write `web/openapi.json` anew.
const UPDATE: &str = "SEMOIR_UPDATE_OPENAPI";

/// Routes that answer without a session.
const OPEN: [&str; 3] = [
    "get /api/v1/box",
    "post /api/v1/box/claim",
    "post /api/v1/session",
];

#[test]
fn the_document_in_the_repository_is_the_one_the_code_makes() {
    let made = semoir::admin::openapi().to_pretty_json().unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/web/openapi.json");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == made,
        "web/openapi.json is not what the code makes: run this test with {UPDATE}=1, and build the page"
    );
}

#[tokio::test]
async fn the_document_is_served() {
    let the_box = TestBox::new();
    let served = the_box.browser().get("/api/v1/openapi.json").await.json();
    assert_eq!(served["openapi"], "3.1.0");
    let made: Value = serde_json::to_value(semoir::admin::openapi()).unwrap();
    assert_eq!(served, made);
}

#[tokio::test]
async fn no_route_but_the_open_ones_answers_without_a_session() {
    let (the_box, _) = TestBox::owned().await;
    let stranger = the_box.browser();
    let document = serde_json::to_value(semoir::admin::openapi()).unwrap();
    let mut walked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if OPEN.contains(&format!("{method} {path}").as_str()) {
                continue;
            }
            let filled = path.replace("{id}", "1").replace("{index}", "0");
            assert!(!filled.contains('{'), "{filled}");
            let request = stranger
                .request(&method.to_uppercase(), &filled)
                .body(Body::empty())
                .unwrap();
            let answer = stranger.send(request).await;
            assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
            answer.problem(401);
            walked += 1;
        }
    }
    assert!(walked >= 17, "{walked} routes were walked");
    assert_eq!(*the_box.orders.lock(), []);
}
