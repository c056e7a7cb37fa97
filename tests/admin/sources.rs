use semoir::app::handle::Order;

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
