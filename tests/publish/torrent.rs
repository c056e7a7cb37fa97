//! `/t/{info_hash}.torrent`.

use semoir::base::Stage;
use semoir::store::Settings;

use crate::listener::{INFO, Listener, hash};

#[tokio::test]
async fn the_torrent_announces_where_it_was_fetched() {
    let listener = Listener::new();
    listener.put("a".as_ref(), 1, &[("", 7)], Stage::Ready);
    let path = format!("/t/{}.torrent", hash(1));
    let file = listener
        .send("GET", &path, &[("host", "[2001:DB8::7]")])
        .await;
    assert_eq!(file.header("content-type"), "application/x-bittorrent");
    assert!(
        file.body
            .starts_with(b"d8:announce29:http://[2001:db8::7]/announce10:created by"),
        "{:?}",
        file.body
    );
    assert!(
        file.body.ends_with(&[b"4:info", INFO, b"e"].concat()),
        "{:?}",
        file.body
    );

    let settings = Settings {
        public_host: Some("seeds.example".to_owned()),
        trackers: vec!["udp://t.example:6969/announce".to_owned()],
        ..Settings::default()
    };
    listener.store.set_settings(&settings).unwrap();
    let file = listener.get(&path).await;
    let head = b"d8:announce34:http://seeds.example:6880/announce13:announce-listll34:http://seeds.example:6880/announceel\
                 29:udp://t.example:6969/announceee10:created by";
    assert!(file.body.starts_with(head), "{:?}", file.body);

    for hosts in [
        &["box.example", "evil.example"][..],
        &["a b"],
        &["x/y"],
        &["a\"><b"],
        &["box:99999"],
    ] {
        let hosts: Vec<(&str, &str)> = hosts.iter().map(|host| ("host", *host)).collect();
        for path in [path.clone(), format!("/r/{}", hash(1))] {
            let refused = listener.send("GET", &path, &hosts).await;
            assert_eq!(refused.status, 400, "{hosts:?}");
        }
    }
}
