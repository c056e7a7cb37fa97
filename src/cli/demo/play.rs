//! The play: publish, download, retire; and come back when they all have left.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use super::appliance::Appliance;
use super::leecher::{Leecher, Progress};
use super::screen::Screen;
use super::{Args, DemoError, subfolder};
use crate::app::ReleaseView;
use crate::base::{InfoHash, Rate, Stage};

/// How often the screen is painted. The box's own figures change once a second.
const PAINT: Duration = Duration::from_millis(250);
/// How often a new leecher is asked whether it has a piece.
const FIRST_PIECE: Duration = Duration::from_millis(20);
/// How long after they left the box's last bytes are in its figures.
const COUNTED: Duration = Duration::from_secs(2);
/// Decisions read from the log; a release makes a handful.
const DECISIONS: usize = 100;

/// The play, and how far it is.
pub(super) struct Play<'a> {
    args: &'a Args,
    folder: &'a Path,
    appliance: &'a Appliance,
    screen: &'a mut Screen,
    pub leechers: Vec<Leecher>,
    /// Decisions told so far.
    told: usize,
}

/// When things happened, counted from the moment the leechers began.
#[derive(Debug, Default)]
struct Milestones {
    /// When the others held every piece between them, and the share of the line that was used until then.
    first_copy: Option<(Duration, f64)>,
    /// When each of them held every piece.
    complete: Option<Duration>,
    /// When the box had retired the release.
    retired: Duration,
}

impl<'a> Play<'a> {
    pub fn new(
        args: &'a Args,
        folder: &'a Path,
        appliance: &'a Appliance,
        screen: &'a mut Screen,
    ) -> Self {
        Self {
            args,
            folder,
            appliance,
            screen,
            leechers: Vec::new(),
            told: 0,
        }
    }

    /// Plays it to the end; answers with the last lines.
    pub async fn run(&mut self) -> Result<Vec<String>, DemoError> {
        let info_hash = self.published().await?;
        let torrent = self.fetch(info_hash).await?;
        let began = Instant::now();
        self.screen.tell(&format!(
            "{} leechers fetch the torrent from the public page and ask its tracker for one another",
            self.args.leechers
        ));
        for number in 1..=self.args.leechers as usize {
            self.join(number, &torrent).await?;
            self.first_piece().await?;
        }
        let (milestones, retired) = self.spread(began).await?;
        let mut story = milestones.lines(&retired);
        self.leave().await;
        let began = Instant::now();
        self.join(self.args.leechers as usize + 1, &torrent).await?;
        self.screen
            .tell("they all have left, their copies with them, and somebody new comes");
        story.push(self.come_back(began, &retired).await?);
        Ok(story)
    }

    /// A leecher starts to download.
    async fn join(&mut self, number: usize, torrent: &[u8]) -> Result<(), DemoError> {
        let folder = subfolder(self.folder, &format!("leecher {number}"))?;
        // Somewhat faster than the box, so that the box's line is what everybody waits for.
        let (down, up) = (self.args.cap.0 * 2, self.args.cap.0 * 3 / 2);
        let leecher = Leecher::start(&folder, torrent.to_vec(), Rate(down), Rate(up)).await;
        let leecher = leecher.map_err(|error| DemoError::Leecher {
            number,
            why: format!("{error:#}"),
        })?;
        self.leechers.push(leecher);
        Ok(())
    }

    /// Everybody leaves.
    async fn leave(&mut self) {
        join_all(self.leechers.iter().map(|leecher| leecher.stop())).await;
        self.leechers.clear();
    }

    /// Waits until the last leecher has a piece. Two librqbits that have nothing when they meet never tell each other
    /// what they get (their HAVEs wait for the other's bitfield, which neither sends); people do not come in the same
    /// instant either.
    async fn first_piece(&mut self) -> Result<(), DemoError> {
        let mut paint = interval(FIRST_PIECE);
        loop {
            paint.tick().await;
            let progress = self.progress()?;
            if progress.last().is_none_or(|progress| progress.have > 0) {
                return Ok(());
            }
        }
    }

    /// In a few words, how far it is.
    pub fn state(&self) -> String {
        match self.release() {
            Some(release) => format!(
                "{}, {:.2} copies spent, {} of {} others carry it",
                release.stage, release.copies_spent, release.relays, self.args.leechers
            ),
            None => String::from("the box has found nothing to share"),
        }
    }

    /// Waits until the box has made a torrent of the sample.
    async fn published(&mut self) -> Result<InfoHash, DemoError> {
        let mut paint = painting();
        loop {
            paint.tick().await;
            let Some(release) = self.look().await? else {
                continue;
            };
            if let Some(info_hash) = release.info_hash {
                return Ok(info_hash);
            }
        }
    }

