use crate::client::{PASSWORD, TestBox};

fn sign_in(password: &str) -> String {
    serde_json::json!({ "password": password }).to_string()
}

#[tokio::test]
async fn signing_out_ends_the_session_of_that_browser_alone() {
    let (the_box, first) = TestBox::owned().await;
    let mut second = the_box.browser();
    let signed_in = second.post("/api/v1/session", &sign_in(PASSWORD)).await;
    second.take_cookie(&signed_in);
    assert_ne!(first.cookie, second.cookie);

    let out = first.call("DELETE", "/api/v1/session").await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    first.get("/api/v1/overview").await.problem(401);
    assert_eq!(second.get("/api/v1/overview").await.status, 200);
}

#[tokio::test]
async fn wrong_passwords_are_few() {
    let (the_box, _) = TestBox::owned().await;
    let mut browser = the_box.browser();
    browser.address = "192.168.1.66".to_owned();
    for wrong in [
        "",
        "wrong",
        "correct horse batterY",
        &"x".repeat(60_000),
        "é",
    ] {
        let answer = browser.post("/api/v1/session", &sign_in(wrong)).await;
        answer.problem(401);
        assert!(answer.headers.get("set-cookie").is_none());
    }
    browser
        .post("/api/v1/session", &sign_in(PASSWORD))
        .await
        .problem(429);
    let mut other = the_box.browser();
    other.address = "192.168.1.67".to_owned();
    assert_eq!(
        other
            .post("/api/v1/session", &sign_in(PASSWORD))
            .await
            .status,
        204,
        "one locked out all"
    );
}

#[tokio::test]
async fn nobody_signs_in_to_a_box_without_an_owner() {
    let the_box = TestBox::new();
    the_box
        .browser()
        .post("/api/v1/session", &sign_in(PASSWORD))
        .await
        .problem(409);
}

#[tokio::test]
async fn tokens_are_not_what_the_database_keeps() {
    let (the_box, browser) = TestBox::owned().await;
    let token = browser
        .cookie
        .unwrap()
        .split_once('=')
        .unwrap()
        .1
        .to_owned();
    assert_eq!(token.len(), 64);
    let files = std::fs::read_dir(the_box.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        let raw: Vec<u8> = (0..32)
            .map(|i| u8::from_str_radix(&token[i * 2..i * 2 + 2], 16).unwrap())
            .collect();
        for secret in [token.as_bytes(), &raw, PASSWORD.as_bytes()] {
            assert!(
                !bytes.windows(secret.len()).any(|window| window == secret),
                "{}",
                file.display()
            );
        }
    }
}

#[tokio::test]
async fn made_up_cookies_open_nothing() {
    let (the_box, _) = TestBox::owned().await;
    let mut browser = the_box.browser();
    for cookie in [
        "semoir_session=",
        "semoir_session=1",
        &format!("semoir_session={}", "0".repeat(64)),
        "a=b",
    ] {
        browser.cookie = Some(cookie.to_owned());
        browser.get("/api/v1/overview").await.problem(401);
    }
}
