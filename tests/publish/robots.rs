//! `/robots.txt`, and what pages and headers say of the same.

use semoir::base::Stage;

use crate::listener::{Listener, hash};

#[tokio::test]
async fn the_file_the_pages_and_the_headers_agree() {
    let listener = Listener::new();
    listener.put("open".as_ref(), 1, &[("", 7)], Stage::Ready);
    listener.put_torrent("secret".as_ref(), 2, &[("", 7)], Stage::Ready, true);
    for allowed in [false, true] {
        listener.set(|settings| settings.public_robots = allowed);
        let robots = listener.get("/robots.txt").await;
        assert_eq!(robots.header("content-type"), "text/plain; charset=utf-8");
        let lines: Vec<&str> = robots.text().lines().collect();
        assert_eq!(lines[0], "User-agent: *");
        assert_eq!(lines.contains(&"Disallow: /"), !allowed, "{lines:?}");
        assert_eq!(lines.contains(&"Allow: /"), allowed, "{lines:?}");
        let path = |seed| {
            [
                format!("/r/{}", hash(seed)),
                format!("/t/{}.torrent", hash(seed)),
            ]
        };
        let open = path(1)
            .into_iter()
            .chain(["/".to_owned(), "/feed.xml".to_owned()]);
        let open = open.map(|path| (path, allowed));
        for (path, may) in open.chain(path(2).map(|path| (path, false))) {
            let answer = listener.get(&path).await;
            assert_eq!(answer.status, 200, "{path}");
            let header = answer.header("x-robots-tag");
            assert_eq!(header, if may { "" } else { "noindex, nofollow" }, "{path}");
            if answer.header("content-type").starts_with("text/html") {
                let meta = "<meta name=\"robots\" content=\"noindex, nofollow\">";
                assert_eq!(answer.text().contains(meta), !may, "{path}");
            }
        }
        let nothing = listener.get("/nothing").await;
        assert_eq!(nothing.header("x-robots-tag"), "noindex");
    }
}
