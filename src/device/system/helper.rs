//! The helper itself: takes requests, sees who asks, and does what it may.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::User;
use parking_lot::Mutex;

use super::fault::Fault;
use super::program;
use super::rauc::{Rauc, Received};
use super::request::{Answer, Power, Request, Status};
use super::wifi::Wifi;
use super::{STARTED, request};
use crate::base::error::io_kind;
use crate::base::helper::{self, Helps, TurnedAway};
use crate::base::{ErrorKind, Kind, frame, whole};
use crate::device::running::Running;

/// Requests that are worked on at once: an installation, and the page that asks how far it is.
const MAX_WORKERS: usize = 4;

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
        }))
    }

    /// Serves until nobody has asked for a while.
    ///
    /// # Errors
    /// When the socket breaks down.
    pub fn serve(self: &Arc<Self>, listener: &UnixListener) -> Result<(), HelperError> {
        helper::serve(self, listener, MAX_WORKERS, self.config.idle).map_err(HelperError::Socket)
    }

    /// Does what is asked. What is said on the way goes to `stream`.
    fn obey(&self, request: Request, stream: &UnixStream) -> Result<Answer, Fault> {
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

impl Helps for Helper {
    type Request = Request;
    type Answer = Answer;

    fn uid(&self) -> u32 {
        self.uid
    }

    fn answer_to(&self, request: Request, stream: &UnixStream) -> Answer {
        self.obey(request, stream).unwrap_or_else(refused)
    }

    fn turn_away(&self, why: TurnedAway) -> Answer {
        match why {
            TurnedAway::Stranger => Answer::Refused(Fault::Stranger.into()),
            TurnedAway::TooMany => Answer::Refused(Fault::TooMany.into()),
            TurnedAway::Malformed(why) => refused(Fault::Malformed(why)),
        }
    }
}

fn refused(fault: Fault) -> Answer {
    tracing::warn!(%fault, "a request was refused");
    Answer::Refused(fault.into())
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
