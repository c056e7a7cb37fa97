use super::*;
use crate::store::testing::{box_with, content, torrent};
use crate::store::{Facts, NewSource, SourceKind};

const ID: ReleaseId = ReleaseId(1);

fn stages(store: &Store) -> (Stage, Option<Stage>) {
    let release = store.release(ID).unwrap();
    (release.stage, release.resume_stage)
}

#[test]
fn found_twice_is_one_release() {
    let (store, source) = box_with(&[]);
    let name = OsStr::from_bytes(b"caf\xe9 \xff.iso");
    let first = store
        .found(source, name, &content(&[("", 7)]), Timestamp(1))
        .unwrap();
    assert_eq!(first.stage, Stage::Found);
    assert_eq!((first.size, first.files), (7, 1));
    assert_eq!(first.name, name);
    assert_eq!(first.display_name(), "caf\u{fffd} \u{fffd}.iso");
    let again = store
        .found(source, name, &content(&[("", 8)]), Timestamp(2))
        .unwrap();
    assert_eq!(
        again, first,
        "it is the caller who says that content changed"
    );
    assert_eq!(store.releases().unwrap(), std::slice::from_ref(&first));
    assert_eq!(store.decisions(first.id, 9).unwrap().len(), 1);
    assert_eq!(
        store.content(first.id).unwrap().root.as_os_str().as_bytes(),
        b"/media/caf\xe9 \xff.iso"
    );
    let nowhere = store.found(SourceId(9), name, &content(&[]), Timestamp(1));
    assert!(matches!(
        nowhere,
        Err(StoreError::NoSuchSource(SourceId(9)))
    ));
}

#[test]
fn releases_are_sorted_as_people_sort_names() {
    let (store, _) = box_with(&["b", "Été", "C", "a", "B2"]);
    let names: Vec<_> = store
        .releases()
        .unwrap()
        .iter()
        .map(Release::display_name)
        .collect();
    assert_eq!(names, ["a", "b", "B2", "C", "Été"]);
}

#[test]
fn a_change_of_stage_is_one_decision_and_no_change_is_none() {
    let (store, _) = box_with(&["a"]);
    assert!(
        store
            .set_stage(ID, Stage::Hashing, "its turn", Timestamp(10))
            .unwrap()
    );
    assert!(
        !store
            .set_stage(ID, Stage::Hashing, "its turn", Timestamp(11))
            .unwrap()
    );
    assert!(
        store
            .set_stage(ID, Stage::Hashing, "again", Timestamp(12))
            .unwrap()
    );
    let release = store.release(ID).unwrap();
    assert_eq!(release.since, Timestamp(10), "a new reason moved the date");
    assert_eq!(release.reason, "again");
    let log: Vec<_> = store
        .decisions(ID, 9)
        .unwrap()
        .into_iter()
        .map(|d| (d.at.0, d.stage, d.reason))
        .collect();
    assert_eq!(
        log,
        [
            (12, Stage::Hashing, "again".to_owned()),
            (10, Stage::Hashing, "its turn".to_owned()),
            (1, Stage::Found, "found".to_owned()),
        ]
    );
    assert_eq!(store.decisions(ID, 1).unwrap().len(), 1);
    let missing = store.set_stage(ReleaseId(9), Stage::Found, "x", Timestamp(1));
    assert!(matches!(
        missing,
        Err(StoreError::NoSuchRelease(ReleaseId(9)))
    ));
}

#[test]
fn nothing_is_offered_without_a_torrent() {
    let (store, _) = box_with(&["a"]);
    for stage in [
        Stage::Ready,
        Stage::Spreading,
        Stage::Supporting,
        Stage::Retired,
    ] {
        assert!(
            store
                .set_stage(ID, stage, "too early", Timestamp(2))
                .is_err(),
            "{stage}"
        );
    }
    assert_eq!(stages(&store), (Stage::Found, None));
    assert_eq!(
        store.decisions(ID, 9).unwrap().len(),
        1,
        "a refused change was logged"
    );
    store
        .save_torrent(ID, &torrent(1), "hashed", Timestamp(3))
        .unwrap();
    for stage in [Stage::Spreading, Stage::Supporting, Stage::Retired] {
        store
            .set_stage(ID, stage, "it goes on", Timestamp(4))
            .unwrap();
    }
}

#[test]
fn aside_and_back_whichever_way() {
    let (store, _) = box_with(&["a"]);
    store
        .save_torrent(ID, &torrent(1), "hashed", Timestamp(2))
        .unwrap();
    store
        .set_stage(ID, Stage::Spreading, "on", Timestamp(3))
        .unwrap();
    store
        .set_stage(ID, Stage::Absent, "unplugged", Timestamp(4))
        .unwrap();
    assert_eq!(stages(&store), (Stage::Absent, Some(Stage::Spreading)));
    store
        .set_stage(ID, Stage::Paused, "by its owner", Timestamp(5))
        .unwrap();
    assert_eq!(stages(&store), (Stage::Paused, Some(Stage::Spreading)));
    store
        .set_stage(ID, Stage::Spreading, "resumed", Timestamp(6))
        .unwrap();
    assert_eq!(stages(&store), (Stage::Spreading, None));

    // Changed while it was aside: it comes back at the start.
    store
        .set_stage(ID, Stage::Paused, "by its owner", Timestamp(7))
        .unwrap();
    store
        .replace_content(ID, &content(&[("x", 3)]), "changed", Timestamp(8))
        .unwrap();
    assert_eq!(stages(&store), (Stage::Paused, Some(Stage::Found)));
    assert_eq!(store.release(ID).unwrap().info_hash, None);
}

