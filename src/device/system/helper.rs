//! The helper itself: takes requests, sees who asks, and does what it may.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::User;
use parking_lot::Mutex;

use super::fault::Fault;
use super::program;
use super::rauc::{Rauc, Received};
use super::request::{Answer, Power, Refusal, Request, Status};
use super::wifi::Wifi;
use super::{STARTED, request};
use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind, frame, whole};
use crate::device::running::Running;

/// Requests that are worked on at once: an installation, and the page that asks how far it is.
const MAX_WORKERS: usize = 4;

/// How long whoever connects may take to say what he wants, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the helper looks whether it is idle.
const LOOK: Duration = Duration::from_millis(500);

/// How long systemd may take to take an order; it does not wait until that is carried out.
const ORDER: Duration = Duration::from_secs(20);

/// The unit that joins the network.
const WIFI: &str = "semoir-wifi.service";

/// How the helper works.
#[derive(Debug, Clone)]
pub struct HelperConfig {
    /// The name of the daemon's user, who is obeyed beside root.
    pub user: String,
    /// The daemon's data folder.
    pub data: PathBuf,
    /// Where what the owner wished for is kept.
    pub kept: PathBuf,
    /// A folder of the helper's own.
    pub run: PathBuf,
    /// wpa_supplicant's socket.
    pub supplicant: PathBuf,
    /// The program `rauc`.
    pub rauc: PathBuf,
    /// Its configuration.
    pub rauc_config: PathBuf,
    /// The program `systemctl`.
    pub systemctl: PathBuf,
    /// What runs.
    pub running: Running,
    /// How long nobody asks before the helper ends.
    pub idle: Duration,
}

/// Why the helper does not run.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// There is no such user.
    #[error("there is no user {0:?} here")]
    User(String),
    /// The socket.
    #[error("the socket cannot be used: {0}")]
    Socket(io::Error),
}

impl Kind for HelperError {
    fn kind(&self) -> ErrorKind {
        match self {
            HelperError::User(_) => ErrorKind::NotFound,
            HelperError::Socket(error) => io_kind(error),
        }
    }
}

/// The system helper.
#[derive(Debug)]
pub struct Helper {
    config: HelperConfig,
    uid: u32,
    rauc: Rauc,
    wifi: Wifi,
    /// Held while an update is looked at or installed.
    update: Mutex<()>,
    /// How far the installation is, while there is one.
    installing: Mutex<Option<u8>>,
    workers: AtomicUsize,
}

