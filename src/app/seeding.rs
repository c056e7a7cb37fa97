//! From torrents to swarms: what is ready is seeded, the swarm is observed, policy decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::App;
use super::overview::copies;
use super::relays::Kept;
use super::shelf::Shelved;
use crate::base::{InfoHash, ReleaseId, Stage, Timestamp};
use crate::policy::retire::{Evidence, Retire, Rule};
use crate::seed::announce::{Figures, Subject};
use crate::seed::engine::{Report, TorrentReport};
use crate::store::{Day, Release, Spend, Spent, Store, StoreError};

/// How long after a tracker or the DHT answered our line counts as up; the engine knows of peers that did. Much shorter than
/// [`Rule::patience`], so that a line that is down is noticed before anybody is missed.
const IN_TOUCH: Duration = Duration::from_secs(600);

/// A release that the engine has.
#[derive(Debug)]
pub(super) struct Live {
    pub info_hash: InfoHash,
    retire: Retire,
    pub stage: Stage,
    size: u64,
    /// Why, as of the last decision.
    pub reason: String,
    /// The engine's counts at the last look; it counts from when the torrent was added.
    counted: (u64, u64),
    /// Bytes not yet written down: payload, wire.
    pub unwritten: (u64, u64),
    pub figures: Option<TorrentReport>,
    /// Who holds it, as the database has it.
    pub kept: Kept,
    /// What the database says it cost.
    pub spent: Spent,
    /// Whether policy has to look at it, because something changed.
    pub undecided: bool,
    /// When time alone may change the verdict.
    again: Option<Instant>,
}

impl Live {
    /// Whether policy has to look at it.
    fn is_due(&self, now: Instant) -> bool {
        self.undecided || self.again.is_some_and(|again| again <= now)
    }

    /// Why it stopped or came back, and what it has cost: for the decision log, whose rows have the time.
    fn account(&self) -> String {
        let spent = copies(self.spent.payload_bytes + self.unwritten.0, self.size);
        format!("{}; {spent:.2} copies spent", self.reason)
    }
}

/// Whether a release in this stage is the engine's.
fn is_seeded(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::Ready | Stage::Spreading | Stage::Supporting | Stage::Retired
    )
}

impl App {
    /// Hands every release that has a torrent to the engine, the tracker and the announcer.
    pub(super) async fn seed_what_is_ready(
        &mut self,
        releases: &[Release],
    ) -> Result<(), StoreError> {
        for release in releases.iter().filter(|r| is_seeded(r.stage)) {
            if !self.live.contains_key(&release.id) {
                self.seed(release).await?;
            }
        }
        Ok(())
    }

    async fn seed(&mut self, release: &Release) -> Result<(), StoreError> {
        let id = release.id;
        let (Some(info_hash), Some(looked)) =
            (release.info_hash, self.sources.get(&release.source))
        else {
            return Ok(());
        };
        let root = looked.source.path.join(&release.name);
        if self.by_hash.contains_key(&info_hash) {
            let why = "the same content is shared from another place already";
            return self.set_stage(id, Stage::Paused, why).await;
        }
        let is_kept = move |store: &Store| store.has_torrent(id);
        if !self.store.run(is_kept).await? {
            let why = "its torrent is gone";
            return self.set_stage(id, Stage::Failed, why).await;
        }
        if let Err(error) = self.tracker.register(info_hash) {
            tracing::warn!(release = %id, %error, "the box's own tracker does not take it");
        }
        let shelf = Arc::new(Shelved {
            store: self.store.clone(),
            id,
        });
        let silent = release.stage == Stage::Retired;
        self.engine
            .add_shelved(info_hash, &root, shelf, silent)
            .await;
        self.announcer.add(self.subject(info_hash));
        self.discovery.add(info_hash, release.private).await;
        self.by_hash.insert(info_hash, id);
        let kept = self.recall_relays(id, info_hash).await?;
        let live = Live {
            info_hash,
            retire: Retire::new(release.stage),
            stage: release.stage,
            size: release.size,
            reason: release.reason.clone(),
            counted: (0, 0),
            unwritten: (0, 0),
            figures: None,
            kept,
            spent: Spent::default(),
            undecided: true,
            again: None,
        };
        self.live.insert(id, live);
        Ok(())
    }

    /// What the announcer is told of a torrent.
    pub(super) fn subject(&self, info_hash: InfoHash) -> Subject {
        let tier = |url: &String| vec![url.clone()];
        Subject {
            info_hash,
            tiers: self.settings.trackers.iter().map(tier).collect(),
            figures: Figures::default(),
        }
    }

