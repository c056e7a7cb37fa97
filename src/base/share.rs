//! Where a network share is, and who we are there: checked once, so that neither a mount option nor a path can be made of it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::{Authority, ErrorKind, Host, Kind, Secret};

/// Bytes in a text handed to the kernel's mount interface: `fsconfig(2)` takes 256 with the zero at their end.
pub const MAX_TEXT: usize = 255;

/// Characters in the name of an SMB share ([MS-SMB2] 2.2.9: the tree name without its server).
const MAX_SHARE_NAME: usize = 80;

/// How a share is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShareProtocol {
    /// SMB 2.1 to 3.1.1: Windows, Samba, most network storage.
    Smb,
    /// NFS 3 to 4.2.
    Nfs,
}

impl ShareProtocol {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ShareProtocol::Smb => "smb",
            ShareProtocol::Nfs => "nfs",
        }
    }

    /// The port a server has unless it says otherwise.
    pub const fn port(self) -> u16 {
        match self {
            ShareProtocol::Smb => 445,
            ShareProtocol::Nfs => 2049,
        }
    }
}

impl FromStr for ShareProtocol {
    type Err = BadShare;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "smb" => Ok(ShareProtocol::Smb),
            "nfs" => Ok(ShareProtocol::Nfs),
            _ => Err(BadShare::Protocol),
        }
    }
}

/// Something of a share that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadShare {
    /// No such protocol.
    #[error("a network share is reached by “smb” or “nfs”")]
    Protocol,
    /// The server.
    #[error(
        "the server is a name or an address, with a port if it has one of its own, like nas.local or 192.168.1.7"
    )]
    Server,
    /// No folder is named.
    #[error("name the share, and the folder in it if it is not the whole of it, like media/films")]
    NoFolder,
    /// The folder has something in it that a path cannot have.
    #[error("the folder cannot have “.” or “..” for a part of it, nor control characters")]
    Folder,
    /// The first part of an SMB folder is no name of a share.
    #[error("{0:?} cannot be the name of a share")]
    ShareName(String),
    /// Server and folder together are too long.
    #[error("server and folder together may have {MAX_TEXT} bytes, and these have more")]
    TooLong,
    /// User, domain or password is too long, empty, or has control characters.
    #[error(
        "{0} may have {MAX_TEXT} bytes and no control characters, and cannot be empty when it is given"
    )]
    Login(&'static str),
    /// A password, or a domain, of nobody.
    #[error("a password or a domain needs a user it is of")]
    NobodysPassword,
    /// NFS knows no users and passwords.
    #[error("an NFS server goes by addresses and asks for no user and password; leave them out")]
    NfsLogin,
}

impl Kind for BadShare {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadInput
    }
}

/// Where a share is. Whatever is in here can be handed to the kernel as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShareAddress {
    protocol: ShareProtocol,
    server: Authority,
    /// SMB: the share's name and the folder in it, parted by slashes, with none at either end. NFS: the exported path,
    /// beginning with a slash.
    folder: String,
}

impl ShareAddress {
    /// Reads an address as an owner writes it: with slashes of either sort in SMB paths, and more of them than needed.
    ///
    /// # Errors
    /// When server or folder cannot be; the sentence says what is wrong.
    pub fn new(protocol: ShareProtocol, server: &str, folder: &str) -> Result<Self, BadShare> {
        let mut server = read_server(server.trim())?;
        if server.port == Some(protocol.port()) {
            server.port = None;
        }
        let folder = folder.trim();
        let folder = match protocol {
            ShareProtocol::Smb => read_parts(&folder.replace('\\', "/"))?,
            ShareProtocol::Nfs => format!("/{}", read_parts(folder)?),
        };
        if protocol == ShareProtocol::Smb {
            let share = folder.split('/').next().unwrap_or_default();
            if share.is_empty() {
                return Err(BadShare::NoFolder);
            }
            // What [MS-FSCC] 2.1.6 forbids in the name of a share.
            let odd = |c| "\"|<>+=;:,*?[]".contains(c);
            if share.contains(odd) || share.chars().count() > MAX_SHARE_NAME {
                return Err(BadShare::ShareName(
                    share.chars().take(MAX_SHARE_NAME).collect(),
                ));
            }
        }
        let address = Self {
            protocol,
            server,
            folder,
        };
        match address.device().len() {
            0..=MAX_TEXT => Ok(address),
            _ => Err(BadShare::TooLong),
        }
    }

