//! Watching for drives: looks whenever something changed, says what is news, and has drives mounted.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::Roots;
use super::desktop::{self, Mounts};
use super::netlink::Monitor;
use super::survey::{Device, Found, survey};
use super::table::{Failure, Job, Outcome, Step, Table};
use crate::intake::mount::{Client, ClientError, FormatRequest, MountId, Reason, Refusal, Request};
use crate::intake::place::Place;

/// How long the helper may take. A dying disk can take most of a minute to say what is wrong with it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long after a message more are waited for: a drive that is plugged in sends several.
const SETTLE: Duration = Duration::from_millis(20);

/// How long readers of a drive that is there, and not to be used any more, may take to let go of it; how often that is tried.
const LET_GO: Duration = Duration::from_secs(10);
const LET_GO_LOOK: Duration = Duration::from_millis(100);

/// How often drives are looked at though nothing was heard.
const LOOK: Duration = Duration::from_secs(30);

/// How often when nothing can be heard.
const LOOK_DEAF: Duration = Duration::from_secs(2);

/// Messages that may wait for the conductor.
const QUEUE: usize = 64;

/// What drives are looked for with.
#[derive(Debug, Clone, Default)]
pub struct DrivesConfig {
    /// The mount helper's socket. Without one, drives that others have mounted are used.
    pub helper: Option<PathBuf>,
    /// Where the kernel and udev tell of drives.
    pub roots: Roots,
}

/// The watch over drives; ends when dropped.
#[derive(Debug)]
pub struct Drives {
    keeper: Option<Keeper>,
    anew: mpsc::UnboundedSender<Anew>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What an owner may want of a drive beside its being read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper {
    client: Client,
    anew: mpsc::UnboundedSender<Anew>,
}

/// What is to be begun anew with.
#[derive(Debug)]
enum Anew {
    /// One drive, however it is.
    Drive(MountId),
    /// All that could not be mounted.
    Failed,
}

impl Keeper {
    /// Has a built-in drive used that the owner wants used, or not any more, by its key. The watch looks at it anew.
    ///
    /// # Errors
    /// When the helper refuses, or cannot be asked.
    pub async fn approve(&self, key: &MountId, approved: bool) -> Result<(), ClientError> {
        let wanted = key.clone();
        let order = match approved {
            true => Request::Approve { key: wanted },
            false => Request::Withdraw { key: wanted },
        };
        let done = self.client.order(&order).await;
        self.look_anew(key);
        done
    }

    /// Has a drive emptied and made one for uploads; returns what it is known by then. The watch finds it by itself; what is
    /// left as it was, it looks at anew.
    ///
    /// # Errors
    /// When the helper refuses, or cannot be asked.
    pub async fn format(&self, drive: FormatRequest) -> Result<MountId, ClientError> {
        let key = drive.key.clone();
        let done = self.client.format(drive).await;
        let untouched = |error: &ClientError| matches!(error, ClientError::Refused(refusal) if refusal.reason == Reason::HoldsFiles);
        if done.as_ref().is_err_and(|error| !untouched(error)) {
            self.look_anew(&key);
        }
        done
    }

    /// Has the watch forget what it knows of a key, so that it mounts it again if that may be, and says how it is.
    pub fn look_anew(&self, key: &MountId) {
        // At the end nobody watches any more.
        let _ = self.anew.send(Anew::Drive(key.clone()));
    }
}

impl Drives {
    /// Starts to watch. Each drive that is there, comes or goes is said on the receiver. What is mounted stays mounted at the
    /// end, for the next start. Must be called within a tokio runtime.
    pub fn start(config: DrivesConfig) -> (Self, mpsc::Receiver<Place>) {
        let (places, said) = mpsc::channel(QUEUE);
        let client = config.helper.map(|socket| Client::new(socket, PATIENCE));
        let (anew, wanted_anew) = mpsc::unbounded_channel();
        let keeper = client.clone().map(|client| Keeper {
            client,
            anew: anew.clone(),
        });
        let stop = CancellationToken::new();
        let watch = Watch {
            roots: config.roots,
            client: client.clone(),
            table: Table::default(),
            paths: HashMap::new(),
            jobs: JoinSet::new(),
            places,
            stop: stop.clone(),
        };
        let task = tokio::spawn(watch.run(wanted_anew));
        let drives = Self {
            keeper,
            anew,
            stop,
            task,
        };
        (drives, said)
    }

