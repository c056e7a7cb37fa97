//! `/r/{info_hash}`: a release's page.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use semoir::base::Stage;

use crate::HOSTILE;
use crate::listener::{Listener, hash};

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
async fn a_link_to_it_has_a_preview() {
    let listener = Listener::new();
    listener.put(HOSTILE.as_ref(), 1, &[("", 1536)], Stage::Ready);
    let page = listener.get(&format!("/r/{}", hash(1))).await;
    let url = format!("content=\"http://box.example:6880/r/{}\"", hash(1));
    for part in [
        "property=\"og:title\" content=\"&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &quot;&amp; Ünïcode&quot;.mkv\"",
        "property=\"og:site_name\" content=\"Anna&#39;s box\"",
        "property=\"og:description\" content=\"1.54 kB in 1 file. Free to download, by BitTorrent.\"",
        "property=\"og:type\" content=\"website\"",
        "<link rel=\"alternate\" type=\"application/rss+xml\" title=\"Anna&#39;s box\" href=\"/feed.xml\">",
        "property=\"og:image:width\" content=\"1200\"",
        "property=\"og:image:height\" content=\"630\"",
        "property=\"og:image:alt\" content=\"A seed drill",
        "name=\"twitter:card\" content=\"summary_large_image\"",
        &format!("property=\"og:url\" {url}"),
    ] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    // Previews take no address but a whole one.
    let (_, after) = page
        .text()
        .split_once("property=\"og:image\" content=\"")
        .unwrap();
    let image = after.split('"').next().unwrap();
    let path = image.strip_prefix("http://box.example:6880").unwrap();
    let card = listener.get(path).await;
    assert_eq!(
        (card.status.as_u16(), card.header("content-type")),
        (200, "image/png")
    );
    assert!(card.body.starts_with(b"\x89PNG") && card.body.len() < 6_000);
}

#[tokio::test]
async fn programs_are_named_for_the_visitors_system() {
    let listener = Listener::new();
    listener.put("a".as_ref(), 1, &[("", 7)], Stage::Ready);
    let path = format!("/r/{}", hash(1));
    let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15";
    let android = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36";
    for (agent, first) in [
        (iphone, "Apple takes no BitTorrent app"),
        (android, "LibreTorrent"),
    ] {
        let page = listener.send("GET", &path, &[("user-agent", agent)]).await;
        let (before, after) = page.text().split_once("<details>").unwrap();
        assert!(
            before.contains(first) && !after.contains(first),
            "{}",
            page.text()
        );
        assert!(after.contains("Windows"), "{}", page.text());
        assert_eq!(
            page.header("vary"),
            "Accept-Language, User-Agent, Accept-Encoding"
        );
    }
    let unknown = listener.get(&path).await;
    assert!(!unknown.text().contains("<details>"), "{}", unknown.text());
    for system in ["Windows", "macOS", "Linux", "Android", "iPhone"] {
        assert!(unknown.text().contains(system), "{system}");
    }
}

#[tokio::test]
async fn who_answers_for_it_is_named() {
    let listener = Listener::new();
    listener.put("a".as_ref(), 1, &[("", 7)], Stage::Ready);
    let path = format!("/r/{}", hash(1));
    assert!(!listener.get(&path).await.text().contains("Copyright"));
    for (contact, href) in [
        ("a'b@box.example", "href=\"mailto:a&#39;b@box.example\""),
        (
            "https://box.example/c?a=1&b=\"",
            "href=\"https://box.example/c?a=1&amp;b=%22\"",
        ),
    ] {
        listener.set(|settings| settings.copyright_contact = Some(contact.to_owned()));
        for path in ["/", &path] {
            let page = listener.get(path).await;
            assert!(page.text().contains(href), "{}", page.text());
        }
    }
    let french = listener.get_in("fr", &path).await;
    assert!(
        french.text().contains("Droit d’auteur"),
        "{}",
        french.text()
    );
}

#[tokio::test]
async fn it_is_french_for_who_reads_french() {
    let listener = Listener::new();
    listener.put("a".as_ref(), 1, &[("x", 1536), ("y", 1)], Stage::Paused);
    let page = listener.get_in("fr", &format!("/r/{}", hash(1))).await;
    for part in [
        "<html lang=\"fr\">",
        "Télécharger",
        "Ouvrir dans l’appli",
        "mis en pause",
        "Fichiers",
        "1,54\u{a0}ko, 2 fichiers",
        "Il vous faut une application BitTorrent",
        "On ne connaît encore personne d’autre",
    ] {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    let nothing = listener.get_in("fr", "/r/abc").await;
    assert_eq!(nothing.status, 404);
    assert!(nothing.text().contains("Rien ici"), "{}", nothing.text());
    assert_eq!(nothing.header("content-language"), "fr");
    assert_eq!(nothing.header("vary"), "Accept-Language");
}
