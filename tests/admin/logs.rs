//! The log on the owner's page.

use std::io::{Read, Write};

use axum::body::Body;
use serde_json::{Value, json};
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt;

use crate::client::{PASSWORD, TestBox};

const LOGS: &str = "/api/v1/box/logs";
const JOURNALS: &str = "/api/v1/box/journals";

fn texts(answer: &Value) -> Vec<&str> {
    let lines = answer["lines"].as_array().unwrap();
    lines
        .iter()
        .map(|line| line["text"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_log_is_read_from_a_line_on_and_by_level() {
    let (the_box, owner) = TestBox::owned().await;
    let subscriber = tracing_subscriber::registry().with(the_box.logs.layer());
    with_default(subscriber, || {
        tracing::info!(target: "semoir::app", release = 7, "shared");
        tracing::warn!(target: "semoir::app", "<img src=x onerror=alert(1)>");
        tracing::debug!(target: "semoir::app", "a detail");
    });
    let all = owner.get(LOGS).await.json();
    assert_eq!(
        texts(&all),
        [
            "shared release=7",
            "<img src=x onerror=alert(1)>",
            "a detail"
        ]
    );
    assert_eq!(all["last"], 3);
    assert_eq!(all["lines"][0]["level"], "info");
    assert_eq!(all["lines"][0]["target"], "semoir::app");
    let warnings = owner.get(&format!("{LOGS}?level=warn")).await.json();
    assert_eq!(texts(&warnings), ["<img src=x onerror=alert(1)>"]);
    let new = owner.get(&format!("{LOGS}?after=2")).await.json();
    assert_eq!(texts(&new), ["a detail"]);
    let none = owner.get(&format!("{LOGS}?after=3")).await.json();
    assert_eq!((texts(&none), &none["last"]), (vec![], &json!(3)));
    // A page that was open while the box was started again: numbers begin anew.
    let anew = owner.get(&format!("{LOGS}?after=900")).await.json();
    assert_eq!(texts(&anew).len(), 3);
    owner.get(&format!("{LOGS}?after=x")).await.problem(400);
    owner.get(&format!("{LOGS}?level=loud")).await.problem(400);
}

#[tokio::test]
async fn no_secret_gets_into_the_log() {
    let the_box = TestBox::new();
    let subscriber = tracing_subscriber::registry().with(the_box.logs.layer());
    let _guard = tracing::subscriber::set_default(subscriber);
    let code = the_box.setup_code();
    let mut owner = the_box.browser();
    let claim = json!({ "code": code, "password": PASSWORD }).to_string();
    let claimed = owner.post("/api/v1/box/claim", &claim).await;
    assert_eq!(claimed.status, 204);
    owner.take_cookie(&claimed);
    let program = the_box.program(&owner, "manage").await;
    let new = "another horse battery";
    for (method, path, body) in [
        (
            "POST",
            "/api/v1/session",
            json!({ "password": "a wrong guess" }),
        ),
        (
            "PUT",
            "/api/v1/account/password",
            json!({ "old": "a wrong guess", "new": new }),
        ),
        (
            "PUT",
            "/api/v1/account/password",
            json!({ "old": PASSWORD, "new": new }),
        ),
        ("PATCH", "/api/v1/settings", json!({ "relays": 4 })),
    ] {
        owner.json(method, path, &body.to_string()).await;
    }
    assert_eq!(program.get("/api/v1/overview").await.status, 200);
    let lines = the_box.logs.after(0, tracing::Level::TRACE, usize::MAX);
    assert!(
        lines.iter().any(|line| line.text.contains("password")),
        "nothing was logged at all"
    );
    let cookie = owner.cookie.clone().unwrap();
    let secrets = [
        code.as_str(),
        PASSWORD,
        new,
        "a wrong guess",
        cookie.split_once('=').unwrap().1,
        program.bearer.as_deref().unwrap(),
        "$argon2id$",
    ];
    for line in &lines {
        for secret in secrets {
            assert!(!line.text.contains(secret), "{secret}: {}", line.text);
        }
    }
}

#[tokio::test]
async fn the_journal_of_an_earlier_start_is_read_as_a_text() {
    let (the_box, owner) = TestBox::owned().await;
    let last = format!("{JOURNALS}/last");
    let why = owner.get(&last).await.problem(404);
    assert_eq!(why, "No journal of that start is kept.");
    let text = "2026-11-28T17:42:00+00:00 systemd[1]: Reached target Power Off.\n";
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    std::fs::write(the_box.dir.path().join("journal-last.gz"), &packed).unwrap();

    let ask = |takes: &str| {
        let request = owner.request("GET", &last).header("accept-encoding", takes);
        owner.send(request.body(Body::empty()).unwrap())
    };
    let answer = ask("gzip, br").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.header("vary"), "accept-encoding");
    let saved_as = answer.header("content-disposition");
    assert!(
        saved_as.contains("\"semoir-journal-last.txt\""),
        "{saved_as}"
    );
    let mut read = String::new();
    let mut unpacker = flate2::read::GzDecoder::new(&answer.body[..]);
    unpacker.read_to_string(&mut read).unwrap();
    assert_eq!(read, text);

    let answer = ask("identity").await;
    assert_eq!(answer.header("content-type"), "application/gzip");
    assert_eq!(answer.header("content-encoding"), "");
    let saved_as = answer.header("content-disposition");
    assert!(
        saved_as.contains("\"semoir-journal-last.txt.gz\""),
        "{saved_as}"
    );
    assert_eq!(answer.body, packed);

    owner.get(&format!("{JOURNALS}/before")).await.problem(404);
    owner
        .get(&format!("{JOURNALS}/..%2fsemoir.db"))
        .await
        .problem(404);
    the_box.browser().get(&last).await.problem(401);
}
