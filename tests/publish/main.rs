//! The public pages, in-process, on a real database.

mod listener;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use listener::{INFO, Listener, hash};
use semoir::base::{Stage, Timestamp};
use semoir::store::Settings;

const HOSTILE: &str = "<script>alert('1')</script> \"& Ünïcode\".mkv";

#[tokio::test]
async fn the_index_lists_what_is_offered() {
    let listener = Listener::new();
    assert!(
        listener
            .get("/")
            .await
            .text()
            .contains("Nothing is shared here yet")
    );
    let stages = [
        Stage::Ready,
        Stage::Spreading,
        Stage::Supporting,
        Stage::Retired,
    ];
    for (seed, stage) in (1..).zip(stages) {
        listener.put(stage.as_str().as_ref(), seed, &[("", 1536)], stage);
    }
    for (seed, stage) in (10..).zip([Stage::Paused, Stage::Absent, Stage::Failed, Stage::Hashing]) {
        listener.put(stage.as_str().as_ref(), seed, &[("", 1)], stage);
    }
    let removed = listener.put("removed".as_ref(), 20, &[("", 1)], Stage::Ready);
    listener.store.remove(removed, Timestamp(9)).unwrap();

    let index = listener.get("/").await;
    let text = index.text();
    assert!(text.contains("<h1>Anna&#39;s box</h1>"), "{text}");
    for (seed, stage) in (1..).zip(stages) {
        let item = format!(
            "<a href=\"/r/{}\"><bdi>{stage}</bdi></a> <span class=\"facts\">1.5 KiB</span>",
            hash(seed)
        );
        assert!(text.contains(&item), "{stage}: {text}");
    }
    assert_eq!(text.matches("<li>").count(), 4, "{text}");
}

#[tokio::test]
async fn who_has_a_link_sees_what_is_paused_or_away_and_nothing_else() {
    let listener = Listener::new();
    for (seed, stage, status, note) in [
        (1, Stage::Spreading, 200, None),
        (2, Stage::Paused, 200, Some("has paused it")),
        (3, Stage::Absent, 200, Some("not connected")),
        (4, Stage::Failed, 404, None),
        (5, Stage::Hashing, 404, None),
    ] {
        listener.put(stage.as_str().as_ref(), seed, &[("", 7)], stage);
        let page = listener.get(&format!("/r/{}", hash(seed))).await;
        assert_eq!(page.status, status, "{stage}");
        assert_eq!(
            page.text().contains("class=\"note\""),
            note.is_some(),
            "{stage}"
        );
        assert!(page.text().contains(note.unwrap_or("")), "{stage}");
        let torrent = listener.get(&format!("/t/{}.torrent", hash(seed))).await;
        assert_eq!(torrent.status, status, "{stage}");
    }
    for path in [
        "/r/",
        "/r/abc",
        &format!("/r/{}", hash(99)),
        "/t/abc.torrent",
        &format!("/t/{}", hash(1)),
        "/api/v1/box",
        "/x",
    ] {
        let answer = listener.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("Nothing here"), "{path}");
    }
}

#[tokio::test]
async fn names_are_text_wherever_they_stand() {
    let listener = Listener::new();
    let files = [(HOSTILE, 5), ("sub/<i>\u{7}\n.txt", 6)];
    listener.put(HOSTILE.as_ref(), 1, &files, Stage::Ready);
    let page = listener.get(&format!("/r/{}", hash(1))).await;
    for text in [page.text(), listener.get("/").await.text()] {
        assert!(!text.contains("<script") && !text.contains("<i>"), "{text}");
        assert!(
            text.contains(
                "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &quot;&amp; Ünïcode&quot;.mkv"
            ),
            "{text}"
        );
    }
    assert!(page.text().contains("sub/&lt;i&gt;\u{fffd}\u{fffd}.txt"));
    assert!(page.text().contains("11 B in 2 files"), "{}", page.text());

    let torrent = listener.get(&format!("/t/{}.torrent", hash(1))).await;
    let disposition = torrent.header("content-disposition");
    assert!(
        disposition.starts_with(
            "attachment; filename=\"<script>alert('1')<_script> _& _n_code_.mkv.torrent\""
        ),
        "{disposition}"
    );
    assert!(
        disposition.contains("filename*=UTF-8''%3Cscript%3E"),
        "{disposition}"
    );
}

