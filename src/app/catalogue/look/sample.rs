//! Whether what came back is what went away: a sample of its bytes.
//!
//! Size, time and number of a file say that nobody wrote to it. They do not say that a drive was not restored from a
//! backup, or that its cells kept what was written. Peers would find out, and trust us less for it.

use std::collections::HashMap;
use std::ffi::OsStr;

use rand::seq::SliceRandom;

use super::{Found, is_same_content};
use crate::base::{Content, ReleaseId, Stage};
use crate::metainfo::{Metainfo, VerifyError, verify_piece};
use crate::store::{Release, Store};

/// Bytes read of a source whose releases are back: one piece of as many of them as this allows. Two seconds of a slow
/// stick, so that they are seeded again within ten.
const SAMPLE: u64 = 64 << 20;

/// Compares one piece of the releases that are back or have another name, in random order.
pub(super) fn compare(store: &Store, known: &HashMap<&OsStr, &Release>, found: &mut Found) {
    let by_name = |name: &OsStr| known.get(name).copied();
    let listed = found.entries.iter().filter_map(|(name, listing)| {
        let release = by_name(name).filter(|release| release.stage == Stage::Absent)?;
        let content = &listing.as_ref().ok()?.content;
        let stored = store.content(release.id).ok()?;
        is_same_content(&stored, content).then_some((release.id, content))
    });
    let renamed = found.renamed.iter().map(|(id, _, content)| (*id, content));
    let mut back: Vec<(ReleaseId, &Content)> = listed.chain(renamed).collect();
    back.shuffle(&mut rand::rng());
    let mut left = SAMPLE;
    for (id, content) in back {
        let Some(metainfo) = torrent_of(store, id) else {
            continue;
        };
        if left == 0 {
            break;
        }
        left = left.saturating_sub(u64::from(metainfo.piece_length));
        let piece = rand::random_range(0..metainfo.pieces());
        match verify_piece(&metainfo, content, piece) {
            Ok(()) => {}
            Err(error @ VerifyError::Mismatch { .. }) => {
                tracing::warn!(release = %id, %error, "what came back is not what went away");
                found.spoiled.insert(id);
            }
            Err(error) => {
                found.unreadable.insert(id, error.to_string());
            }
        }
    }
    let spoiled = &found.spoiled;
    found.renamed.retain(|(id, ..)| !spoiled.contains(id));
}

/// The torrent of a release, when it has one.
fn torrent_of(store: &Store, id: ReleaseId) -> Option<Metainfo> {
    let info = store.torrent(id).ok().flatten()?;
    Metainfo::from_info(info.into()).ok()
}
