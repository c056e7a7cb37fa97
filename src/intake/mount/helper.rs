//! The helper itself: takes requests, sees who asks, and has each done in a thread of its own.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::User;
use parking_lot::Mutex;

use super::approvals::Approvals;
use super::drive::{self, Drive};
use super::point::Points;
use super::request::{Answer, MountId, Mounted, Reason, Refusal, Request, ShareRequest};
use super::seals::Seals;
use super::{format, share};
use crate::base::error::io_kind;
use crate::base::helper::{self, Helps, Places, TurnedAway};
use crate::base::{ErrorKind, Kind};
use crate::intake::drives::{DeviceNumber, Roots};

/// Requests that are worked on at once. A server that is away holds its request for minutes.
const MAX_WORKERS: usize = 16;

/// How many of them may be for shares, so that dead servers leave room for drives.
const MAX_SHARES: usize = 8;

/// Whose requests are carried out, beside root's, and who is to read what is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaemonUser {
    /// His number.
    pub uid: u32,
    /// His group's.
    pub gid: u32,
}

impl DaemonUser {
    /// Whether he may read a file, or look into a folder and open what is in it.
    pub fn may_read(self, about: &Metadata) -> bool {
        let shift = match () {
            () if about.uid() == self.uid => 6,
            () if about.gid() == self.gid => 3,
            () => 0,
        };
        let wanted = if about.is_dir() { 0o5 } else { 0o4 };
        (about.mode() >> shift) & wanted == wanted || self.uid == 0
    }
}

/// How the helper works.
#[derive(Debug, Clone)]
pub struct HelperConfig {
    /// The name of the daemon's user.
    pub user: String,
    /// The folder below which all is mounted. Root's alone, and the folder it is in as well.
    pub mounts: PathBuf,
    /// The file of approved drives. The one of drives that were formatted for uploads is beside it.
    pub approvals: PathBuf,
    /// Where the kernel and udev tell of drives.
    pub roots: Roots,
    /// How long nobody asks before the helper ends.
    pub idle: Duration,
    /// Whether this is the helper that writes, rather than the everyday one.
    pub writes: bool,
}

/// Why the helper does not run.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// There is no such user.
    #[error("there is no user {0:?} here")]
    User(String),
    /// The folder for what is mounted.
    #[error("the folder {} cannot be used: {error}", path.display())]
    Mounts {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// The socket.
    #[error("the socket cannot be used: {0}")]
    Socket(io::Error),
}

impl Kind for HelperError {
    fn kind(&self) -> ErrorKind {
        match self {
            HelperError::User(_) => ErrorKind::NotFound,
            HelperError::Mounts { error, .. } | HelperError::Socket(error) => io_kind(error),
        }
    }
}

/// The mount helper.
#[derive(Debug)]
pub struct Helper {
    /// Who asks, and reads.
    pub user: DaemonUser,
    pub(super) roots: Roots,
    pub(super) points: Points,
    pub(super) approvals: Approvals,
    pub(super) seals: Seals,
    /// What is being mounted or unmounted right now.
    busy: Mutex<HashSet<MountId>>,
    shares: Places,
    idle: Duration,
    writes: bool,
}

impl Helper {
    /// Gets ready, and unmounts what is left of drives that were pulled while nobody looked.
    ///
    /// # Errors
    /// See [`HelperError`].
    pub fn new(config: HelperConfig) -> Result<Arc<Self>, HelperError> {
        let found = User::from_name(&config.user).ok().flatten();
        let user = found.ok_or(HelperError::User(config.user))?;
        let points = Points::open(&config.mounts, config.roots.clone()).map_err(|error| {
            HelperError::Mounts {
                path: config.mounts,
                error,
            }
        })?;
        let helper = Arc::new(Self {
            user: DaemonUser {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
            },
            roots: config.roots,
            points,
            seals: Seals::at(config.approvals.with_file_name("uploads")),
            approvals: Approvals::at(config.approvals),
            busy: Mutex::default(),
            shares: Places::new(MAX_SHARES),
            idle: config.idle,
            writes: config.writes,
        });
        helper.sweep();
        Ok(helper)
    }

    /// Serves until nobody has asked for a while.
    ///
    /// # Errors
    /// When the socket breaks down.
    pub fn serve(self: &Arc<Self>, listener: &UnixListener) -> Result<(), HelperError> {
        helper::serve(self, listener, MAX_WORKERS, self.idle).map_err(HelperError::Socket)
    }