#[tokio::test]
async fn a_page_has_its_links_and_its_files() {
    let listener = Listener::new();
    let raw = OsStr::from_bytes(b"caf\xe9");
    let names: Vec<String> = (0..250).map(|number| format!("{number:03}")).collect();
    let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1024)).collect();
    listener.put(raw, 1, &files, Stage::Ready);
    let page = listener.get(&format!("/r/{}", hash(1))).await;
    let text = page.text();
    assert!(
        text.contains("<title>caf\u{fffd} – Anna&#39;s box</title>"),
        "{text}"
    );
    assert!(text.contains(&format!("href=\"/t/{}.torrent\"", hash(1))));
    let magnet = format!(
        "href=\"magnet:?xt=urn:btih:{}&amp;dn=caf%E9&amp;xl=256000&amp;tr=http%3A%2F%2Fbox.example%3A6880%2Fannounce\"",
        hash(1)
    );
    assert!(text.contains(&magnet), "{text}");
    assert!(text.contains("and 50 more"), "{text}");
    assert!(
        !text.contains("<script") && !text.contains("style="),
        "{text}"
    );
}

#[tokio::test]
async fn the_torrent_announces_where_it_was_fetched() {
    let listener = Listener::new();
    listener.put("a".as_ref(), 1, &[("", 7)], Stage::Ready);
    let path = format!("/t/{}.torrent", hash(1));
    let file = listener
        .send("GET", &path, &[("host", "[2001:DB8::7]")])
        .await;
    assert_eq!(file.header("content-type"), "application/x-bittorrent");
    assert!(
        file.body
            .starts_with(b"d8:announce29:http://[2001:db8::7]/announce10:created by"),
        "{:?}",
        file.body
    );
    assert!(
        file.body.ends_with(&[b"4:info", INFO, b"e"].concat()),
        "{:?}",
        file.body
    );

    let settings = Settings {
        public_host: Some("seeds.example".to_owned()),
        trackers: vec!["udp://t.example:6969/announce".to_owned()],
        ..Settings::default()
    };
    listener.store.set_settings(&settings).unwrap();
    let file = listener.get(&path).await;
    let head = b"d8:announce34:http://seeds.example:6880/announce13:announce-listll34:http://seeds.example:6880/announceel\
                 29:udp://t.example:6969/announceee10:created by";
    assert!(file.body.starts_with(head), "{:?}", file.body);

    for hosts in [
        &["box.example", "evil.example"][..],
        &["a b"],
        &["x/y"],
        &["a\"><b"],
        &["box:99999"],
    ] {
        let hosts: Vec<(&str, &str)> = hosts.iter().map(|host| ("host", *host)).collect();
        for path in [path.clone(), format!("/r/{}", hash(1))] {
            let refused = listener.send("GET", &path, &hosts).await;
            assert_eq!(refused.status, 400, "{hosts:?}");
        }
    }
}

#[tokio::test]
async fn answers_are_cached_by_their_content() {
    let listener = Listener::new();
    let id = listener.put("a".as_ref(), 1, &[("", 7)], Stage::Ready);
    let style = listener
        .get("/")
        .await
        .text()
        .split("href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    assert!(style.starts_with("/style.css?v="), "{style}");
    let pages = [
        "/".to_owned(),
        format!("/r/{}", hash(1)),
        format!("/t/{}.torrent", hash(1)),
        style,
    ];
    for path in &pages {
        let first = listener.get(path).await;
        assert_eq!(first.status, 200, "{path}");
        assert!(first.header("cache-control").contains("max-age="), "{path}");
        let etag = first.header("etag");
        for known in [
            etag.to_owned(),
            format!("\"other\", W/{etag}"),
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
            assert_eq!(again.header("etag"), etag, "{path}");
        }
        let head = listener.send("HEAD", path, &[]).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
        assert_eq!(
            head.header("content-length"),
            first.body.len().to_string(),
            "{path}"
        );
        assert_eq!(head.header("etag"), etag, "{path}");
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
