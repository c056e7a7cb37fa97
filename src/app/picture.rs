//! Painting the picture that the owner's page shows.

use std::sync::Arc;

use super::overview::{Overview, ReleaseView, SourceView, UpstreamView};
use super::{App, catalogue};
use crate::base::{Magnet, Rate, Timestamp};
use crate::seed::engine::Report;
use crate::store::{Release, SourceKind, Spent, Store, StoreError};

impl App {
    /// Paints the box as it is now.
    pub(super) async fn paint(&mut self, report: &Report) -> Result<(), StoreError> {
        let read = |store: &Store| Ok((store.releases()?, store.spent_by_release()?));
        let (releases, spent) = self.store.run(read).await?;
        let releases = releases.iter().map(|release| {
            let spent = spent.get(&release.id).copied().unwrap_or_default();
            self.release_view(release, spent)
        });
        let mut sources: Vec<SourceView> =
            self.sources.values().map(|s| self.source_view(s)).collect();
        sources.sort_by_key(|source| source.id);
        let picture = Overview {
            at: Timestamp::now(),
            releases: releases.collect(),
            sources,
            upstream: UpstreamView {
                cap: report.cap,
                rate: report.rate,
                limit: match report.cap {
                    Some(cap) => format!("your limit of {}", Rate(cap)),
                    None => String::from("no limit is set"),
                },
                peers: report.torrents.iter().map(|torrent| torrent.peers).sum(),
            },
        };
        self.overview.send_replace(Arc::new(picture));
        Ok(())
    }

    fn release_view(&self, release: &Release, spent: Spent) -> ReleaseView {
        let live = self.live.get(&release.id);
        let unwritten = live.map_or((0, 0), |live| live.unwritten);
        let figures = live.and_then(|live| live.figures.as_ref());
        let payload = spent.payload_bytes + unwritten.0;
        let job = self.hashing.jobs.get(&release.id);
        let name = release.display_name();
        let magnet = |info_hash| Magnet {
            info_hash,
            name: name.as_bytes(),
            size: Some(release.size),
            trackers: &self.settings.trackers,
        };
        let pieces = |length: u32| release.size.div_ceil(u64::from(length.max(1))) as u32;
        ReleaseView {
            id: release.id,
            source: release.source,
            stage: live.map_or(release.stage, |live| live.stage),
            reason: live.map_or_else(|| release.reason.clone(), |live| live.reason.clone()),
            since: release.since,
            size: release.size,
            files: release.files,
            hashed: match (release.info_hash, job) {
                (Some(_), _) => release.size,
                (None, Some(job)) => job.hashed,
                (None, None) => 0,
            },
            info_hash: release.info_hash,
            piece_length: release.piece_length,
            pieces: release.piece_length.map(pieces),
            magnet: release.info_hash.map(|hash| magnet(hash).to_string()),
            copies_spent: payload as f64 / release.size.max(1) as f64,
            payload_bytes: payload,
            wire_bytes: spent.wire_bytes + unwritten.1,
            rate: figures.map_or(0, |f| f.rate),
            peers: figures.map_or(0, |f| f.peers),
            relays: figures.map_or(0, |f| f.relays.len() as u32),
            availability: figures.map_or(0.0, |f| f.copies),
            name,
        }
    }

    fn source_view(&self, looked: &catalogue::Looked) -> SourceView {
        let uploads = looked.source.kind == SourceKind::Uploads;
        SourceView {
            id: looked.source.id,
            name: looked.source.name.clone(),
            kind: looked.source.kind.as_str().to_owned(),
            present: looked.problem.is_none(),
            problem: looked.problem.clone().unwrap_or_default(),
            free: uploads.then(|| self.uploads.free().ok()).flatten(),
        }
    }
}
