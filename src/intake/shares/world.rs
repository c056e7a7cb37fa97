//! What a share's task does in the world.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statfs::statfs;

use super::errand::Errand;
use super::fault::Fault;
use super::reach::reach;
use crate::base::ShareProtocol;
use crate::intake::mount::{
    self, Client, ClientError, MountId, Reason, Refusal, Request, ShareRequest,
};
use crate::store::{Facts, Share};

/// How long a share may take to answer when it is looked at. What is asked is in the server's memory; its disks need not
/// wake up for it. SMB is given less: while the kernel's client has no session, the look at it waits and the client tries to
/// log on every other second, with what may be an old password. Until it is stopped, that counts on the server.
const fn probe_limit(protocol: ShareProtocol) -> Duration {
    Duration::from_secs(match protocol {
        ShareProtocol::Smb => 4,
        ShareProtocol::Nfs => 10,
    })
}

/// How long the helper may take. The kernel's clients give up after 30 s of silence, and up to four versions are tried; when
/// the answer comes later the place is cleared before the next try.
const MOUNT_LIMIT: Duration = Duration::from_secs(100);

/// The world of one share. Each call ends within a limit of its own.
pub(super) trait World: Send + 'static {
    /// Where the share is mounted, when it is.
    fn path(&self) -> &Path;

    /// Finds the server and connects to it, at that address first if it has it.
    fn reach(
        &mut self,
        share: &Share,
        prefer: Option<SocketAddr>,
    ) -> impl Future<Output = Result<SocketAddr, Fault>> + Send;

    /// Mounts the share.
    fn mount(
        &mut self,
        share: &Share,
        at: SocketAddr,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Unmounts whatever is there, also while files in it are open. Nothing to unmount is no fault.
    fn unmount(&mut self, share: &Share) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Looks whether it can be read, and what it is.
    fn probe(&mut self, share: &Share) -> impl Future<Output = Result<Facts, Fault>> + Send;
}

/// The world itself.
#[derive(Debug)]
pub(super) struct Here {
    helper: Option<Client>,
    /// What the share is mounted as.
    id: MountId,
    /// Where it was mounted last; empty before.
    path: PathBuf,
    resolver: Errand<io::Result<Vec<SocketAddr>>>,
    prober: Errand<Result<Facts, Fault>>,
}

impl Here {
    /// The world of a share that is mounted by the helper at `socket`.
    pub fn new(share: &Share, socket: Option<PathBuf>) -> Self {
        let name = format!("share-{}", share.source);
        Self {
            helper: socket.map(|socket| Client::new(socket, MOUNT_LIMIT)),
            path: PathBuf::new(),
            // A word and a number.
            id: name.parse().expect("the name of a mounted place"),
            resolver: Errand::new("share-resolve"),
            prober: Errand::new("share-probe"),
        }
    }
}

impl World for Here {
    fn path(&self) -> &Path {
        &self.path
    }

    async fn reach(
        &mut self,
        share: &Share,
        prefer: Option<SocketAddr>,
    ) -> Result<SocketAddr, Fault> {
        reach(&mut self.resolver, &share.address, prefer).await
    }

    async fn mount(&mut self, share: &Share, at: SocketAddr) -> Result<(), Fault> {
        let (address, login) = (&share.address, &share.login);
        let protocol = match address.protocol() {
            ShareProtocol::Smb => mount::Protocol::Smb,
            ShareProtocol::Nfs => mount::Protocol::Nfs,
        };
        let password = login
            .password
            .as_ref()
            .map(|secret| secret.reveal().to_owned());
        let request = Request::MountShare(ShareRequest {
            id: self.id.clone(),
            protocol,
            server: address.server().to_string(),
            at,
            folder: address.folder().to_owned(),
            user: login.user.clone(),
            domain: login.domain.clone(),
            password: password.map(mount::Secret::new),
        });
        let helper = self.helper.as_ref().ok_or(Fault::NoHelper)?;
        match helper.mount(&request).await {
            Ok(mounted) => {
                self.path = mounted.path;
                Ok(())
            }
            Err(error) => Err(refused(&error, address.protocol())),
        }
    }

    async fn unmount(&mut self, share: &Share) -> Result<(), Fault> {
        let id = self.id.clone();
        let Some(helper) = &self.helper else {
            // Nobody ever mounted anything.
            return Ok(());
        };
        let unmounted = helper.order(&Request::Unmount { id }).await;
        unmounted.map_err(|error| {
            tracing::debug!(share = %self.id, %error, "not unmounted");
            refused(&error, share.address.protocol())
        })
    }

