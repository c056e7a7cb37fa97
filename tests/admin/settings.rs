use std::time::{Duration, Instant};

use semoir::app::handle::Order;
use serde_json::json;

use crate::client::TestBox;

const PATH: &str = "/api/v1/settings";

#[tokio::test]
async fn a_change_touches_what_it_names_and_reaches_the_conductor() {
    let (the_box, browser) = TestBox::owned().await;
    let defaults = json!({
        "box_name": null, "upstream_cap": null, "relays": 3, "trackers": [], "public_host": null, "keep": false, "generous": false,
        "schedule": [], "time_zone": null, "monthly_quota": null, "quota_reset_day": 1, "quota_reserve": 10,
        "guard": true, "public_title": null, "public_description": null, "public_index": true, "public_robots": false,
        "copyright_contact": null, "public_forward": false, "uploads_to": null,
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
        json!({ "box_name": "two\nlines" }),
        json!({ "box_name": "n".repeat(41) }),
        json!({ "box_name": " " }),
        json!({ "relays": 0 }),
        json!({ "relays": -1 }),
        json!({ "relays": 9, "trackers": ["not a tracker"] }),
        json!({ "upstream_cap": 1 }),
        json!({ "public_host": "http://x/" }),
        json!({ "colour": "blue" }),
        json!({ "monthly_quota": 1000 }),
        json!({ "monthly_quota": -1 }),
        json!({ "quota_reset_day": 32 }),
        json!({ "quota_reserve": 91 }),
        json!({ "time_zone": "Mars/Olympus" }),
        json!({ "schedule": [{ "days": ["mon"], "from": 0, "to": 0, "rate": 0 }] }),
        json!({ "schedule": [{ "days": ["monday"], "from": 0, "to": 60, "rate": 0 }] }),
        json!({ "schedule": [{ "days": ["mon"], "from": 0, "to": 60, "rate": 0, "colour": 1 }] }),
        json!({ "schedule": [{ "days": ["mon"], "from": -1, "to": 60, "rate": 0 }] }),
        json!({ "guard": null, "schedule": 7 }),
        json!({ "public_title": "a\nb" }),
        json!({ "public_description": "x".repeat(501) }),
        json!({ "copyright_contact": "javascript:alert(1)" }),
        json!({ "public_index": null, "public_robots": 1 }),
    ] {
        browser
            .json("PATCH", PATH, &body.to_string())
            .await
            .problem(422);
    }
    assert_eq!(browser.get(PATH).await.json()["relays"], 3);
    assert_eq!(*the_box.orders.lock(), []);
}

#[tokio::test]
async fn every_limit_can_be_set_and_cleared() {
    let (_box, browser) = TestBox::owned().await;
    let limits = json!({
        "schedule": [
            { "days": ["mon", "tue", "wed", "thu", "fri"], "from": 480, "to": 1080, "rate": 500_000 },
            { "days": ["sat"], "from": 1320, "to": 420, "rate": 0 },
        ],
        "time_zone": "Europe/Paris",
        "monthly_quota": 500_000_000_000_u64,
        "quota_reset_day": 31,
        "quota_reserve": 0,
        "guard": false,
    });
    let changed = browser
        .json("PATCH", PATH, &limits.to_string())
        .await
        .json();
    for (key, value) in limits.as_object().unwrap() {
        assert_eq!(changed[key], *value, "{key}");
    }
    assert_eq!(browser.get(PATH).await.json(), changed);
    let cleared = json!({ "schedule": [], "time_zone": "", "monthly_quota": null });
    let cleared = browser
        .json("PATCH", PATH, &cleared.to_string())
        .await
        .json();
    assert_eq!(cleared["schedule"], json!([]));
    assert_eq!(cleared["time_zone"], json!(null));
    assert_eq!(cleared["monthly_quota"], json!(null));
    assert_eq!(cleared["quota_reset_day"], 31, "what is left out stays");
}

#[tokio::test]
async fn a_change_made_for_other_settings_is_not_made() {
    let (_box, browser) = TestBox::owned().await;
    let read = browser.get(PATH).await;
    let tag = read.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() == 18, "{tag}");
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
    second.problem(412);
    let now = browser.get(PATH).await;
    assert_eq!(now.json()["relays"], 4);
    assert_eq!(now.header("etag"), first.header("etag"));
    for tag in [first.header("etag"), "*"] {
        let again = browser.send(change(tag, r#"{"relays":4}"#)).await;
        assert_eq!(again.status, 200);
    }
    let back = browser.json("PATCH", PATH, r#"{"relays":3}"#).await;
    assert_eq!(back.header("etag"), tag, "the same settings have one tag");
}

#[tokio::test]
async fn the_box_is_called_what_its_owner_calls_it() {
    let (the_box, browser) = TestBox::owned().await;
    let name = async || the_box.browser().get("/api/v1/box").await.json()["name"].clone();
    assert_eq!(name().await, "semoir");
    let body = json!({ "box_name": "Grange à blé" }).to_string();
    assert_eq!(browser.json("PATCH", PATH, &body).await.status, 200);
    assert_eq!(name().await, "Grange à blé");
    let cleared = browser.json("PATCH", PATH, r#"{"box_name":""}"#).await;
    assert_eq!(cleared.json()["box_name"], json!(null));
    assert_eq!(name().await, "semoir");
}

#[tokio::test]
async fn what_the_public_reads_is_set_and_emptied() {
    let (_the_box, browser) = TestBox::owned().await;
    let body = json!({
        "public_title": " Anna’s films ", "public_description": "Films.", "public_index": false, "public_robots": true,
        "public_forward": true,
        "copyright_contact": "anna@box.example",
    });
    let changed = browser.json("PATCH", PATH, &body.to_string()).await.json();
    assert_eq!(changed["public_title"], "Anna’s films");
    assert_eq!(changed["public_description"], "Films.");
    assert_eq!(changed["public_index"], false);
    assert_eq!(changed["public_robots"], true);
    assert_eq!(changed["public_forward"], true);
    assert_eq!(changed["copyright_contact"], "anna@box.example");
    let body = json!({ "public_title": "", "public_description": null, "copyright_contact": "  " });
    let cleared = browser.json("PATCH", PATH, &body.to_string()).await.json();
    for name in ["public_title", "public_description", "copyright_contact"] {
        assert_eq!(cleared[name], json!(null), "{name}");
    }
    assert_eq!(cleared["public_index"], false, "what is left out stays");
}

#[tokio::test]
async fn a_change_is_made_whole_when_its_browser_goes_away() {
    const BOUND: Duration = Duration::from_secs(60);
    let (the_box, owner) = TestBox::owned().await;
    let mut asked = Box::pin(owner.json("PATCH", PATH, r#"{"relays":5}"#));
    let start = Instant::now();
    // It goes as soon as the change is in the database.
    while the_box.store.settings().unwrap().relays != 5 {
        let _ = futures::poll!(&mut asked);
        tokio::task::yield_now().await;
        assert!(start.elapsed() < BOUND);
    }
    drop(asked);
    while *the_box.orders.lock() != [Order::ReloadSettings] {
        assert!(start.elapsed() < BOUND, "nobody was told");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
