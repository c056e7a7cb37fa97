use semoir::base::{ReleaseId, Stage, Timestamp};

use crate::client::TestBox;
use crate::releases::put;

const PATH: &str = "/api/v1/decisions";

#[tokio::test]
async fn the_latest_come_first_and_the_rest_page_by_page() {
    let (the_box, browser) = TestBox::owned().await;
    assert_eq!(browser.get(PATH).await.json(), serde_json::json!([]));
    let id = put(&the_box.store, "Talks", 1);
    for at in 2..260 {
        let why = format!("for the {at}th time");
        the_box
            .store
            .set_stage(ReleaseId(id.0), Stage::Hashing, &why, Timestamp(at))
            .unwrap();
    }
    let first = browser.get(PATH).await.json();
    let first = first.as_array().unwrap();
    assert_eq!(first.len(), 100);
    assert_eq!(first[0]["reason"], "for the 259th time");
    assert_eq!(
        (&first[0]["name"], &first[0]["stage"], &first[0]["removed"]),
        (&"Talks".into(), &"hashing".into(), &false.into())
    );
    let last = &first[99]["id"];
    let next = browser
        .get(&format!("{PATH}?before={last}&limit=3"))
        .await
        .json();
    let reasons: Vec<_> = next
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["reason"].as_str())
        .collect();
    let expected = [
        "for the 159th time",
        "for the 158th time",
        "for the 157th time",
    ]
    .map(Some);
    assert_eq!(reasons, expected);
    // A page is a page, whatever is asked for.
    let all = browser.get(&format!("{PATH}?limit=1000000")).await.json();
    assert_eq!(all.as_array().unwrap().len(), 100);
    browser.get(&format!("{PATH}?before=x")).await.problem(400);
    browser
        .get(&format!("{PATH}?colour=blue"))
        .await
        .problem(400);
}