    /// Fetches the torrent as a visitor does.
    async fn fetch(&self, info_hash: InfoHash) -> Result<Vec<u8>, DemoError> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = self.appliance.torrent_url(info_hash);
        let answer = client.get(url).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }

    /// Looks on until the box retires the release.
    async fn spread(&mut self, began: Instant) -> Result<(Milestones, ReleaseView), DemoError> {
        let mut milestones = Milestones::default();
        let mut paint = painting();
        loop {
            paint.tick().await;
            let progress = self.progress()?;
            let Some(release) = self.look().await? else {
                continue;
            };
            self.screen.show(&release, &progress);
            let now = began.elapsed();
            if release.availability >= 1.0 && milestones.first_copy.is_none() {
                let used = release.wire_bytes as f64 / (self.args.cap.0 as f64 * now.as_secs_f64());
                milestones.first_copy = Some((now, used));
                self.screen
                    .tell("the others hold every piece between them: the first copy is out");
            }
            if progress.iter().all(|progress| progress.complete) && milestones.complete.is_none() {
                milestones.complete = Some(now);
                self.screen.tell("everybody has everything");
            }
            if release.stage == Stage::Retired {
                milestones.retired = now;
                return Ok((milestones, release));
            }
        }
    }

    /// Looks on until the one who came last has everything, and says what that took and cost.
    async fn come_back(
        &mut self,
        began: Instant,
        retired: &ReleaseView,
    ) -> Result<String, DemoError> {
        let (mut back, mut complete) = (None, None);
        let mut paint = painting();
        loop {
            paint.tick().await;
            let progress = self.progress()?;
            let Some(release) = self.look().await? else {
                continue;
            };
            self.screen.show(&release, &progress);
            if release.stage != Stage::Retired {
                back.get_or_insert(began.elapsed());
            }
            if progress.iter().all(|progress| progress.complete) {
                complete.get_or_insert(began.elapsed());
            }
            if let (Some(back), Some(complete)) = (back, complete)
                && began.elapsed() >= complete + COUNTED
            {
                let (back, complete) = (back.as_secs_f64(), complete.as_secs_f64());
                let cost = release.copies_spent - retired.copies_spent;
                return Ok(format!(
                    "back {back:.1} s after somebody new came, who had everything {complete:.1} s after coming: {cost:.2} \
                     copies more"
                ));
            }
        }
    }

    fn progress(&self) -> Result<Vec<Progress>, DemoError> {
        let numbered = self.leechers.iter().zip(1..);
        let progress = numbered.map(|(leecher, number)| {
            let progress = leecher.progress();
            progress.map_err(|why| DemoError::Leecher { number, why })
        });
        progress.collect()
    }

    fn release(&self) -> Option<ReleaseView> {
        self.appliance.handle.overview().releases.first().cloned()
    }

    /// The release as it is now, what was decided about it told.
    async fn look(&mut self) -> Result<Option<ReleaseView>, DemoError> {
        let Some(release) = self.release() else {
            return Ok(None);
        };
        let id = release.id;
        let read = self
            .appliance
            .store
            .run(move |store| store.decisions(id, DECISIONS));
        let decisions = read.await?;
        for decision in decisions.iter().rev().skip(self.told) {
            self.screen
                .tell(&format!("{}: {}", decision.stage, decision.reason));
        }
        self.told = decisions.len();
        match release.stage {
            Stage::Failed => Err(DemoError::Failed(release.reason)),
            _ => Ok(Some(release)),
        }
    }
}

impl Milestones {
    fn lines(&self, release: &ReleaseView) -> Vec<String> {
        let mut story = Vec::new();
        if let Some((at, used)) = self.first_copy {
            let (at, used) = (at.as_secs_f64(), used * 100.0);
            story.push(format!(
                "first copy out after {at:.1} s, with {used:.0} % of the line in use"
            ));
        }
        if let Some(at) = self.complete {
            story.push(format!(
                "everybody complete after {:.1} s",
                at.as_secs_f64()
            ));
        }
        let retired = self.retired.as_secs_f64();
        story.push(format!("retired after {retired:.1} s"));
        vec![
            story.join("; "),
            format!(
                "copies spent {:.2}, retired: {} others carry it",
                release.copies_spent, release.relays
            ),
        ]
    }
}

fn painting() -> tokio::time::Interval {
    let mut paint = interval(PAINT);
    paint.set_missed_tick_behavior(MissedTickBehavior::Delay);
    paint
}
