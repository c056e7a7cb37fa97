//! Network shares: passwords come in and never out, and every change reaches the conductor.

use semoir::app::handle::Order;
use semoir::base::{Secret, SourceId};
use serde_json::{Value, json};

use crate::client::{Browser, TestBox};

const SHARES: &str = "/api/v1/shares";
const PASSWORD: &str = "open, sesame=1";

async fn add(owner: &Browser, more: Value) -> Value {
    let mut body = json!({ "protocol": "smb", "server": "NAS.local", "folder": "\\Media\\Films" });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let added = owner.post(SHARES, &body.to_string()).await;
    assert_eq!(added.status, 201, "{added:?}");
    added.json()
}

fn kept(the_box: &TestBox, id: &Value) -> Option<String> {
    let share = the_box.store.share(SourceId(id.as_i64().unwrap())).unwrap();
    share
        .login
        .password
        .as_ref()
        .map(Secret::reveal)
        .map(str::to_owned)
}

#[tokio::test]
async fn a_share_is_added_and_its_password_is_shown_to_nobody() {
    let (the_box, owner) = TestBox::owned().await;
    let login = json!({ "user": " HOME\\mia ", "password": PASSWORD, "auto_share": true });
    let share = add(&owner, login).await;
    let expected = json!({
        "id": share["id"], "protocol": "smb", "server": "nas.local", "folder": "Media/Films",
        "user": "mia", "domain": "HOME", "has_password": true,
        "state": "opening", "why": null, "retry_at": null,
    });
    assert_eq!(share, expected);
    assert_eq!(kept(&the_box, &share["id"]).as_deref(), Some(PASSWORD));
    assert_eq!(*the_box.orders.lock(), [Order::ReloadShares]);
    let source = the_box
        .store
        .source(SourceId(share["id"].as_i64().unwrap()))
        .unwrap();
    assert!(source.auto_share);

    assert_eq!(owner.get(SHARES).await.json(), json!([expected]));
    for path in [
        SHARES,
        "/api/v1/backup",
        "/api/v1/overview",
        "/api/v1/box/logs",
        "/api/v1/settings",
    ] {
        let answer = owner.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("sesame"), "{path}: {text}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_never_repeated() {
    let (the_box, owner) = TestBox::owned().await;
    for (body, about) in [
        (
            json!({ "protocol": "ftp", "server": "nas", "folder": "x" }),
            "ftp",
        ),
        (
            json!({ "protocol": "smb", "server": "nas,ro", "folder": "x" }),
            "server",
        ),
        (
            json!({ "protocol": "smb", "server": "nas", "folder": "../x" }),
            "folder",
        ),
        (
            json!({ "protocol": "smb", "server": "nas", "folder": "" }),
            "share",
        ),
        (
            json!({ "protocol": "smb", "server": "nas", "folder": "x", "password": PASSWORD }),
            "user",
        ),
        (
            json!({ "protocol": "smb", "server": "nas", "folder": "x", "user": "a", "password": "sesame\n" }),
            "password",
        ),
        (
            json!({ "protocol": "nfs", "server": "nas", "folder": "/x", "user": "mia" }),
            "NFS",
        ),
        (
            json!({ "protocol": "smb", "server": "nas", "folder": "x", "options": "rw" }),
            "options",
        ),
        (json!({ "protocol": "smb", "server": "nas" }), "folder"),
    ] {
        let detail = owner.post(SHARES, &body.to_string()).await.problem(422);
        assert!(detail.contains(about), "{detail}");
        assert!(!detail.contains("sesame"), "{detail}");
    }
    assert_eq!(the_box.store.shares().unwrap(), []);
    assert_eq!(*the_box.orders.lock(), []);

    add(&owner, json!({})).await;
    let again = json!({ "protocol": "smb", "server": "nas.local:445", "folder": "media/Films" });
    owner.post(SHARES, &again.to_string()).await.problem(409);
}

#[tokio::test]
async fn a_password_stays_until_it_is_changed_and_goes_to_no_other_server() {
    let (the_box, owner) = TestBox::owned().await;
    let share = add(&owner, json!({ "user": "mia", "password": PASSWORD })).await;
    let id = share["id"].clone();
    let path = format!("{SHARES}/{id}");
    let change = async |patch: Value| {
        let changed = owner.json("PATCH", &path, &patch.to_string()).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert!(!String::from_utf8_lossy(&changed.body).contains("sesame"));
        changed.json()
    };
    let moved = change(json!({ "folder": "Media/Music" })).await;
    assert_eq!(
        (&moved["folder"], &moved["has_password"]),
        (&json!("Media/Music"), &json!(true))
    );
    assert_eq!(kept(&the_box, &id).as_deref(), Some(PASSWORD));

    let elsewhere = change(json!({ "server": "elsewhere.local" })).await;
    assert_eq!(
        (&elsewhere["user"], &elsewhere["has_password"]),
        (&json!("mia"), &json!(false))
    );
    let port = change(json!({ "server": "nas.local", "password": "sesame2" })).await;
    assert_eq!(port["has_password"], true);
    assert_eq!(
        change(json!({ "server": "nas.local:4450" })).await["has_password"],
        false
    );
    change(json!({ "password": "sesame3" })).await;
    assert_eq!(kept(&the_box, &id).as_deref(), Some("sesame3"));
    assert_eq!(
        change(json!({ "password": "" })).await["has_password"],
        false
    );

    change(json!({ "user": "HOME\\leo", "password": "sesame4" })).await;
    let guest = change(json!({ "user": "" })).await;
    assert_eq!(
        (&guest["user"], &guest["domain"], &guest["has_password"]),
        (&json!(null), &json!(null), &json!(false))
    );
    let nfs = change(json!({ "protocol": "nfs", "server": "nas", "folder": "/srv" })).await;
    assert_eq!(
        (&nfs["protocol"], &nfs["folder"]),
        (&json!("nfs"), &json!("/srv"))
    );

    let count = the_box.orders.lock().len();
    owner
        .json("PATCH", &path, r#"{"folder":"../x"}"#)
        .await
        .problem(422);
    owner
        .json("PATCH", &path, r#"{"user":"mia"}"#)
        .await
        .problem(422);
    owner.json("PATCH", &path, r#"{"id":7}"#).await.problem(422);
    owner
        .json("PATCH", "/api/v1/shares/99", "{}")
        .await
        .problem(404);
    assert_eq!(the_box.orders.lock().len(), count, "nothing changed");
}

#[tokio::test]
async fn a_share_is_tried_and_removed() {
    let (the_box, owner) = TestBox::owned().await;
    let share = add(&owner, json!({})).await;
    let id = share["id"].as_i64().unwrap();
    let path = format!("{SHARES}/{id}");
    assert_eq!(owner.call("POST", &format!("{path}/try")).await.status, 204);
    assert_eq!(owner.call("DELETE", &path).await.status, 204);
    let expected = [
        Order::ReloadShares,
        Order::TryShare(SourceId(id)),
        Order::ReloadShares,
    ];
    assert_eq!(*the_box.orders.lock(), expected);
    assert_eq!(owner.get(SHARES).await.json(), json!([]));
    owner.call("DELETE", &path).await.problem(404);
    owner
        .call("POST", &format!("{path}/try"))
        .await
        .problem(404);
    // Other sources are no shares.
    let uploads = the_box.store.sources().unwrap().remove(0).id;
    owner
        .call("DELETE", &format!("{SHARES}/{uploads}"))
        .await
        .problem(404);
    owner
        .call("POST", &format!("{SHARES}/{uploads}/try"))
        .await
        .problem(404);
    assert_eq!(the_box.orders.lock().len(), 3);
}

#[tokio::test]
async fn who_may_only_look_changes_nothing() {
    let (the_box, owner) = TestBox::owned().await;
    let share = add(&owner, json!({})).await;
    let path = format!("{SHARES}/{}", share["id"]);
    let reader = the_box.program(&owner, "read").await;
    assert_eq!(reader.get(SHARES).await.status, 200);
    let body = r#"{"protocol":"smb","server":"a","folder":"b"}"#;
    reader.post(SHARES, body).await.problem(403);
    reader.json("PATCH", &path, "{}").await.problem(403);
    reader.call("DELETE", &path).await.problem(403);
    reader
        .call("POST", &format!("{path}/try"))
        .await
        .problem(403);
    the_box.browser().get(SHARES).await.problem(401);
}
