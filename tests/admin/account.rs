//! The password and the browsers that are signed in.

use semoir::store::Owner;
use serde_json::{Value, json};

use crate::client::{Browser, PASSWORD, TestBox};

const PASSWORD_PATH: &str = "/api/v1/account/password";
const SESSIONS: &str = "/api/v1/account/sessions";
const NEW: &str = "a longer horse battery";

fn change(old: &str, new: &str) -> String {
    json!({ "old": old, "new": new }).to_string()
}

/// Another browser of the owner's.
async fn another(the_box: &TestBox, agent: &str, address: &str) -> Browser {
    let mut browser = the_box.browser();
    browser.address = address.to_owned();
    let body = json!({ "password": PASSWORD }).to_string();
    let request = browser
        .request("POST", "/api/v1/session")
        .header("content-type", "application/json")
        .header("user-agent", agent);
    let signed_in = browser.send(request.body(body.into()).unwrap()).await;
    assert_eq!(signed_in.status, 204, "{signed_in:?}");
    browser.take_cookie(&signed_in);
    browser
}

async fn list(browser: &Browser) -> Vec<Value> {
    browser
        .get(SESSIONS)
        .await
        .json()
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_and_ends_the_other_sessions() {
    let (the_box, owner) = TestBox::owned().await;
    let other = another(&the_box, "Firefox", "192.168.1.30").await;
    let program = the_box.program(&owner, "read").await;
    let before = the_box.store.owner().unwrap();
    owner
        .json("PUT", PASSWORD_PATH, &change("wrong", NEW))
        .await
        .problem(403);
    for bad in ["short", &"x".repeat(1025)] {
        owner
            .json("PUT", PASSWORD_PATH, &change(PASSWORD, bad))
            .await
            .problem(422);
    }
    assert_eq!(the_box.store.owner().unwrap(), before);
    assert_eq!(other.get("/api/v1/overview").await.status, 200);

    let changed = owner
        .json("PUT", PASSWORD_PATH, &change(PASSWORD, NEW))
        .await;
    assert_eq!(changed.status, 204, "{changed:?}");
    let Owner::Claimed { password, .. } = the_box.store.owner().unwrap() else {
        panic!("it has an owner");
    };
    assert!(password.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(owner.get("/api/v1/overview").await.status, 200);
    other.get("/api/v1/overview").await.problem(401);
    assert_eq!(program.get("/api/v1/overview").await.status, 200);
    let sign_in = |password: &str| json!({ "password": password }).to_string();
    let browser = the_box.browser();
    let old = browser.post("/api/v1/session", &sign_in(PASSWORD)).await;
    old.problem(401);
    let new = browser.post("/api/v1/session", &sign_in(NEW)).await;
    assert_eq!(new.status, 204);
}

#[tokio::test]
async fn guesses_at_the_old_password_are_few() {
    let (_the_box, owner) = TestBox::owned().await;
    for _ in 0..5 {
        owner
            .json("PUT", PASSWORD_PATH, &change("guess", NEW))
            .await
            .problem(403);
    }
    let refused = owner
        .json("PUT", PASSWORD_PATH, &change(PASSWORD, NEW))
        .await;
    refused.problem(429);
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    let (the_box, owner) = TestBox::owned().await;
    let phone = another(&the_box, "Phone <b>", "192.168.1.31").await;
    let desk = another(&the_box, "Desk", "::ffff:192.168.1.32").await;
    let sessions = list(&owner).await;
    assert_eq!(sessions.len(), 3);
    let of = |agent: Value| {
        let found = sessions.iter().find(|one| one["agent"] == agent);
        found.unwrap_or_else(|| panic!("{sessions:?}"))
    };
    let own = of(Value::Null);
    assert_eq!(own["current"], true);
    assert_eq!(own["address"], "192.168.1.20");
    let phones = of("Phone <b>".into());
    assert_eq!(phones["current"], false);
    assert_eq!(phones["address"], "192.168.1.31");
    assert_eq!(of("Desk".into())["address"], "192.168.1.32");
    assert!(phones["seen"].as_i64() >= phones["created"].as_i64());
    // What is shown of a session opens nothing.
    let shown = phones["id"].as_str().unwrap();
    assert!(!phone.cookie.as_ref().unwrap().contains(shown));

    let path = format!("{SESSIONS}/{shown}");
    assert_eq!(owner.call("DELETE", &path).await.status, 204);
    phone.get("/api/v1/overview").await.problem(401);
    owner.call("DELETE", &path).await.problem(404);
    assert_eq!(desk.get("/api/v1/overview").await.status, 200);

    assert_eq!(owner.call("DELETE", SESSIONS).await.status, 204);
    desk.get("/api/v1/overview").await.problem(401);
    let left = list(&owner).await;
    assert_eq!((left.len(), &left[0]["current"]), (1, &json!(true)));
}
