//! `/`: what the box offers.

use std::net::SocketAddr;

use semoir::base::{Stage, Timestamp};
use semoir::store::SeenRelay;

use crate::listener::{Listener, hash};

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
            "<a href=\"/r/{}\"><bdi>{stage}</bdi></a> <span class=\"facts\">1.54 kB · 1 file</span>",
            hash(seed)
        );
        assert!(text.contains(&item), "{stage}: {text}");
    }
    assert_eq!(text.matches("<li>").count(), 4, "{text}");
}

#[tokio::test]
async fn who_else_has_it_is_said() {
    let listener = Listener::new();
    let id = listener.put("a".as_ref(), 1, &[("", 1536)], Stage::Retired);
    let relay = |n, proven| SeenRelay {
        addr: SocketAddr::from(([192, 0, 2, n], 6881)),
        proven,
        witness: "probe".to_owned(),
        first: Timestamp::now(),
        last: Timestamp::now(),
    };
    let share = format!("/r/{}", hash(1));
    let alone = "Nobody else is known to have all of it yet.";
    assert!(listener.get(&share).await.text().contains(alone));
    let relays = [relay(1, true), relay(2, false), relay(3, true)];
    listener.store.keep_relays(id, &relays).unwrap();
    let index = listener.get("/").await;
    assert!(
        index.text().contains("1 file · 3 others have it</span>"),
        "{}",
        index.text()
    );
    let page = listener.get(&share).await;
    let said = "Kept alive by 3 others. 2 proved so by giving a piece of it; the rest say that they have it.";
    assert!(page.text().contains(said), "{}", page.text());
}

#[tokio::test]
async fn the_owner_names_and_describes_it() {
    let listener = Listener::new();
    listener.set(|settings| {
        settings.public_title = Some("Films & <seeds>".to_owned());
        settings.public_description = Some("What the \"Lumière\" club films.".to_owned());
        settings.public_host = Some("seeds.example".to_owned());
    });
    let index = listener.get("/").await;
    for part in [
        "<title>Films &amp; &lt;seeds&gt;</title>",
        "<h1>Films &amp; &lt;seeds&gt;</h1>",
        "<p class=\"lead\">What the &quot;Lumière&quot; club films.</p>",
        "<meta property=\"og:title\" content=\"Films &amp; &lt;seeds&gt;\">",
        "<meta property=\"og:description\" content=\"What the &quot;Lumière&quot; club films.\">",
        "<meta property=\"og:url\" content=\"http://seeds.example:6880/\">",
        "<link rel=\"canonical\" href=\"http://seeds.example:6880/\">",
    ] {
        assert!(index.text().contains(part), "{part}: {}", index.text());
    }
}

#[tokio::test]
async fn it_is_french_for_who_reads_french() {
    let listener = Listener::new();
    listener.put("a".as_ref(), 1, &[("", 1536)], Stage::Ready);
    let index = listener.get_in("fr-FR,fr;q=0.9,en;q=0.5", "/").await;
    assert_eq!(index.header("content-language"), "fr");
    assert_eq!(index.header("vary"), "Accept-Language, Accept-Encoding");
    for part in [
        "<html lang=\"fr\">",
        "À télécharger librement",
        "1,54\u{a0}ko · 1 fichier",
    ] {
        assert!(index.text().contains(part), "{part}: {}", index.text());
    }
    let english = listener.get_in("de, en;q=0.1", "/").await;
    assert_eq!(english.header("content-language"), "en");
    assert_ne!(english.header("etag"), index.header("etag"));
}

#[tokio::test]
async fn what_is_private_or_not_to_be_listed_is_reached_by_its_link() {
    let listener = Listener::new();
    listener.put_torrent("secret".as_ref(), 1, &[("", 7)], Stage::Ready, true);
    listener.put("open".as_ref(), 2, &[("", 7)], Stage::Ready);
    for path in ["/", "/feed.xml"] {
        let answer = listener.get(path).await;
        assert!(answer.text().contains("open"), "{path}");
        assert!(
            !answer.text().contains("secret") && !answer.text().contains(&hash(1)),
            "{path}"
        );
    }
    assert!(
        listener
            .get(&format!("/r/{}", hash(1)))
            .await
            .text()
            .contains("secret")
    );

    listener.set(|settings| settings.public_index = false);
    for path in ["/", "/feed.xml"] {
        let answer = listener.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            answer.text().contains("There is no list here"),
            "{path}: {}",
            answer.text()
        );
        assert!(
            !answer.text().contains("href=\"/\""),
            "{path}: {}",
            answer.text()
        );
    }
    for seed in [1, 2] {
        let share = listener.get(&format!("/r/{}", hash(seed))).await;
        assert_eq!(share.status, 200);
        assert!(!share.text().contains("href=\"/\""), "{}", share.text());
        assert!(!share.text().contains("feed.xml"), "{}", share.text());
        let torrent = listener.get(&format!("/t/{}.torrent", hash(seed))).await;
        assert_eq!(torrent.status, 200);
    }
}

#[tokio::test]
async fn a_long_one_comes_in_pages() {
    let listener = Listener::new();
    for seed in 0..=200 {
        let name = format!("Reel {seed:03}");
        listener.put(name.as_ref(), seed, &[("", 7)], Stage::Ready);
    }
    let items = |text: &str| text.matches("<li>").count();
    let first = listener.get("/").await;
    assert_eq!(items(first.text()), 200);
    assert!(
        first
            .text()
            .contains("page 1 of 2 · <a rel=\"next\" href=\"/?page=2\">Next</a>")
    );
    assert!(!first.text().contains("rel=\"prev\""));
    assert!(first.text().contains("page 1 of 2</title>"));

    // Who hands on an address adds words of his own to it.
    let last = listener.get("/?page=2&fbclid=x").await;
    assert_eq!(items(last.text()), 1);
    assert!(
        last.text()
            .contains("<a rel=\"prev\" href=\"/\">Previous</a> · page 2 of 2</nav>")
    );
    assert!(!last.text().contains("rel=\"next\""));
    assert!(
        last.text()
            .contains("<link rel=\"canonical\" href=\"http://box.example:6880/?page=2\">"),
        "{}",
        last.text()
    );
    let name = |text: &str| text.split("<bdi>").nth(1).unwrap()[..8].to_owned();
    assert!(!first.text().contains(&name(last.text())), "listed twice");

    for page in [
        "0",
        "3",
        "-1",
        "x",
        "",
        "18446744073709551616",
        "18446744073709551615",
    ] {
        let answer = listener.get(&format!("/?page={page}")).await;
        assert_eq!(answer.status, 404, "{page}");
        assert!(
            answer.text().contains("Nothing here"),
            "{page}: {}",
            answer.text()
        );
    }
}
