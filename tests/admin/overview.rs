use std::sync::Arc;

use semoir::store::Settings;

use crate::client::{TestBox, picture, view};

#[tokio::test]
async fn shows_the_picture_with_links_that_lead_back_here() {
    let (the_box, mut browser) = TestBox::owned().await;
    let mut now = picture();
    now.releases = vec![view(1, "A & B")];
    the_box.pictures.send_replace(Arc::new(now));
    let shown = browser.get("/api/v1/overview").await;
    assert_eq!(shown.header("cache-control"), "no-store");
    let release = shown.json()["releases"][0].clone();
    assert_eq!(release["name"], "A & B");
    assert_eq!(release["stage"], "spreading");
    let magnet = |release: &serde_json::Value| release["magnet"].as_str().unwrap().to_owned();
    let expected = format!(
        "magnet:?xt=urn:btih:{}&dn=A%20%26%20B&xl=100",
        "ab".repeat(20)
    );
    assert_eq!(
        magnet(&release),
        format!("{expected}&tr=http%3A%2F%2Fsemoir.local%3A6880%2Fannounce")
    );

    let settings = Settings {
        public_host: Some("box.example".to_owned()),
        trackers: vec!["udp://t.example:1".to_owned()],
        ..Settings::default()
    };
    the_box.store.set_settings(&settings).unwrap();
    browser.host = "192.168.1.7:8080".to_owned();
    let release = browser.get("/api/v1/overview").await.json()["releases"][0].clone();
    let trackers = "&tr=http%3A%2F%2Fbox.example%3A6880%2Fannounce&tr=udp%3A%2F%2Ft.example%3A1";
    assert_eq!(magnet(&release), format!("{expected}{trackers}"));
}
