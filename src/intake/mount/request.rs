//! What the daemon may ask of the mount helper, and what it answers.
//!
//! On the socket (a stream) each is one frame: four bytes of length, the highest first, and so many bytes of JSON, such as
//!
//! ```text
//! {"mount-drive": {"device": "8:17"}}
//! {"mounted": {"id": "ext4-0a1b…", "path": "/run/semoir/mounts/ext4-0a1b…"}}
//! {"refused": {"reason": "damaged", "why": "has a damaged file system"}}
//! ```
//!
//! Unknown requests and fields are refused.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::{ErrorKind, Kind};
use crate::intake::drives::DeviceNumber;

/// The longest [`MountId`], in bytes: a file's name may have 255.
pub const MAX_ID: usize = 128;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Mount the file system on a drive. Answered by [`Answer::Mounted`], also when it was mounted already. The helper that
    /// writes mounts those that were formatted for uploads, the everyday one all others ([`Reason::ForUploads`]).
    MountDrive {
        /// The partition, or the disk when it has none.
        device: DeviceNumber,
    },
    /// Mount a folder of another machine. Answered by [`Answer::Mounted`].
    MountShare(ShareRequest),
    /// Unmount. Of a drive that was pulled, or a server that is away, also while files in it are open. Answered by
    /// [`Answer::Done`], also when nothing is mounted.
    Unmount {
        /// What is mounted.
        id: MountId,
    },
    /// Note that the owner wants a drive used that is built in. What holds the system is refused all the same. Answered
    /// by [`Answer::Done`].
    Approve {
        /// The drive's key.
        key: MountId,
    },
    /// Note that he does not any more. Answered by [`Answer::Done`].
    Withdraw {
        /// The drive's key.
        key: MountId,
    },
    /// Empty a drive and make it one for uploads: the only drives that are ever written to. Asked of the helper that writes;
    /// answered by [`Answer::Formatted`]; it takes a while.
    Format(FormatRequest),
}

/// A drive to be emptied, and made one for uploads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FormatRequest {
    /// What it is known by now.
    pub key: MountId,
    /// What it is to be called: 1 to 16 bytes, no control characters.
    pub label: String,
    /// Whether its owner was told that it holds files, or something that is not known, and wants it emptied all the same.
    #[serde(default)]
    pub with_files: bool,
    /// Whether its owner was told that it is in use by this box, and wants it emptied all the same.
    #[serde(default)]
    pub in_use: bool,
}

/// A folder of another machine to mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ShareRequest {
    /// What it is mounted as. Must begin with `share-`, so that it cannot be taken for a drive.
    pub id: MountId,
    /// How the other machine is spoken to.
    pub protocol: Protocol,
    /// Its name or address, with its port if that is not the usual one.
    pub server: String,
    /// Where it took a connection a moment ago: whoever asks finds and greets it, so that the helper asks no name server
    /// and waits for no machine that is switched off.
    pub at: SocketAddr,
    /// The share's name and the folder in it (SMB), or the exported folder (NFS).
    pub folder: String,
    /// Who we are there; nobody in particular when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's domain or workgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// How another machine is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// SMB 2 or 3.
    Smb,
    /// NFS 3 or 4.
    Nfs,
}

/// A password. Is in no log: its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a password.
    pub fn new(password: String) -> Self {
        Self(password)
    }

    /// The password itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// It is mounted.
    Mounted(Mounted),
    /// It is empty, and for uploads.
    Formatted(Formatted),
    /// It is done.
    Done,
    /// It is not.
    Refused(Refusal),
}

/// Something that is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mounted {
    /// What to say to have it unmounted; of a drive, its key.
    pub id: MountId,
    /// Where; absolute.
    pub path: PathBuf,
    /// What the owner should know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether it may be written to: it was formatted here, for uploads.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
}

/// A drive that was emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Formatted {
    /// What it is known by from now on.
    pub key: MountId,
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[error("{why}")]
pub struct Refusal {
    /// For the program that asked.
    pub reason: Reason,
    /// For the owner: what is to be said of the drive or the share, to follow "it" and without a full stop
    /// ("has a damaged file system").
    pub why: String,
    /// The kernel's number (`errno`), where it was the kernel that refused a share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
}

impl Refusal {
    /// A refusal.
    pub fn new(reason: Reason, why: impl Into<String>) -> Self {
        Self {
            reason,
            why: why.into(),
            errno: None,
        }
    }
}

impl Kind for Refusal {
    fn kind(&self) -> ErrorKind {
        match self.reason {
            Reason::Malformed | Reason::Unsupported => ErrorKind::BadInput,
            Reason::NotFound => ErrorKind::NotFound,
            Reason::System | Reason::NotApproved | Reason::NotAllowed => ErrorKind::Forbidden,
            Reason::Credentials => ErrorKind::Unauthorized,
            Reason::Busy | Reason::HoldsFiles | Reason::ForUploads => ErrorKind::Conflict,
            Reason::TooMany => ErrorKind::TooMany,
            Reason::Damaged | Reason::Unreachable => ErrorKind::Unavailable,
            Reason::Internal => ErrorKind::Internal,
        }
    }
}

