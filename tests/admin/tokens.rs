//! Tokens: made once, kept as a hash, good for their scope and no longer than they are.

use semoir::app::handle::Order;
use semoir::base::Timestamp;
use serde_json::json;

use crate::client::TestBox;

const TOKENS: &str = "/api/v1/account/tokens";

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_hash() {
    let (the_box, owner) = TestBox::owned().await;
    let body = json!({ "name": " Grafana ", "scope": "read", "days": 90 }).to_string();
    let made = owner.post(TOKENS, &body).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    assert!(
        secret.starts_with("semoir_") && secret.len() == 71,
        "{secret}"
    );
    let token = &made["token"];
    assert_eq!(
        (&token["name"], &token["scope"]),
        (&json!("Grafana"), &json!("read"))
    );
    assert_eq!(token["used"], json!(null));
    let lifetime = token["expires"].as_i64().unwrap() - token["created"].as_i64().unwrap();
    assert_eq!(lifetime, 90 * 86_400);

    let listed = owner.get(TOKENS).await;
    assert_eq!(listed.json(), json!([token]));
    let digits = &secret["semoir_".len()..];
    let raw: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    for entry in std::fs::read_dir(the_box.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for needle in [digits.as_bytes(), &raw] {
                let found = bytes.windows(needle.len()).any(|window| window == needle);
                assert!(!found, "{}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_is_not_made() {
    let (_the_box, owner) = TestBox::owned().await;
    for body in [
        json!({ "name": "", "scope": "read" }),
        json!({ "name": "  ", "scope": "read" }),
        json!({ "name": "x".repeat(61), "scope": "read" }),
        json!({ "name": "a\nb", "scope": "read" }),
        json!({ "name": "a", "scope": "root" }),
        json!({ "name": "a" }),
        json!({ "name": "a", "scope": "read", "days": 0 }),
        json!({ "name": "a", "scope": "read", "days": 4000 }),
        json!({ "name": "a", "scope": "read", "secret": "mine" }),
    ] {
        owner.post(TOKENS, &body.to_string()).await.problem(422);
    }
    assert_eq!(owner.get(TOKENS).await.json(), json!([]));
}

#[tokio::test]
async fn a_program_writes_without_origin_and_without_cookie() {
    let (the_box, owner) = TestBox::owned().await;
    let manager = the_box.program(&owner, "manage").await;
    let done = manager.call("POST", "/api/v1/sources/rescan").await;
    assert_eq!(done.status, 204, "{done:?}");
    assert_eq!(*the_box.orders.lock(), [Order::Rescan]);

    // A token does not lend its freedom to a browser's cookie, nor the cookie its rights to a token.
    let mut both = manager.clone();
    both.cookie.clone_from(&owner.cookie);
    let request = both.request("POST", "/api/v1/sources/rescan");
    let request = request.header("origin", "http://evil.example");
    both.send(request.body(axum::body::Body::empty()).unwrap())
        .await
        .problem(403);
    both.get(TOKENS).await.problem(403);
    let mut nonsense = owner.clone();
    nonsense.bearer = Some("semoir_nonsense".to_owned());
    nonsense.get("/api/v1/overview").await.problem(401);
    // What is no token does not free a write from saying where it comes from.
    let mut forged = owner.clone();
    forged.bearer = Some("semoir_nonsense".to_owned());
    let request = forged.request("POST", "/api/v1/sources/rescan");
    let request = request.header("origin", "http://evil.example");
    forged
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await
        .problem(403);
    assert_eq!(the_box.orders.lock().len(), 1);
}

#[tokio::test]
async fn revoked_and_expired_tokens_are_good_for_nothing() {
    let (the_box, owner) = TestBox::owned().await;
    let program = the_box.program(&owner, "read").await;
    let answer = program.get("/api/v1/overview").await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.get("set-cookie").is_none());
    let token = owner.get(TOKENS).await.json()[0].clone();
    assert!(token["used"].is_i64(), "{token}");
    let path = format!("{TOKENS}/{}", token["id"]);
    assert_eq!(owner.call("DELETE", &path).await.status, 204);
    owner.call("DELETE", &path).await.problem(404);
    let refused = program.get("/api/v1/overview").await;
    refused.problem(401);
    assert_eq!(refused.header("www-authenticate"), "Bearer");

    let digits = "5".repeat(64);
    let secret = format!("semoir_{digits}");
    let hash = {
        use librqbit_sha1_wrapper::{ISha256, Sha256};
        let mut hash = Sha256::new();
        hash.update(secret.as_bytes());
        hash.finish()
    };
    let now = Timestamp::now();
    let new = semoir::store::NewToken {
        token: &hash,
        name: "old",
        scope: semoir::store::Scope::Manage,
        expires: Some(Timestamp(now.0 - 1)),
    };
    the_box
        .store
        .add_token(new, Timestamp(now.0 - 100))
        .unwrap();
    let mut late = the_box.browser();
    late.bearer = Some(secret);
    late.get("/api/v1/overview").await.problem(401);
    assert_eq!(owner.get(TOKENS).await.json()[0]["expired"], true);
}

#[tokio::test]
async fn figures_are_for_every_token() {
    let (the_box, owner) = TestBox::owned().await;
    for scope in ["metrics", "read", "manage"] {
        let program = the_box.program(&owner, scope).await;
        assert_eq!(program.get("/metrics").await.status, 200, "{scope}");
    }
    let mut wrong = the_box.browser();
    wrong.bearer = Some(format!("semoir_{}", "0".repeat(64)));
    wrong.get("/metrics").await.problem(401);
}
