use semoir::app::handle::Order;
use semoir::base::{Content, ContentFile, ReleaseId, Timestamp};
use serde_json::{Value, json};

use crate::client::{Browser, TestBox};

const PATH: &str = "/api/v1/releases/1/settings";

/// A box with one release, and its owner's browser.
async fn box_with_a_release() -> (TestBox, Browser) {
    let (the_box, browser) = TestBox::owned().await;
    let content = Content {
        root: "/media/a".into(),
        files: vec![ContentFile {
            path: "".into(),
            length: 1,
            identity: None,
        }],
    };
    // The uploads are the first source.
    let source = the_box.store.sources().unwrap()[0].id;
    let release = the_box
        .store
        .found(source, "a".as_ref(), &content, Timestamp(1))
        .unwrap();
    assert_eq!(release.id, ReleaseId(1));
    (the_box, browser)
}

async fn patch(browser: &Browser, body: Value) -> Value {
    browser.json("PATCH", PATH, &body.to_string()).await.json()
}

#[tokio::test]
async fn they_are_the_boxs_until_set_and_a_change_touches_what_it_names() {
    let (the_box, browser) = box_with_a_release().await;
    let none = json!({
        "relays": null, "keep": null, "generous": null, "sustain": null, "patience": null, "monthly_budget": null,
        "proven": null, "missed": null, "apart": null, "fresh": null, "forget": null, "reach": null, "dwell": null,
    });
    assert_eq!(browser.get(PATH).await.json(), none);

    let wanted = json!({
        "relays": 5, "keep": true, "generous": false, "sustain": 60, "patience": 0,
        "monthly_budget": 5_000_000_000_u64, "proven": 2, "missed": 9, "apart": 1, "fresh": 2, "forget": 3, "reach": 4,
        "dwell": 5,
    });
    assert_eq!(patch(&browser, wanted.clone()).await, wanted);
    assert_eq!(*the_box.orders.lock(), [Order::ReloadSettings]);
    let changed = patch(&browser, json!({ "keep": null, "sustain": 90 })).await;
    assert_eq!(
        (&changed["keep"], &changed["sustain"], &changed["relays"]),
        (&json!(null), &json!(90), &json!(5))
    );
    assert_eq!(browser.get(PATH).await.json(), changed);
    assert_eq!(patch(&browser, none.clone()).await, none);
}

#[tokio::test]
async fn what_is_out_of_range_or_not_there_changes_nothing() {
    let (the_box, browser) = box_with_a_release().await;
    for body in [
        json!({ "relays": 0 }),
        json!({ "proven": 51 }),
        json!({ "missed": 0 }),
        json!({ "dwell": 2_592_001 }),
        json!({ "keep": "yes" }),
        json!({ "sustain": 2_592_001 }),
        json!({ "patience": -1 }),
        json!({ "relays": 4, "monthly_budget": 1 }),
        json!({ "colour": "blue" }),
    ] {
        browser
            .json("PATCH", PATH, &body.to_string())
            .await
            .problem(422);
    }
    assert_eq!(browser.get(PATH).await.json()["relays"], json!(null));
    let nowhere = "/api/v1/releases/9/settings";
    browser.get(nowhere).await.problem(404);
    browser.json("PATCH", nowhere, "{}").await.problem(404);
    the_box.store.remove(ReleaseId(1), Timestamp(2)).unwrap();
    browser.get(PATH).await.problem(404);
    browser.json("PATCH", PATH, "{}").await.problem(404);
    assert_eq!(*the_box.orders.lock(), []);
}

#[tokio::test]
async fn a_change_made_for_other_wishes_is_not_made() {
    let (_box, browser) = box_with_a_release().await;
    let read = browser.get(PATH).await;
    let tag = read.header("etag").to_owned();
    let change = |tag: &str, body: &str| {
        let request = browser
            .request("PATCH", PATH)
            .header("content-type", "application/json")
            .header("if-match", tag);
        request
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap()
    };
    let first = browser.send(change(&tag, r#"{"relays":4}"#)).await;
    assert_eq!(first.status, 200);
    let second = browser.send(change(&tag, r#"{"relays":9}"#)).await;
    assert!(second.problem(412).contains("changed elsewhere"));
    let now = browser.get(PATH).await;
    assert_eq!(now.json()["relays"], 4);
    assert_eq!(now.header("etag"), first.header("etag"));
}