    /// What an owner may want of drives; none where there is no helper to do it.
    pub fn keeper(&self) -> Option<Keeper> {
        self.keeper.clone()
    }

    /// Looks again, and tries again what failed.
    pub fn look_again(&self) {
        // The watch may have ended.
        let _ = self.anew.send(Anew::Failed);
    }

    /// Ends the watch.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        // It ends by itself or broke down; either is the end.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Drives {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Watch {
    roots: Roots,
    client: Option<Client>,
    table: Table,
    /// Where others have mounted drives, without a helper.
    paths: HashMap<MountId, PathBuf>,
    jobs: JoinSet<(MountId, Option<Device>, Outcome)>,
    places: mpsc::Sender<Place>,
    stop: CancellationToken,
}

/// Nobody listens any more.
struct Deaf;

impl Watch {
    async fn run(mut self, mut anew: mpsc::UnboundedReceiver<Anew>) {
        if !self.roots.udev.join("data").is_dir() {
            info!("there is no udev here: drives that are plugged in are not seen");
        }
        let mut monitor = Monitor::open()
            .inspect_err(|error| warn!(%error, "the kernel's messages about drives cannot be heard; looking now and then"))
            .ok();
        let mounts = match self.client {
            Some(_) => None,
            None => Mounts::open(&self.roots).ok(),
        };
        let mut tick = interval(if monitor.is_some() { LOOK } else { LOOK_DEAF });
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look_at = None;
        loop {
            let due = self.table.due().into_iter().chain(look_at).min();
            let heard = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(done) = self.jobs.join_next() => {
                    let step = match done {
                        Ok((key, device, outcome)) => self.table.done(&key, device, outcome, Instant::now()),
                        Err(error) => {
                            warn!(%error, "the mount helper could not be asked");
                            continue;
                        }
                    };
                    match self.act(step).await {
                        Ok(()) => continue,
                        Err(Deaf) => break,
                    }
                }
                heard = heard(&mut monitor) => match heard {
                    Ok(()) => {
                        look_at.get_or_insert(Instant::now() + SETTLE);
                        continue;
                    }
                    Err(error) => Err(error),
                },
                () = mounts_changed(mounts.as_ref()) => Ok(()),
                Some(anew) = anew.recv() => {
                    let now = Instant::now();
                    let step = match anew {
                        Anew::Drive(key) => self.table.afresh(&key, now),
                        Anew::Failed => self.table.try_again(now),
                    };
                    if self.act(step).await.is_err() {
                        break;
                    }
                    Ok(())
                }
                () = until(due) => Ok(()),
                _ = tick.tick() => Ok(()),
            };
            if let Err(error) = heard {
                warn!(%error, "the kernel's messages about drives cannot be heard any more; looking now and then");
                monitor = None;
                tick = interval(LOOK_DEAF);
            }
            look_at = None;
            if self.look().await.is_err() {
                break;
            }
        }
    }

