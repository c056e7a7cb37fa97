use axum::body::Body;
use axum::http::header;
use semoir::app::{LeftOutView, SourceView};
use semoir::base::{ReleaseId, SourceId, Stage, Timestamp};
use std::sync::Arc;

use crate::client::{Answer, Browser, TestBox, picture, view};
use crate::releases::put;

const GONE: &str = "/media/disk cannot be looked at: No such file or directory (os error 2)";
const GONE_IN_FRENCH: &str =
    "/media/disk ne peut pas être parcouru\u{a0}: fichier ou dossier introuvable";

async fn in_language(browser: &Browser, path: &str, language: &str) -> Answer {
    let request = browser
        .request("GET", path)
        .header(header::ACCEPT_LANGUAGE, language);
    browser.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn problems_are_said_in_the_language_that_is_wanted() {
    let (the_box, browser) = TestBox::owned().await;
    let path = "/api/v1/releases/99";
    for (wanted, detail, tag) in [
        (
            "fr-FR,fr;q=0.9,en;q=0.8",
            "Il n’y a pas de publication 99.",
            "fr",
        ),
        ("en-GB,fr;q=0.5", "There is no release 99.", "en"),
        ("de", "There is no release 99.", "en"),
    ] {
        let answer = in_language(&browser, path, wanted).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.header("content-language"), tag, "{wanted}");
        assert_eq!(answer.json()["detail"], detail, "{wanted}");
        assert_eq!(answer.json()["status"], 404);
    }
    // What refuses before a route is reached speaks it too.
    let stranger = the_box.browser();
    let refused = in_language(&stranger, "/api/v1/overview", "fr").await;
    assert_eq!(
        refused.json()["detail"],
        "Connectez-vous d’abord au boîtier."
    );
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let mut elsewhere = the_box.browser();
    elsewhere.host = "evil.example".to_owned();
    let refused = in_language(&elsewhere, "/api/v1/box", "fr").await;
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .starts_with("Ouvrez cette page par"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_went_wrong_is_said_so_wherever_it_is_shown() {
    let (the_box, browser) = TestBox::owned().await;
    let id = put(&the_box.store, "Talks", 1);
    let failed = the_box
        .store
        .set_stage(ReleaseId(id.0), Stage::Failed, GONE, Timestamp(2));
    failed.unwrap();
    let mut now = picture();
    let mut release = view(id.0, "Talks");
    (release.stage, release.reason) = (Stage::Failed, GONE.to_owned());
    now.releases.push(release);
    now.sources.push(SourceView {
        id: SourceId(1),
        name: "/media/disk".to_owned(),
        kind: "folder".to_owned(),
        present: false,
        problem: GONE.to_owned(),
        free: None,
        auto_share: true,
        note: "it has errors in its file system and should be checked on a computer: some of it may be missing or \
               broken; it holds 3 files and folders that only their owner may read, and that are left out"
            .to_owned(),
        left_out: Some(LeftOutView {
            why: "cannot look at Talks: Permission denied (os error 13)".to_owned(),
            others: 2,
        }),
        file_system: Some("ext4".to_owned()),
        size: Some(1 << 30),
        model: None,
        built_in: false,
        can_forget: true,
        uploads_key: None,
    });
    the_box.pictures.send_replace(Arc::new(now));
    for (wanted, said) in [("fr", GONE_IN_FRENCH), ("en", GONE)] {
        let get = async |path: &str| in_language(&browser, path, wanted).await.json();
        let overview = get("/api/v1/overview").await;
        assert_eq!(overview["sources"][0]["problem"], said);
        let note = overview["sources"][0]["note"].as_str().unwrap();
        let (first, second) = note.split_once("; ").unwrap();
        let begins = match wanted {
            "fr" => [
                "son système de fichiers a des erreurs",
                "il contient 3 fichiers",
            ],
            _ => ["it has errors", "it holds 3 files"],
        };
        assert!(
            first.starts_with(begins[0]) && second.starts_with(begins[1]),
            "{note}"
        );
        let left_out = match wanted {
            "fr" => "impossible de regarder Talks : permission refusée",
            _ => "cannot look at Talks: Permission denied (os error 13)",
        };
        let why = overview["sources"][0]["left_out"]["why"].as_str().unwrap();
        assert_eq!(why.replace('\u{a0}', " "), left_out);
        assert_eq!(overview["releases"][0]["reason"], said);
        let release = get(&format!("/api/v1/releases/{id}")).await;
        assert_eq!(release["reason"], said);
        assert_eq!(release["decisions"][0]["reason"], said);
        assert_eq!(get("/api/v1/decisions").await[0]["reason"], said);
    }
}
