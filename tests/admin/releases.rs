use std::path::Path;
use std::sync::Arc;

use semoir::app::handle::Order;
use semoir::base::{Content, ContentFile, FileIdentity, InfoHash, ReleaseId, Timestamp};
use semoir::store::{NewSource, NewTorrent, SeenRelay, SourceKind, Store};

use crate::client::{STUBBORN, TestBox, carrier, picture, view};

/// Puts a release of that many files into the database.
pub fn put(store: &Store, name: &str, files: u64) -> ReleaseId {
    let path = Path::new("/media");
    let source = store
        .take_up_source(
            &NewSource {
                kind: SourceKind::Folder,
                key: path.as_os_str(),
                name: "media",
                path,
                auto_share: true,
                facts: None,
            },
            Timestamp(1),
        )
        .unwrap();
    let file = |number| ContentFile {
        path: format!("part {number:04}").into(),
        length: 10,
        identity: Some(FileIdentity {
            size: 10,
            mtime_ns: 1,
            inode: number,
        }),
    };
    let content = Content {
        root: path.join(name),
        files: (0..files).map(file).collect(),
    };
    store
        .found(source.id, name.as_ref(), &content, Timestamp(1))
        .unwrap()
        .id
}

pub fn hashed(store: &Store, id: ReleaseId) {
    let torrent = NewTorrent {
        info: b"d6:lengthi10e4:name1:x12:piece lengthi16384e6:pieces0:e",
        info_hash: InfoHash([0xcd; 20]),
        piece_length: 16_384,
        private: false,
    };
    store
        .save_torrent(id, &torrent, "hashed", Timestamp(2))
        .unwrap();
}

#[tokio::test]
async fn one_release_with_its_files_and_decisions() {
    let (the_box, browser) = TestBox::owned().await;
    let id = put(&the_box.store, "Talks", 1200);
    let shown = browser.get(&format!("/api/v1/releases/{id}")).await.json();
    assert_eq!(
        (&shown["name"], &shown["stage"]),
        (&"Talks".into(), &"found".into())
    );
    assert_eq!(
        (shown["total_files"].as_u64(), shown["size"].as_u64()),
        (Some(1200), Some(12_000))
    );
    assert_eq!(shown["files"].as_array().unwrap().len(), 1000);
    assert_eq!(shown["files"][1]["path"], "part 0001");
    assert_eq!(shown["decisions"][0]["reason"], "found");
    assert!(shown["magnet"].is_null());

    hashed(&the_box.store, id);
    let shown = browser.get(&format!("/api/v1/releases/{id}")).await.json();
    assert_eq!(shown["info_hash"], "cd".repeat(20));
    assert_eq!(
        (shown["hashed"].as_u64(), shown["pieces"].as_u64()),
        (Some(12_000), Some(1))
    );

    // Nobody looks: it is as it was kept.
    let relay = SeenRelay {
        addr: "[2001:db8::1]:6881".parse().unwrap(),
        proven: false,
        witness: "bitfield".to_owned(),
        first: Timestamp(3),
        last: Timestamp(4),
    };
    the_box.store.keep_relays(id, &[relay]).unwrap();
    let shown = browser.get(&format!("/api/v1/releases/{id}")).await.json();
    let kept = serde_json::json!([{
        "addr": "[2001:db8::1]:6881", "level": "full", "witness": "bitfield", "first": 3, "last": 4, "connected": false,
    }]);
    assert_eq!(shown["carriers"], kept);

    // The conductor's picture is newer than the database.
    let mut live = picture();
    live.releases = vec![view(id.0, "Talks")];
    the_box.pictures.send_replace(Arc::new(live));
    let shown = browser.get(&format!("/api/v1/releases/{id}")).await.json();
    assert_eq!(
        (shown["rate"].as_u64(), shown["peers"].as_u64()),
        (Some(7), Some(2))
    );
    assert!(shown["magnet"].as_str().unwrap().contains("&tr="));
    let carrier = serde_json::to_value(carrier()).unwrap();
    assert_eq!(shown["carriers"], serde_json::json!([carrier]));
    let overview = browser.get("/api/v1/overview").await.json();
    let release = &overview["releases"][0];
    assert!(release["proven"] == 1 && release["carriers"].is_null());

    the_box.store.remove(id, Timestamp(3)).unwrap();
    browser
        .get(&format!("/api/v1/releases/{id}"))
        .await
        .problem(404);
    browser.get("/api/v1/releases/12345").await.problem(404);
}

#[tokio::test]
async fn orders_reach_the_conductor_and_its_refusals_the_owner() {
    let (the_box, browser) = TestBox::owned().await;
    for (method, path) in [
        ("POST", "/api/v1/releases/1/share"),
        ("POST", "/api/v1/releases/2/pause"),
        ("POST", "/api/v1/releases/3/resume"),
        ("DELETE", "/api/v1/releases/4"),
    ] {
        assert_eq!(
            browser.call(method, path).await.status,
            204,
            "{method} {path}"
        );
    }
    let [one, two, three, four] = [1, 2, 3, 4].map(ReleaseId);
    let expected = [
        Order::Share(one),
        Order::Pause(two),
        Order::Resume(three),
        Order::Remove(four),
    ];
    assert_eq!(*the_box.orders.lock(), expected);
    browser
        .call("DELETE", "/api/v1/releases/999")
        .await
        .problem(404);
    let refused = browser
        .call("POST", &format!("/api/v1/releases/{STUBBORN}/pause"))
        .await;
    assert!(refused.problem(409).contains("it is shared already"));
}

#[tokio::test]
async fn the_torrent_names_the_box_as_its_tracker() {
    let (the_box, browser) = TestBox::owned().await;
    let id = put(&the_box.store, "Fête \"1\"", 1);
    let path = format!("/api/v1/releases/{id}/torrent");
    browser.get(&path).await.problem(409);
    hashed(&the_box.store, id);
    let file = browser.get(&path).await;
    assert_eq!(file.header("content-type"), "application/x-bittorrent");
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"F_te _1_.torrent\"; filename*=UTF-8''F%C3%AAte%20%221%22.torrent"
    );
    assert!(
        file.body
            .starts_with(b"d8:announce33:http://semoir.local:6880/announce10:created by"),
        "{:?}",
        file.body
    );
    let info = the_box.store.torrent(id).unwrap().unwrap();
    assert!(
        file.body
            .ends_with(&[b"4:info", info.as_slice(), b"e"].concat())
    );
    browser
        .get("/api/v1/releases/999/torrent")
        .await
        .problem(404);
}
