//! `/feed.xml`.

use semoir::base::Stage;

use crate::HOSTILE;
use crate::listener::{Listener, hash};

const ATOM: &str = "http://www.w3.org/2005/Atom";

#[tokio::test]
async fn others_can_subscribe_to_it() {
    let listener = Listener::new();
    listener.put(HOSTILE.as_ref(), 1, &[("", 1536)], Stage::Ready);
    listener.put(
        "newest \u{1}\u{ffff}]]>".as_ref(),
        3,
        &[("x", 5), ("y", 6)],
        Stage::Retired,
    );
    listener.put("paused".as_ref(), 4, &[("", 7)], Stage::Paused);
    listener.set(|settings| {
        settings.public_title = Some("Anna & <Co>".to_owned());
        settings.trackers = vec!["udp://t.example:6969/announce".to_owned()];
    });
    let answer = listener.get("/feed.xml").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "application/rss+xml; charset=utf-8"
    );
    let document = roxmltree::Document::parse(answer.text()).unwrap();
    let rss = document.root_element();
    assert_eq!(
        (rss.tag_name().name(), rss.attribute("version")),
        ("rss", Some("2.0"))
    );
    let channel = rss.first_element_child().unwrap();
    let text = |node: roxmltree::Node<'_, '_>, name: &str| {
        let child = node.children().find(|child| child.has_tag_name(name));
        child
            .and_then(|child| child.text())
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(text(channel, "title"), "Anna & <Co>");
    assert_eq!(text(channel, "link"), "http://box.example:6880/");
    assert_eq!(text(channel, "language"), "en");
    assert!(!text(channel, "description").is_empty());
    let own = channel
        .children()
        .find(|child| child.has_tag_name((ATOM, "link")))
        .unwrap();
    assert_eq!(own.attribute("rel"), Some("self"));
    assert_eq!(
        own.attribute("href"),
        Some("http://box.example:6880/feed.xml")
    );

    let items: Vec<_> = channel
        .children()
        .filter(|child| child.has_tag_name("item"))
        .collect();
    let titles: Vec<String> = items.iter().map(|item| text(*item, "title")).collect();
    assert_eq!(
        titles,
        ["newest \u{fffd}\u{fffd}]]>", HOSTILE],
        "the newest first"
    );
    for (item, seed) in items.into_iter().zip([3, 1]) {
        assert_eq!(
            text(item, "link"),
            format!("http://box.example:6880/r/{}", hash(seed))
        );
        assert_eq!(
            text(item, "pubDate"),
            format!("Tue, 25 Nov 2025 12:00:{seed:02} +0000")
        );
        let guid = item
            .children()
            .find(|child| child.has_tag_name("guid"))
            .unwrap();
        assert_eq!(guid.attribute("isPermaLink"), Some("false"));
        assert_eq!(
            guid.text(),
            Some(format!("urn:btih:{}", hash(seed)).as_str())
        );
        let enclosure = item
            .children()
            .find(|child| child.has_tag_name("enclosure"))
            .unwrap();
        assert_eq!(
            enclosure.attribute("type"),
            Some("application/x-bittorrent")
        );
        let url = enclosure.attribute("url").unwrap();
        let torrent = listener
            .get(url.strip_prefix("http://box.example:6880").unwrap())
            .await;
        assert_eq!(torrent.header("content-type"), "application/x-bittorrent");
        let length = torrent.body.len().to_string();
        assert_eq!(enclosure.attribute("length"), Some(length.as_str()));
    }
    let french = listener.get_in("fr", "/feed.xml").await;
    assert!(
        french.text().contains("<language>fr</language>"),
        "{}",
        french.text()
    );
}

#[tokio::test]
async fn it_ends_somewhere() {
    let listener = Listener::new();
    for seed in 0..=105 {
        listener.put(format!("{seed}").as_ref(), seed, &[("", 1)], Stage::Ready);
    }
    let feed = listener.get("/feed.xml").await;
    assert_eq!(feed.text().matches("<item>").count(), 100);
    assert!(
        feed.text().contains("<title>105</title>") && !feed.text().contains("<title>5</title>")
    );
}
