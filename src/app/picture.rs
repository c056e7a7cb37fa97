//! Painting the picture that the owner's page shows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::overview::{ReleaseView, SourceView, UpstreamView, copies};
use super::sources::At;
use super::{App, relays};
use crate::base::{Magnet, Stage, Timestamp};
use crate::seed::Census;
use crate::seed::engine::Report;
use crate::store::{Cost, Release, Store, StoreError};

/// The least often a picture is painted, so that the page's "three minutes ago" stay true.
const FRESH: Duration = Duration::from_secs(30);
/// Free space is shown again when it changed by this much: there is always something that writes a little.
const FREE_STEP: u64 = 1 << 20;

/// What the last picture shows.
#[derive(Debug)]
pub(super) struct Painted {
    /// The database as it was then; none before the first picture.
    changes: Option<u64>,
    at: Instant,
    /// Whether a release's figures changed since.
    pub is_outdated: bool,
}

impl Default for Painted {
    fn default() -> Self {
        Self {
            changes: None,
            at: Instant::now(),
            is_outdated: true,
        }
    }
}

impl App {
    /// Paints the box as it is now, if it is not as it was.
    pub(super) async fn paint(&mut self, report: &Report) -> Result<(), StoreError> {
        let changes = self.store.changes();
        let before = self.overview.borrow().clone();
        let mut sources: Vec<SourceView> =
            self.sources.values().map(|s| self.source_view(s)).collect();
        sources.sort_by_key(|source| source.id);
        self.uploads.ask_for_room();
        let upstream = self.upstream_view(report, &before.upstream);
        let reach = self.reach_view(&report.outside, Instant::now());
        let board = self.board.view(&before.board);
        let is_new = self.painted.changes != Some(changes);
        let is_current = !is_new
            && !self.painted.is_outdated
            && self.painted.at.elapsed() < FRESH
            && upstream == before.upstream
            && reach == before.reach
            && board == before.board
            && are_alike(&sources, &before.sources);
        if is_current {
            return Ok(());
        }
        drop(before);
        let releases = match is_new {
            true => Some(self.view_releases().await?),
            false => None,
        };
        self.overview.send_modify(|picture| {
            // In place, unless somebody still looks at the last one: thousands of views are much to copy for a clock.
            let picture = Arc::make_mut(picture);
            if let Some(releases) = releases {
                picture.releases = releases;
            } else if self.painted.is_outdated {
                let views = picture.releases.iter_mut();
                views.for_each(|view| self.update(view));
            }
            picture.at = Timestamp::now();
            picture.sources = sources;
            picture.upstream = upstream;
            picture.reach = reach;
            picture.board = board;
        });
        self.painted = Painted {
            changes: Some(changes),
            at: Instant::now(),
            is_outdated: false,
        };
        Ok(())
    }

    /// Views every release as the database has it.
    async fn view_releases(&mut self) -> Result<Vec<ReleaseView>, StoreError> {
        let read = |store: &Store| {
            let hashed = store.hashed_in_part()?;
            Ok((store.releases()?, store.spent_by_release()?, hashed))
        };
        let (releases, costs, hashed) = self.store.run(read).await?;
        let views = releases.iter().map(|release| {
            let cost = costs.get(&release.id).copied().unwrap_or_default();
            if let Some(live) = self.live.get_mut(&release.id) {
                live.cost = cost;
            }
            let mut view = self.release_view(release, cost);
            if view.hashed == 0 {
                // Its job waits for its source to be here.
                let kept = hashed.get(&release.id).copied();
                view.hashed = kept.unwrap_or(0).min(release.size);
            }
            view
        });
        Ok(views.collect())
    }

    fn release_view(&self, release: &Release, cost: Cost) -> ReleaseView {
        let mut view = ReleaseView::catalogued(release, cost);
        let magnet = |info_hash| Magnet {
            info_hash,
            name: view.name.as_bytes(),
            size: Some(release.size),
            trackers: &self.settings.trackers,
        };
        view.magnet = release.info_hash.map(|hash| magnet(hash).to_string());
        self.update(&mut view);
        view
    }

    /// Brings a view up to date with what the engine and the hasher do.
    fn update(&self, view: &mut ReleaseView) {
        if let (None, Some(job)) = (view.info_hash, self.hashing.jobs.get(&view.id)) {
            view.hashed = job.hashed;
        }
        (view.rate, view.peers) = (0, 0);
        (view.relays, view.proven, view.claimed) = (0, 0, 0);
        view.carriers.clear();
        view.availability = 0.0;
        let Some(live) = self.live.get(&view.id) else {
            return;
        };
        view.stage = live.stage;
        view.reason.clone_from(match &live.withheld {
            Some(why) if live.stage != Stage::Retired && !live.is_away() => why,
            _ => &live.reason,
        });
        view.payload_bytes = live.cost.spent.payload_bytes + live.unwritten.0;
        view.wire_bytes = live.cost.spent.wire_bytes + live.unwritten.1;
        view.copies_spent = copies(live.of_content(), view.size);
        if let Some(figures) = &live.figures {
            view.rate = figures.rate;
            view.peers = figures.peers;
            let census = Census::of(&figures.relays);
            (view.relays, view.proven) = (census.seen(), census.proven);
            view.claimed = census.claimed;
            view.carriers = relays::views(figures, Instant::now(), Timestamp::now());
            view.availability = figures.copies;
        }
    }

    fn upstream_view(&self, report: &Report, before: &UpstreamView) -> UpstreamView {
        let verdict = self.limits.verdict();
        UpstreamView {
            cap: self.settings.upstream_cap.map(|cap| cap.0),
            rate: report.rate,
            limit: verdict.reason.clone(),
            limited_by: verdict.by,
            limit_rate: verdict.rate.map(|rate| rate.0),
            quota: self.limits.quota_view().map(|now| match &before.quota {
                Some(before) if now.is_alike(before) => before.clone(),
                _ => now,
            }),
            peers: report.torrents.iter().map(|torrent| torrent.peers).sum(),
        }
    }

    fn source_view(&self, at: &At) -> SourceView {
        let facts = at.source.facts.clone().unwrap_or_default();
        let room = || self.uploads.room(&at.source.uploads_key());
        SourceView {
            id: at.source.id,
            name: at.source.name.clone(),
            kind: at.source.kind.as_str().to_owned(),
            present: at.problem().is_none(),
            problem: at.problem().unwrap_or_default().to_owned(),
            free: at.source.is_for_uploads().then(room).flatten(),
            auto_share: at.source.auto_share,
            note: at.note.clone().unwrap_or_default(),
            left_out: at.left_out.clone().filter(|_| at.problem().is_none()),
            file_system: facts.file_system,
            size: facts.size,
            model: facts.model,
            built_in: facts.built_in,
            can_forget: at.can_forget(),
            uploads_key: at.source.uploads_key(),
        }
    }
}

/// Whether nothing changed that is worth a new picture.
fn are_alike(now: &[SourceView], before: &[SourceView]) -> bool {
    let alike = |(now, before): (&SourceView, &SourceView)| {
        let free = now.free.zip(before.free);
        let free = free.filter(|(now, before)| now.abs_diff(*before) < FREE_STEP);
        let now = SourceView {
            free: free.map_or(now.free, |(_, before)| Some(before)),
            ..now.clone()
        };
        now == *before
    };
    now.len() == before.len() && now.iter().zip(before).all(alike)
}