impl Helper {
    /// Gets ready.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn new(config: HelperConfig) -> Result<Arc<Self>, HelperError> {
        let found = User::from_name(&config.user).ok().flatten();
        let user = found.ok_or_else(|| HelperError::User(config.user.clone()))?;
        Ok(Arc::new(Self {
            uid: user.uid.as_raw(),
            rauc: Rauc {
                program: config.rauc.clone(),
                config: config.rauc_config.clone(),
            },
            wifi: Wifi {
                kept: config.kept.clone(),
                supplicant: config.supplicant.clone(),
                run: config.run.clone(),
            },
            config,
            update: Mutex::new(()),
            installing: Mutex::new(None),
            workers: AtomicUsize::new(0),
        }))
    }

    /// Serves until nobody has asked for a while.
    ///
    /// # Errors
    /// When the socket breaks down.
    pub fn serve(self: &Arc<Self>, listener: &UnixListener) -> Result<(), HelperError> {
        listener
            .set_nonblocking(true)
            .map_err(HelperError::Socket)?;
        let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::MAX);
        let mut asked = Instant::now();
        loop {
            let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(HelperError::Socket(error.into())),
            }
            match listener.accept() {
                Ok((stream, _)) => {
                    asked = Instant::now();
                    self.take(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The one who asked is gone already, or there is no descriptor left just now.
                Err(error) => tracing::warn!(%error, "a request could not be taken"),
            }
            if self.workers.load(Ordering::Acquire) > 0 {
                asked = Instant::now();
            } else if asked.elapsed() >= self.config.idle {
                return Ok(());
            }
        }
    }

    /// Has a request worked on in a thread of its own, if there is room.
    fn take(self: &Arc<Self>, stream: UnixStream) {
        let asker = getsockopt(&stream, sockopt::PeerCredentials).map(|peer| peer.uid());
        if !asker.is_ok_and(|uid| uid == 0 || uid == self.uid) {
            return refuse(&stream, Fault::Stranger);
        }
        let Some(place) = Place::take(self) else {
            return refuse(&stream, Fault::TooMany);
        };
        let work = move || {
            if let Err(error) = place.0.converse(&stream) {
                tracing::debug!(%error, "a request was not answered");
            }
            drop(place);
        };
        let thread = thread::Builder::new().name("request".to_owned());
        if let Err(error) = thread.spawn(work) {
            tracing::error!(%error, "no thread for a request");
        }
    }

    /// Reads the request, does it, and answers.
    fn converse(&self, stream: &UnixStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let done = match frame::read(stream) {
            Ok(request) => self.answer(request, stream),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Fault::Malformed(error.to_string()))
            }
            Err(error) => return Err(error),
        };
        let answer = done.unwrap_or_else(|fault| {
            tracing::warn!(%fault, "a request was refused");
            Answer::Refused(fault.into())
        });
        frame::write(stream, &answer)
    }

    /// Does what is asked. What is said on the way goes to `stream`.
    fn answer(&self, request: Request, stream: &UnixStream) -> Result<Answer, Fault> {
        match request {
            Request::Status => Ok(Answer::Status(Status {
                installing: *self.installing.lock(),
            })),
            Request::Inspect => {
                let _alone = self.update.try_lock().ok_or(Fault::Busy)?;
                let received = Received::open(&self.config.data, self.uid)?;
                self.rauc.inspect(&received).map(Answer::Bundle)
            }
            Request::Install => self.install(stream),
            Request::Power(power) => self.power(power),
            Request::JoinWifi(wanted) => {
                self.wifi.keep(&wanted)?;
                tracing::info!("another Wi-Fi is joined");
                self.systemctl(&["restart", WIFI])
            }
            Request::LeaveWifi => {
                self.wifi.forget()?;
                tracing::info!("the Wi-Fi is forgotten");
                self.systemctl(&["stop", WIFI])
            }
            Request::Wifi => Ok(Answer::Wifi(self.wifi.state())),
        }
    }

    fn install(&self, stream: &UnixStream) -> Result<Answer, Fault> {
        let _alone = self.update.try_lock().ok_or(Fault::Busy)?;
        let received = Received::open(&self.config.data, self.uid)?;
        let _over = Installing::begin(&self.installing);
        self.forget_starts().map_err(Fault::Program)?;
        tracing::info!("an update is being installed");
        let mut heard = true;
        self.rauc.install(&received, |percent| {
            *self.installing.lock() = Some(percent);
            // It is installed whether or not the box waits for it.
            heard = heard && frame::write(stream, &Answer::Progress(percent)).is_ok();
        })?;
        tracing::info!("the update is installed, and runs from the next start");
        Ok(Answer::Done)
    }

    /// Takes away what says that the other slot's system was started: there will be another in it.
    fn forget_starts(&self) -> io::Result<()> {
        for slot in ['A', 'B'] {
            if self.config.running.slot != Some(slot) {
                whole::remove(&self.config.kept.join(format!("{STARTED}{slot}")))?;
            }
        }
        Ok(())
    }

    fn power(&self, power: Power) -> Result<Answer, Fault> {
        let _alone = self.update.try_lock().ok_or(Fault::Busy)?;
        tracing::info!(?power, "the owner ends the machine");
        self.systemctl(&[match power {
            // What the firmware is told with it lies where systemd finds it (`tryboot set-primary`).
            request::Power::Restart => "reboot",
            request::Power::ShutDown => "poweroff",
        }])
    }

    /// Gives systemd an order, and does not wait until that is carried out.
    fn systemctl(&self, order: &[&str]) -> Result<Answer, Fault> {
        let mut command = Command::new(&self.config.systemctl);
        command
            .args(["--no-block", "--no-ask-password"])
            .args(order);
        let ran = program::run(&mut command, ORDER, |_| ()).map_err(Fault::Program)?;
        if ran.status.success() {
            return Ok(Answer::Done);
        }
        let last = ran.stderr.lines().last().unwrap_or("it does not say why");
        Err(Fault::Systemd(last.to_owned()))
    }
}

fn refuse(stream: &UnixStream, fault: Fault) {
    // Its buffer is empty, so that nobody waits here; and he may be gone.
    let _ = stream.set_nonblocking(true);
    let _ = frame::write(stream, &Answer::Refused(Refusal::from(fault)));
}

/// There is an installation; over when dropped, also by a panic.
struct Installing<'a>(&'a Mutex<Option<u8>>);

impl<'a> Installing<'a> {
    fn begin(far: &'a Mutex<Option<u8>>) -> Self {
        *far.lock() = Some(0);
        Self(far)
    }
}

impl Drop for Installing<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

/// One of a number of places, given back when dropped.
struct Place(Arc<Helper>);

impl Place {
    fn take(helper: &Arc<Helper>) -> Option<Self> {
        let more = |count: usize| (count < MAX_WORKERS).then_some(count + 1);
        let workers = &helper.workers;
        let counted = workers.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        counted.ok().map(|_| Self(helper.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.workers.fetch_sub(1, Ordering::AcqRel);
    }
}
