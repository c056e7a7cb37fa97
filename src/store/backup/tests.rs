use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::base::Rate;
use crate::store::testing::{box_with, torrent};
use crate::store::{NewSource, SourceKind};

/// A box that shares "a" and "b", with something set of everything that can be set.
fn furnished() -> Store {
    let (store, _) = box_with(&["a", "b"]);
    for (id, seed) in [(1, 7), (2, 8)] {
        store
            .save_torrent(ReleaseId(id), &torrent(seed), "hashed", Timestamp(2))
            .unwrap();
    }
    store
        .change_settings(|settings| {
            settings.upstream_cap = Some(Rate(1_000_000));
            settings.relays = 5;
        })
        .unwrap();
    store
        .change_release_settings(ReleaseId(1), |own| own.keep = Some(true))
        .unwrap();
    let odd = OsStr::from_bytes(b"/media/50% \"\xff\n\xc3\xa9");
    let source = store
        .take_up_source(
            &NewSource {
                kind: SourceKind::Folder,
                key: odd,
                name: "odd",
                path: Path::new(odd),
                auto_share: true,
                facts: None,
            },
            Timestamp(1),
        )
        .unwrap();
    store.set_auto_share(source.id, false).unwrap();
    store
}

#[test]
fn a_backup_brings_back_what_was_set_and_holds_no_secret() {
    let store = furnished();
    let phc = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA";
    store.claim(phc, Timestamp(3)).unwrap();
    store
        .open_session(&[0x41; 32], phc, "192.0.2.1", Some("Firefox"), Timestamp(3))
        .unwrap();
    let token = crate::store::NewToken {
        token: &[0x42; 32],
        name: "grafana",
        scope: crate::store::Scope::Read,
        expires: None,
    };
    store.add_token(token, Timestamp(3)).unwrap();
    let backup = store.backup(Timestamp(9)).unwrap();
    let text = serde_json::to_string(&backup).unwrap();
    for secret in ["argon2", "AAAA", "BBBB", "grafana", "Firefox", "192.0.2.1"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(backup.releases.len(), 1, "{text}");
    assert_eq!(
        backup.releases[0].settings,
        *json!({ "keep": true }).as_object().unwrap()
    );

    store.set_settings(&Settings::default()).unwrap();
    store
        .change_release_settings(ReleaseId(1), |own| {
            *own = ReleaseSettings::default();
            own.relays = Some(2);
        })
        .unwrap();
    for source in store.sources().unwrap() {
        store.set_auto_share(source.id, !source.auto_share).unwrap();
    }
    let read: Backup = serde_json::from_str(&text).unwrap();
    let restored = store.restore_backup(&read).unwrap();
    assert_eq!(
        restored,
        Restored {
            settings: backup.settings.len(),
            releases: 1,
            sources: 2,
            ..Restored::default()
        }
    );
    assert_eq!(store.backup(Timestamp(9)).unwrap(), backup);
}

#[test]
fn what_is_not_here_is_left_out_and_said() {
    let store = furnished();
    let backup: Backup = serde_json::from_value(json!({
        "semoir_backup": 1,
        "made": 1,
        "settings": { "relays": 4, "colour": "blue" },
        "releases": [
            { "info_hash": "07".repeat(20), "name": "a", "settings": { "relays": 9, "mood": 1 } },
            { "info_hash": "99".repeat(20), "name": "gone", "settings": { "keep": true } },
            { "info_hash": "98".repeat(20), "settings": {} },
        ],
        "sources": [{ "kind": "folder", "key": "/mnt/elsewhere", "auto_share": true }],
    }))
    .unwrap();
    let restored = store.restore_backup(&backup).unwrap();
    assert_eq!(
        restored,
        Restored {
            settings: 1,
            releases: 1,
            sources: 0,
            unknown_settings: vec!["colour".to_owned(), "mood".to_owned()],
            missing_releases: vec!["gone".to_owned(), "98".repeat(20)],
            missing_sources: vec!["/mnt/elsewhere".to_owned()],
        }
    );
    let settings = store.settings().unwrap();
    assert_eq!(settings.relays, 4);
    assert_eq!(settings.upstream_cap, Some(Rate(1_000_000)), "not named");
    let own = store.release_settings(ReleaseId(1)).unwrap();
    assert_eq!((own.relays, own.keep), (Some(9), None));
}

#[test]
fn what_cannot_be_changes_nothing() {
    let store = furnished();
    let before = store.backup(Timestamp(1)).unwrap();
    let good = json!({ "info_hash": "07".repeat(20), "settings": { "relays": 9 } });
    for (part, value) in [
        ("semoir_backup", json!(2)),
        ("settings", json!({ "relays": 0 })),
        ("settings", json!({ "relays": "three" })),
        (
            "releases",
            json!([good, { "info_hash": "08".repeat(20), "settings": { "relays": 0 } }]),
        ),
        (
            "releases",
            json!([good, { "info_hash": "99".repeat(20), "settings": { "missed": 0 } }]),
        ),
        (
            "releases",
            json!([good, { "info_hash": "08".repeat(20), "settings": { "keep": 7 } }]),
        ),
    ] {
        let mut backup = json!({ "semoir_backup": 1, "made": 1, "settings": { "relays": 8 } });
        backup[part] = value;
        let backup: Backup = serde_json::from_value(backup).unwrap();
        let error = store.restore_backup(&backup).unwrap_err();
        assert!(matches!(error, StoreError::Backup(_)), "{error}");
        assert_eq!(store.backup(Timestamp(1)).unwrap(), before);
    }
}
