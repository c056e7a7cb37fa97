//! The task that carries out what the plan says.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::answer::{AnnounceError, Answer, Scraped};
use super::plan::Job;
use super::scrape::Scrape;
use super::{SHUTDOWN_TIME, Shared};
use crate::base::Timestamp;
use crate::seed::found::{Found, Witness};

/// Stands for the outcome of a request that panicked: a fault of ours, which an answer must have brought out.
const PANICKED: AnnounceError = AnnounceError::Malformed("it could not be handled");

type Outcome = (Job, Result<Answer, AnnounceError>);
type Counts = Result<Vec<Option<Scraped>>, AnnounceError>;

/// Runs until `stop`, or until the plan was closed and nothing is left to say.
pub(super) async fn drive(
    shared: Arc<Shared>,
    found: mpsc::Sender<Found>,
    stop: CancellationToken,
) {
    // Also when this task is dropped half-way: nobody waits for ever.
    let _ended = shared.ended.clone().drop_guard();
    let mut under_way: JoinSet<Outcome> = JoinSet::new();
    let mut scraping: JoinSet<(Scrape, Counts)> = JoinSet::new();
    let mut deadline: Option<Instant> = None;
    loop {
        let now = Instant::now();
        let (jobs, scrape, mut wake) = {
            let mut plan = shared.plan.lock();
            let jobs = plan.poll(now);
            // One at a time: nobody waits for them.
            let free = scraping.is_empty();
            let scrape = free.then(|| plan.next_scrape(now)).flatten();
            if plan.is_closing() {
                let deadline = *deadline.get_or_insert(now + SHUTDOWN_TIME);
                if plan.is_idle() || now >= deadline {
                    return;
                }
            }
            let scrape_due = plan.scrape_due().filter(|_| free && scrape.is_none());
            let wake = plan.next_wake().into_iter().chain(scrape_due).min();
            (jobs, scrape, wake)
        };
        if let Some(scrape) = scrape {
            let shared = shared.clone();
            scraping.spawn(async move {
                let asked = shared.client.scrape(&scrape.target, &scrape.hashes);
                let counts = AssertUnwindSafe(asked).catch_unwind().await;
                (scrape, counts.unwrap_or(Err(PANICKED)))
            });
        }
        for job in jobs {
            let shared = shared.clone();
            under_way.spawn(async move {
                let asked = shared.client.announce(&job.target, &job.request);
                // Whatever happens, the plan hears of it: a job it waits for in vain would hold a place for ever.
                let outcome = AssertUnwindSafe(asked).catch_unwind().await;
                (job, outcome.unwrap_or(Err(PANICKED)))
            });
        }
        wake = wake.into_iter().chain(deadline).min();
        let sleep = async {
            match wake {
                Some(wake) => sleep_until(wake.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = shared.changed.notified() => {}
            () = sleep => {}
            Some(Ok((job, outcome))) = under_way.join_next() => {
                take(&shared, &found, &job, outcome);
            }
            Some(Ok((scrape, counts))) = scraping.join_next() => {
                debug!(host = scrape.target.host, torrents = scrape.hashes.len(),
                    error = counts.as_ref().err().map(tracing::field::display), "scraped");
                shared.plan.lock().scraped(Instant::now(), &scrape, counts);
            }
        }
    }
}

fn take(
    shared: &Shared,
    found: &mpsc::Sender<Found>,
    job: &Job,
    outcome: Result<Answer, AnnounceError>,
) {
    let info_hash = job.request.info_hash;
    match &outcome {
        Ok(answer) => debug!(%info_hash, host = job.target.host, event = ?job.request.event,
            peers = answer.peers.len(), "announced"),
        Err(error) => debug!(%info_hash, host = job.target.host, event = ?job.request.event,
            %error, "not announced"),
    }
    let (now, wall) = (Instant::now(), Timestamp::now());
    let addrs = shared.plan.lock().answered(now, wall, job, outcome);
    if !addrs.is_empty() {
        let found_now = Found {
            info_hash,
            addrs,
            source: Witness::Tracker,
            full: false,
        };
        if found.try_send(found_now).is_err() {
            debug!(%info_hash, "nobody takes peers: dropped");
        }
    }
}
