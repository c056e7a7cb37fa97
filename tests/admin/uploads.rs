use semoir::app::handle::Order;
use serde_json::json;

use crate::client::TestBox;

const PATH: &str = "/api/v1/uploads";

fn wanted(name: &str, files: &[(&str, u64)]) -> String {
    let files: Vec<_> = files
        .iter()
        .map(|(path, size)| json!({ "path": path, "size": size }))
        .collect();
    json!({ "name": name, "files": files }).to_string()
}

#[tokio::test]
async fn from_the_first_byte_to_its_place() {
    let (the_box, browser) = TestBox::owned().await;
    let begun = browser
        .post(PATH, &wanted("Talks", &[("a.txt", 6), ("sub/b", 0)]))
        .await;
    assert_eq!(begun.status, 201);
    let begun = begun.json();
    let id = begun["id"].as_str().unwrap();
    assert_eq!(
        begun["files"][0],
        json!({ "path": "a.txt", "size": 6, "received": 0 })
    );

    let file = format!("{PATH}/{id}/files/0");
    let sent = browser.put(&format!("{file}?offset=0"), "abc").await;
    assert_eq!(sent.json(), json!({ "received": 3 }));
    assert_eq!(
        browser.get(&format!("{PATH}/{id}")).await.json()["files"][0]["received"],
        3
    );

    let wrong = browser.put(&format!("{file}?offset=0"), "abc").await;
    wrong.problem(409);
    assert_eq!(wrong.json()["received"], 3);
    browser
        .call("POST", &format!("{PATH}/{id}/finish"))
        .await
        .problem(409);
    browser
        .put(&format!("{file}?offset=3"), "defg")
        .await
        .problem(422);
    assert_eq!(
        browser.put(&format!("{file}?offset=3"), "def").await.json(),
        json!({ "received": 6 })
    );
    browser
        .put(&format!("{PATH}/{id}/files/9?offset=0"), "")
        .await
        .problem(404);

    assert_eq!(*the_box.orders.lock(), []);
    assert_eq!(
        browser
            .call("POST", &format!("{PATH}/{id}/finish"))
            .await
            .status,
        204
    );
    assert_eq!(*the_box.orders.lock(), [Order::Rescan]);
    let place = the_box.dir.path().join("uploads/Talks");
    assert_eq!(std::fs::read(place.join("a.txt")).unwrap(), b"abcdef");
    browser.get(&format!("{PATH}/{id}")).await.problem(404);
    browser
        .post(PATH, &wanted("Talks", &[("a", 1)]))
        .await
        .problem(409);
}

#[tokio::test]
async fn bytes_that_are_not_what_their_digest_says_are_asked_for_again() {
    let (_the_box, browser) = TestBox::owned().await;
    let begun = browser.post(PATH, &wanted("a", &[("a", 9)])).await.json();
    let file = format!("{PATH}/{}/files/0", begun["id"].as_str().unwrap());
    let send = |offset: u64, digest: &str| {
        let request = browser
            .request("PUT", &format!("{file}?offset={offset}"))
            .header("content-digest", digest)
            .body("abc".into())
            .unwrap();
        browser.send(request)
    };
    // 0x364b3fb7, as RFC 9530 writes it.
    let right = "crc32c=:Nks/tw==:";
    let damaged = send(0, "crc32c=:AAAAAA==:").await;
    damaged.problem(409);
    assert_eq!(damaged.json()["received"], 0);
    for none in [
        "crc32c=Nks/tw==",
        "crc32c=:Nks/:",
        "crc32c=:?:",
        "crc32c=::",
    ] {
        send(0, none).await.problem(422);
    }
    assert_eq!(send(0, right).await.json()["received"], 3);
    let others = format!("sha-256=:AAAA:, {right}");
    assert_eq!(send(3, &others).await.json()["received"], 6);
    // What we cannot compare is as good as not there.
    assert_eq!(send(6, "sha-256=:AAAA:").await.json()["received"], 9);
}

#[tokio::test]
async fn more_than_a_mebibyte_in_one_request() {
    let (the_box, browser) = TestBox::owned().await;
    let bytes = "0123456789abcdef".repeat(200_000);
    let begun = browser
        .post(
            PATH,
            &wanted("film.mkv", &[("film.mkv", bytes.len() as u64)]),
        )
        .await
        .json();
    let id = begun["id"].as_str().unwrap();
    let sent = browser
        .put(&format!("{PATH}/{id}/files/0?offset=0"), &bytes)
        .await;
    assert_eq!(sent.json()["received"], bytes.len());
    assert_eq!(
        browser
            .call("POST", &format!("{PATH}/{id}/finish"))
            .await
            .status,
        204
    );
    let kept = std::fs::read(the_box.dir.path().join("uploads/film.mkv")).unwrap();
    assert!(kept == bytes.as_bytes());
}

#[tokio::test]
async fn what_cannot_be_is_said_first() {
    let (_the_box, browser) = TestBox::owned().await;
    for (name, path) in [
        ("../x", "a"),
        ("x", "../../etc/passwd"),
        ("x", "/etc/passwd"),
        ("/etc/x", "a"),
        ("x", "a/../../b"),
        ("x\0y", "a"),
        ("x", "a\0b"),
        ("..", "a"),
        ("x", "a//b"),
        ("x", ".ssh/keys"),
        ("", "a"),
    ] {
        browser
            .post(PATH, &wanted(name, &[(path, 1)]))
            .await
            .problem(422);
    }
    browser.post(PATH, &wanted("x", &[])).await.problem(422);
    let too_much = browser.post(PATH, &wanted("x", &[("a", 1 << 60)])).await;
    assert!(too_much.problem(507).contains("TiB"));
    browser
        .post(PATH, &wanted("x", &[("a", u64::MAX)]))
        .await
        .problem(422);
    browser
        .post(PATH, r#"{"name":"x","files":[{"path":"a","size":-1}]}"#)
        .await
        .problem(422);
}

#[tokio::test]
async fn ten_thousand_files_are_one_upload() {
    let (_the_box, browser) = TestBox::owned().await;
    let names: Vec<String> = (0..10_000)
        .map(|number| format!("folder {}/file number {number:05}", number % 100))
        .collect();
    let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let begun = browser.post(PATH, &wanted("many", &files)).await;
    assert_eq!(begun.status, 201);
    assert_eq!(begun.json()["files"].as_array().unwrap().len(), 10_000);
    let huge = format!(
        "{{\"name\":\"x\",\"files\":[],\"pad\":\"{}\"}}",
        "x".repeat(4 << 20)
    );
    browser.post(PATH, &huge).await.problem(413);
}

#[tokio::test]
async fn cancelled_is_gone() {
    let (the_box, browser) = TestBox::owned().await;
    let begun = browser.post(PATH, &wanted("x", &[("a", 6)])).await.json();
    let id = begun["id"].as_str().unwrap();
    browser
        .put(&format!("{PATH}/{id}/files/0?offset=0"), "abc")
        .await;
    assert_eq!(
        browser.call("DELETE", &format!("{PATH}/{id}")).await.status,
        204
    );
    browser.get(&format!("{PATH}/{id}")).await.problem(404);
    let left = std::fs::read_dir(the_box.dir.path().join("uploads/.incoming"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
    browser.get(&format!("{PATH}/..%2f..")).await.problem(404);
}
