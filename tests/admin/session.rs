use librqbit_sha1_wrapper::{ISha256, Sha256};
use semoir::base::Timestamp;
use semoir::store::{Owner, SESSION_IDLE_SECONDS, SESSION_MAX_AGE_SECONDS};

use crate::client::{PASSWORD, TestBox};

fn sign_in(password: &str) -> String {
    serde_json::json!({ "password": password }).to_string()
}

#[tokio::test]
async fn signing_out_ends_the_session_of_that_browser_alone() {
    let (the_box, first) = TestBox::owned().await;
    let mut second = the_box.browser();
    let signed_in = second.post("/api/v1/session", &sign_in(PASSWORD)).await;
    let cookie = signed_in.header("set-cookie");
    let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
    let age = "Max-Age=15552000";
    assert_eq!(attributes, ["Path=/", age, "HttpOnly", "SameSite=Strict"]);
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

#[tokio::test]
async fn many_addresses_guess_no_more_than_one_and_the_owner_still_gets_in() {
    let (the_box, owner) = TestBox::owned().await;
    let mut wrong = 0;
    for number in 0..60 {
        let mut stranger = the_box.browser();
        stranger.address = format!("fe80::{number:x}");
        let tried = stranger.post("/api/v1/session", &sign_in("guess")).await;
        wrong += u32::from(tried.status == 401);
    }
    // The bound of all together, and what a slow machine let come back meanwhile.
    assert!((30..=40).contains(&wrong), "{wrong} were looked at");
    let mut new = the_box.browser();
    new.address = "192.168.1.99".to_owned();
    let refused = new.post("/api/v1/session", &sign_in(PASSWORD)).await;
    refused.problem(429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!(wait <= 11, "{wait} seconds");
    // Where a browser is signed in, another is let in whatever strangers do.
    let mut known = the_box.browser();
    known.address.clone_from(&owner.address);
    let signed_in = known.post("/api/v1/session", &sign_in(PASSWORD)).await;
    assert_eq!(signed_in.status, 204);
}

#[tokio::test]
async fn a_session_ends_by_itself_when_unused_or_old() {
    let (the_box, _) = TestBox::owned().await;
    let Owner::Claimed { password, .. } = the_box.store.owner().unwrap() else {
        panic!("it has an owner");
    };
    let now = Timestamp::now().0;
    let (idle, age) = (SESSION_IDLE_SECONDS, SESSION_MAX_AGE_SECONDS);
    for (digits, created, seen, status) in [
        ("1", now - idle + 60, now - idle + 60, 200),
        ("2", now - idle - 60, now - idle - 60, 401),
        ("3", now - age + 60, now - 120, 200),
        ("4", now - age - 60, now - 120, 401),
    ] {
        let token = digits.repeat(64);
        let mut hash = Sha256::new();
        hash.update(token.as_bytes());
        let hash = hash.finish();
        let open = |at| {
            the_box
                .store
                .use_session(&hash, None, Timestamp(at))
                .unwrap()
        };
        the_box
            .store
            .open_session(&hash, &password, "192.168.1.20", None, Timestamp(created))
            .unwrap();
        // Used in between, as often as it must be to last until `seen`.
        let mut used = created;
        while used < seen {
            used = seen.min(used + idle);
            assert!(open(used), "session {digits}");
        }
        let mut browser = the_box.browser();
        browser.cookie = Some(format!("semoir_session={token}"));
        let answer = browser.get("/api/v1/overview").await;
        assert_eq!(answer.status.as_u16(), status, "session {digits}");
    }
}
