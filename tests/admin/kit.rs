use std::io::{Cursor, Read};

use semoir::base::{InfoHash, Stage, Timestamp};

use crate::client::{Browser, TestBox};
use crate::releases::{hashed, put};

const HOSTILE: &str = "<b onload='x'>\" & é.mkv";

/// A box that shares something of that name, and the path of its kit.
async fn sharing(name: &str) -> (TestBox, Browser, String) {
    let (the_box, browser) = TestBox::owned().await;
    let id = put(&the_box.store, name, 2);
    hashed(&the_box.store, id);
    (the_box, browser, format!("/api/v1/releases/{id}/kit"))
}

#[tokio::test]
async fn links_lead_to_the_public_listener() {
    let (the_box, browser, path) = sharing("Talks").await;
    let hash = InfoHash([0xcd; 20]);
    let kit = browser.get(&path).await.json();
    assert_eq!(kit["page"], format!("http://semoir.local:6880/r/{hash}"));
    assert_eq!(
        kit["torrent"],
        format!("http://semoir.local:6880/t/{hash}.torrent")
    );
    assert_eq!(kit["local"], true);
    let magnet = kit["magnet"].as_str().unwrap();
    assert!(
        magnet.contains("tr=http%3A%2F%2Fsemoir.local%3A6880%2Fannounce"),
        "{magnet}"
    );

    let set = |settings: &mut semoir::store::Settings| {
        settings.public_host = Some("seeds.example".to_owned())
    };
    the_box.store.change_settings(set).unwrap();
    let kit = browser.get(&path).await.json();
    assert_eq!(kit["page"], format!("http://seeds.example:6880/r/{hash}"));
    assert_eq!(kit["local"], false);
    let snippet = kit["snippet"].as_str().unwrap();
    assert!(
        snippet.contains(&format!("href=\"http://seeds.example:6880/r/{hash}\"")),
        "{snippet}"
    );
}

#[tokio::test]
async fn what_is_pasted_speaks_the_owners_language_and_holds_hostile_names() {
    let (_the_box, browser, path) = sharing(HOSTILE).await;
    let request = browser
        .request("GET", &path)
        .header("accept-language", "fr");
    let kit = browser
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await
        .json();
    let snippet = kit["snippet"].as_str().unwrap();
    assert!(
        snippet.contains("Télécharger") && snippet.contains("2 fichiers"),
        "{snippet}"
    );
    assert!(
        snippet.contains("<bdi>&lt;b onload=&#39;x&#39;&gt;&quot; &amp; é.mkv</bdi>"),
        "{snippet}"
    );
}

#[tokio::test]
async fn the_codes_are_images_and_differ() {
    let (_the_box, browser, path) = sharing("Talks").await;
    let mut seen = Vec::new();
    for query in ["", "?of=page&v=7", "?of=magnet"] {
        let image = browser.get(&format!("{path}/qr.svg{query}")).await;
        assert_eq!(image.status, 200, "{query}");
        assert_eq!(image.header("content-type"), "image/svg+xml");
        let text = String::from_utf8(image.body.to_vec()).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        assert!(
            document
                .root_element()
                .has_tag_name(("http://www.w3.org/2000/svg", "svg"))
        );
        seen.push(text);
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[1], seen[2]);
    browser
        .get(&format!("{path}/qr.svg?of=cheese"))
        .await
        .problem(400);
    browser
        .get(&format!("{path}/qr.svg?colour=red"))
        .await
        .problem(400);
}

#[tokio::test]
async fn the_page_to_put_elsewhere_has_the_torrent_beside_it() {
    let (the_box, browser, path) = sharing(HOSTILE).await;
    let set = |settings: &mut semoir::store::Settings| {
        settings.copyright_contact = Some("anna@box.example".to_owned());
        // Trackers without end do not fit into a code: the magnet in it does without.
        settings.trackers = (0..20)
            .map(|n| format!("http://{n}.example/{}", "x".repeat(400)))
            .collect();
    };
    the_box.store.change_settings(set).unwrap();
    let archive = browser.get(&format!("{path}/page.zip")).await;
    assert_eq!(archive.header("content-type"), "application/zip");
    let disposition = archive.header("content-disposition");
    assert!(
        disposition.starts_with("attachment; filename=\"<b onload='x'>_ & _.mkv.zip\""),
        "{disposition}"
    );
    let mut zip = zip::ZipArchive::new(Cursor::new(archive.body.to_vec())).unwrap();
    assert_eq!(zip.len(), 2);
    let mut page = String::new();
    zip.by_name("index.html")
        .unwrap()
        .read_to_string(&mut page)
        .unwrap();
    assert!(
        page.contains("mailto:anna@box.example") && page.contains("part 0001"),
        "{page}"
    );
    assert!(
        !page.contains("<b onload") && !page.contains("semoir.local:6880/r/"),
        "{page}"
    );
    let mut torrent = Vec::new();
    zip.by_index(1).unwrap().read_to_end(&mut torrent).unwrap();
    let served = browser.get(&path.replace("/kit", "/torrent")).await;
    assert_eq!(torrent, served.body);
    let image = browser.get(&format!("{path}/qr.svg?of=magnet")).await;
    assert_eq!(image.status, 200, "{image:?}");
}

#[tokio::test]
async fn what_is_not_shared_is_not_handed_out() {
    let (the_box, browser) = TestBox::owned().await;
    let id = put(&the_box.store, "a", 1);
    for part in ["kit", "kit/qr.svg", "kit/page.zip"] {
        browser
            .get(&format!("/api/v1/releases/{id}/{part}"))
            .await
            .problem(409);
        browser
            .get(&format!("/api/v1/releases/99/{part}"))
            .await
            .problem(404);
    }
    hashed(&the_box.store, id);
    let kit = format!("/api/v1/releases/{id}/kit");
    assert_eq!(browser.get(&kit).await.status, 200);
    the_box
        .store
        .set_stage(id, Stage::Paused, "by its owner", Timestamp(3))
        .unwrap();
    assert_eq!(
        browser.get(&kit).await.status,
        200,
        "its links are out in the world"
    );
    the_box
        .store
        .set_stage(id, Stage::Failed, "cannot be read", Timestamp(4))
        .unwrap();
    browser.get(&kit).await.problem(409);
    the_box.store.remove(id, Timestamp(5)).unwrap();
    browser.get(&kit).await.problem(404);
}
