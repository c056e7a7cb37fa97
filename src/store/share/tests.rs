use super::*;
use crate::base::{ErrorKind, Kind};
use crate::store::testing::content;

fn at(server: &str, folder: &str) -> ShareAddress {
    ShareAddress::new(ShareProtocol::Smb, server, folder).unwrap()
}

fn mia(password: &str) -> ShareLogin {
    ShareLogin {
        user: Some("mia".to_owned()),
        domain: None,
        password: Some(Secret::new(password)),
    }
}

#[test]
fn a_share_is_kept_changed_and_forgotten() {
    let store = Store::in_memory().unwrap();
    let films = at("NAS.local", "Media/Films");
    let share = store
        .add_share(&films, &mia("hunter2"), false, Timestamp(1))
        .unwrap();
    assert_eq!(store.shares().unwrap(), std::slice::from_ref(&share));
    let source = store.source(share.source).unwrap();
    assert_eq!(source.kind, SourceKind::Share);
    assert_eq!(source.name, "nas.local/Media/Films");
    assert_eq!(source.key, b"smb://nas.local/media/Films");
    assert!(!source.auto_share);

    let twice = at("nas.local:445", "MEDIA\\Films");
    let error = store
        .add_share(&twice, &mia("x"), false, Timestamp(2))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");

    let moved = store.change_share(share.source, |share| {
        share.address = at("10.0.0.7", "Films");
        share.login.password = None;
    });
    assert_eq!(moved.unwrap().login.password, None);
    let source = store.source(share.source).unwrap();
    assert_eq!(
        (source.id, source.name.as_str()),
        (share.source, "10.0.0.7/Films")
    );
    assert_eq!(
        store.share(share.source).unwrap().address,
        at("10.0.0.7", "Films")
    );

    store.remove_share(share.source, Timestamp(3)).unwrap();
    assert_eq!(store.shares().unwrap(), []);
    assert_eq!(store.sources().unwrap(), []);
    assert!(store.remove_share(share.source, Timestamp(4)).is_err());
    assert!(store.share(share.source).is_err());
    assert!(store.change_share(share.source, |_| {}).is_err());
}

#[test]
fn a_share_that_comes_back_is_the_same_source() {
    let store = Store::in_memory().unwrap();
    let films = at("nas", "films");
    let add = |auto| store.add_share(&films, &ShareLogin::default(), auto, Timestamp(1));
    let first = add(false).unwrap();
    let release = store.found(
        first.source,
        "a".as_ref(),
        &content(&[("", 1)]),
        Timestamp(1),
    );
    store.remove_share(first.source, Timestamp(2)).unwrap();
    let again = add(true).unwrap();
    assert_eq!(again.source, first.source);
    assert!(
        store.source(first.source).unwrap().auto_share,
        "as was asked for now"
    );
    assert_eq!(
        store.release(release.unwrap().id).unwrap().source,
        first.source
    );
}

#[test]
fn no_two_shares_are_one_place() {
    let store = Store::in_memory().unwrap();
    let login = ShareLogin::default();
    let add = |folder| {
        store
            .add_share(&at("nas", folder), &login, false, Timestamp(1))
            .unwrap()
    };
    let (one, other) = (add("one"), add("other"));
    let error = store.change_share(other.source, |share| share.address = one.address.clone());
    assert!(matches!(error, Err(StoreError::ShareThere(_))));
    assert_eq!(
        store.shares().unwrap(),
        [one.clone(), other],
        "nothing of it was written"
    );
    // Nor that of one that was removed: its releases are its own.
    let third = add("third");
    store.remove_share(one.source, Timestamp(2)).unwrap();
    let error = store.change_share(third.source, |share| share.address = one.address.clone());
    assert!(matches!(error, Err(StoreError::ShareWas(_))));
}

#[test]
fn what_does_not_fit_is_refused() {
    let store = Store::in_memory().unwrap();
    let nfs = ShareAddress::new(ShareProtocol::Nfs, "nas", "/films").unwrap();
    let error = store
        .add_share(&nfs, &mia("x"), false, Timestamp(1))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadInput);
    let share = store
        .add_share(&nfs, &ShareLogin::default(), false, Timestamp(1))
        .unwrap();
    let error = store.change_share(share.source, |share| share.login = mia("x"));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::BadInput);
    for i in 1..SHARES_AT_MOST {
        let address = at("nas", &format!("s{i}"));
        store
            .add_share(&address, &ShareLogin::default(), false, Timestamp(1))
            .unwrap();
    }
    let one_more = store.add_share(
        &at("nas", "more"),
        &ShareLogin::default(),
        false,
        Timestamp(1),
    );
    assert!(matches!(one_more, Err(StoreError::TooManyShares)));
}

#[test]
fn the_password_is_in_the_file_that_is_ours_alone_and_nowhere_else() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("semoir.db");
    let store = Store::open(&path).unwrap();
    let share = store
        .add_share(&at("nas", "films"), &mia("hunter2"), true, Timestamp(1))
        .unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{entry:?}");
    }
    let shown = format!("{share:?} {:?}", store.source(share.source).unwrap());
    let backup = serde_json::to_string(&store.backup(Timestamp(2)).unwrap()).unwrap();
    for text in [shown, backup.clone()] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains("68756e74"), "{text}");
    }
    assert!(
        backup.contains("smb://nas/films"),
        "its rule is kept: {backup}"
    );
    drop(store);
    let again = Store::open(&path).unwrap().share(share.source).unwrap();
    assert_eq!(again, share);
}