    /// Takes a release back from the engine, its figures kept.
    pub(super) async fn stop_seeding(&mut self, id: ReleaseId) {
        let Some(info_hash) = self.live.get(&id).map(|live| live.info_hash) else {
            return;
        };
        let report = self.engine.news().await;
        self.count(&report);
        if let Err(error) = self.write_down().await {
            tracing::error!(release = %id, %error, "what was spent could not be written down");
        }
        self.live.remove(&id);
        self.looked = None;
        self.painted.is_outdated = true;
        self.by_hash.remove(&info_hash);
        self.engine.remove(info_hash).await;
        self.tracker.unregister(info_hash);
        self.announcer.remove(info_hash);
        self.discovery.remove(info_hash).await;
    }

    /// Takes over the engine's counts. A torrent that is not in the report stands as it was told last.
    pub(super) fn count(&mut self, report: &Report) {
        for torrent in &report.torrents {
            let Some(live) = self
                .by_hash
                .get(&torrent.info_hash)
                .and_then(|id| self.live.get_mut(id))
            else {
                continue;
            };
            live.unwritten.0 += torrent.payload.saturating_sub(live.counted.0);
            live.unwritten.1 += torrent.wire.saturating_sub(live.counted.1);
            live.counted = (torrent.payload, torrent.wire.max(live.counted.1));
            if live.figures.as_ref() != Some(torrent) {
                live.figures = Some(torrent.clone());
                live.undecided = true;
                self.painted.is_outdated = true;
            }
        }
    }

    /// Lets policy look at every swarm.
    pub(super) async fn decide(&mut self, report: &Report) -> Result<(), StoreError> {
        self.count(report);
        let now = Instant::now();
        let heard = self.heard.max(self.announcer.answered_at());
        let lately = |at| now.saturating_duration_since(at) < IN_TOUCH;
        let in_touch = report.in_touch || heard.is_some_and(lately);
        if std::mem::replace(&mut self.in_touch, in_touch) != in_touch {
            // Policy tells the time in touch from the time without.
            self.live
                .values_mut()
                .for_each(|live| live.undecided = true);
        }
        let rule = Rule {
            relays: self.settings.relays,
            keep: self.settings.keep,
            ..self.config.rule
        };
        let mut moved = Vec::new();
        let mut unreadable = Vec::new();
        for (id, live) in self.live.iter_mut().filter(|(_, live)| live.is_due(now)) {
            let Some(figures) = &live.figures else {
                continue;
            };
            if let Some(why) = &figures.unreadable {
                unreadable.push((*id, why.clone()));
                continue;
            }
            let evidence = Evidence {
                relays: &figures.relays,
                copies: figures.copies,
                stuck: figures.stuck,
                stuck_since: figures.stuck_since,
                in_touch,
            };
            let verdict = live.retire.decide(&rule, &evidence, now);
            (live.undecided, live.again) = (false, verdict.again);
            if live.reason != verdict.reason {
                tracing::debug!(release = %id, stage = %verdict.stage, why = verdict.reason);
                live.reason = verdict.reason;
                self.painted.is_outdated = true;
            }
            let before = std::mem::replace(&mut live.stage, verdict.stage);
            if before != verdict.stage {
                let turned = [before, verdict.stage].contains(&Stage::Retired);
                let why = if turned {
                    live.account()
                } else {
                    live.reason.clone()
                };
                moved.push((*id, live.info_hash, verdict.stage, why));
            }
        }
        for (id, info_hash, stage, why) in moved {
            self.engine
                .silence(info_hash, stage == Stage::Retired)
                .await;
            self.set_stage(id, stage, &why).await?;
        }
        for (id, why) in unreadable {
            // The next look at its source says whether it is gone, changed, or only this one file is broken.
            self.stop_seeding(id).await;
            self.set_stage(id, Stage::Failed, &why).await?;
            self.look_again = Instant::now();
        }
        Ok(())
    }

    /// Writes down what was spent since the last time, in one transaction.
    pub(super) async fn write_down(&mut self) -> Result<(), StoreError> {
        self.written_down = Instant::now();
        let day = Day::of(Timestamp::now());
        let spends: Vec<Spend> = self
            .live
            .iter()
            .filter(|(_, live)| live.unwritten != (0, 0))
            .map(|(id, live)| Spend {
                release: *id,
                day,
                payload_bytes: live.unwritten.0,
                wire_bytes: live.unwritten.1,
            })
            .collect();
        if spends.is_empty() {
            return Ok(());
        }
        self.store.run(move |store| store.spend(&spends)).await?;
        self.live
            .values_mut()
            .for_each(|live| live.unwritten = (0, 0));
        Ok(())
    }
}
