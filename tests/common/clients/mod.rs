//! BitTorrent clients that we did not write, driven through their own interfaces.

pub mod aria2;
pub mod librqbit;
pub mod libtorrent;
pub mod transmission;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::content::{Tree, same};
use super::torrent::Torrent;
use super::wait::wait_for;

/// How long a client may hold finished bytes in a cache of its own.
const FLUSH_BOUND: Duration = Duration::from_secs(15);

/// A way to a content: nothing else is given to a client.
#[derive(Debug, Clone)]
pub enum Link {
    /// A .torrent file.
    Torrent(PathBuf),
    /// A magnet.
    Magnet(String),
}

/// What a client may use of the line, in payload bytes per second; none is unlimited.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    pub down: Option<u32>,
    pub up: Option<u32>,
}

/// How far a client is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Bytes it has and verified.
    pub have: u64,
    /// Bytes of the content; 0 until it knows.
    pub total: u64,
    /// Whether it says it has everything.
    pub complete: bool,
    /// Peers it is connected to.
    pub peers: u64,
    /// Payload bytes it received, what it had to throw away included.
    pub downloaded: u64,
    /// What is wrong, in its own words.
    pub error: Option<String>,
}

/// A running client with one content.
pub trait Client: Send {
    /// Its name.
    fn name(&self) -> &'static str;
    /// How far it is.
    fn progress(&mut self) -> Progress;
    /// Where it puts each file of the torrent, in the torrent's order: clients change names they do not like.
    fn files(&mut self) -> Vec<PathBuf>;
    /// Whether it creates empty files.
    fn makes_empty_files(&self) -> bool {
        true
    }
}

/// The clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Transmission,
    Aria2,
    Libtorrent,
    Librqbit,
}

impl Kind {
    /// Starts one on the content behind `link`, in a temporary folder and on a loopback address of its own.
    pub fn start(self, link: &Link, limits: Limits) -> Box<dyn Client> {
        match self {
            Kind::Transmission => Box::new(transmission::Transmission::start(link, limits)),
            Kind::Aria2 => Box::new(aria2::Aria2::start(link, limits)),
            Kind::Libtorrent => Box::new(libtorrent::Libtorrent::start(link, limits)),
            Kind::Librqbit => Box::new(librqbit::Librqbit::start(link, limits)),
        }
    }
}

/// Waits until the client says it has everything; fails with what it says otherwise.
pub fn wait_complete(client: &mut dyn Client, bound: Duration) -> Progress {
    wait_until(client, bound, "have everything", |progress| {
        progress.complete
    })
}

/// Waits until the client is where `enough` wants it; fails with what it says otherwise.
pub fn wait_until(
    client: &mut dyn Client,
    bound: Duration,
    what: &str,
    enough: impl Fn(&Progress) -> bool,
) -> Progress {
    let deadline = std::time::Instant::now() + bound;
    loop {
        let progress = client.progress();
        if enough(&progress) {
            return progress;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{} does not {what} within {bound:?}: {progress:?}",
            client.name()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Fails unless the client's files hold the bytes of `tree`, file by file of the torrent.
pub fn verify(client: &mut dyn Client, torrent: &Torrent, tree: &Tree) {
    let paths = client.files();
    assert_eq!(
        paths.len(),
        torrent.files.len(),
        "{} sees another number of files",
        client.name()
    );
    for (file, path) in torrent.files.iter().zip(&paths) {
        if file.pad || (file.length == 0 && !client.makes_empty_files()) {
            continue;
        }
        let original = torrent.original(tree, file);
        wait_for(
            &format!(
                "{}: {path:?} holds the bytes of {original:?}",
                client.name()
            ),
            FLUSH_BOUND,
            || same(path, &original).then_some(()),
        );
    }
}

/// `path` as text: the temporary folders of the tests are plain.
fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}
