use crate::client::TestBox;

/// The policy allows no script and no style but files of the box: a document with either inline would be broken by it.
#[track_caller]
fn expect_nothing_inline(html: &str) {
    for tag in html.split('<').filter(|tag| tag.starts_with("script")) {
        assert!(tag.contains(" src=\"/"), "<{tag}");
    }
    for inline in ["<style", " style=", " onload=", " onclick=", "javascript:"] {
        assert!(!html.contains(inline), "{inline}: {html}");
    }
}

#[tokio::test]
async fn the_page_needs_no_session_and_is_asked_for_again() {
    let the_box = TestBox::new();
    let browser = the_box.browser();
    let built = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("web/dist/index.html")
        .exists();
    for path in ["/", "/releases/7"] {
        let page = browser.get(path).await;
        if !built {
            assert!(page.problem(404).contains("built without its page"));
            continue;
        }
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("cache-control"), "no-cache");
        expect_nothing_inline(std::str::from_utf8(&page.body).unwrap());
        let again = browser
            .request("GET", path)
            .header("if-none-match", page.header("etag"));
        let again = browser
            .send(again.body(axum::body::Body::empty()).unwrap())
            .await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    }
    let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist/assets");
    for asset in std::fs::read_dir(assets).into_iter().flatten() {
        let name = asset.unwrap().file_name().into_string().unwrap();
        let file = browser.get(&format!("/assets/{name}")).await;
        assert_eq!(
            file.header("cache-control"),
            "public, max-age=31536000, immutable",
            "{name}"
        );
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert!(
            !file.header("content-type").contains("octet-stream"),
            "{name}"
        );
    }
    browser.get("/assets/nothing-1234.js").await.problem(404);
    browser.get("/../Cargo.toml").await.problem(404);
    browser.get("/%2e%2e/Cargo.toml").await.problem(404);
    browser.call("POST", "/").await.problem(405);
}

#[tokio::test]
async fn a_browser_that_takes_gzip_gets_what_the_build_packed() {
    let the_box = TestBox::new();
    let browser = the_box.browser();
    let dist = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist");
    if !dist.join("index.html.gz").exists() {
        return;
    }
    let packed = browser.get("/index.html.gz").await.body;
    let ask = async |accepts: &str| {
        let request = browser
            .request("GET", "/")
            .header("accept-encoding", accepts);
        browser
            .send(request.body(axum::body::Body::empty()).unwrap())
            .await
    };
    let plain = browser.get("/").await;
    assert_eq!(plain.header("content-encoding"), "");
    for takes in ["gzip", "br, GZIP;q=0.5", "deflate,gzip"] {
        let page = ask(takes).await;
        assert_eq!(page.header("content-encoding"), "gzip", "{takes}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("vary"), "accept-encoding");
        assert_ne!(page.header("etag"), plain.header("etag"));
        assert_eq!(page.body, packed);
    }
    for refuses in ["", "br", "gzip;q=0", "gzip; q=0.0", "xgzip"] {
        let page = ask(refuses).await;
        assert_eq!(page.header("content-encoding"), "", "{refuses}");
        assert_eq!(page.body, plain.body);
    }
}