    /// How it is reached.
    pub fn protocol(&self) -> ShareProtocol {
        self.protocol
    }

    /// The server, with its port when that is not the usual one.
    pub fn server(&self) -> &Authority {
        &self.server
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.server.port.unwrap_or(self.protocol.port())
    }

    /// The folder: SMB `share/folder`, NFS `/export/folder`.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// What the share is known by, however it was written. Names of servers and SMB shares are the same in either case;
    /// folders may not be.
    pub fn key(&self) -> String {
        let (protocol, server) = (self.protocol.as_str(), &self.server);
        match self.protocol {
            ShareProtocol::Smb => {
                let (share, rest) = self
                    .folder
                    .split_at(self.folder.find('/').unwrap_or(self.folder.len()));
                format!("{protocol}://{server}/{}{rest}", share.to_lowercase())
            }
            ShareProtocol::Nfs => format!("{protocol}://{server}{}", self.folder),
        }
    }

    /// What the kernel calls it: `//nas.local/media/films`, `nas.local:/export`.
    pub fn device(&self) -> String {
        let host = &self.server.host;
        match (self.protocol, host) {
            // A path of Windows' cannot have colons in its server: there is a way to write them.
            (ShareProtocol::Smb, Host::Ip(IpAddr::V6(ip))) => {
                let ip = ip.to_string().replace(':', "-");
                format!("//{ip}.ipv6-literal.net/{}", self.folder)
            }
            (ShareProtocol::Smb, _) => format!("//{host}/{}", self.folder),
            (ShareProtocol::Nfs, _) => format!("{host}:{}", self.folder),
        }
    }
}

impl fmt::Display for ShareAddress {
    /// As its owner reads it: `nas.local/media/films`, `nas.local:/export`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            ShareProtocol::Smb => write!(f, "{}/{}", self.server, self.folder),
            ShareProtocol::Nfs => write!(f, "{}:{}", self.server, self.folder),
        }
    }
}

fn read_server(text: &str) -> Result<Authority, BadShare> {
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        let host = Host::Ip(IpAddr::V6(ip));
        return Ok(Authority { host, port: None });
    }
    text.parse().map_err(|_| BadShare::Server)
}

/// The parts of a path with one slash between them, and none around.
fn read_parts(text: &str) -> Result<String, BadShare> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    let is_odd = |part: &&str| matches!(*part, "." | "..") || part.contains(char::is_control);
    if parts.iter().any(is_odd) {
        return Err(BadShare::Folder);
    }
    Ok(parts.join("/"))
}

/// Who we are at an SMB server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareLogin {
    /// The user; none is a guest.
    pub user: Option<String>,
    /// The Windows domain of the user; none is none.
    pub domain: Option<String>,
    /// The user's password; none is an empty one.
    pub password: Option<Secret>,
}

