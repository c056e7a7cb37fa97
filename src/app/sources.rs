//! The sources: which there are, whether they are here, and when each is looked at.
//!
//! Every look is a task of its own, one a source at a time: a share that hangs or a dying drive holds up its own
//! releases and nobody else's. What is seeded or hashed of a source waits for its first look.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::App;
use super::catalogue::look::{Found, Look, Seen};
use super::overview::LeftOutView;
use crate::base::{ReleaseId, SourceId, Stage, Timestamp};
use crate::device;
use crate::store::{NewSource, Source, SourceKind, Store, StoreError};

/// How often a source is looked at for changes that nobody told us of.
const RESCAN: Duration = Duration::from_secs(30);
/// How often while something in it is still being copied.
const UNSETTLED: Duration = Duration::from_secs(2);
/// A look that takes longer is stuck: a source of a hundred thousand files takes five seconds when its drive is quick.
/// It is not given up, but nobody waits for it any more.
const STUCK: Duration = Duration::from_secs(30);
/// How long after a start a drive may take to be found before its releases are said to be away: a hub with spinning
/// disks takes ten seconds.
const AWAITED: Duration = Duration::from_secs(20);
/// A drive that is pulled out fails reads a moment before we are told that it is gone. What cannot be read has failed
/// when its source is still here this much later.
const DOUBT: Duration = Duration::from_secs(3);
/// As [`DOUBT`], of a share: its server has ten seconds to answer whether it is there, and a look may find in memory what
/// nobody can read.
const DOUBT_OF_SHARE: Duration = Duration::from_secs(15);
/// Looks under way at once, those that hang included; each holds a thread.
const LOOKS: usize = 64;
/// The bit that sets a drive's own number apart from those of file systems.
const PLUGGED: u64 = 1 << 63;

/// Why a release is away whose source is not used any more.
pub(super) const NO_SOURCE: &str = "its folder is not among the box's sources";

/// What a look came to: of which source, which look, what it found or why it could not.
pub(super) type LookedAt = (SourceId, u64, Result<Found, String>);

/// Looks under way.
#[derive(Debug, Default)]
pub(super) struct Looks {
    tasks: JoinSet<LookedAt>,
    /// Looks begun since the start.
    begun: u64,
}

impl Looks {
    /// The next one that is done; none while there are none.
    pub async fn next(&mut self) -> Option<LookedAt> {
        // A look that panicked has said so in the log; its source is stuck, and said to be.
        self.tasks.join_next().await?.ok()
    }
}

/// A source, and where we stand with it.
#[derive(Debug)]
pub(super) struct At {
    pub source: Source,
    pub presence: Presence,
    /// What its owner should know although it is here.
    pub note: Option<String>,
    /// What of it could not be listed when it was looked at last.
    pub left_out: Option<LeftOutView>,
    /// The releases whose files were found as the database has them.
    pub seen: Seen,
    under_way: Option<UnderWay>,
    /// When it is looked at next.
    pub next: Instant,
    /// Where a drive or a share was mounted last.
    pub mounted: Option<PathBuf>,
    /// Whether a drive is plugged in, as was said last; one that cannot be used is as well.
    pub plugged: bool,
    /// Which of its times here this is.
    pub time: u32,
    doubts: HashMap<ReleaseId, Doubt>,
}

/// Whether a source is here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It was known before the start; nobody has seen it yet.
    Awaited { until: Instant },
    /// It is there, and was not looked at yet.
    Unseen,
    /// As of the last look.
    Here { device: u64 },
    /// It cannot be looked at, and is tried again when `can_look`.
    Away { why: String, can_look: bool },
}

/// A look that has not ended.
#[derive(Debug)]
struct UnderWay {
    number: u64,
    since: Instant,
    /// Whether there is to be another at once.
    again: bool,
}

/// A release that could not be read, and why.
#[derive(Debug)]
struct Doubt {
    why: String,
    since: Instant,
}

impl At {
    pub fn new(source: Source, presence: Presence) -> Self {
        Self {
            source,
            presence,
            note: None,
            left_out: None,
            seen: Seen::default(),
            under_way: None,
            next: Instant::now(),
            mounted: None,
            plugged: false,
            time: 0,
            doubts: HashMap::new(),
        }
    }

    /// Why it is not here, in plain words; none when it is, or may be.
    pub fn problem(&self) -> Option<&str> {
        match &self.presence {
            Presence::Away { why, .. } => Some(why),
            _ => None,
        }
    }

    /// Whether its owner may take it off the list: what was named at the start, and the box's own folder, stay.
    pub fn can_forget(&self) -> bool {
        match self.source.kind {
            SourceKind::Drive => self.is_gone(),
            SourceKind::Share => self.problem().is_some(),
            SourceKind::Folder | SourceKind::Uploads => false,
        }
    }

