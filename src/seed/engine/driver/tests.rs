use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::base::{Content, ContentFile, FileIdentity};
use crate::policy::offer::GHOST_LIFE;
use crate::seed::engine::Report;
use crate::seed::engine::resting::{Shelf, Source};
use crate::seed::found::{Found, Witness};
use crate::seed::listener;
use crate::seed::wire::{BLOCK_LENGTH, Greeting, handshake};

mod generosity;
mod looks;
mod metadata;
mod news;
mod peers;
mod pieces;
mod rest;
mod uplink;

/// Longer than a swarm that nobody remembers anything of is kept.
const A_WHILE: Duration = Duration::from_secs(61);
/// What should come has come by then.
const BOUND: Duration = Duration::from_secs(20);
/// The torrent of these tests has two pieces of one block each.
const PIECES: u32 = 2;

/// One torrent for any name; every other reading fails when it is `unsound`.
#[derive(Debug)]
struct TestShelf {
    root: std::path::PathBuf,
    readings: AtomicUsize,
    unsound: bool,
}

impl Shelf for TestShelf {
    fn read(&self, info_hash: InfoHash) -> Result<Torrent, ShelfError> {
        let reading = self.readings.fetch_add(1, Ordering::SeqCst);
        if self.unsound && reading.is_multiple_of(2) {
            return Err("the shelf is unsound".into());
        }
        Ok(torrent(info_hash, &self.root))
    }
}

fn torrent(info_hash: InfoHash, root: &Path) -> Torrent {
    let identity = std::fs::metadata(root).map(|metadata| FileIdentity::of(&metadata));
    let content = Content {
        root: root.to_owned(),
        files: vec![ContentFile {
            path: "".into(),
            length: u64::from(PIECES * BLOCK_LENGTH),
            identity: identity.ok(),
        }],
    };
    let info = match info_hash {
        metadata::LONG => vec![b'x'; metadata::LENGTH].into(),
        _ => bytes::Bytes::from_static(b"d4:name1:xe"),
    };
    Torrent::new(info_hash, info, BLOCK_LENGTH, content, false)
}

fn hash(n: u16) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    InfoHash(bytes)
}

struct Bench {
    driver: Driver,
    shelf: Arc<TestShelf>,
    from_peers: mpsc::Receiver<FromPeer>,
    coming_back: mpsc::UnboundedReceiver<Back>,
    door: TcpListener,
    /// Where the next peers seem to come from, if not from where they do.
    from: Option<SocketAddr>,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new(unsound: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("x");
        std::fs::write(&root, vec![7; (PIECES * BLOCK_LENGTH) as usize]).unwrap();
        let mut driver = Driver::new([b's'; 20], None, &EngineConfig::default(), Known::default());
        Self {
            from_peers: driver.from_peers.take().unwrap(),
            coming_back: driver.coming_back.take().unwrap(),
            driver,
            shelf: Arc::new(TestShelf {
                root,
                readings: AtomicUsize::new(0),
                unsound,
            }),
            door: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
            from: None,
            _dir: dir,
        }
    }

    fn add(&mut self, hash: InfoHash) {
        let source = Source::Shelved(self.shelf.clone());
        self.driver.add(hash, Resting::new(source, 0, false));
    }

    /// Somebody comes and shakes hands; the other end is returned.
    async fn come(&mut self, info_hash: InfoHash) -> TcpStream {
        self.meet(info_hash, rand::random(), false).await
    }

    /// A connection between a peer of this name and us is made, by it or by us; its other end is returned.
    async fn meet(&mut self, info_hash: InfoHash, peer_id: [u8; 20], outgoing: bool) -> TcpStream {
        let peer = TcpStream::connect(self.door.local_addr().unwrap()).await;
        let (stream, addr) = self.door.accept().await.unwrap();
        self.driver.newcomer(Greeted {
            stream: Arc::new(stream),
            addr: self.from.unwrap_or(addr),
            outgoing,
            greeting: Greeting {
                info_hash,
                peer_id,
                extended: true,
            },
        });
        peer.unwrap()
    }

    /// Runs the engine's loop until something is so.
    async fn until(&mut self, what: &str, mut so: impl FnMut(&Driver) -> bool) {
        let end = Instant::now() + BOUND;
        while !so(&self.driver) {
            assert!(Instant::now() < end, "not within {BOUND:?}: {what}");
            let heard = async {
                tokio::select! {
                    Some((hash, peer, report)) = self.from_peers.recv() => {
                        self.driver.heard_from(hash, peer, report);
                        hash
                    }
                    Some(back) = self.coming_back.recv() => self.driver.came_back(back),
                }
            };
            if let Ok(hash) = timeout(Duration::from_millis(20), heard).await {
                self.driver.act(hash);
            }
            self.driver.pump();
        }
    }

    /// Runs the loop while a peer does something.
    async fn during<T: Send + 'static>(
        &mut self,
        peer: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let peer = tokio::spawn(peer);
        self.until("the peer is done", |_| peer.is_finished()).await;
        peer.await.unwrap()
    }

    /// Everybody has left, and time passes.
    async fn deserted_for(&mut self, hash: InfoHash, time: Duration) {
        self.until("they left", |driver| {
            driver.seedings[&hash].links.is_empty()
        })
        .await;
        let now = Instant::now();
        self.driver.put_to_rest(now);
        assert!(self.driver.seedings.contains_key(&hash), "it rests at once");
        self.driver.put_to_rest(now + time);
    }

    fn reported(&self, hash: InfoHash) -> crate::seed::engine::TorrentReport {
        let mut torrents = self.driver.report().torrents.into_iter();
        torrents.find(|torrent| torrent.info_hash == hash).unwrap()
    }

    fn news(&mut self) -> Report {
        let (reply, mut answer) = oneshot::channel();
        self.driver.order(Order::News(reply));
        answer.try_recv().unwrap()
    }

    /// The torrents in the news.
    fn told(&mut self) -> Vec<InfoHash> {
        let torrents = self.news().torrents;
        let mut hashes: Vec<_> = torrents.iter().map(|t| t.info_hash).collect();
        hashes.sort();
        hashes
    }

    fn readings(&self) -> usize {
        self.shelf.readings.load(Ordering::SeqCst)
    }
}

/// Reads messages until one with this id comes; returns its body.
async fn hear(peer: &mut TcpStream, id: u8) -> std::io::Result<Vec<u8>> {
    loop {
        let length = peer.read_u32().await?;
        let mut message = vec![0; length as usize];
        peer.read_exact(&mut message).await?;
        if message.first() == Some(&id) {
            return Ok(message.split_off(1));
        }
    }
}

async fn say(peer: &mut TcpStream, id: u8, body: &[u8]) {
    let length = body.len() as u32 + 1;
    let message = [&length.to_be_bytes()[..], &[id], body].concat();
    peer.write_all(&message).await.unwrap();
}

/// Takes up one offer and hangs up.
async fn get_a_piece(mut peer: TcpStream) -> Vec<u8> {
    let piece = hear(&mut peer, 4).await.unwrap();
    say(&mut peer, 2, &[]).await;
    let block = [&piece[..], &[0; 4], &BLOCK_LENGTH.to_be_bytes()].concat();
    say(&mut peer, 6, &block).await;
    hear(&mut peer, 7).await.unwrap().split_off(8)
}
