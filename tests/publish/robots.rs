//! `/robots.txt`, and what pages and headers say of the same.

use semoir::base::Stage;

use crate::listener::{Listener, hash};

/// What the file says to a robot: the rules of the groups that name it, or else of those for all.
fn rules<'a>(file: &'a str, robot: &str) -> Vec<&'a str> {
    let of = |name: &str| {
        let line = format!("User-agent: {name}");
        let groups = file.split("\n\n");
        let named = groups.filter(|group| group.lines().any(|other| other == line));
        named
            .flat_map(str::lines)
            .filter(|line| !line.starts_with("User-agent"))
            .collect::<Vec<_>>()
    };
    match of(robot) {
        rules if rules.is_empty() => of("*"),
        rules => rules,
    }
}

#[tokio::test]
async fn a_link_that_is_sent_has_its_preview_also_where_search_engines_are_kept_out() {
    let listener = Listener::new();
    listener.put("open".as_ref(), 1, &[("", 7)], Stage::Ready);
    let robots = listener.get("/robots.txt").await;
    let rules = rules(robots.text(), "Twitterbot");
    let page = listener.get(&format!("/r/{}", hash(1))).await;
    let (_, image) = page
        .text()
        .split_once("property=\"og:image\" content=\"")
        .unwrap();
    let image = image.split('"').next().unwrap();
    let image = image.strip_prefix("http://box.example:6880").unwrap();
    for path in [format!("/r/{}", hash(1)), image.to_owned()] {
        // The longest rule that fits counts (RFC 9309, 2.2.2), and only one is shorter than these: all is forbidden.
        let may = rules.iter().any(|rule| {
            let start = rule.strip_prefix("Allow: ");
            start.is_some_and(|start| start.len() > 1 && path.starts_with(start))
        });
        assert!(may, "{path}: {rules:?}");
    }
    assert!(rules.contains(&"Allow: /$"), "{rules:?}");
    assert!(rules.contains(&"Disallow: /"), "{rules:?}");
    // It is for those alone who look at it for somebody who was sent it: no index keeps it.
    assert_eq!(page.header("x-robots-tag"), "noindex, nofollow");
}

#[tokio::test]
async fn the_file_the_pages_and_the_headers_agree() {
    let listener = Listener::new();
    listener.put("open".as_ref(), 1, &[("", 7)], Stage::Ready);
    listener.put_torrent("secret".as_ref(), 2, &[("", 7)], Stage::Ready, true);
    for allowed in [false, true] {
        listener.set(|settings| settings.public_robots = allowed);
        let robots = listener.get("/robots.txt").await;
        assert_eq!(robots.header("content-type"), "text/plain; charset=utf-8");
        let rules = rules(robots.text(), "Googlebot");
        assert_eq!(rules.contains(&"Disallow: /"), !allowed, "{rules:?}");
        assert_eq!(rules.contains(&"Allow: /"), allowed, "{rules:?}");
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