    /// Whether it is away, and not just such that it cannot be used, until whoever watches over it says otherwise.
    fn is_gone(&self) -> bool {
        let is_away = matches!(
            &self.presence,
            Presence::Away {
                can_look: false,
                ..
            }
        );
        is_away && !self.plugged
    }

    /// The number by which reads of it wait for one another; none while nothing of it may be read.
    pub fn device(&self) -> Option<u64> {
        match (&self.presence, self.source.kind) {
            (Presence::Here { device }, SourceKind::Folder | SourceKind::Uploads) => Some(*device),
            // A read that hangs on a drive that was pulled out must not hold up the drive when it is back.
            (Presence::Here { .. }, SourceKind::Drive | SourceKind::Share) => {
                let id = self.source.id.0 as u64;
                Some(PLUGGED | (id << 32) | u64::from(self.time))
            }
            _ => None,
        }
    }

    /// Whether one of its releases could not be read, and is looked into.
    pub fn is_doubted(&self, id: ReleaseId) -> bool {
        self.doubts.contains_key(&id)
    }

    /// Whether it can be looked at.
    fn can_be_looked_at(&self) -> bool {
        match self.presence {
            Presence::Awaited { .. } => false,
            Presence::Away { can_look, .. } => can_look,
            Presence::Unseen | Presence::Here { .. } => true,
        }
    }

    /// How long whoever watches over it may take to say that it is gone.
    fn patience(&self) -> Duration {
        match self.source.kind {
            SourceKind::Share => DOUBT_OF_SHARE,
            _ => DOUBT,
        }
    }

    /// It is to be looked at now.
    pub fn look_again(&mut self, now: Instant) {
        self.next = now;
        if let Some(under_way) = &mut self.under_way {
            under_way.again = true;
        }
    }
}

/// Why a drive or a share is away of which nothing is seen.
pub(super) fn gone(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Share => "it is not connected",
        _ => "it is not plugged in",
    }
}

/// A source that is shared without asking: its owner named the folder, or put the files there.
fn offered<'a>(kind: SourceKind, key: &'a OsStr, name: &'a str, path: &'a Path) -> NewSource<'a> {
    NewSource {
        kind,
        key,
        name,
        path,
        auto_share: true,
        facts: None,
    }
}

