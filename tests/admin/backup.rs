//! Backup and restore, from box to box.

use semoir::app::handle::Order;
use serde_json::json;

use crate::client::TestBox;

const PATH: &str = "/api/v1/backup";

#[tokio::test]
async fn what_was_set_on_one_box_is_brought_to_another() {
    let (_first, owner) = TestBox::owned().await;
    let change = json!({ "relays": 7, "trackers": ["udp://t.example:6969"], "guard": false });
    owner
        .json("PATCH", "/api/v1/settings", &change.to_string())
        .await;
    let settings = owner.get("/api/v1/settings").await.json();
    let backup = owner.get(PATH).await;
    assert_eq!(backup.status, 200);
    let text = String::from_utf8(backup.body.to_vec()).unwrap();
    assert!(!text.contains("argon2"), "{text}");

    let (second, owner) = TestBox::owned().await;
    let restored = owner.post(PATH, &text).await;
    assert_eq!(restored.status, 200, "{restored:?}");
    let restored = restored.json();
    assert_eq!(restored["settings"], settings.as_object().unwrap().len());
    assert_eq!(restored["missing_releases"], json!([]));
    assert_eq!(owner.get("/api/v1/settings").await.json(), settings);
    assert_eq!(
        *second.orders.lock(),
        [Order::ReloadSettings, Order::ReloadSources]
    );
}

#[tokio::test]
async fn what_cannot_be_restored_changes_nothing() {
    let (the_box, owner) = TestBox::owned().await;
    let before = owner.get("/api/v1/settings").await.json();
    for body in [
        json!({}),
        json!({ "semoir_backup": 2, "made": 1 }),
        json!({ "semoir_backup": 1, "made": 1, "settings": { "relays": 0 } }),
        json!({ "semoir_backup": 1, "made": 1, "settings": { "relays": 4, "trackers": 7 } }),
        json!({ "semoir_backup": 1, "made": 1, "settings": { "relays": 4 }, "releases": [{ "info_hash": "x", "settings": {} }] }),
    ] {
        owner.post(PATH, &body.to_string()).await.problem(422);
    }
    owner.post(PATH, "not JSON").await.problem(400);
    let much = format!(
        r#"{{"semoir_backup":1,"made":1,"x":"{}"}}"#,
        "x".repeat(9 << 20)
    );
    owner.post(PATH, &much).await.problem(413);
    assert_eq!(owner.get("/api/v1/settings").await.json(), before);
    assert_eq!(*the_box.orders.lock(), []);
}
