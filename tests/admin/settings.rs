use semoir::app::handle::Order;
use serde_json::json;

use crate::client::TestBox;

const PATH: &str = "/api/v1/settings";

#[tokio::test]
async fn a_change_touches_what_it_names_and_reaches_the_conductor() {
    let (the_box, browser) = TestBox::owned().await;
    let defaults = json!({
        "upstream_cap": null, "relays": 3, "trackers": [], "public_host": null, "keep": false, "generous": false,
    });
    assert_eq!(browser.get(PATH).await.json(), defaults);

    let body = json!({ "upstream_cap": 1_000_000, "trackers": ["udp://t.example:6969"] });
    let changed = browser.json("PATCH", PATH, &body.to_string()).await.json();
    assert_eq!(
        (&changed["upstream_cap"], &changed["relays"]),
        (&json!(1_000_000), &json!(3))
    );
    assert_eq!(*the_box.orders.lock(), [Order::ReloadSettings]);

    let body = json!({ "upstream_cap": null, "public_host": "box.example", "keep": true });
    let changed = browser.json("PATCH", PATH, &body.to_string()).await.json();
    assert_eq!(changed["upstream_cap"], json!(null));
    assert_eq!(changed["trackers"], json!(["udp://t.example:6969"]));
    assert_eq!(browser.get(PATH).await.json(), changed);
    let cleared = browser
        .json("PATCH", PATH, r#"{"public_host":""}"#)
        .await
        .json();
    assert_eq!(cleared["public_host"], json!(null));
}

#[tokio::test]
async fn what_is_out_of_range_changes_nothing() {
    let (the_box, browser) = TestBox::owned().await;
    for body in [
        json!({ "relays": 0 }),
        json!({ "relays": -1 }),
        json!({ "relays": 9, "trackers": ["not a tracker"] }),
        json!({ "upstream_cap": 1 }),
        json!({ "public_host": "http://x/" }),
        json!({ "colour": "blue" }),
    ] {
        browser
            .json("PATCH", PATH, &body.to_string())
            .await
            .problem(422);
    }
    assert_eq!(browser.get(PATH).await.json()["relays"], 3);
    assert_eq!(*the_box.orders.lock(), []);
}