impl ShareLogin {
    /// Looks whether it can be handed to the kernel for a server of that protocol.
    ///
    /// # Errors
    /// When it cannot; the sentence says what is wrong.
    pub fn check(&self, protocol: ShareProtocol) -> Result<(), BadShare> {
        let password = self.password.as_ref().map(Secret::reveal);
        let (user, domain) = (self.user.as_deref(), self.domain.as_deref());
        if protocol == ShareProtocol::Nfs
            && (user.is_some() || domain.is_some() || password.is_some())
        {
            return Err(BadShare::NfsLogin);
        }
        if user.is_none() && (domain.is_some() || password.is_some()) {
            return Err(BadShare::NobodysPassword);
        }
        for (what, text) in [
            ("the user", user),
            ("the domain", domain),
            ("the password", password),
        ] {
            let is_bad = |text: &str| {
                text.is_empty() || text.len() > MAX_TEXT || text.contains(char::is_control)
            };
            if text.is_some_and(is_bad) {
                return Err(BadShare::Login(what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ShareProtocol::{Nfs, Smb};

    fn read(protocol: ShareProtocol, server: &str, folder: &str) -> Result<ShareAddress, BadShare> {
        ShareAddress::new(protocol, server, folder)
    }

    #[test]
    fn a_share_is_known_however_it_is_written() {
        for (protocol, server, folder, shown, key, device) in [
            (
                Smb,
                "NAS.local.",
                "\\Media\\Films\\",
                "nas.local/Media/Films",
                "smb://nas.local/media/Films",
                "//nas.local/Media/Films",
            ),
            (
                Smb,
                " nas:445 ",
                "/Media//Films",
                "nas/Media/Films",
                "smb://nas/media/Films",
                "//nas/Media/Films",
            ),
            (
                Smb,
                "192.168.1.7:4450",
                "Années 80",
                "192.168.1.7:4450/Années 80",
                "smb://192.168.1.7:4450/années 80",
                "//192.168.1.7/Années 80",
            ),
            (Smb, "fd00::7", "a,b", "", "", ""),
            (
                Smb,
                "fd00::7",
                "a/b,c=d",
                "[fd00::7]/a/b,c=d",
                "smb://[fd00::7]/a/b,c=d",
                "//fd00--7.ipv6-literal.net/a/b,c=d",
            ),
            (
                Nfs,
                "nas",
                "export/Films",
                "nas:/export/Films",
                "nfs://nas/export/Films",
                "nas:/export/Films",
            ),
            (
                Nfs,
                "[fd00::7]:2049",
                "//",
                "[fd00::7]:/",
                "nfs://[fd00::7]/",
                "[fd00::7]:/",
            ),
        ] {
            let address = read(protocol, server, folder);
            let Ok(address) = address else {
                assert_eq!(shown, "", "{server} {folder}");
                continue;
            };
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.key(), key);
            assert_eq!(address.device(), device);
            let again = read(protocol, &address.server().to_string(), address.folder());
            assert_eq!(again, Ok(address), "what is kept reads as itself");
        }
    }

    #[test]
    fn nothing_else_gets_in() {
        let long = "x".repeat(MAX_TEXT);
        for (server, folder) in [
            ("", "a"),
            ("nas,ip=1.2.3.4", "a"),
            ("nas/evil", "a"),
            ("nas:0", "a"),
            ("nas:65536", "a"),
            ("na\0s", "a"),
            ("nas\n", "a\nb"),
            ("-nas", "a"),
            ("nas", ""),
            ("nas", "/"),
            ("nas", "../etc"),
            ("nas", "a/../../b"),
            ("nas", "a/./b"),
            ("nas", "a\0b"),
            ("nas", "a\tb"),
            ("nas", "a*b"),
            ("nas", "ipc$:x"),
            ("nas", &long),
            (&format!("{}.x", "a".repeat(60)), &long[..200]),
        ] {
            let error = read(Smb, server, folder).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadInput, "{server:?} {folder:?}");
        }
        assert!(read(Nfs, "nas", "/a/../b").is_err());
        assert!(read(Nfs, "nas", "/a\u{1b}[b").is_err());
        assert!("cifs".parse::<ShareProtocol>().is_err());
    }

    #[test]
    fn a_login_is_whole_and_plain() {
        let login = |user: &str, domain: &str, password: &str| {
            let some = |text: &str| (text != "-").then(|| text.to_owned());
            ShareLogin {
                user: some(user),
                domain: some(domain),
                password: some(password).map(Secret::new),
            }
        };
        let long = "p".repeat(MAX_TEXT + 1);
        for good in [
            ("-", "-", "-"),
            ("mia", "-", "-"),
            ("mia", "HOME", "a,b=c, d\"\\é"),
        ] {
            assert_eq!(login(good.0, good.1, good.2).check(Smb), Ok(()), "{good:?}");
        }
        for bad in [
            ("", "-", "-"),
            ("mia", "", "x"),
            ("mia", "-", ""),
            ("-", "-", "x"),
            ("-", "HOME", "-"),
            ("mi\na", "-", "-"),
            ("mia", "-", "a\0b"),
            ("mia", "-", &long),
        ] {
            assert!(login(bad.0, bad.1, bad.2).check(Smb).is_err(), "{bad:?}");
        }
        assert_eq!(login("mia", "-", "-").check(Nfs), Err(BadShare::NfsLogin));
        assert_eq!(ShareLogin::default().check(Nfs), Ok(()));
    }
}
