use semoir::store::Owner;

use crate::client::{PASSWORD, TestBox};

fn claim(code: &str, password: &str) -> String {
    serde_json::json!({ "code": code, "password": password }).to_string()
}

#[tokio::test]
async fn a_new_box_says_so_and_is_claimed_with_its_code() {
    let the_box = TestBox::new();
    let mut browser = the_box.browser();
    let info = browser.get("/api/v1/box").await.json();
    assert_eq!(info["name"], "semoir");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (info["claimed"].as_bool(), info["signed_in"].as_bool()),
        (Some(false), Some(false))
    );
    assert_eq!(info["public_port"], 6880);

    let typed = the_box.setup_code().to_lowercase().replace('-', " ");
    let claimed = browser
        .post("/api/v1/box/claim", &claim(&typed, PASSWORD))
        .await;
    assert_eq!(claimed.status, 204);
    let cookie = claimed.header("set-cookie");
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    browser.take_cookie(&claimed);
    let info = browser.get("/api/v1/box").await.json();
    assert_eq!(
        (info["claimed"].as_bool(), info["signed_in"].as_bool()),
        (Some(true), Some(true))
    );
    assert_eq!(browser.get("/api/v1/overview").await.status, 200);
    let stranger = the_box.browser().get("/api/v1/box").await.json();
    assert_eq!(stranger["signed_in"], false);
}

#[tokio::test]
async fn a_code_that_was_used_is_shown_no_longer() {
    let the_box = TestBox::new();
    let shown = the_box.dir.path().join("code");
    std::fs::write(&shown, "shown").unwrap();
    let code = the_box.setup_code();
    let browser = the_box.browser();
    let body = claim("ZZZZ-ZZZZ", PASSWORD);
    browser.post("/api/v1/box/claim", &body).await.problem(403);
    assert!(shown.exists());
    let body = claim(&code, PASSWORD);
    assert_eq!(browser.post("/api/v1/box/claim", &body).await.status, 204);
    assert!(!shown.exists());
}

#[tokio::test]
async fn a_claimed_box_is_not_claimed_again() {
    let (the_box, _) = TestBox::owned().await;
    let owner = the_box.store.owner().unwrap();
    let again = the_box
        .browser()
        .post("/api/v1/box/claim", &claim("AAAA-AAAA", PASSWORD))
        .await;
    again.problem(409);
    assert_eq!(the_box.store.owner().unwrap(), owner);
}

#[tokio::test]
async fn a_wrong_code_claims_nothing_and_tries_are_few() {
    let the_box = TestBox::new();
    let code = the_box.setup_code();
    let browser = the_box.browser();
    // A password that cannot be used costs no try.
    for _ in 0..10 {
        browser
            .post("/api/v1/box/claim", &claim(&code, "short"))
            .await
            .problem(422);
    }
    let long = "x".repeat(1025);
    browser
        .post("/api/v1/box/claim", &claim(&code, &long))
        .await
        .problem(422);
    for _ in 0..5 {
        browser
            .post("/api/v1/box/claim", &claim("2222-2222", PASSWORD))
            .await
            .problem(403);
    }
    let refused = browser
        .post("/api/v1/box/claim", &claim(&code, PASSWORD))
        .await;
    refused.problem(429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=31).contains(&wait), "{wait}");
    assert!(matches!(
        the_box.store.owner().unwrap(),
        Owner::Unclaimed { .. }
    ));

    // Many addresses have no more tries than all of them together may have.
    let mut answers = Vec::new();
    for number in 0..40 {
        let mut other = the_box.browser();
        other.address = format!("fe80::{number:x}");
        answers.push(
            other
                .post("/api/v1/box/claim", &claim("2222-2222", PASSWORD))
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(
        answers.iter().filter(|&&status| status == 403).count(),
        25,
        "{answers:?}"
    );
    assert_eq!(answers.last(), Some(&429));
}

#[tokio::test]
async fn of_two_who_claim_at_once_one_gets_it() {
    let the_box = TestBox::new();
    let body = claim(&the_box.setup_code(), PASSWORD);
    let (first, second) = (the_box.browser(), the_box.browser());
    let (first, second) = tokio::join!(
        first.post("/api/v1/box/claim", &body),
        second.post("/api/v1/box/claim", &body)
    );
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
}

#[tokio::test]
async fn a_code_can_be_looked_at_before_a_password_is_chosen() {
    let the_box = TestBox::new();
    let code = the_box.setup_code();
    let browser = the_box.browser();
    let look = async |code: &str| {
        let body = serde_json::json!({ "code": code }).to_string();
        browser.post("/api/v1/box/code", &body).await
    };
    // A right one costs nothing, claims nothing, and signs nobody in.
    for _ in 0..10 {
        let right = look(&code.to_lowercase().replace('-', " ")).await;
        assert_eq!(
            (right.status.as_u16(), right.header("set-cookie")),
            (204, "")
        );
    }
    assert!(matches!(
        the_box.store.owner().unwrap(),
        Owner::Unclaimed { .. }
    ));
    // Wrong ones are counted with those at claiming, whichever way they come.
    for number in 0..5 {
        if number % 2 == 0 {
            look("2222-2222").await.problem(403);
        } else {
            let body = claim("2222-2222", PASSWORD);
            browser.post("/api/v1/box/claim", &body).await.problem(403);
        }
    }
    let refused = look(&code).await;
    refused.problem(429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=31).contains(&wait), "{wait}");
    let body = claim(&code, PASSWORD);
    browser.post("/api/v1/box/claim", &body).await.problem(429);
    let mut neighbour = the_box.browser();
    neighbour.address = "192.168.1.21".to_owned();
    let claimed = neighbour.post("/api/v1/box/claim", &body).await;
    assert_eq!(claimed.status, 204);
    look(&code).await.problem(409);
}

#[tokio::test]
async fn many_who_look_at_codes_have_the_tries_of_all_together() {
    let the_box = TestBox::new();
    let mut answers = Vec::new();
    for number in 0..40 {
        let mut other = the_box.browser();
        other.address = format!("fe80::{number:x}");
        let (path, body) = match number % 2 {
            0 => ("/api/v1/box/code", r#"{"code":"2222-2222"}"#.to_owned()),
            _ => ("/api/v1/box/claim", claim("2222-2222", PASSWORD)),
        };
        answers.push(other.post(path, &body).await.status.as_u16());
    }
    let tried = answers.iter().filter(|&&status| status == 403).count();
    assert_eq!(tried, 30, "{answers:?}");
    assert_eq!(answers.last(), Some(&429));
}
