//! Tells systemd that the box serves, and that it lives (sd_notify(3), sd_watchdog_enabled(3)).
//!
//! The beat is the conductor's: it is given after each step, by the task that makes them. A box whose conductor hangs
//! falls silent, and systemd starts it again (`WatchdogSec=`).

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Beats in the time after which systemd loses patience. Two are recommended; a slow step may cost one.
const BEATS: u32 = 4;

/// What is told to whoever started us; nothing where nobody listens.
#[derive(Debug, Default)]
pub struct Pulse {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// The time between two beats; none when nobody counts them.
    every: Option<Duration>,
    beaten: Option<Instant>,
    ready: bool,
    /// Whoever of us waits to hear that the box serves.
    waiting: Option<oneshot::Sender<()>>,
}

impl Pulse {
    /// To the service manager that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`), if any.
    pub fn from_environment() -> Self {
        let variable = |name: &str| env::var(name).ok();
        Self::of(variable, std::process::id()).unwrap_or_else(|error| {
            tracing::warn!(%error, "systemd cannot be told how the box is");
            Self::default()
        })
    }

    fn of(variable: impl Fn(&str) -> Option<String>, pid: u32) -> io::Result<Self> {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not hold up the conductor.
        socket.set_nonblocking(true)?;
        // Meant for another process when it names one.
        let ours = variable("WATCHDOG_PID").is_none_or(|named| named == pid.to_string());
        let patience = variable("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        let patience = patience.filter(|micros| ours && *micros > 0);
        Ok(Self {
            to: Some((socket, address)),
            every: patience.map(|micros| Duration::from_micros(micros) / BEATS),
            ..Self::default()
        })
    }

    /// Whoever holds the other end is told too, once, that the box serves.
    pub fn telling(self, waiting: oneshot::Sender<()>) -> Self {
        Self {
            waiting: Some(waiting),
            ..self
        }
    }

    /// A step was made at `now`; `served` says whether it did all that it was to do. The first that did tells that the
    /// box serves; each tells that it lives, but no more often than it is asked to.
    pub fn beat(&mut self, now: Instant, served: bool) {
        if served && !self.ready {
            self.ready = true;
            self.tell("READY=1\nSTATUS=Serving");
            if let Some(waiting) = self.waiting.take() {
                // Who does not wait any more is not told.
                let _ = waiting.send(());
            }
        }
        let Some(every) = self.every else { return };
        if self
            .beaten
            .is_none_or(|last| now.duration_since(last) >= every)
        {
            self.beaten = Some(now);
            self.tell("WATCHDOG=1");
        }
    }

    /// The box ends, because it was told to.
    pub fn ending(&self) {
        self.tell("STOPPING=1\nSTATUS=Ending");
    }

    fn tell(&self, what: &str) {
        let Some((socket, address)) = &self.to else {
            return;
        };
        if let Err(error) = socket.send_to_addr(what.as_bytes(), address) {
            tracing::debug!(%error, what, "systemd does not listen");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who listens, and what the environment says of it.
    struct Manager {
        socket: UnixDatagram,
        _folder: tempfile::TempDir,
        name: String,
    }

    impl Manager {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_nonblocking(true).unwrap();
            let name = path.to_str().unwrap().to_owned();
            Self {
                socket,
                _folder: folder,
                name,
            }
        }

        fn pulse(&self, others: &[(&str, &str)]) -> Pulse {
            let variable = |name: &str| match name {
                "NOTIFY_SOCKET" => Some(self.name.clone()),
                _ => {
                    let found = others.iter().find(|(key, _)| *key == name);
                    found.map(|(_, value)| (*value).to_owned())
                }
            };
            Pulse::of(variable, 42).unwrap()
        }

        fn heard(&self) -> Vec<String> {
            let mut heard = Vec::new();
            let mut buffer = [0; 256];
            while let Ok(length) = self.socket.recv(&mut buffer) {
                heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
            heard
        }
    }

    #[test]
    fn it_is_ready_once_a_step_served_and_then_beats_as_often_as_asked() {
        let manager = Manager::new();
        let (waiting, mut told) = oneshot::channel();
        let pulse = manager.pulse(&[("WATCHDOG_USEC", "8000000"), ("WATCHDOG_PID", "42")]);
        let mut pulse = pulse.telling(waiting);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // The database refuses: alive, and not serving.
        pulse.beat(at(0), false);
        assert_eq!(manager.heard(), ["WATCHDOG=1"]);
        assert!(told.try_recv().is_err());
        pulse.beat(at(1), true);
        assert_eq!(manager.heard(), ["READY=1\nSTATUS=Serving"]);
        assert!(told.try_recv().is_ok());
        pulse.beat(at(2), true);
        assert_eq!(manager.heard(), ["WATCHDOG=1"]);
        pulse.beat(at(3), false);
        assert!(manager.heard().is_empty());
        pulse.beat(at(30), true);
        assert_eq!(manager.heard(), ["WATCHDOG=1"], "it is ready only once");
        pulse.ending();
        assert_eq!(manager.heard(), ["STOPPING=1\nSTATUS=Ending"]);
    }

    #[test]
    fn nobody_counts_beats_that_are_meant_for_another_process_or_not_at_all() {
        let manager = Manager::new();
        for others in [
            &[("WATCHDOG_USEC", "8000000"), ("WATCHDOG_PID", "7")][..],
            &[("WATCHDOG_USEC", "0")],
            &[("WATCHDOG_USEC", "-1")],
            &[("WATCHDOG_USEC", "soon")],
            &[],
        ] {
            let mut pulse = manager.pulse(others);
            pulse.beat(Instant::now(), true);
            assert_eq!(manager.heard(), ["READY=1\nSTATUS=Serving"], "{others:?}");
        }
    }

    #[test]
    fn nobody_who_listens_is_no_hindrance() {
        let mut silent = Pulse::of(|_| None, 42).unwrap();
        silent.beat(Instant::now(), true);
        let manager = Manager::new();
        let mut pulse = manager.pulse(&[]);
        drop(manager);
        pulse.beat(Instant::now(), true);
        let too_long = "x".repeat(200);
        let variable = |name: &str| (name == "NOTIFY_SOCKET").then(|| too_long.clone());
        assert!(Pulse::of(variable, 42).is_err());
    }

    #[test]
    fn an_address_without_a_file_is_understood() {
        let name = format!("semoir-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let variable = |asked: &str| (asked == "NOTIFY_SOCKET").then(|| format!("@{name}"));
        Pulse::of(variable, 42).unwrap().ending();
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(b"STOPPING=1"));
    }
}
