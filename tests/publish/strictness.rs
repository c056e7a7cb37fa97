//! What holds of every answer: read-only, no script, no cookie, nothing of the owner's.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use semoir::base::Stage;

use crate::listener::{Listener, hash};

#[tokio::test]
async fn only_reading_and_strict_browsers() {
    let listener = Listener::new();
    listener.put("a".as_ref(), 1, &[("", 7)], Stage::Ready);
    let share = format!("/r/{}", hash(1));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in ["/", share.as_str()] {
            assert_eq!(
                listener.send(method, path, &[]).await.status,
                405,
                "{method} {path}"
            );
        }
    }
    for path in ["/", share.as_str(), "/nothing"] {
        let answer = listener.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("script-src"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
}

#[tokio::test]
async fn nothing_of_the_owners_is_here() {
    let listener = Listener::new();
    for path in [
        "/api/v1/box",
        "/api/v1/overview",
        "/api/v1/releases/1",
        "/api/v1/releases/1/kit",
        "/api/v1/settings",
        "/api/v1/openapi.json",
        "/metrics",
        "/index.html",
        "/assets/",
        "/..%2f..%2fetc/passwd",
        "/t/..%2f..%2fsemoir.db",
    ] {
        for method in ["GET", "HEAD"] {
            let answer = listener.send(method, path, &[]).await;
            assert_eq!(answer.status, 404, "{method} {path}");
        }
        let written = listener.send("POST", path, &[]).await;
        assert!(
            written.status == 404 || written.status == 405,
            "{path}: {}",
            written.status
        );
    }
}

#[tokio::test]
async fn nobody_is_marked() {
    let listener = Listener::new();
    listener.put("a".as_ref(), 1, &[("", 7)], Stage::Ready);
    let (share, torrent) = (format!("/r/{}", hash(1)), format!("/t/{}.torrent", hash(1)));
    for path in [
        "/",
        "/feed.xml",
        "/robots.txt",
        "/style.css",
        "/icon.svg",
        "/card.png",
        "/x",
        &share,
        &torrent,
    ] {
        let answer = listener.get(path).await;
        assert!(answer.headers.get("set-cookie").is_none(), "{path}");
        assert!(!answer.body.is_empty(), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn a_visitor_from_outside_is_noted() {
    let listener = Listener::new();
    for (from, seen) in [
        ("192.168.1.7:5", false),
        ("[::1]:5", false),
        ("1.1.1.1:5", true),
    ] {
        let from: SocketAddr = from.parse().unwrap();
        listener.send_from("/", ConnectInfo(from)).await;
        assert_eq!(listener.visits.first().is_some(), seen, "{from}");
    }
}
