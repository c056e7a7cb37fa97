//! From torrents to swarms: what is ready is seeded, the swarm is observed, policy decides.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::App;
use super::overview::copies;
use super::relays::Kept;
use super::shelf::Shelved;
use crate::base::{InfoHash, ReleaseId, SourceId, Stage};
use crate::policy::retire::{Evidence, Retire, Rule};
use crate::seed::announce::{Figures, Subject};
use crate::seed::engine::{Report, TorrentReport};
use crate::store::{Cost, Release, ReleaseSettings, Settings, Spend, Store, StoreError};

/// How long after a tracker or the DHT answered our line counts as up; the engine knows of peers that did. Much shorter than
/// [`Rule::patience`], so that a line that is down is noticed before anybody is missed.
const IN_TOUCH: Duration = Duration::from_secs(600);

/// Why a release is paused that nobody paused.
pub(super) const TWICE: &str = "the same content is shared from another place already";

/// A release that the engine has.
#[derive(Debug)]
pub(super) struct Live {
    pub info_hash: InfoHash,
    source: SourceId,
    retire: Retire,
    pub stage: Stage,
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
    pub cost: Cost,
    /// Whether policy has to look at it, because something changed.
    pub undecided: bool,
    /// When time alone may change the verdict.
    again: Option<Instant>,
    /// Bytes of content.
    size: u64,
    /// Why the limits let it have no payload; none when they do.
    pub withheld: Option<String>,
    /// Whether the engine was told to give none of it.
    pub silent: bool,
}

impl Live {
    /// Whether policy has to look at it.
    fn is_due(&self, now: Instant) -> bool {
        self.undecided || self.again.is_some_and(|again| again <= now)
    }

    /// Whether its files are not here.
    pub fn is_away(&self) -> bool {
        self.stage == Stage::Absent
    }

    /// Whether its first copy is out: others hold it, or a copy's worth was sent.
    pub fn is_out(&self) -> bool {
        let is_held = matches!(self.stage, Stage::Supporting | Stage::Retired);
        is_held || self.of_content() >= self.size
    }

    /// Bytes of its present content that were sent.
    pub fn of_content(&self) -> u64 {
        self.cost.of_content + self.unwritten.0
    }

    /// Why it stopped or came back, and what it has cost: for the decision log, whose rows have the time.
    fn account(&self) -> String {
        let spent = copies(self.of_content(), self.size);
        format!("{}; {spent:.2} copies spent", self.reason)
    }
}

/// The releases that stand aside for another of the same content which is given no more: they take over, where their
/// source is here. What its owner paused is not given from elsewhere instead. Which is given is asked of the database: after
/// a start, the engine has none yet.
fn heirs(releases: &[Release], is_here: impl Fn(&Release) -> bool) -> Vec<&Release> {
    let stands_aside = |r: &&Release| r.stage == Stage::Paused && r.reason == TWICE;
    let mut aside: Vec<&Release> = releases.iter().filter(stands_aside).collect();
    if aside.is_empty() {
        return aside;
    }
    let is_given = |r: &&Release| match r.stage {
        Stage::Absent => false,
        Stage::Paused => r.reason != TWICE,
        _ => is_seeded(r),
    };
    let given = releases.iter().filter(is_given);
    let mut given: HashSet<InfoHash> = given.filter_map(|r| r.info_hash).collect();
    // One that has no torrent any more changed meanwhile: it is nobody's double.
    aside.retain(|r| is_here(r) && r.info_hash.is_none_or(|hash| given.insert(hash)));
    aside
}

/// Whether a release is the engine's. One whose files are away is, too: its swarm still gets metadata, a tracker, and
/// somebody who watches who holds it.
fn is_seeded(release: &Release) -> bool {
    let stage = match release.stage {
        Stage::Absent => release.resume_stage,
        stage => Some(stage),
    };
    matches!(
        stage,
        Some(Stage::Ready | Stage::Spreading | Stage::Supporting | Stage::Retired)
    )
}

impl App {
    /// Hands every release that has a torrent to the engine, the tracker and the announcer.
    pub(super) async fn seed_what_is_ready(
        &mut self,
        releases: &[Release],
    ) -> Result<(), StoreError> {
        for release in releases.iter().filter(|r| is_seeded(r)) {
            if !self.live.contains_key(&release.id) {
                self.seed(release).await?;
            }
        }
        let is_here = |release: &Release| {
            let at = self.sources.get(&release.source);
            at.is_some_and(|at| at.device().is_some())
        };
        for release in heirs(releases, is_here) {
            let why = "it is not shared from the other place any more";
            self.go_on(release, why).await?;
        }
        Ok(())
    }

