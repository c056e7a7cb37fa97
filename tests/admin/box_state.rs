//! The box as a machine.

use semoir::app::handle::Order;
use serde_json::json;

use crate::client::TestBox;

#[tokio::test]
async fn it_says_its_version_and_that_it_can_be_started_again() {
    let (_the_box, owner) = TestBox::owned().await;
    let state = owner.get("/api/v1/box/state").await.json();
    assert_eq!(state["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(state["supervised"], true);
    assert!(state["uptime"].is_u64());
}

#[tokio::test]
async fn it_is_started_again_only_where_somebody_does() {
    let (the_box, owner) = TestBox::owned().await;
    assert_eq!(owner.call("POST", "/api/v1/box/restart").await.status, 202);
    assert_eq!(*the_box.orders.lock(), [Order::Restart]);

    let (by_hand, owner) = TestBox::started(false).claimed().await;
    assert_eq!(
        owner.get("/api/v1/box/state").await.json()["supervised"],
        false
    );
    owner.call("POST", "/api/v1/box/restart").await.problem(409);
    assert_eq!(*by_hand.orders.lock(), []);
}

#[tokio::test]
async fn everything_is_forgotten_only_when_its_name_is_typed() {
    let (the_box, owner) = TestBox::owned().await;
    let path = "/api/v1/box/reset";
    for body in [
        json!({ "name": "", "keep_uploads": true }),
        json!({ "name": "Semoire", "keep_uploads": true }),
        json!({ "name": "semoir" }),
        json!({ "name": "semoir", "keep_uploads": null }),
        json!({ "keep_uploads": false }),
    ] {
        owner.post(path, &body.to_string()).await.problem(422);
    }
    assert_eq!(*the_box.orders.lock(), []);
    let mut expected = Vec::new();
    for keep_uploads in [true, false] {
        let body = json!({ "name": " semoir ", "keep_uploads": keep_uploads });
        let answer = owner.post(path, &body.to_string()).await;
        assert_eq!(answer.status, 202);
        expected.push(Order::Reset { keep_uploads });
    }
    assert_eq!(*the_box.orders.lock(), expected);

    // The name is the one that its owner gave it.
    let named = json!({ "box_name": "Grange" }).to_string();
    owner.json("PATCH", "/api/v1/settings", &named).await;
    let body = |name: &str| json!({ "name": name, "keep_uploads": true }).to_string();
    owner.post(path, &body("semoir")).await.problem(422);
    assert_eq!(owner.post(path, &body("Grange")).await.status, 202);
}
