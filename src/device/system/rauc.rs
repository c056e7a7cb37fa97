//! RAUC: looking at updates, and installing them.
//!
//! `rauc info` checks the signature by itself; `rauc install` asks RAUC's own service over D-Bus, which does it again.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::fcntl::OFlag;
use serde::Deserialize;

use super::fault::Fault;
use super::program;
use super::request::Bundle;
use super::{BUNDLE, MAX_BUNDLE, UPDATES};
use crate::base::beneath;

/// How long a look at an update may take: its end is read, where the signature is.
const LOOK: Duration = Duration::from_secs(60);

/// How long an installation may take: 384 MiB to a card that writes 2 MB/s, read once more, three times over.
const INSTALLATION: Duration = Duration::from_secs(30 * 60);

/// What the boards' names begin with in RAUC's configuration.
const OURS: &str = "semoir-";

/// What `rauc info --output-format=json` says of an update, as far as we care.
#[derive(Debug, Deserialize)]
struct Info {
    compatible: String,
    version: Option<String>,
}

/// Where RAUC is.
#[derive(Debug, Clone)]
pub struct Rauc {
    /// The program.
    pub program: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
}

/// An update that was received, opened.
#[derive(Debug)]
pub struct Received {
    file: File,
    bytes: u64,
}

impl Received {
    /// Opens the one in the data folder of the user with that number. It is his own file and no link to another's, so that he
    /// has nothing opened that he could not open himself.
    pub fn open(data: &Path, owner: u32) -> Result<Self, Fault> {
        let path = data.join(UPDATES).join(BUNDLE);
        // A pipe in its place must not hold us up.
        let file = match beneath::open(data, &path, OFlag::O_NONBLOCK) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Fault::NoUpdate),
            Err(error) => return Err(Fault::Open(error)),
        };
        let about = file.metadata().map_err(Fault::Open)?;
        if !about.is_file() || about.uid() != owner || about.nlink() != 1 {
            return Err(Fault::NotOwn);
        }
        if about.len() > MAX_BUNDLE {
            return Err(Fault::NotABundle);
        }
        Ok(Self {
            bytes: about.len(),
            file,
        })
    }

    /// What another process of root's reads the very file by.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}

impl Rauc {
    /// Looks at an update.
    pub fn inspect(&self, received: &Received) -> Result<Bundle, Fault> {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&self.config);
        command
            .args(["info", "--output-format=json"])
            .arg(received.path());
        let ran = program::run(&mut command, LOOK, |_| ()).map_err(Fault::Program)?;
        if !ran.status.success() {
            return Err(refused(&ran.stderr, Fault::Check));
        }
        // What it prints is one line of JSON, before or after which it may say more.
        let info: Option<Info> = ran
            .stdout
            .lines()
            .find_map(|line| serde_json::from_str(line).ok());
        let info = match info {
            Some(info) => info,
            None => serde_json::from_str(&ran.stdout).map_err(|_| {
                Fault::Check("RAUC's description of it is not understood".to_owned())
            })?,
        };
        let ours = self.compatible()?;
        if info.compatible != ours {
            return Err(Fault::OtherBoard {
                theirs: board(&info.compatible),
                ours: board(&ours),
            });
        }
        Ok(Bundle {
            version: shown(info.version.as_deref().unwrap_or_default()),
            board: board(&ours),
            bytes: received.bytes,
        })
    }

    /// Installs it, and tells how far it is, in hundredths.
    pub fn install(&self, received: &Received, mut far: impl FnMut(u8)) -> Result<(), Fault> {
        let mut command = Command::new(&self.program);
        command.arg("install").arg(received.path());
        let mut last = None;
        let ran = program::run(&mut command, INSTALLATION, |line| {
            if let Some(percent) = percent(line) {
                far(percent);
            } else if let Some(error) = line.trim().strip_prefix("LastError:") {
                last = Some(error.trim().to_owned());
            }
        })
        .map_err(Fault::Program)?;
        if ran.status.success() {
            return Ok(());
        }
        let why = last.filter(|last| !last.is_empty()).unwrap_or(ran.stderr);
        Err(refused(&why, Fault::Install))
    }

    /// What this system calls its board.
    fn compatible(&self) -> Result<String, Fault> {
        let text = fs::read_to_string(&self.config).map_err(Fault::Program)?;
        let named = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("compatible="));
        named
            .map(|name| name.trim().to_owned())
            .ok_or_else(|| Fault::Check("RAUC's configuration does not name the board".to_owned()))
    }
}

/// " 40% Checking bundle done."
fn percent(line: &str) -> Option<u8> {
    let (number, _) = line.trim_start().split_once('%')?;
    number.parse().ok().filter(|percent| *percent <= 100)
}

/// What RAUC complains of, in the owner's words where we know them.
fn refused(said: &str, other: fn(String) -> Fault) -> Fault {
    let complaint = |line: &&str| !line.trim().is_empty() && !line.starts_with("rauc-Message");
    let last = said
        .lines()
        .rfind(complaint)
        .unwrap_or("it does not say why")
        .trim();
    let says = |words: &str| said.contains(words);
    match () {
        () if says("signature verification failed") || says("Signature verification failed") => {
            Fault::Signature
        }
        () if says("Invalid bundle format") || says("nvalid bundle identifier") => {
            Fault::NotABundle
        }
        () if says("Input/output error") || says("failed to verify") || says("Verification") => {
            Fault::Altered
        }
        () => other(shown(last)),
    }
}

/// A text that others wrote, in one line of reasonable length.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MOST).collect()
}

fn board(compatible: &str) -> String {
    shown(compatible.strip_prefix(OURS).unwrap_or(compatible))
}