    async fn seed(&mut self, release: &Release) -> Result<(), StoreError> {
        let id = release.id;
        let (Some(info_hash), Some(at)) = (release.info_hash, self.sources.get(&release.source))
        else {
            return Ok(());
        };
        // What is away is not read; what is not here yet waits until it is.
        let nowhere = (release.stage == Stage::Absent).then_some(0);
        let Some(device) = at.device().or(nowhere) else {
            return Ok(());
        };
        if let Some(other) = self.by_hash.get(&info_hash).copied() {
            let is_away = |id| self.live.get(&id).is_some_and(Live::is_away);
            if release.stage == Stage::Absent {
                return Ok(());
            }
            if !is_away(other) {
                return self.set_stage(id, Stage::Paused, TWICE).await;
            }
            self.stop_seeding(other).await;
        }
        let read = move |store: &Store| Ok((store.has_torrent(id)?, store.spent(id)?));
        let (is_kept, cost) = self.store.run(read).await?;
        if !is_kept {
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
        // Until its limits were looked at, in this very step.
        let silent = true;
        self.engine
            .add_shelved(info_hash, device, shelf, silent)
            .await;
        let generous = self.limits.own(id).generous;
        if generous.is_some() {
            self.engine.set_generous_of(info_hash, generous).await;
        }
        self.announcer.add(self.subject(info_hash));
        self.discovery.add(info_hash, release.private).await;
        self.by_hash.insert(info_hash, id);
        let kept = self.recall_relays(id, info_hash).await?;
        let live = Live {
            info_hash,
            source: release.source,
            retire: Retire::new(release.stage),
            stage: release.stage,
            reason: release.reason.clone(),
            counted: (0, 0),
            unwritten: (0, 0),
            figures: None,
            kept,
            cost,
            undecided: true,
            again: None,
            size: release.size,
            withheld: None,
            silent,
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
        let mut moved = Vec::new();
        let mut unreadable = Vec::new();
        for (id, live) in self.live.iter_mut().filter(|(_, live)| live.is_due(now)) {
            let Some(figures) = &live.figures else {
                continue;
            };
            if live.is_away() {
                (live.undecided, live.again) = (false, None);
                continue;
            }
            if let Some(why) = &figures.unreadable {
                unreadable.push((*id, live.source, why.clone()));
                continue;
            }
            let evidence = Evidence {
                relays: &figures.relays,
                copies: figures.copies,
                stuck: figures.stuck,
                stuck_since: figures.stuck_since,
                in_touch,
            };
            let rule = rule_of(self.config.rule, &self.settings, &self.limits.own(*id));
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
                moved.push((*id, verdict.stage, why));
            }
        }
        for (id, stage, why) in moved {
            self.set_stage(id, stage, &why).await?;
        }
        for (id, source, why) in unreadable {
            self.doubt(id, source, why);
        }
        Ok(())
    }

    /// The files of a release are not here any more.
    pub(super) async fn goes_away(&mut self, id: ReleaseId, why: &str) -> Result<(), StoreError> {
        if let Some(live) = self.live.get_mut(&id) {
            live.stage = Stage::Absent;
            live.reason = why.to_owned();
            self.painted.is_outdated = true;
            self.hush().await;
        }
        self.set_stage(id, Stage::Absent, why).await
    }

    /// Writes down what was spent since the last time, in one transaction.
    pub(super) async fn write_down(&mut self) -> Result<(), StoreError> {
        self.written_down = Instant::now();
        let day = self.limits.day();
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
        let counted = self.tracker.beside().total();
        let beside = self.limits.beside_due(counted, spends.is_empty());
        if spends.is_empty() && beside.is_none() {
            return Ok(());
        }
        let write = move |store: &Store| store.spend(&spends, beside).map(|()| spends);
        let spends = self.store.run(write).await?;
        self.limits.wrote(&spends, beside);
        self.live
            .values_mut()
            .for_each(|live| live.unwritten = (0, 0));
        Ok(())
    }
}

/// When a release retires and wakes: as its owner wants of it, or else of all.
fn rule_of(base: Rule, settings: &Settings, own: &ReleaseSettings) -> Rule {
    let seconds = |wanted: Option<u64>, otherwise| wanted.map_or(otherwise, Duration::from_secs);
    Rule {
        relays: own.relays.unwrap_or(settings.relays),
        keep: own.keep.unwrap_or(settings.keep),
        proven: own.proven.unwrap_or(base.proven),
        apart: seconds(own.apart, base.apart),
        fresh: seconds(own.fresh, base.fresh),
        sustain: seconds(own.sustain, base.sustain),
        missed: own.missed.unwrap_or(base.missed),
        patience: seconds(own.patience, base.patience),
        forget: seconds(own.forget, base.forget),
        reach: seconds(own.reach, base.reach),
        dwell: seconds(own.dwell, base.dwell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_its_own_rule_where_its_owner_says_so() {
        let base = Rule::default();
        let settings = Settings {
            relays: 7,
            keep: true,
            ..Settings::default()
        };
        let none = ReleaseSettings::default();
        let expected = Rule {
            relays: 7,
            keep: true,
            ..base
        };
        assert_eq!(rule_of(base, &settings, &none), expected);
        let own = ReleaseSettings {
            relays: Some(2),
            keep: Some(false),
            sustain: Some(60),
            patience: Some(0),
            proven: Some(2),
            missed: Some(9),
            apart: Some(1),
            fresh: Some(2),
            forget: Some(3),
            reach: Some(4),
            dwell: Some(5),
            ..none
        };
        let seconds = Duration::from_secs;
        let expected = Rule {
            relays: 2,
            keep: false,
            sustain: seconds(60),
            patience: seconds(0),
            proven: 2,
            missed: 9,
            apart: seconds(1),
            fresh: seconds(2),
            forget: seconds(3),
            reach: seconds(4),
            dwell: seconds(5),
        };
        assert_eq!(rule_of(base, &settings, &own), expected);
    }
}