    /// Does what is asked.
    pub fn answer(&self, request: Request) -> Answer {
        let done = match request {
            Request::MountDrive { device } => self.mount_drive(device).map(Answer::Mounted),
            Request::Format(wanted) if self.writes => self
                .alone(&wanted.key, || format::format(self, &wanted))
                .map(Answer::Formatted),
            Request::Format(_) => {
                let why = "is not formatted by a helper that may not write";
                Err(Refusal::new(Reason::NotAllowed, why))
            }
            _ if self.writes => {
                let why = "is asked of the helper that writes, which does nothing else";
                Err(Refusal::new(Reason::NotAllowed, why))
            }
            Request::MountShare(share) => self.mount_share(&share).map(Answer::Mounted),
            Request::Unmount { id } => self
                .alone(&id, || match share::is_share(&id) {
                    true => share::unmount(self, &id),
                    false => drive::unmount(self, &id),
                })
                .map(|()| Answer::Done),
            Request::Approve { key } => self.approve(&key, true),
            Request::Withdraw { key } => self.approve(&key, false),
        };
        done.unwrap_or_else(|refusal| {
            tracing::info!(reason = ?refusal.reason, why = refusal.why, "refused");
            Answer::Refused(refusal)
        })
    }

    fn mount_drive(&self, device: DeviceNumber) -> Result<Mounted, Refusal> {
        let drive = Drive::find(self, device)?;
        self.alone(&drive.key, || match self.writes {
            true => drive.mount_for_uploads(self),
            false => drive.mount(self),
        })
    }

    fn mount_share(&self, share: &ShareRequest) -> Result<Mounted, Refusal> {
        if !share::is_share(&share.id) {
            let why = "is asked for under a name that is not a share's";
            return Err(Refusal::new(Reason::Malformed, why));
        }
        let _room = self.shares.take().ok_or_else(too_many)?;
        self.alone(&share.id, || share::mount(self, share))
    }

    fn approve(&self, key: &MountId, approved: bool) -> Result<Answer, Refusal> {
        let written = self.approvals.set(key, approved);
        written.map_err(|error| {
            super::point::internal(format!(
                "cannot be approved: the list of approved drives: {error}"
            ))
        })?;
        tracing::info!(%key, approved, "the owner decided on a drive that is built in");
        Ok(Answer::Done)
    }

    /// Does something about a mounted place while nobody else does.
    fn alone<T>(
        &self,
        id: &MountId,
        work: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if !self.busy.lock().insert(id.clone()) {
            return Err(Refusal::new(Reason::Busy, "is being worked on"));
        }
        let _done = Alone { helper: self, id };
        work()
    }

    /// Unmounts what is left of drives that are gone.
    fn sweep(&self) {
        let Ok(table) = self.points.table() else {
            return;
        };
        for entry in self.points.ours(&table) {
            let id = entry.point.file_name().and_then(|name| name.to_str());
            let Some(id) = id.and_then(|id| id.parse::<MountId>().ok()) else {
                continue;
            };
            // A share has no device that could be gone.
            if !share::is_share(&id) && !drive::is_there(self, entry) {
                match self.points.unmount(&id, true) {
                    Ok(()) => {
                        tracing::info!(%id, "unmounted what is left of a drive that was pulled")
                    }
                    Err(error) => {
                        tracing::warn!(%id, %error, "cannot unmount what is left of a drive")
                    }
                }
            }
        }
    }
}

fn too_many() -> Refusal {
    Refusal::new(
        Reason::TooMany,
        "has to wait: too much is being mounted at once",
    )
}

impl Helps for Helper {
    type Request = Request;
    type Answer = Answer;

    fn uid(&self) -> u32 {
        self.user.uid
    }

    fn answer_to(&self, request: Request, _stream: &UnixStream) -> Answer {
        self.answer(request)
    }

    fn turn_away(&self, why: TurnedAway) -> Answer {
        Answer::Refused(match why {
            TurnedAway::Stranger => {
                let why = "may be asked for by the box alone";
                Refusal::new(Reason::NotAllowed, why)
            }
            TurnedAway::TooMany => too_many(),
            TurnedAway::Malformed(why) => Refusal::new(Reason::Malformed, why),
        })
    }
}

/// Something is done about a mounted place; over when dropped, also by a panic.
struct Alone<'a> {
    helper: &'a Helper,
    id: &'a MountId,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.helper.busy.lock().remove(self.id);
    }
}
