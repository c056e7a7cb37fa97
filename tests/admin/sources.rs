use semoir::app::handle::Order;
use semoir::base::{SourceId, Timestamp};
use semoir::store::{NewSource, SourceKind};

use crate::client::TestBox;

#[tokio::test]
async fn a_rescan_is_ordered() {
    let (the_box, browser) = TestBox::owned().await;
    assert_eq!(
        browser.call("POST", "/api/v1/sources/rescan").await.status,
        204
    );
    assert_eq!(*the_box.orders.lock(), [Order::Rescan]);
}

#[tokio::test]
async fn the_rule_of_a_source_is_kept_and_reaches_the_conductor() {
    let (the_box, browser) = TestBox::owned().await;
    let source = the_box.store.sources().unwrap().remove(0);
    assert!(source.auto_share);
    let path = format!("/api/v1/sources/{}", source.id);
    let wanted = r#"{"auto_share":false}"#;
    let changed = browser.json("PATCH", &path, wanted).await;
    assert_eq!(changed.json(), serde_json::json!({ "auto_share": false }));
    assert!(!the_box.store.source(source.id).unwrap().auto_share);
    assert_eq!(*the_box.orders.lock(), [Order::ReloadSources]);

    for bad in [
        r#"{}"#,
        r#"{"auto_share":"no"}"#,
        r#"{"auto_share":true,"x":1}"#,
    ] {
        browser.json("PATCH", &path, bad).await.problem(422);
    }
    let missing = browser.json("PATCH", "/api/v1/sources/99", wanted).await;
    missing.problem(404);
    assert_eq!(*the_box.orders.lock(), [Order::ReloadSources]);
}

#[tokio::test]
async fn a_source_is_forgotten_by_the_conductor_or_not_at_all() {
    let (the_box, browser) = TestBox::owned().await;
    let forgotten = browser.call("DELETE", "/api/v1/sources/5").await;
    assert_eq!(forgotten.status, 204);
    assert_eq!(*the_box.orders.lock(), [Order::Forget(SourceId(5))]);
}

#[tokio::test]
async fn a_drive_is_formatted_only_by_its_name_and_by_the_helper() {
    let (the_box, browser) = TestBox::owned().await;
    let new = NewSource {
        kind: SourceKind::Drive,
        key: "ext4-1".as_ref(),
        name: "Shelf",
        path: "/run/semoir/mounts/ext4-1".as_ref(),
        auto_share: false,
        facts: None,
    };
    let drive = the_box.store.take_up_source(&new, Timestamp(1)).unwrap();
    let path = format!("/api/v1/sources/{}/format", drive.id);
    let ask = async |body: &str| browser.post(&path, body).await;
    let named = ask(r#"{"name":"shelf","label":"New"}"#).await.problem(422);
    assert!(
        named.contains("“Shelf”") || named.contains("\"Shelf\""),
        "{named}"
    );
    ask(r#"{"name":"Shelf","label":""}"#).await.problem(422);
    ask(r#"{"name":"Shelf","label":"seventeen letters"}"#)
        .await
        .problem(422);
    ask(r#"{"name":"Shelf"}"#).await.problem(422);
    let helper = ask(r#"{"name":"Shelf","label":"New","told":true}"#)
        .await
        .problem(503);
    assert!(helper.contains("mount helper"), "{helper}");
    let folder = the_box.store.sources().unwrap().remove(0);
    let path = format!("/api/v1/sources/{}/format", folder.id);
    let wanted = format!(r#"{{"name":"{}","label":"New"}}"#, folder.name);
    browser.post(&path, &wanted).await.problem(422);
    assert_eq!(
        *the_box.orders.lock(),
        [],
        "nobody was asked to let go of anything"
    );
    let missing = browser.post("/api/v1/sources/99/format", &wanted).await;
    missing.problem(404);
}
