use semoir::base::Timestamp;
use serde_json::json;

use crate::client::TestBox;
use crate::releases::{hashed, put};

#[tokio::test]
async fn a_map_of_pieces_is_there_before_anybody_is() {
    let (the_box, browser) = TestBox::owned().await;
    // 20,000 bytes, in pieces of 16,384.
    let id = put(&the_box.store, "Talks", 2000);
    let path = format!("/api/v1/releases/{id}/pieces");
    let none = json!({ "pieces": 0, "per_cell": 0, "cells": "", "held": 0, "offered": 0 });
    assert_eq!(browser.get(&path).await.json(), none);
    hashed(&the_box.store, id);
    let nobody = json!({ "pieces": 2, "per_cell": 1, "cells": "..", "held": 0, "offered": 0 });
    assert_eq!(browser.get(&path).await.json(), nobody);
    the_box.store.remove(id, Timestamp(3)).unwrap();
    browser.get(&path).await.problem(404);
    browser
        .get("/api/v1/releases/999/pieces")
        .await
        .problem(404);
}

#[tokio::test]
async fn a_history_is_empty_where_nobody_was() {
    let (the_box, browser) = TestBox::owned().await;
    let id = put(&the_box.store, "Talks", 1);
    let of_one = format!("/api/v1/releases/{id}/history");
    for path in ["/api/v1/history", &of_one] {
        let shown = browser.get(path).await.json();
        for column in ["at", "rate", "peers", "relays", "copies"] {
            assert_eq!(shown[column], json!([]), "{path} {column}");
        }
    }
    the_box.store.remove(id, Timestamp(3)).unwrap();
    browser.get(&of_one).await.problem(404);
    browser
        .get("/api/v1/releases/999/history")
        .await
        .problem(404);
}