    /// Looks at what is there.
    async fn look(&mut self) -> Result<(), Deaf> {
        let (roots, holders) = (self.roots.clone(), self.table.holders());
        let desktop = self.client.is_none();
        let looked = tokio::task::spawn_blocking(move || {
            let found = survey(&roots, &holders, desktop)?;
            Ok::<_, io::Error>(match desktop {
                true => desktop::mounted(&roots, found),
                false => found.into_iter().map(|one| (one, PathBuf::new())).collect(),
            })
        });
        let found = match looked.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                debug!(%error, "drives cannot be looked at");
                return Ok(());
            }
            Err(error) => {
                warn!(%error, "a look at drives broke down");
                return Ok(());
            }
        };
        self.paths = found
            .iter()
            .map(|(one, path)| (one.key.clone(), path.clone()))
            .collect();
        let found: Vec<Found> = found.into_iter().map(|(one, _)| one).collect();
        let step = self.table.look(found, Instant::now());
        self.act(step).await
    }

    /// Says what is to be said and begins what is to be done.
    async fn act(&mut self, step: Step) -> Result<(), Deaf> {
        for place in step.places {
            debug!(?place, "a drive");
            tokio::select! {
                sent = self.places.send(place) => sent.map_err(|_| Deaf)?,
                // At the end nobody may be taking them.
                () = self.stop.cancelled() => return Err(Deaf),
            }
        }
        for job in step.jobs {
            let client = self.client.clone();
            let (Job::Mount { key, .. } | Job::Unmount { key }) = &job;
            let path = self.paths.get(key).cloned();
            self.jobs.spawn(async move {
                match client {
                    Some(client) => by_helper(&client, job).await,
                    None => by_others(job, path),
                }
            });
        }
        Ok(())
    }
}

/// Has the helper do it.
async fn by_helper(client: &Client, job: Job) -> (MountId, Option<Device>, Outcome) {
    match job {
        Job::Mount { key, device } => {
            let request = Request::MountDrive {
                device: device.number,
            };
            let outcome = match client.mount(&request).await {
                Ok(mounted) if mounted.id == key => Outcome::Mounted {
                    path: mounted.path,
                    note: mounted.note,
                    writable: mounted.writable,
                },
                // Another drive has taken its number meanwhile; the next look finds it.
                Ok(mounted) => {
                    let _ = client.order(&Request::Unmount { id: mounted.id }).await;
                    let refusal = Refusal::new(Reason::NotFound, "is not there any more");
                    Outcome::Failed(failure(&key, &refusal.into()))
                }
                Err(error) => Outcome::Failed(failure(&key, &error)),
            };
            (key, Some(device), outcome)
        }
        Job::Unmount { key } => {
            let request = Request::Unmount { id: key.clone() };
            let until = Instant::now() + LET_GO;
            loop {
                match client.order(&request).await {
                    Err(ClientError::Refused(refusal))
                        if refusal.reason == Reason::Busy && Instant::now() < until =>
                    {
                        sleep(LET_GO_LOOK).await;
                        continue;
                    }
                    Err(error) => warn!(%key, %error, "a drive stays mounted"),
                    Ok(()) => {}
                }
                break;
            }
            (key, None, Outcome::Unmounted)
        }
    }
}

/// Where others have mounted it already.
fn by_others(job: Job, path: Option<PathBuf>) -> (MountId, Option<Device>, Outcome) {
    match (job, path) {
        (Job::Mount { key, device }, Some(path)) => {
            // What others have mounted is never written to.
            let (note, writable) = (None, false);
            let outcome = Outcome::Mounted {
                path,
                note,
                writable,
            };
            (key, Some(device), outcome)
        }
        (Job::Mount { key, device }, None) => {
            let failure = Failure {
                reason: Some(Reason::NotFound),
                why: "is not mounted".to_owned(),
            };
            (key, Some(device), Outcome::Failed(failure))
        }
        (Job::Unmount { key }, _) => (key, None, Outcome::Unmounted),
    }
}

fn failure(key: &MountId, error: &ClientError) -> Failure {
    match error {
        ClientError::Refused(refusal) => {
            info!(%key, %error, "a drive is not mounted");
            Failure {
                reason: Some(refusal.reason),
                why: refusal.why.clone(),
            }
        }
        _ => {
            warn!(%key, %error, "a drive is not mounted");
            Failure {
                reason: None,
                why: format!("cannot be mounted: {error}"),
            }
        }
    }
}

/// Waits for news; without a monitor, for ever.
async fn heard(monitor: &mut Option<Monitor>) -> io::Result<()> {
    let Some(monitor) = monitor else {
        return pending().await;
    };
    monitor.changed().await
}

/// Waits until something is mounted or unmounted; for ever where that cannot be known.
async fn mounts_changed(mounts: Option<&Mounts>) {
    match mounts {
        Some(mounts) if mounts.changed().await.is_ok() => {}
        _ => pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}