/// The sorts of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The request is not understood.
    Malformed,
    /// Who asked may not.
    NotAllowed,
    /// There is no such device, or nothing of that name on the server.
    NotFound,
    /// It holds this machine's system, or is in use by it. Never to be had.
    System,
    /// It is built in, and the owner did not approve it.
    NotApproved,
    /// Encrypted, part of a group of disks, of a file system that is not known, or of a dialect that is not.
    Unsupported,
    /// The file system is damaged, or the drive cannot be read.
    Damaged,
    /// Another one of the same key is mounted, or it is being worked on, or files in it are open.
    Busy,
    /// There are files on it, or something that is not known, and nobody said that they may go.
    HoldsFiles,
    /// It was formatted for uploads: ask the helper that writes.
    ForUploads,
    /// Too much is asked at once; ask again later.
    TooMany,
    /// The server does not know the user, or not with this password, or lets him not in.
    Credentials,
    /// The server is not there, or does not answer.
    Unreachable,
    /// The helper itself cannot do what it should.
    Internal,
}

/// The name of a mounted place, which is also its folder's: letters, digits, `-`, `_` and `.`, the first a letter or digit,
/// at most [`MAX_ID`] bytes. Of a drive it is the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MountId(String);

/// Not a [`MountId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a mounted place")]
pub struct BadMountId(pub String);

impl MountId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MountId {
    type Err = BadMountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for MountId {
    type Error = BadMountId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let first = text.bytes().next();
        let fine = first.is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text.len() <= MAX_ID
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if fine {
            Ok(Self(text))
        } else {
            Err(BadMountId(text))
        }
    }
}

impl From<MountId> for String {
    fn from(id: MountId) -> Self {
        id.0
    }
}

impl fmt::Display for MountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn requests_read_back_as_they_are_documented() {
        let mount = read(r#"{"mount-drive": {"device": "8:17"}}"#).unwrap();
        let device = DeviceNumber {
            major: 8,
            minor: 17,
        };
        assert_eq!(mount, Request::MountDrive { device });
        let share = ShareRequest {
            id: "share-1".parse().unwrap(),
            protocol: Protocol::Smb,
            server: "nas".to_owned(),
            at: "192.168.1.7:445".parse().unwrap(),
            folder: "films/new".to_owned(),
            user: Some("ada".to_owned()),
            domain: None,
            password: Some(Secret::new("pässword".to_owned())),
        };
        for request in [
            mount,
            Request::MountShare(share),
            Request::Unmount {
                id: "a".parse().unwrap(),
            },
            Request::Approve {
                key: "b".parse().unwrap(),
            },
            Request::Withdraw {
                key: "b".parse().unwrap(),
            },
            Request::Format(FormatRequest {
                key: "b".parse().unwrap(),
                label: "Été".to_owned(),
                with_files: true,
                in_use: false,
            }),
        ] {
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(read(&text).unwrap(), request, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [
            r#"{"mount-drive": {"device": "8:17", "options": "rw"}}"#,
            r#"{"mount-drive": {"device": "/dev/sda1"}}"#,
            r#"{"mount-drive": {"device": "8:17"}, "unmount": {"id": "a"}}"#,
            r#"{"mount-share": {"id": "share-1", "protocol": "smb", "server": "a", "at": "1.1.1.1:1", "folder": "b", "more": 1}}"#,
            r#"{"mount-share": {"id": "share-1", "protocol": "ftp", "server": "a", "at": "1.1.1.1:1", "folder": "b"}}"#,
            r#"{"mount-share": {"id": "share-1", "protocol": "smb", "server": "a", "at": "a:1", "folder": "b"}}"#,
            r#"{"unmount": {"id": "../etc"}}"#,
            r#"{"halt": {}}"#,
            r#""mount-drive""#,
            "[]",
            "",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_frame_that_is_not_understood_says_no_password() {
        let body =
            br#"{"mount-share": {"id": "share-1", "password": "hunter2", "protocol": "hunter2"}}"#;
        let error = crate::base::frame::decode::<Request>(body).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_folder() {
        let long = "a".repeat(MAX_ID);
        for name in ["a", "ext4-0A_b.c", long.as_str()] {
            assert_eq!(name.parse::<MountId>().unwrap().as_str(), name);
        }
        for name in [
            "",
            ".",
            "..",
            ".a",
            "-a",
            "a/b",
            "a\0",
            "a b",
            "é",
            &"a".repeat(MAX_ID + 1),
        ] {
            assert!(name.parse::<MountId>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let secret = Secret::new("hunter2".to_owned());
        assert!(!format!("{secret:?}").contains("hunter"));
        assert_eq!(secret.reveal(), "hunter2");
    }
}