    async fn probe(&mut self, share: &Share) -> Result<Facts, Fault> {
        let (path, protocol) = (self.path.clone(), share.address.protocol());
        let probed = self
            .prober
            .run(probe_limit(protocol), move || look(&path, protocol));
        probed.await.unwrap_or(Err(Fault::Silent))
    }
}

/// What the helper's refusal says.
fn refused(error: &ClientError, protocol: ShareProtocol) -> Fault {
    match error {
        ClientError::Io { error, socket } => {
            tracing::debug!(socket = %socket.display(), %error, "the mount helper is not there");
            Fault::NoHelper
        }
        ClientError::TooSlow { .. } => Fault::Silent,
        ClientError::Refused(Refusal {
            errno: Some(errno), ..
        }) => Fault::of_mount(*errno, protocol),
        ClientError::Refused(refusal) => match refusal.reason {
            Reason::Busy | Reason::TooMany => Fault::Busy,
            _ => Fault::Other(refusal.why.clone()),
        },
    }
}

/// The kernel's numbers for what it mounts (`statfs(2)`, `linux/magic.h`), and its words.
const MAGICS: [(u32, ShareProtocol, &str); 3] = [
    (0xff53_4d42, ShareProtocol::Smb, "cifs"),
    (0xfe53_4d42, ShareProtocol::Smb, "cifs"),
    (0x6969, ShareProtocol::Nfs, "nfs"),
];

/// Looks at a mounted share: asks the server how big it is, which neither client answers from memory, and opens its folder.
/// May block for as long as the kernel's client waits.
pub(super) fn look(path: &Path, protocol: ShareProtocol) -> Result<Facts, Fault> {
    let fault = |error: io::Error| Fault::of_read(&error, protocol);
    let about = statfs(path).map_err(|errno| fault(errno.into()))?;
    // The width of the number differs by machine; its lower half is what counts.
    let magic = about.filesystem_type().0 as u32;
    let known = MAGICS
        .iter()
        .find(|(number, of, _)| *number == magic && *of == protocol);
    // It is not mounted any more: what is seen is the bare folder.
    let (_, _, file_system) = known.ok_or(Fault::Stale)?;
    if let Some(entry) = std::fs::read_dir(path).map_err(fault)?.next() {
        entry.map_err(fault)?;
    }
    let size = about
        .blocks()
        .checked_mul(about.block_size().unsigned_abs());
    Ok(Facts {
        file_system: Some((*file_system).to_owned()),
        size,
        ..Facts::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ShareAddress, ShareLogin, SourceId};

    #[test]
    fn a_refusal_is_said_in_the_shares_words() {
        let refused = |reason, errno| {
            let mut refusal = Refusal::new(reason, "is odd");
            refusal.errno = errno;
            refused(&refusal.into(), ShareProtocol::Smb)
        };
        assert_eq!(
            refused(Reason::Credentials, Some(libc::EACCES)),
            Fault::Login
        );
        assert_eq!(refused(Reason::TooMany, None), Fault::Busy);
        assert_eq!(
            refused(Reason::Internal, None),
            Fault::Other("is odd".to_owned())
        );
    }

    #[tokio::test]
    async fn without_a_helper_it_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let address = ShareAddress::new(ShareProtocol::Nfs, "127.0.0.1", "/films").unwrap();
        let share = Share {
            source: SourceId(7),
            address,
            login: ShareLogin::default(),
        };
        for (socket, unmounted) in [
            (None, Ok(())),
            (Some(dir.path().join("mount.sock")), Err(Fault::NoHelper)),
        ] {
            let mut here = Here::new(&share, socket);
            let at = SocketAddr::from(([127, 0, 0, 1], 2049));
            assert_eq!(here.mount(&share, at).await, Err(Fault::NoHelper));
            assert_eq!(here.unmount(&share).await, unmounted);
            assert_eq!(here.probe(&share).await, Err(Fault::Lost));
        }
    }

    #[test]
    fn a_folder_that_is_no_share_is_not_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        for protocol in [ShareProtocol::Smb, ShareProtocol::Nfs] {
            assert_eq!(look(dir.path(), protocol), Err(Fault::Stale));
        }
        let missing = look(&dir.path().join("missing"), ShareProtocol::Smb);
        assert_eq!(missing, Err(Fault::Lost));
    }
}
