//! What the daemon needs before its database is open: paths, ports, flags.
//!
//! A TOML file, overridden by the command line. Unknown keys are refused: a typing error must not go unnoticed.
//! Everything the owner changes later is in the database, not here.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::base::error::io_kind;
use crate::base::{ErrorKind, Kind};

/// Where the owner's page is served by default: this computer only. The image's configuration says otherwise.
pub const DEFAULT_ADMIN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The public page and the tracker.
pub const DEFAULT_PUBLIC: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 6880);
/// Peers' connections.
pub const DEFAULT_PEER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 6881);
/// State, unless said otherwise: below where we were started.
const DEFAULT_DATA: &str = "var";

/// What the daemon is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the database and the uploads are.
    pub data: PathBuf,
    /// Folders whose top-level entries are shared.
    pub sources: Vec<PathBuf>,
    /// The owner's page.
    pub admin: SocketAddr,
    /// The public page and the tracker.
    pub public: SocketAddr,
    /// Peers' connections.
    pub peer: SocketAddr,
    /// Names by which the owner's page may be opened, besides addresses, `localhost` and names in `.local`: others could be
    /// made to lead here by whoever owns them (DNS rebinding).
    pub host_names: Vec<String>,
    /// A file with the owner's password, for boxes that are set up before they start; read once, when unclaimed.
    pub owner_password_file: Option<PathBuf>,
    /// A file with the hash of the owner's password, which is taken up when the box is unclaimed, and deleted.
    pub owner_hash_file: Option<PathBuf>,
    /// Where the setup code is left for who shows it, while the box is unclaimed.
    pub setup_code_file: Option<PathBuf>,
    /// The socket of the mount helper, by which drives and network shares are mounted. Without it, drives are used that others
    /// have mounted, as desktops do.
    pub mount_helper: Option<PathBuf>,
    /// The socket of the system helper, by which the system is updated and ended; the box is a whole system where it is there.
    pub system_helper: Option<PathBuf>,
    /// No DHT, LSD, UPnP, and no tracker but loopback's.
    pub offline: bool,
}

/// The same, with everything optional: the file's keys, or the command line's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Partial {
    /// See [`Config::data`].
    pub data: Option<PathBuf>,
    /// See [`Config::sources`].
    #[serde(default)]
    pub sources: Vec<PathBuf>,
    /// See [`Config::admin`].
    pub admin: Option<SocketAddr>,
    /// See [`Config::public`].
    pub public: Option<SocketAddr>,
    /// See [`Config::peer`].
    pub peer: Option<SocketAddr>,
    /// See [`Config::host_names`].
    #[serde(default)]
    pub host_names: Vec<String>,
    /// See [`Config::owner_password_file`].
    pub owner_password_file: Option<PathBuf>,
    /// See [`Config::owner_hash_file`].
    pub owner_hash_file: Option<PathBuf>,
    /// See [`Config::setup_code_file`].
    pub setup_code_file: Option<PathBuf>,
    /// See [`Config::mount_helper`].
    pub mount_helper: Option<PathBuf>,
    /// See [`Config::system_helper`].
    pub system_helper: Option<PathBuf>,
    /// See [`Config::offline`].
    pub offline: Option<bool>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration {} cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file says something we do not understand.
    #[error("the configuration {} is not understood: {error}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        error: Box<toml::de::Error>,
    },
}

impl Kind for ConfigError {
    fn kind(&self) -> ErrorKind {
        match self {
            ConfigError::Read { error, .. } => io_kind(error),
            ConfigError::Parse { .. } => ErrorKind::BadInput,
        }
    }
}

impl Partial {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or has a key we do not know.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
            path: path.to_owned(),
            error,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            error: Box::new(error),
        })
    }

    /// These values where they are given, and `below` where not; folders and names of both.
    pub fn over(mut self, below: Partial) -> Partial {
        self.sources.extend(below.sources);
        self.host_names.extend(below.host_names);
        Partial {
            data: self.data.or(below.data),
            sources: self.sources,
            admin: self.admin.or(below.admin),
            public: self.public.or(below.public),
            peer: self.peer.or(below.peer),
            host_names: self.host_names,
            owner_password_file: self.owner_password_file.or(below.owner_password_file),
            owner_hash_file: self.owner_hash_file.or(below.owner_hash_file),
            setup_code_file: self.setup_code_file.or(below.setup_code_file),
            mount_helper: self.mount_helper.or(below.mount_helper),
            system_helper: self.system_helper.or(below.system_helper),
            offline: self.offline.or(below.offline),
        }
    }

    /// With the defaults for what is not given.
    pub fn complete(self) -> Config {
        Config {
            data: self.data.unwrap_or_else(|| DEFAULT_DATA.into()),
            sources: self.sources,
            admin: self.admin.unwrap_or(DEFAULT_ADMIN),
            public: self.public.unwrap_or(DEFAULT_PUBLIC),
            peer: self.peer.unwrap_or(DEFAULT_PEER),
            host_names: self.host_names,
            owner_password_file: self.owner_password_file,
            owner_hash_file: self.owner_hash_file,
            setup_code_file: self.setup_code_file,
            mount_helper: self.mount_helper,
            system_helper: self.system_helper,
            offline: self.offline.unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Partial, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("semoir.toml");
        std::fs::write(&path, text).unwrap();
        Partial::read(&path)
    }

    #[test]
    fn the_command_line_wins_and_folders_add_up() {
        let file =
            read("data = '/srv'\nadmin = '0.0.0.0:80'\nsources = ['/media/a']\nhost-names = ['box.lan']\nmount-helper = '/run/m'\noffline = true")
                .unwrap();
        let flags = Partial {
            admin: Some(DEFAULT_ADMIN),
            sources: vec!["/media/b".into()],
            ..Partial::default()
        };
        let config = flags.over(file).complete();
        assert_eq!(config.admin, DEFAULT_ADMIN);
        assert_eq!(config.data, PathBuf::from("/srv"));
        assert_eq!(
            config.sources,
            [PathBuf::from("/media/b"), "/media/a".into()]
        );
        assert_eq!(config.host_names, ["box.lan"]);
        assert_eq!(config.peer, DEFAULT_PEER);
        assert_eq!(config.mount_helper, Some("/run/m".into()));
        assert!(config.offline);
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        let error = read("datta = '/srv'").unwrap_err();
        assert!(error.to_string().contains("datta"), "{error}");
        assert_eq!(error.kind(), ErrorKind::BadInput);
        let missing = Partial::read(Path::new("/nonexistent/semoir.toml")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
