//! Looks at the board now and then, off the async threads.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::{Health, Vitals, Watch};

/// How often the board is looked at. The firmware's driver asks every two seconds, and forgets a dip with the next question:
/// what is asked as often misses few.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The board's health as it changes.
#[derive(Debug, Clone)]
pub struct Monitor {
    health: watch::Receiver<Health>,
}

impl Monitor {
    /// Looks at what is below `sys` (`/sys`) every [`LOOK_EVERY`], until the last clone is dropped. A reading that hangs is
    /// waited for on a thread of its own, and holds up nothing but the next one.
    pub fn start(sys: PathBuf) -> Self {
        Self::every(LOOK_EVERY, sys)
    }

    fn every(pause: Duration, sys: PathBuf) -> Self {
        let (tell, health) = watch::channel(Health::default());
        tokio::spawn(async move {
            let mut ticks = interval(pause);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut decider = Watch::default();
            loop {
                tokio::select! {
                    () = tell.closed() => return,
                    _ = ticks.tick() => {}
                }
                let sys = sys.clone();
                let reading = tokio::task::spawn_blocking(move || Vitals::read(&sys));
                // It fails only when the program ends.
                let Ok(vitals) = reading.await else { return };
                let now = decider.look(&vitals, Instant::now());
                let told = tell.send_if_modified(|health| {
                    let turned = health.is_strained() != now.is_strained();
                    let changed = *health != now;
                    *health = now;
                    if turned {
                        said(health);
                    }
                    changed
                });
                tracing::trace!(told, "looked at the board");
            }
        });
        Self { health }
    }

    /// How the board is.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }
}

/// Says once that it turned.
fn said(health: &Health) {
    if health.is_strained() {
        let why: Vec<String> = health.strains.iter().map(ToString::to_string).collect();
        tracing::warn!(
            why = why.join("; "),
            "the board is strained: less is read until it is well"
        );
    } else {
        tracing::info!("the board is well again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_kernel_reports_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let alarm = dir.path().join("class/hwmon/hwmon0/in0_lcrit_alarm");
        std::fs::create_dir_all(alarm.parent().unwrap()).unwrap();
        std::fs::write(alarm.with_file_name("name"), "rpi_volt\n").unwrap();
        std::fs::write(&alarm, "0\n").unwrap();
        let mut monitor = Monitor::every(Duration::from_millis(10), dir.path().to_owned());
        assert!(!monitor.health().is_strained());
        std::fs::write(&alarm, "1\n").unwrap();
        let bound = Duration::from_secs(30);
        let changed = tokio::time::timeout(bound, monitor.health.changed()).await;
        changed.expect("it is seen").unwrap();
        assert!(monitor.health().is_strained());
    }
}