#[test]
fn removed_stays_removed_until_it_is_shared_again() {
    let (store, source) = box_with(&["a", "b"]);
    store
        .save_torrent(ID, &torrent(1), "hashed", Timestamp(2))
        .unwrap();
    store
        .set_stage(ID, Stage::Paused, "by its owner", Timestamp(3))
        .unwrap();
    store.remove(ID, Timestamp(4)).unwrap();
    store.remove(ID, Timestamp(5)).unwrap();
    let found = store
        .found(source, "a".as_ref(), &content(&[("x", 9)]), Timestamp(6))
        .unwrap();
    assert_eq!(found.removed, Some(Timestamp(4)));
    let names: Vec<_> = store
        .releases()
        .unwrap()
        .into_iter()
        .map(|r| r.name)
        .collect();
    assert_eq!(names, ["b"]);
    assert_eq!(store.content(ID).unwrap().files, []);

    // Work that was under way does not bring it back.
    assert!(
        store
            .set_stage(ID, Stage::Hashing, "x", Timestamp(7))
            .is_err()
    );
    assert!(
        store
            .save_torrent(ID, &torrent(2), "x", Timestamp(7))
            .is_err()
    );
    assert!(store.save_progress(ID, 16, 0, &[0; 20]).is_err());
    assert!(
        store
            .replace_content(ID, &content(&[]), "x", Timestamp(7))
            .is_err()
    );
    assert_eq!(store.torrent(ID).unwrap(), None);

    let back = store
        .restore(ID, &content(&[("x", 9)]), "shared again", Timestamp(8))
        .unwrap();
    assert_eq!(
        (back.stage, back.size, back.removed),
        (Stage::Found, 9, None)
    );
    assert_eq!(back.since, Timestamp(8));
    let log = store.decisions(ID, 99).unwrap();
    assert_eq!(
        log.len(),
        5,
        "found, ready, paused, removed, shared again: {log:?}"
    );
}

#[test]
fn an_upload_found_after_its_removal_was_uploaded_again() {
    let store = Store::in_memory().unwrap();
    let kind = SourceKind::Uploads;
    let source = store
        .take_up_source(
            &NewSource {
                kind,
                key: "uploads".as_ref(),
                name: "Uploads",
                path: "/data/uploads".as_ref(),
                auto_share: true,
                facts: None,
            },
            Timestamp(1),
        )
        .unwrap()
        .id;
    let first = store
        .found(source, "a".as_ref(), &content(&[("", 1)]), Timestamp(1))
        .unwrap();
    store.remove(first.id, Timestamp(2)).unwrap();
    let again = store
        .found(source, "a".as_ref(), &content(&[("", 2)]), Timestamp(3))
        .unwrap();
    assert_eq!((again.id, again.removed, again.size), (first.id, None, 2));
    assert_eq!(store.releases().unwrap(), [again]);
}

#[test]
fn what_was_removed_from_a_drive_for_uploads_and_is_found_was_uploaded_again() {
    for for_uploads in [false, true] {
        let store = Store::in_memory().unwrap();
        let facts = Facts {
            for_uploads,
            ..Facts::default()
        };
        let new = NewSource {
            kind: SourceKind::Drive,
            key: "ext4-1".as_ref(),
            name: "Shelf",
            path: "/run/semoir/mounts/ext4-1".as_ref(),
            auto_share: true,
            facts: Some(&facts),
        };
        let source = store.take_up_source(&new, Timestamp(1)).unwrap();
        assert_eq!(source.is_for_uploads(), for_uploads);
        let found = |now| store.found(source.id, "a".as_ref(), &content(&[("x", 1)]), now);
        let id = found(Timestamp(1)).unwrap().id;
        store.remove(id, Timestamp(2)).unwrap();
        let again = found(Timestamp(3)).unwrap();
        assert_eq!((again.id, again.removed.is_none()), (id, for_uploads));
    }
}

#[test]
fn a_forgotten_source_takes_its_releases_along_and_brings_them_back() {
    let (store, source) = box_with(&["a", "b"]);
    let (a, b) = (ReleaseId(1), ReleaseId(2));
    let hash = torrent(1).info_hash;
    store
        .save_torrent(a, &torrent(1), "hashed", Timestamp(2))
        .unwrap();
    store
        .set_stage(a, Stage::Absent, "it is not plugged in", Timestamp(2))
        .unwrap();
    store
        .set_stage(b, Stage::Paused, "paused by its owner", Timestamp(2))
        .unwrap();
    let before: Vec<Stage> = [a, b].map(|id| store.release(id).unwrap().stage).into();
    store.remove_source(source, Timestamp(3)).unwrap();
    assert_eq!(store.releases().unwrap(), []);
    let given = store.by_info_hash(hash).unwrap();
    assert_eq!(given, None, "nor is its torrent given out");
    for id in [a, b] {
        let said = store.decisions(id, 1).unwrap().remove(0);
        assert_eq!(said.reason, "its source was forgotten by its owner");
    }
    let known = store.source(source).unwrap();
    let new = NewSource {
        kind: known.kind,
        key: std::os::unix::ffi::OsStrExt::from_bytes(&known.key),
        name: &known.name,
        path: &known.path,
        auto_share: known.auto_share,
        facts: None,
    };
    store.take_up_source(&new, Timestamp(4)).unwrap();
    let after: Vec<Stage> = store.releases().unwrap().iter().map(|r| r.stage).collect();
    assert_eq!(after, before, "as they were");
    let given = store.by_info_hash(hash).unwrap();
    assert_eq!(given.map(|release| release.id), Some(a));
}
