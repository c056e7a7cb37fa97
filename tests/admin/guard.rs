//! Headers, hosts and origins, and how refusals look, on all routes alike.

use axum::body::Body;

use crate::client::TestBox;

#[tokio::test]
async fn a_name_that_can_be_pointed_here_is_refused() {
    let (the_box, mut browser) = TestBox::owned().await;
    for host in [
        "127.0.0.1:8080",
        "[::1]:8080",
        "localhost",
        "semoir.local",
        "box.example",
    ] {
        browser.host = host.to_owned();
        assert_eq!(browser.get("/api/v1/overview").await.status, 200, "{host}");
    }
    for host in ["evil.example", "semoir.local.evil.example:8080"] {
        browser.host = host.to_owned();
        for path in [
            "/api/v1/overview",
            "/api/v1/box",
            "/",
            "/api/v1/openapi.json",
        ] {
            browser.get(path).await.problem(403);
        }
        browser
            .call("POST", "/api/v1/sources/rescan")
            .await
            .problem(403);
    }
    assert_eq!(*the_box.orders.lock(), []);
}

#[tokio::test]
async fn a_write_from_another_page_is_refused_with_the_right_cookie() {
    let (the_box, browser) = TestBox::owned().await;
    for origin in ["http://evil.example", "null", "http://semoir.local:1"] {
        let mut request = browser
            .request("POST", "/api/v1/sources/rescan")
            .body(Body::empty())
            .unwrap();
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        browser.send(request).await.problem(403);
    }
    assert_eq!(*the_box.orders.lock(), []);
    // A form of another page cannot send JSON.
    let form = browser
        .request("POST", "/api/v1/session")
        .header("content-type", "text/plain");
    browser
        .send(form.body(Body::from(r#"{"password":"x"}"#)).unwrap())
        .await
        .problem(415);
}

#[tokio::test]
async fn every_answer_keeps_browsers_strict() {
    let (_the_box, browser) = TestBox::owned().await;
    for path in [
        "/",
        "/api/v1/box",
        "/api/v1/overview",
        "/api/v1/nothing",
        "/nothing.js",
    ] {
        let answer = browser.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        // Scripts and styles are files of the box, and nothing is sent or posted elsewhere.
        for rule in [
            "script-src 'self';",
            "style-src 'self';",
            "connect-src 'self';",
            "base-uri 'none';",
            "form-action 'self';",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert!(
            answer.headers.get("access-control-allow-origin").is_none(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn refusals_of_every_sort_are_problems() {
    let (_the_box, browser) = TestBox::owned().await;
    browser.get("/api/v1/nothing").await.problem(404);
    browser.get("/api").await.problem(404);
    browser.get("/api/v1/releases/abc").await.problem(404);
    browser
        .get("/api/v1/releases/99999999999999999999")
        .await
        .problem(404);
    browser
        .call("PATCH", "/api/v1/releases/1")
        .await
        .problem(405);
    browser
        .call("GET", "/api/v1/sources/rescan")
        .await
        .problem(405);
    browser.post("/api/v1/session", "{").await.problem(400);
    browser.post("/api/v1/session", "{}").await.problem(422);
    browser
        .post(
            "/api/v1/session",
            &format!("{{\"password\":\"{}\"}}", "x".repeat(70_000)),
        )
        .await
        .problem(413);
    browser
        .put("/api/v1/uploads/a/files/0?offset=x", "")
        .await
        .problem(400);
    browser
        .put("/api/v1/uploads/a/files/0", "")
        .await
        .problem(400);
}
