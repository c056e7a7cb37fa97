//! What may be kept of an answer, and asking whether it changed.

use std::io::Read;

use flate2::read::GzDecoder;
use semoir::base::{Stage, Timestamp};

use crate::listener::{Listener, hash};

#[tokio::test]
async fn answers_are_cached_by_their_content() {
    let listener = Listener::new();
    let id = listener.put("a".as_ref(), 1, &[("", 7)], Stage::Ready);
    let index = listener.get("/").await;
    let linked = |start: &str| {
        let rest = index.text().split(start).nth(1).unwrap();
        format!("{start}{}", rest.split('"').next().unwrap())
    };
    let (style, icon) = (linked("/style.css?v="), linked("/icon.svg?v="));
    let card = linked("/card.png?v=");
    for path in [&style, &icon, &card] {
        let cache = listener.get(path).await.header("cache-control").to_owned();
        assert!(cache.contains("immutable"), "{path}: {cache}");
    }
    let pages = [
        "/".to_owned(),
        format!("/r/{}", hash(1)),
        format!("/t/{}.torrent", hash(1)),
        "/feed.xml".to_owned(),
        "/robots.txt".to_owned(),
        style,
        icon,
        card,
    ];
    for path in &pages {
        let first = listener.get(path).await;
        assert_eq!(first.status, 200, "{path}");
        assert!(first.header("cache-control").contains("max-age="), "{path}");
        let etag = first.header("etag");
        for known in [
            etag.to_owned(),
            format!("\"other\", {}", etag.trim_start_matches("W/")),
            "*".to_owned(),
        ] {
            let again = listener
                .send("GET", path, &[("if-none-match", &known)])
                .await;
            assert_eq!(
                (again.status.as_u16(), again.body.len()),
                (304, 0),
                "{path} {known}"
            );
            for name in ["etag", "cache-control", "vary", "x-robots-tag"] {
                assert_eq!(again.header(name), first.header(name), "{path} {name}");
            }
        }
        let head = listener.send("HEAD", path, &[]).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
        assert_eq!(
            head.header("content-length"),
            first.body.len().to_string(),
            "{path}"
        );
        for name in ["etag", "content-type", "cache-control", "vary"] {
            assert_eq!(head.header(name), first.header(name), "{path} {name}");
        }
    }
    let before = listener.get(&pages[1]).await.header("etag").to_owned();
    listener
        .store
        .set_stage(id, Stage::Paused, "by its owner", Timestamp(9))
        .unwrap();
    let after = listener
        .send("GET", &pages[1], &[("if-none-match", &before)])
        .await;
    assert_eq!(after.status, 200, "a change was not seen");
}

#[tokio::test]
async fn what_gets_smaller_is_packed_for_who_takes_it() {
    let listener = Listener::new();
    for seed in 0..100 {
        listener.put(
            format!("Reel {seed}").as_ref(),
            seed,
            &[("", 7)],
            Stage::Ready,
        );
    }
    let style = listener.get("/").await;
    let style = style
        .text()
        .split("href=\"")
        .find(|part| part.starts_with("/style.css"));
    let style = style.unwrap().split('"').next().unwrap().to_owned();
    for path in ["/", "/feed.xml", &style] {
        let plain = listener.get(path).await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        let packed = listener
            .send("GET", path, &[("accept-encoding", "br, gzip")])
            .await;
        assert_eq!(packed.header("content-encoding"), "gzip", "{path}");
        assert!(packed.body.len() * 2 < plain.body.len(), "{path}");
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed.body[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain.body, "{path}");
        for name in ["etag", "vary", "content-type", "content-security-policy"] {
            assert_eq!(packed.header(name), plain.header(name), "{path} {name}");
        }
        assert!(plain.header("vary").contains("Accept-Encoding"), "{path}");
        let etag = plain.header("etag");
        let again = listener
            .send(
                "GET",
                path,
                &[("accept-encoding", "gzip"), ("if-none-match", etag)],
            )
            .await;
        assert_eq!(
            (again.status.as_u16(), again.body.len()),
            (304, 0),
            "{path}"
        );
        assert_eq!(again.header("vary"), plain.header("vary"), "{path}");
        for refused in ["", "br", "gzip;q=0"] {
            let plain = listener
                .send("GET", path, &[("accept-encoding", refused)])
                .await;
            assert_eq!(plain.header("content-encoding"), "", "{path} {refused}");
        }
    }
    let card = listener.get("/").await;
    let card = card
        .text()
        .split("http://box.example:6880")
        .find(|part| part.starts_with("/card.png"));
    let card = card.unwrap().split('"').next().unwrap().to_owned();
    let torrent = format!("/t/{}.torrent", hash(1));
    for path in [&torrent, &card, "/robots.txt"] {
        let answer = listener
            .send("GET", path, &[("accept-encoding", "gzip")])
            .await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-encoding"), "", "{path}");
        assert_eq!(
            answer.header("content-length"),
            answer.body.len().to_string(),
            "{path}"
        );
    }
}