impl App {
    /// Writes down which sources there are, and which releases have none any more.
    pub(super) async fn take_up_sources(&mut self) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let uploads = self.uploads.root().to_owned();
        let folders = self.config.sources.clone();
        let (sources, known) = self
            .store
            .run(move |store| {
                let key = OsStr::new("uploads");
                let uploads = offered(SourceKind::Uploads, key, "Uploads", &uploads);
                let mut sources = vec![store.take_up_source(&uploads, now)?];
                for path in folders {
                    let path = std::fs::canonicalize(&path).unwrap_or(path);
                    let name = path.display().to_string();
                    let new = offered(SourceKind::Folder, path.as_os_str(), &name, &path);
                    sources.push(store.take_up_source(&new, now)?);
                }
                Ok((sources, store.sources()?))
            })
            .await?;
        for source in sources {
            let at = At::new(source, Presence::Unseen);
            self.sources.insert(at.source.id, at);
        }
        let until = Instant::now() + AWAITED;
        for source in known {
            let comes_back = matches!(source.kind, SourceKind::Drive | SourceKind::Share);
            if comes_back {
                let at = At::new(source, Presence::Awaited { until });
                self.sources.insert(at.source.id, at);
            }
        }
        let releases = self.store.run(Store::releases).await?;
        for release in releases {
            if !self.sources.contains_key(&release.source) {
                self.went_away(&release, NO_SOURCE).await?;
            }
        }
        Ok(())
    }

    /// A source is not here any more, or not to be used, and its releases with it.
    pub(super) async fn source_away(
        &mut self,
        id: SourceId,
        why: &str,
        can_look: bool,
    ) -> Result<(), StoreError> {
        let Some(at) = self.sources.get_mut(&id) else {
            return Ok(());
        };
        if at.problem() != Some(why) {
            tracing::warn!(source = %at.source.name, %why, "a source is not here");
        }
        let why = why.to_owned();
        at.presence = Presence::Away {
            why: why.clone(),
            can_look,
        };
        at.doubts.clear();
        if let Some(key) = at.source.uploads_key() {
            self.uploads.drive_away(&key);
        }
        if !can_look {
            // Whatever it finds was there before.
            at.under_way = None;
        }
        let source = at.source.clone();
        for release in self.releases_of(&source).await? {
            self.went_away(&release, &why).await?;
        }
        Ok(())
    }

    /// Begins the looks that are due, and gives up waiting for those that are stuck.
    pub(super) async fn look_at_sources(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        let mut lost = Vec::new();
        for at in self.sources.values_mut() {
            let is_stuck = |look: &UnderWay| now.duration_since(look.since) >= STUCK;
            match &at.presence {
                Presence::Awaited { until } if *until <= now => {
                    lost.push((at.source.id, gone(at.source.kind), false));
                }
                Presence::Unseen | Presence::Here { .. }
                    if at.under_way.as_ref().is_some_and(is_stuck) =>
                {
                    lost.push((at.source.id, "it does not answer", true));
                }
                _ => {}
            }
            let is_due = at.next <= now && at.under_way.is_none() && at.can_be_looked_at();
            if !is_due || self.looks.tasks.len() >= LOOKS {
                continue;
            }
            self.looks.begun += 1;
            let (id, number) = (at.source.id, self.looks.begun);
            at.under_way = Some(UnderWay {
                number,
                since: now,
                again: false,
            });
            let look = Look {
                store: self.store.clone(),
                source: at.source.clone(),
                quiet: self.config.quiet,
                seen: std::mem::take(&mut at.seen),
            };
            let look = tokio::task::spawn_blocking(move || look.look());
            self.looks.tasks.spawn(async move {
                let looked = look.await;
                let looked = looked.unwrap_or_else(|error| Err(error.to_string()));
                (id, number, looked)
            });
        }
        for (id, why, can_look) in lost {
            self.source_away(id, why, can_look).await?;
        }
        Ok(())
    }

    /// Takes in what a look found.
    pub(super) async fn looked_at(
        &mut self,
        (id, number, looked): LookedAt,
    ) -> Result<(), StoreError> {
        device::heap::give_back();
        let now = Instant::now();
        let Some(at) = self.sources.get_mut(&id) else {
            return Ok(());
        };
        // One that hung while its drive was pulled out tells of what was.
        let Some(look) = at.under_way.take_if(|look| look.number == number) else {
            return Ok(());
        };
        let mut found = match looked {
            Ok(found) => found,
            Err(why) => {
                at.next = if look.again { now } else { now + RESCAN };
                return self.source_away(id, &why, true).await;
            }
        };
        let device = found.device;
        let before = std::mem::replace(&mut at.presence, Presence::Here { device });
        if before != at.presence {
            // What waited for it is taken up.
            self.looked = None;
        }
        at.seen = std::mem::take(&mut found.seen);
        let source = at.source.clone();
        let settled = self.compare(&source, found).await?;
        self.settle_doubts(id, look.since).await?;
        if let Some(at) = self.sources.get_mut(&id) {
            let patience = at.patience();
            let doubts = at.doubts.values().map(|doubt| doubt.since + patience);
            let pause = if settled { RESCAN } else { UNSETTLED };
            let due = doubts.fold(now + pause, Instant::min);
            at.next = if look.again { now } else { due };
        }
        Ok(())
    }

    /// A release cannot be read: it is gone, or changed, as a look at its source says; or it is broken.
    pub(super) fn doubt(&mut self, id: ReleaseId, source: SourceId, why: String) {
        let now = Instant::now();
        let Some(at) = self.sources.get_mut(&source) else {
            return;
        };
        if at.doubts.contains_key(&id) {
            return;
        }
        at.doubts.insert(id, Doubt { why, since: now });
        if at.source.kind == SourceKind::Share {
            self.shares.doubt(source);
        }
        // What is plain to see is seen at once; the rest when whoever pulls drives out has told us.
        at.look_again(now);
    }

    /// Nothing is wrong with what could not be read: its files have another name, or are others; or nobody wants to read
    /// it any more. What stayed would fail it seconds later.
    pub(super) fn forget_doubt(&mut self, id: ReleaseId) {
        for at in self.sources.values_mut() {
            if at.doubts.remove(&id).is_some() {
                // It waited to be read until that was looked into.
                self.looked = None;
            }
        }
    }

    /// What could not be read although its source was looked at since, and was here, has failed.
    pub(super) async fn settle_doubts(
        &mut self,
        id: SourceId,
        looked: Instant,
    ) -> Result<(), StoreError> {
        let Some(at) = self.sources.get_mut(&id) else {
            return Ok(());
        };
        let patience = at.patience();
        let is_settled = |_: &ReleaseId, doubt: &mut Doubt| looked >= doubt.since + patience;
        let settled: Vec<_> = at.doubts.extract_if(is_settled).collect();
        for (release, doubt) in settled {
            let known = self.store.run(move |store| store.release(release)).await?;
            // What is away and still doubted is here, and could not be read by this look either.
            let is_read = !matches!(known.stage, Stage::Found | Stage::Paused);
            if known.removed.is_none() && is_read {
                self.stop_seeding(release).await;
                self.set_stage(release, Stage::Failed, &doubt.why).await?;
            }
        }
        Ok(())
    }
}
